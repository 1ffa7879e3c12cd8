"""Figures of a robustness study: curves over the missing rate, and every subset with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clinfuse.report.canvas import BLUE, FAINT, GREEN, LINE, ORANGE, PAGE, SOFT, Picture, label, picture
from clinfuse.report.html import interval, number, percent

_COLOURS = (BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9", "#e69f00")
_STYLES = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1)))
_MOST = len(_COLOURS)


def chosen_curves(curves: Sequence[Any], model: str) -> tuple[Any, ...]:
    """Give the curves that one figure can hold: the model first, then other fusions, then the best single source."""
    fused = [one for one in curves if one.taxonomy != "single"]
    single = sorted((one for one in curves if one.taxonomy == "single"), key=lambda one: -one.area.value)
    fused = sorted(fused, key=lambda one: one.model != model)
    return (*fused[: _MOST - 1], *single[:1])


def rate_curves(curves: Sequence[Any], *, metric: str = "AUROC", width: float = PAGE) -> Picture:
    """Draw one line for each model, the first with its band, over the rate at which sources go missing.

    Parameters
    ----------
    curves : sequence of RateCurve
        Of one metric; at most six.
    metric : str
        As it is to be printed.
    width : float
        Inches.
    """
    shown = list(curves)[:_MOST]

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.62 / width, 0.17, 1 - 2.9 / width, 0.76))
        _trained(axes, shown)
        for colour, style, curve in zip(_COLOURS, _STYLES, shown, strict=False):
            tint: Any = SOFT if curve.taxonomy == "single" else colour
            rates = [point.rate for point in curve.points]
            if curve is shown[0]:
                lows, highs = ([getattr(point.expected, side) for point in curve.points] for side in ("low", "high"))
                axes.fill_between(rates, lows, highs, color=tint, alpha=0.15, linewidth=0)
            values = [point.expected.value for point in curve.points]
            axes.plot(rates, values, color=tint, linestyle=style, label=_name(curve))
        axes.set_xlim(0, max(point.rate for curve in shown for point in curve.points))
        ticks = [0, 0.2, 0.4, 0.6, 0.8]
        axes.set_xticks(ticks, [percent(tick) for tick in ticks])
        axes.set(xlabel="each source of each record is missing with this probability", ylabel=metric)
        axes.yaxis.grid(True)
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), title=f"model, mean {metric}", alignment="left")

    told = ". ".join(
        f"{curve.model}: {number(curve.points[0].expected.value)} at 0 %, {number(curve.points[-1].expected.value)} at "
        f"{percent(curve.points[-1].rate)}"
        for curve in shown
    )
    return picture(draw, size=(width, 3.3), alt=f"{metric} over the rate at which sources are missing. {told}.")


def _name(curve: Any) -> str:
    single = " alone" if curve.taxonomy == "single" else ""
    return f"{label(curve.model, 16)}{single}  {number(curve.area.value)}"


def _trained(axes: Axes, curves: Sequence[Any]) -> None:
    """Shade the rates beyond those hidden in training, where all fusions were trained alike."""
    hidden = {curve.hide for curve in curves if curve.taxonomy != "single"}
    if len(hidden) == 1 and (start := hidden.pop()) < 0.9:
        axes.axvspan(start, 1, color=LINE, alpha=0.35, linewidth=0, zorder=0)
        axes.text(start + 0.008, 0.03, "beyond training", transform=axes.get_xaxis_transform(), color=SOFT, fontsize=8)


def source_curves(curves: Sequence[Any], *, metric: str = "AUROC") -> Picture:
    """Draw what one model loses as each of its sources alone goes missing: one small panel per source.

    Parameters
    ----------
    curves : sequence of RateCurve
        Of one model and metric, each with one source that drops out.
    metric : str
    """
    down = max(1, math.ceil(len(curves) / 4))
    low = min(point.expected.low for curve in curves for point in curve.points)
    high = max(point.expected.high for curve in curves for point in curve.points)

    def draw(figure: Figure) -> None:
        for place, curve in enumerate(curves):
            axes = figure.add_subplot(down, 4, place + 1)
            rates = [point.rate for point in curve.points]
            lows, highs = ([getattr(point.expected, side) for point in curve.points] for side in ("low", "high"))
            axes.fill_between(rates, lows, highs, color=BLUE, alpha=0.15, linewidth=0)
            axes.plot(rates, [point.expected.value for point in curve.points], color=BLUE)
            axes.axhline(curve.points[0].expected.value, color=FAINT, linewidth=0.8, dashes=(4, 3))
            axes.set_title(f"without {label(', '.join(curve.dropped), 20)}", fontsize=9, loc="left")
            axes.set(xlim=(0, rates[-1]), ylim=(low - 0.01, high + 0.01))
            axes.set_xticks([0, 0.4, 0.8], [percent(tick) for tick in (0, 0.4, 0.8)])
            axes.yaxis.grid(True)
            if place % 4 == 0:
                axes.set_ylabel(metric)
        figure.subplots_adjust(left=0.06, right=0.99, top=0.88, bottom=0.42 / (0.6 + 1.6 * down), hspace=0.6)

    told = ". ".join(
        f"{', '.join(curve.dropped)}: {number(curve.points[-1].expected.value)} at {percent(curve.points[-1].rate)}"
        for curve in curves
    )
    return picture(draw, size=(PAGE, 0.6 + 1.6 * down), alt=f"{metric} as one source goes missing. {told}.")


def subset_bars(rows: Sequence[Any], *, chance: float = 0.5) -> Picture:
    """Draw the AUROC with its interval for every subset of sources, beside the calibration slope.

    Parameters
    ----------
    rows : sequence of SubsetRow
        Of one population, larger subsets first.
    chance : float
        Where a line is drawn for no skill.
    """
    height = 0.75 + 0.27 * len(rows)
    names = [" + ".join(row.kept) for row in rows]

    def draw(figure: Figure) -> None:
        bottom, tall = 0.48 / height, 1 - (0.48 + 0.27) / height
        left = figure.add_axes((0.3, bottom, 0.3, tall))
        right = figure.add_axes((0.75, bottom, 0.13, tall))
        for axes in (left, right):
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.xaxis.grid(True)
        left.axvline(chance, color=FAINT, linewidth=0.9)
        right.axvline(1, color=FAINT, linewidth=0.9)
        right.set_xlim(0, 2.5)
        for y, (row, name) in enumerate(zip(rows, names, strict=True)):
            _bar(left, y, row.auroc, 0.0, 1.0)
            text = f"{number(row.auroc.value)} ({interval(row.auroc.low, row.auroc.high)})"
            _words(left, -1.0, y, label(name, 44))
            _words(left, 1.04, y, text)
            slope = row.calibration.get("calibration_slope")
            if slope is not None:
                _bar(right, y, slope, 0.0, 2.5)
            _words(right, 1.08, y, "–" if slope is None else number(slope.value))
        for axes, x, text in (
            (left, -1.0, "SOURCES LEFT"),
            (left, 0.0, "AUROC (95 % INTERVAL)"),
            (right, 0.0, "CALIBRATION SLOPE"),
        ):
            axes.text(x, -0.85, text, transform=axes.get_yaxis_transform(), fontsize=7.5, color=SOFT)

    told = ". ".join(
        f"{name}: {number(row.auroc.value)} ({interval(row.auroc.low, row.auroc.high)})"
        for row, name in zip(rows, names, strict=True)
    )
    return picture(draw, size=(PAGE, height), alt=f"AUROC for every subset of sources. {told}.")


def _bar(axes: Axes, y: int, found: Any, least: float, most: float) -> None:
    ends = [min(max(value, least), most) for value in (found.low, found.high)]
    axes.plot(ends, [y, y], color=BLUE, linewidth=1.6, solid_capstyle="butt", clip_on=True)
    if least <= found.value <= most:
        axes.plot(found.value, y, "o", ms=5.5, color=BLUE)


def _words(axes: Axes, x: float, y: int, text: str) -> None:
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
