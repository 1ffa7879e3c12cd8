"""Slices through a volume for the reader to move through: small pictures whose grey scale the page can change."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from clinfuse.report.record.page import Plane, Preset, Slice, Viewer
from clinfuse.report.record.views import PLANES, View

MOST_SLICES = 48
SIDES = (256, 192, 128, 96, 64)
# Grey levels and the HU they stand for: fine in soft tissue, 2.5 HU a level, coarse in air and bone.
LEVELS = (0, 40, 220, 255)
HOUNSFIELD = (-1024.0, -200.0, 250.0, 3071.0)
PRESETS = (("brain", 0.0, 80.0), ("abdomen", -150.0, 250.0), ("lung", -1350.0, 150.0), ("bone", -450.0, 1050.0))
_TOWARD, _AWAY = (255, 127, 42), (63, 155, 255)
_STEPS = 24
_LEAST = 0.15
_LUNG, _LUNG_SHARE = (-950.0, -500.0), 0.02


def viewer(view: View, budget: int) -> Viewer:
    """Give the slices of a volume, smaller ones where they would not fit.

    Parameters
    ----------
    view : View
    budget : int
        Bytes of base64 for all of them.
    """
    made = Viewer(original=view.original, planes=(), presets=_presets(view))
    for side in SIDES:
        planes = tuple(_plane(view, place, side) for place in range(3))
        made = made.model_copy(update={"planes": planes})
        if sum(len(one.base) + len(one.over) for plane in planes for one in plane.slices) <= budget:
            return made
    fewer = tuple(_thinned(plane) for plane in made.planes)
    return made.model_copy(update={"planes": fewer})


def _thinned(plane: Plane) -> Plane:
    keep = [k for k in range(len(plane.slices)) if (k - plane.chosen) % 4 == 0]
    return plane.model_copy(update={"slices": tuple(plane.slices[k] for k in keep), "chosen": keep.index(plane.chosen)})


def _plane(view: View, place: int, side: int) -> Plane:
    name, axis, (across, up), letters = PLANES[place]
    step = max(1, -(-max(view.array.shape[across], view.array.shape[up]) // side))
    numbers = chosen_slices(view.array.shape[axis], view.centre[axis])
    mm = view.spacing
    wide, high = view.array.shape[across] * mm[across], view.array.shape[up] * mm[up]
    scale = 330 / max(wide, high)
    return Plane(
        name=name,
        of=view.array.shape[axis],
        chosen=numbers.index(view.centre[axis]),
        width=max(1, round(wide * scale)),
        height=max(1, round(high * scale)),
        letters=letters,
        slices=tuple(_slice(view, axis, at, step) for at in numbers),
    )


def _slice(view: View, axis: int, at: int, step: int) -> Slice:
    over = view.map_cut(axis, at, step) if view.mapped else None
    return Slice(
        number=at + 1,
        place=round(view.place_mm(axis, at), 1),
        image=view.images[at] if axis == 2 and view.images else 0,
        base=_grey(_levels(view, view.cut(axis, at, step))),
        over="" if over is None or np.abs(over).max() < _LEAST else _coloured(over),
    )


def chosen_slices(length: int, through: int) -> list[int]:
    """Give at most 48 slices, evenly apart, one of them the one asked for.

    Examples
    --------
    >>> chosen_slices(3, 1), len(chosen_slices(500, 77)), 77 in chosen_slices(500, 77)
    ([0, 1, 2], 46, True)
    """
    if length <= MOST_SLICES:
        return list(range(length))
    apart = -(-length // MOST_SLICES)
    found = list(range(through % apart, length, apart))
    even = np.unique(np.round(np.linspace(0, length - 1, MOST_SLICES)).astype(int)).tolist()
    if len(found) >= MOST_SLICES - 4:
        return found[:MOST_SLICES]
    nearest = min(range(len(even)), key=lambda k: abs(even[k] - through))
    return [*even[:nearest], through, *even[nearest + 1 :]]


def _levels(view: View, image: np.ndarray) -> np.ndarray:
    if view.modality.kind == "ct":
        return np.interp(image, HOUNSFIELD, LEVELS)
    low, high = view.window
    return 255 * np.clip((image - low) / (high - low), 0, 1)


def _presets(view: View) -> tuple[Preset, ...]:
    if view.modality.kind != "ct":
        return ()
    low, high = _LUNG
    thin = view.array[:: max(1, view.array.shape[0] // 64), :: max(1, view.array.shape[1] // 64)]
    lungs = float(((thin > low) & (thin < high)).mean()) > _LUNG_SHARE
    named = [("as the model saw it", *view.window), *(one for one in PRESETS if lungs or one[0] != "lung")]
    return tuple(Preset(name=name, low=low, high=high, table=_table(low, high)) for name, low, high in named)


def _table(low: float, high: float) -> tuple[float, ...]:
    values = np.interp(np.arange(256), LEVELS, HOUNSFIELD)
    return tuple(np.round(np.clip((values - low) / (high - low), 0, 1), 3).tolist())


def _grey(levels: np.ndarray) -> str:
    return _png(Image.fromarray(np.rint(_placed(levels)).astype(np.uint8), mode="L"))


def _coloured(parts: np.ndarray) -> str:
    """A picture that is clear where little is attributed: orange towards the finding, blue away from it."""
    strength = np.clip(np.abs(_placed(parts)), 0, 1)
    steps = np.where(strength >= _LEAST, np.ceil(strength * _STEPS), 0).astype(np.uint8)
    index = np.where(_placed(parts) > 0, steps, steps + (steps > 0) * _STEPS).astype(np.uint8)
    image = Image.fromarray(index, mode="P")
    image.putpalette([0, 0, 0, *(_TOWARD * _STEPS), *(_AWAY * _STEPS)])
    opaque = np.rint(217 * (np.arange(1, _STEPS + 1) / _STEPS) ** 0.7).astype(np.uint8).tolist()
    return _png(image, transparency=bytes([0, *opaque, *opaque]))


def _placed(image: np.ndarray) -> np.ndarray:
    """From (across, up) to rows from the top, the patient's right or front on the left."""
    return image[::-1, ::-1].T


def _png(image: Image.Image, transparency: bytes | None = None) -> str:
    buffer = io.BytesIO()
    more = {} if transparency is None else {"transparency": transparency}
    image.save(buffer, format="PNG", optimize=True, **more)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
