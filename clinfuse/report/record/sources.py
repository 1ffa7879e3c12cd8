"""One source of a record as its page shows it: pictures, values, and in words what may not be shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from clinfuse.cohort.modality import VOLUME_KINDS
from clinfuse.cohort.placement import onto_film
from clinfuse.errors import ClinfuseError
from clinfuse.explain.bands import band_parts
from clinfuse.explain.values import Check, FeatureValue, ModalityAttribution
from clinfuse.report import pictures, recordings
from clinfuse.report.allowed import name_text, plain, range_text, value_text
from clinfuse.report.canvas import Picture
from clinfuse.report.record.about import About
from clinfuse.report.record.page import Drawn, Source, Value, Viewer
from clinfuse.report.record.slices import viewer
from clinfuse.report.record.views import View, original_view, prepared_view

MOST_FEATURES = 14
SLICES = 7_000_000
COLOURS = "Orange moved the answer towards the finding, blue away from it; blurred by one element for the eye."
NOTHING_MOVED = "The map is zero everywhere: nothing inside this source moved the answer."
MONTAGE = (
    "Longitudinal bipolar montage of the filtered recording that the model was given; each line is shaded by the mean "
    "of its two electrodes. Seconds count through the windows that were used."
)
AS_PREPARED = "Channels as the model was given them; seconds count through the windows that were used."
# What a failed check means for the map, in plain words.
_FAILED = {
    "maps add up": "its parts do not add up to the change of the answer that they explain",
    "absent explains nothing": "a source that was not there moved the answer",
    "same probability": "it explains another number than the one predicted",
    "shares add up": "the shares of the sources do not add up to the answer",
}


@final
@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures, slices, values and captions of one source."""

    figures: tuple[Picture, ...] = ()
    viewer: Viewer | None = None
    values: tuple[Value, ...] = ()
    captions: tuple[str, ...] = ()


def drawn_source(
    part: ModalityAttribution, checks: Sequence[Check], about: About, *, volumes: int = 1, points: float | None = None
) -> Source:
    """Give what the page shows of a source that was there; `volumes` of them share the room for slices.

    ``points`` is its share in percentage points, where it is known.
    """
    failed = _failed(part, checks)
    shown = _shown(part, failed=bool(failed), about=about, volumes=max(volumes, 1))
    return Source(
        name=name_text(part.name),
        kind=part.modality.kind,
        state="present",
        words=_imputed(part.features) if part.modality.kind == "ehr" else "",
        share=part.share,
        points=points,
        method=part.method,
        captions=shown.captions,
        failed=failed,
        withheld=part.withheld,
        figures=tuple(Drawn.of(figure) for figure in shown.figures),
        viewer=shown.viewer,
        values=shown.values,
    )


def _failed(part: ModalityAttribution, checks: Sequence[Check]) -> str:
    """Why the map of a source is not to be believed, in plain words; empty where nothing speaks against it."""
    if not part.has_map:
        return ""
    about = [check for check in checks if not check.passed and check.modality in ("", part.name)]
    return "; ".join(check.failure or _in_words(check.name) for check in about)


def _in_words(check: str) -> str:
    return _FAILED.get(check, f"it did not pass the check “{check}”")


def _imputed(features: Sequence[FeatureValue]) -> str:
    """How many declared values are missing and filled by the model."""
    declared = [one for one in features if not one.name.endswith(" missing")]
    empty = [one.name for one in declared if math.isnan(one.value)]
    if not empty:
        return ""
    verb = "is" if len(empty) == 1 else "are"
    return f"{len(empty)} of {len(declared)} values {verb} missing; the model fills in what it learned in training."


def _shown(part: ModalityAttribution, *, failed: bool, about: About, volumes: int) -> Shown:
    if part.has_map:
        return Shown() if part.withheld else _mapped(part, failed=failed, about=about, volumes=volumes)
    if part.features:
        return _listed(part)
    return Shown(captions=("The learner of this source gives no parts; only its share is known.",))


def _mapped(part: ModalityAttribution, *, failed: bool, about: About, volumes: int) -> Shown:
    modality, map_ = part.modality, None if failed else part.map
    captions = [] if failed else [COLOURS if np.any(part.map) else NOTHING_MOVED, f"Compared with {part.baseline}."]
    value, lost = _original(part, about)
    captions += [lost] if lost else []
    if modality.kind in VOLUME_KINDS:
        view = original_view(modality, value, map_) if value is not None else prepared_view(modality, part.data, map_)
        captions.append(_grid_words(view))
        return Shown((pictures.volume(view),), viewer(view, SLICES // volumes), captions=tuple(captions))
    if modality.kind == "xray":
        film, over = part.data[0], None if map_ is None else map_.sum(0)
        if value is not None:
            film = value.array
            over = None if over is None else onto_film(over, film.shape, value.spacing_mm, modality)
        mm = value.spacing_mm if value is not None else modality.spacing_mm or (0.0, 0.0)
        return Shown((pictures.radiograph(modality.name, film, over, mm),), captions=tuple(captions))
    return _recorded(part, map_, captions)


def _recorded(part: ModalityAttribution, map_: np.ndarray | None, captions: Sequence[str]) -> Shown:
    """Pages of a recording; bands where the map is of a path from zero, for then they are known exactly."""
    figures = recordings.recording(part.modality, part.data, map_)
    words = [*captions, MONTAGE if recordings.traces(part.modality, part.data, part.data).bipolar else AS_PREPARED]
    if map_ is None or not np.any(map_):
        return Shown(figures, captions=tuple(words))
    zero = part.method == "integrated gradients" and part.baseline.startswith("0 ")
    bands = band_parts(part.data, map_, part.modality.rate_hz or 1.0) if zero else {}
    return Shown((*figures, recordings.summary(part.modality, map_, bands)), captions=tuple(words))


def _original(part: ModalityAttribution, about: About) -> tuple[Any, str]:
    """The image as it was scanned and nothing, or nothing and why in words."""
    if about.record is None or part.modality.kind not in (*VOLUME_KINDS, "xray"):
        return None, ""
    try:
        return about.record.load(part.name), ""
    except ClinfuseError as error:
        return None, f"The original can no longer be read ({error.code}); this is what the model was given."


def _grid_words(view: View) -> str:
    low, high = view.window
    unit = " HU" if view.modality.kind == "ct" else ""
    x, y, z = view.spacing
    across = f"{plain(x)} x {plain(y)} x {plain(z)} mm a voxel"
    window = f"grey from {plain(low)} to {plain(high)}{unit}"
    if view.original:
        words = f"The series as it was scanned ({across}), {window}"
        return f"{words}; the attribution is interpolated to it from the coarser grid of the model."
    return f"The image as the model was given it, {window}."


def _listed(part: ModalityAttribution) -> Shown:
    ordered = sorted(part.features, key=lambda one: -abs(one.contribution))
    values = tuple(
        Value(name=name_text(f.name), text=value_text(f), normal=range_text(f), outside=f.outside, added=f.contribution)
        for f in ordered
    )
    rows = [(v.name, v.text, v.normal, v.outside, v.added) for v in values[:MOST_FEATURES]]
    captions = ["What each value added to the log odds, largest first; ages are shown as bands."]
    if part.modality.kind != "ehr":
        captions.insert(0, "A learner on summary features: it looked at no single voxel or sample, so there is no map.")
    if len(values) > MOST_FEATURES:
        captions.append(f"{len(values) - MOST_FEATURES} smaller ones are only in the table.")
    if part.baseline:
        captions.append(f"Compared with {part.baseline}.")
    return Shown((pictures.bars(rows),), values=values, captions=tuple(captions))
