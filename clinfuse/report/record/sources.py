"""One source of a record as its page shows it: pictures, values, and in words what may not be shown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clinfuse.explain.values import Check, FeatureValue, ModalityAttribution
from clinfuse.report import pictures
from clinfuse.report.allowed import name_text, range_text, value_text
from clinfuse.report.canvas import Picture
from clinfuse.report.record.about import About
from clinfuse.report.record.page import Drawn, Source, Value

MOST_FEATURES = 14
COLOURS = "Orange moved the answer towards the finding, blue away from it; blurred by one element for the eye."
# What a failed check means for the map, in plain words.
_FAILED = {
    "maps add up": "its parts do not add up to the change of the answer that they explain",
    "absent explains nothing": "a source that was not there moved the answer",
    "same probability": "it explains another number than the one predicted",
    "shares add up": "the shares of the sources do not add up to the answer",
}


def drawn_source(part: ModalityAttribution, checks: Sequence[Check], about: About) -> Source:
    """Give what the page shows of a source that was there."""
    failed = _failed(part, checks)
    figures, values, captions = _shown(part, failed=bool(failed))
    return Source(
        name=name_text(part.name),
        kind=part.modality.kind,
        state="present",
        words=_imputed(part.features) if part.modality.kind == "ehr" else "",
        share=part.share,
        points=getattr(part, "points", None),
        method=part.method,
        captions=captions,
        failed=failed,
        withheld=part.withheld,
        figures=tuple(Drawn.of(figure) for figure in figures),
        values=values,
    )


def _failed(part: ModalityAttribution, checks: Sequence[Check]) -> str:
    """Why the map of a source is not to be believed, in plain words; empty where nothing speaks against it."""
    if not part.has_map:
        return ""
    about = [check for check in checks if not check.passed and getattr(check, "modality", part.name) in ("", part.name)]
    return "; ".join(_FAILED.get(check.name, f"it did not pass the check “{check.name}”") for check in about)


def _imputed(features: Sequence[FeatureValue]) -> str:
    """How many declared values are missing and filled by the model."""
    declared = [one for one in features if not one.name.endswith(" missing")]
    empty = [one.name for one in declared if math.isnan(one.value)]
    if not empty:
        return ""
    verb = "is" if len(empty) == 1 else "are"
    return f"{len(empty)} of {len(declared)} values {verb} missing; the model fills in what it learned in training."


def _shown(
    part: ModalityAttribution, *, failed: bool
) -> tuple[tuple[Picture, ...], tuple[Value, ...], tuple[str, ...]]:
    if part.has_map:
        if part.withheld:
            return (), (), ()
        return _mapped(part, failed=failed)
    if part.features:
        return _listed(part)
    return (), (), ("The learner of this source gives no parts; only its share is known.",)


def _mapped(
    part: ModalityAttribution, *, failed: bool
) -> tuple[tuple[Picture, ...], tuple[Value, ...], tuple[str, ...]]:
    map_ = None if failed else part.map
    draw = {"xray": pictures.radiograph, "eeg": pictures.signal}.get(part.modality.kind, pictures.volume)
    captions = [] if failed else [COLOURS, f"Compared with {part.baseline}."]
    low, high = part.modality.window
    if part.modality.kind == "ct" and low < high:
        captions.append(f"Window {low:g} to {high:g} HU.".replace("-", "−"))
    return (draw(part.modality, part.data, map_),), (), tuple(captions)


def _listed(part: ModalityAttribution) -> tuple[tuple[Picture, ...], tuple[Value, ...], tuple[str, ...]]:
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
    return (pictures.bars(rows),), values, tuple(captions)
