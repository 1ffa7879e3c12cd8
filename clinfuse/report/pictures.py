"""Figures of one patient: images with what moved the model, values beside their reference range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from scipy.ndimage import gaussian_filter

from clinfuse.report.canvas import FAINT, INK, LINE, PAGE, SOFT, Picture, bare, label, picture
from clinfuse.report.record.views import PLANES, View

TOWARD, AWAY = "#ff7f2a", "#3f9bff"
_EDGE = [withStroke(linewidth=2, foreground="black")]


def _overlay(axes: Axes, map_: np.ndarray, strongest: float, aspect: float) -> None:
    colours = np.zeros((*map_.shape, 4), np.float32)
    for sign, name in ((1, TOWARD), (-1, AWAY)):
        part = np.clip(sign * map_ / strongest, 0, 1)
        rgb = [int(name[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        colours[part > 0] = [*rgb, 0]
        colours[..., 3] = np.maximum(colours[..., 3], 0.85 * np.where(part > 0.15, part**0.7, 0))
    axes.imshow(colours, origin="lower", aspect=aspect, interpolation="bilinear")


def _smooth(map_: np.ndarray) -> tuple[np.ndarray, float]:
    """Blur by one element for the eye only, and give the strongest value."""
    flat = np.asarray(gaussian_filter(np.asarray(map_, np.float64), 1.0))
    return flat, max(float(np.abs(flat).max()), 1e-12)


def _letters(axes: Axes, left: str, right: str, top: str, bottom: str) -> None:
    for x, y, text in ((0.03, 0.5, left), (0.97, 0.5, right), (0.5, 0.96, top), (0.5, 0.04, bottom)):
        side = "left" if x < 0.1 else "right" if x > 0.9 else "center"
        rise = "top" if y > 0.9 else "bottom" if y < 0.1 else "center"
        axes.text(
            x, y, text, transform=axes.transAxes, color="white", fontsize=8.5, ha=side, va=rise, path_effects=_EDGE
        )  # fmt: skip


def _scale_bar(axes: Axes, millimetres_per_pixel: float, pixels: int, *, inverted: bool) -> None:
    if millimetres_per_pixel <= 0:
        return
    fitting = [mm for mm in (1, 2, 5, 10, 20, 50, 100) if mm <= 0.4 * pixels * millimetres_per_pixel]
    if not fitting:
        return
    length = fitting[-1] / millimetres_per_pixel
    start = 0.05 * pixels
    ends = [pixels - 1 - start, pixels - 1 - start - length] if inverted else [start, start + length]
    low, high = axes.get_ylim()
    y = low + 0.04 * (high - low)
    axes.plot(ends, [y, y], color="white", linewidth=2.2, solid_capstyle="butt", path_effects=_EDGE)
    axes.text(
        ends[0], low + 0.06 * (high - low), f"{fitting[-1]} mm", color="white", fontsize=7.5, ha="left", va="bottom",
        path_effects=_EDGE,
    )  # fmt: skip


def volume(view: View) -> Picture:
    """Draw three orthogonal slices through the strongest attribution, plain above, with attribution below.

    Without an attribution they are the middle slices, alone. Patient's right is on the left, as radiologists look.
    """
    rows = 2 if view.mapped else 1
    low, high = view.window
    mm, at = view.spacing, view.centre

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, 3, squeeze=False, gridspec_kw={"wspace": 0.03, "hspace": 0.03})
        figure.subplots_adjust(left=0.0, right=1.0, top=1 - 0.09 / rows, bottom=0.0)
        for column, (name, axis, (across, up), letters) in enumerate(PLANES):
            cut = view.cut(axis, at[axis]).T
            aspect = mm[up] / mm[across]
            for row in range(rows):
                axes = grid[row][column]
                axes.set_facecolor("black")
                axes.imshow(
                    cut, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=aspect, interpolation="nearest"
                )
                if row:
                    _overlay(axes, view.map_cut(axis, at[axis]).T, 1.0, aspect)
                axes.set(xticks=[], yticks=[], adjustable="datalim")
                axes.invert_xaxis()
                bare(axes)
                _letters(axes, *letters)
                _scale_bar(axes, mm[across] if view.measured else 0.0, cut.shape[1], inverted=True)
            where = f"{name}, slice {at[axis] + 1} of {view.array.shape[axis]}"
            grid[0][column].set_title(where, fontsize=8.5, color=SOFT, loc="left", pad=4)

    where = (
        "axial, coronal and sagittal slice through the strongest attribution, the image above and the same image with "
        "attribution below"
        if view.mapped
        else "middle axial, coronal and sagittal slice"
    )
    alt = f"{view.modality.name}: {where}; patient's right on the left."
    return picture(draw, size=(PAGE * 0.8, PAGE * 0.8 * 0.345 * rows), alt=alt, kind="png")


def radiograph(name: str, film: np.ndarray, map_: np.ndarray | None, mm: tuple[float, ...] = (0.0, 0.0)) -> Picture:
    """Draw an X-ray, plain on the left, with attribution on the right.

    Parameters
    ----------
    name : str
        Of the modality.
    film, map_ : ndarray, (y, x)
        Row 0 is the top; without a map the radiograph alone.
    mm : tuple of float, (y, x)
        Size of a pixel; 0 where it is not known.
    """
    image = np.asarray(film, np.float64)[::-1]
    columns = 1 if map_ is None else 2
    flat, strongest = _smooth(np.zeros_like(film) if map_ is None else map_)
    parts = flat[::-1]
    aspect = mm[0] / mm[1] if min(mm) > 0 else 1.0
    height = min(4.6, 3.9 * aspect * image.shape[0] / image.shape[1])

    def draw(figure: Figure) -> None:
        for column in range(columns):
            axes = figure.add_axes((0.505 * column, 0, 0.495, 1) if columns == 2 else (0, 0, 1, 1))
            axes.set_facecolor("black")
            axes.imshow(image, cmap="gray", origin="lower", aspect=aspect, interpolation="nearest")
            if column:
                _overlay(axes, parts, strongest, aspect)
            axes.set(xticks=[], yticks=[], adjustable="datalim")
            bare(axes)
            _scale_bar(axes, mm[1], image.shape[1], inverted=False)

    beside = " on the left and the same with attribution on the right" if columns == 2 else ""
    return picture(draw, size=(3.9 * columns, height), alt=f"{name}: the radiograph{beside}.", kind="png")


def bars(rows: Sequence[tuple[str, str, str, str, float]]) -> Picture:
    """Draw what each value did to the logit, beside the value, its unit and its reference range.

    Parameters
    ----------
    rows : sequence of (name, value, range, flag, contribution)
        Texts as they are to be printed; the flag is ``"low"``, ``"high"`` or empty.

    Examples
    --------
    >>> bars([("CRP", "81 mg/l", "0 to 5", "high", 0.8)]).alt
    'What each value did to the log odds. CRP 81 mg/l (high): +0.80.'
    """
    reach = max([abs(row[4]) for row in rows] + [1e-6]) * 1.3

    def draw(figure: Figure) -> None:
        height = figure.get_size_inches()[1]
        axes = figure.add_axes((0.56, 0.42 / height, 0.42, 1 - 0.72 / height))
        axes.set(xlim=(-reach, reach), ylim=(len(rows) - 0.5, -0.5), xlabel="added to the log odds")
        axes.axvline(0, color=FAINT, linewidth=0.9)
        bare(axes, "bottom")
        axes.tick_params(axis="y", length=0, labelleft=False)
        places = [(-0.56 / 0.42, "left"), (-0.27 / 0.42, "right"), (-0.245 / 0.42, "left"), (-0.04 / 0.42, "right")]
        for (x, side), text in zip(places, ("COLUMN", "VALUE", "NORMAL", ""), strict=True):
            axes.text(x, 1 + 0.14 / height, text, transform=axes.transAxes, ha=side, fontsize=7.5, color=SOFT)
        for y, (name, value, normal, flag, amount) in enumerate(rows):
            axes.axhline(y + 0.5, xmin=-0.56 / 0.42, color=LINE, linewidth=0.5, clip_on=False)
            texts = (label(name, 32), label(value, 20), label(normal, 20), flag)
            for (x, side), text in zip(places, texts, strict=True):
                weight = "bold" if text and text == flag else "normal"
                axes.text(x, y, text, transform=axes.get_yaxis_transform(), ha=side, va="center", weight=weight)
            axes.barh(y, amount, color=TOWARD if amount > 0 else AWAY, height=0.55)
            shift = 0.015 * reach * (1 if amount >= 0 else -1)
            axes.text(
                amount + shift, y, _signed(amount), va="center", ha="left" if amount >= 0 else "right", fontsize=8.5
            )

    told = ". ".join(f"{n} {v}{f' ({f})' if f else ''}: {_signed(a)}" for n, v, _, f, a in rows)
    size = (PAGE * 0.86, 0.75 + 0.3 * max(len(rows), 1))
    return picture(draw, size=size, alt=f"What each value did to the log odds. {told}.")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def waterfall(prior: float, shares: Sequence[tuple[str, float, bool]], logit: float) -> Picture:
    """Draw how the shares of the modalities lead from the prior to the answer.

    Parameters
    ----------
    prior, logit : float
        Log odds.
    shares : sequence of (name, share, present)

    Examples
    --------
    >>> waterfall(-1.0, [("ct", 1.5, True), ("eeg", 0.0, False)], 0.5).alt
    'From the prior log odds −1.00 to +0.50. ct +1.50. eeg absent.'
    """
    ends = np.concatenate([[prior], prior + np.cumsum([share for _, share, _ in shares])])
    low, high = min(ends.min(), logit), max(ends.max(), logit)
    room = 0.16 * max(high - low, 0.5)
    rows = len(shares) + 2

    def draw(figure: Figure) -> None:
        height = figure.get_size_inches()[1]
        axes = figure.add_axes((0.17, 0.46 / height, 0.81, 1 - 0.96 / height))
        axes.set(xlim=(low - room, high + room), ylim=(rows - 0.5, -0.5), xlabel="log odds")
        axes.set_yticks(range(rows), ["nothing known", *[label(s[0], 18) for s in shares], "this record"])
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=9)
        bare(axes, "bottom", "top")
        axes.plot([prior] * 2, [-0.3, 0.3], color=INK, linewidth=2.5, solid_capstyle="butt")
        axes.plot([logit] * 2, [rows - 1.3, rows - 0.7], color=INK, linewidth=2.5, solid_capstyle="butt")
        for y, (_, share, here) in enumerate(shares, start=1):
            start, end = ends[y - 1], ends[y]
            axes.plot([start] * 2, [y - 0.7, y + 0.3], color=FAINT, linewidth=0.7)
            axes.barh(y, share, left=start, color=TOWARD if share > 0 else AWAY, height=0.56)
            text = _signed(share) if here else "absent"
            place = max(start, end) + 0.12 * room
            axes.text(place, y, text, va="center", fontsize=9, color=INK if here else SOFT)
        axes.plot([ends[-1]] * 2, [rows - 1.7, rows - 1.3], color=FAINT, linewidth=0.7)
        odds = axes.secondary_xaxis("top")
        marks = [p for p in (0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99) if _inside(p, axes)]
        odds.set_xticks([float(np.log(p / (1 - p))) for p in marks], [f"{100 * p:.0f} %" for p in marks])
        odds.set_xlabel("probability")

    told = ". ".join(f"{n} {_signed(s) if here else 'absent'}" for n, s, here in shares)
    size = (PAGE * 0.72, 1.0 + 0.32 * rows)
    return picture(draw, size=size, alt=f"From the prior log odds {_signed(prior)} to {_signed(logit)}. {told}.")


def _inside(probability: float, axes: Axes) -> bool:
    low, high = axes.get_xlim()
    return bool(low <= np.log(probability / (1 - probability)) <= high)
