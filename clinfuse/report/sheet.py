"""Contact sheets: every prepared input of a cohort, the suspicious first, by key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.shown import withheld
from clinfuse.evaluation.quality import ColumnView, Suspect, columns, suspects, usual_remarks
from clinfuse.report.canvas import Picture
from clinfuse.report.html import render, write_text
from clinfuse.report.thumbnails import thumbnail

PER_PAGE = 60
_ORDER = (
    "In the order of suspicion: refused (1000), the same content under another patient (100), what was remarked of it "
    "(the rarer, the more: each code counts its rarity in bits, what all have counts nothing), a summary feature far "
    "from the others (its distance in robust standard deviations, at most 9); equal ones by key."
)
_USUAL = "Remarked of more than half of them, and so no reason to look at one: {}."


@final
@dataclass(frozen=True)
class _Tile:
    key: str
    pictures: tuple[Picture, ...]
    words: str
    reasons: tuple[str, ...]


@final
@dataclass(frozen=True)
class _Bar:
    positive: float
    other: float


@final
@dataclass(frozen=True)
class _Histogram:
    view: ColumnView
    bars: tuple[_Bar, ...]


@final
@dataclass(frozen=True)
class Sheet:
    """One page of pictures.

    Parameters
    ----------
    file : str
        Its name.
    title : str
    inputs, suspicious : int
        How many it shows, and how many of them for a reason.
    """

    file: str
    title: str
    inputs: int
    suspicious: int


def write_sheets(cohort: Cohort, folder: Path) -> tuple[Sheet, ...]:
    """Write the contact sheets of a cohort: pages of at most 60 inputs for each modality, one for all columns.

    A volume is shown by its middle slices in three planes, an X-ray where nothing says that text is burned in, a
    recording by ten seconds, a column by its histogram. There is no id, no date and no 3-D view of a head.

    Parameters
    ----------
    cohort : Cohort
    folder : Path

    Returns
    -------
    tuple of Sheet

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    made: list[Sheet] = []
    for modality in cohort.modalities:
        if modality.kind != "ehr":
            made += _pages(cohort, modality.name, folder)
    views = columns(cohort)
    if views:
        shown = [_histogram(view) for view in views]
        write_text(folder / "sheet-columns.html", render("columns.html", columns=shown, classes=_classes(cohort)))
        telling = sum(not math.isnan(view.label.value) and view.label.value >= 0.95 for view in views)
        made.append(Sheet("sheet-columns.html", "columns of tables", len(views), telling))
    return tuple(made)


def _classes(cohort: Cohort) -> tuple[str, ...]:
    return (str(cohort.classes[-1]), "others") if cohort.task == "binary" else ("", "records")


def _pages(cohort: Cohort, name: str, folder: Path) -> list[Sheet]:
    found = suspects(cohort, name)
    parts = [found[start : start + PER_PAGE] for start in range(0, len(found), PER_PAGE)]
    files = [f"sheet-{name}-{number + 1}.html" for number in range(len(parts))]
    usual = ", ".join(f"{code} ({share:.0%})".replace("%", " %") for code, share in usual_remarks(cohort, name).items())
    order = f"{_ORDER} {_USUAL.format(usual)}" if usual else _ORDER
    made = []
    for number, part in enumerate(parts):
        title = f"{name}, page {number + 1} of {len(parts)}" if len(parts) > 1 else name
        page = render(
            "sheet.html",
            title=title,
            order=order,
            kind=cohort.modality(name).kind,
            tiles=_tiles(cohort, name, part),
            files=files,
            number=number,
        )
        write_text(folder / files[number], page)
        made.append(Sheet(files[number], title, len(part), sum(bool(one.reasons) for one in part)))
    return made


def _tiles(cohort: Cohort, name: str, found: Sequence[Suspect]) -> list[_Tile]:
    modality, values = cohort.modality(name), cohort.arrays(name)
    here = np.asarray(cohort.present)[:, cohort.names.index(name)]
    covered = cohort.window_mask(name) if modality.windowed else None
    entries = [entry for entry in cohort.ledger.entries if entry.source == name and entry.key]
    tiles = []
    for one in found:
        hidden = withheld(entries, name, one.key) if modality.kind == "xray" else ""
        shown = here[one.row] and not hidden
        mask = None if covered is None else covered[one.row]
        pictures = (thumbnail(modality, values[one.row], mask),) if shown else ()
        words = hidden if hidden else "" if here[one.row] else "Not used."
        tiles.append(_Tile(one.key, pictures, words, one.reasons))
    return tiles


def _histogram(view: ColumnView) -> _Histogram:
    highest = max((one + other for one, other in view.bars), default=0) or 1
    return _Histogram(view, tuple(_Bar(100 * one / highest, 100 * other / highest) for one, other in view.bars))
