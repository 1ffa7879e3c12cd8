"""What the study page says of groups of patients: a forest plot for each column, and the gaps in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from clinfuse.report import figures
from clinfuse.report.calling import called_from
from clinfuse.report.canvas import Picture
from clinfuse.report.tables import Frame, frame_of
from clinfuse.report.typeset import true_minus


@final
@dataclass(frozen=True, eq=False)
class GroupSection:
    """What is shown of one model in groups of patients.

    Parameters
    ----------
    model, caption : str
    pictures : tuple of Picture
    lines : tuple of str
    """

    model: str
    caption: str
    pictures: tuple[Picture, ...]
    lines: tuple[str, ...]


def group_sections(found: Sequence[Any]) -> tuple[GroupSection, ...]:
    """Give the sections of the page, one for each model."""
    return tuple(
        GroupSection(
            one.model,
            f"Held-out records of groups that may be shown; AUROC with 95 % patient-bootstrap intervals. Sensitivity "
            f"and specificity, under Tables, are of records called {called_from(one.threshold)}.",
            tuple(_forest(one, name) for name in dict.fromkeys(group.column for group in one.groups[1:])),
            tuple(true_minus(line) for line in one.sentences),
        )
        for one in found
    )


def group_tables(found: Sequence[Any]) -> list[tuple[str, Frame]]:
    """Give the tables of the page with their captions."""
    tables = []
    for one in found:
        tables.append((f"Groups of patients ({one.model})", frame_of(one.table())))
        if one.gaps:
            tables.append((f"Gaps between groups ({one.model})", frame_of(one.gap_table())))
    return tables


def _forest(found: Any, column: str) -> Picture:
    rows = []
    for group in found.groups:
        if group is found.groups[0] or group.column == column:
            area = group.estimates.get("auroc")
            value, low, high = (math.nan,) * 3 if area is None else (area.value, area.low, area.high)
            rows.append(
                figures.Estimate(
                    _name(group),
                    value,
                    low,
                    high,
                    note=str(group.patients),
                    records=group.records,
                    events=str(group.events),
                    fused=group.column == column,
                )
            )
    return figures.forest(rows, heads=("GROUP", "PATIENTS"))


def _name(group: Any) -> str:
    if group.level.startswith(group.column):
        return str(group.level)
    return f"{group.column} {group.level}"
