"""Figures of a study: models, calibration, missing sources, training, who has what; each draws what it is given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clinfuse.report.canvas import BLUE, FAINT, INK, LINE, ORANGE, PAGE, PALE, SOFT, Picture, bare, label, picture
from clinfuse.report.html import interval, number, percent, signed


@final
@dataclass(frozen=True)
class Estimate:
    """One row of a forest plot.

    Parameters
    ----------
    name : str
    value, low, high : float
        Estimate and 95 % interval.
    note : str
        Second column, e.g. the fusion class.
    records : int
    events : str
        Their number, or a dash where no class is the event.
    ceiling : float
        Best possible value, NaN where unknown.
    fused, declared : bool
        Filled or hollow; whether the question is about it.
    """

    name: str
    value: float
    low: float
    high: float
    note: str = ""
    records: int = 0
    events: str = "-"
    ceiling: float = math.nan
    fused: bool = True
    declared: bool = False


def _columns(figure: Figure, rows: int, *, left: float, right: float, head: float) -> Axes:
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((left, 0.42 / height, right - left, 1 - (0.42 + head) / height))
    axes.set_ylim(max(rows, 1) - 0.5, -0.5)
    bare(axes, "bottom")
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.xaxis.grid(True)
    return axes


def _cell(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", **style)


def forest(rows: Sequence[Estimate], *, metric: str = "AUROC", heads: tuple[str, str] = ("MODEL", "FUSION")) -> Picture:
    """Draw every model's estimate with its interval, and the best possible value where it is known.

    The first two columns, name and note, have ``heads``.

    Examples
    --------
    >>> forest([Estimate("labs", 0.78, 0.71, 0.84)]).alt
    'Forest plot of AUROC with 95 % intervals. labs: 0.78 (0.71 to 0.84).'
    """
    known = [row for row in rows if not math.isnan(row.value)]
    lows, highs = [r.low for r in known] or [0.4], [r.high for r in known] or [1.0]
    ceilings = [r.ceiling for r in known if not math.isnan(r.ceiling)]
    start = min(0.5, math.floor(10 * min(lows)) / 10)
    end = min(1.0, math.ceil(10 * max(highs + ceilings)) / 10)

    def draw(figure: Figure) -> None:
        axes = _columns(figure, len(rows), left=0.475, right=0.795, head=0.3)
        axes.set_xlim(start, max(end, start + 0.1))
        axes.axvline(0.5, color=FAINT, linewidth=0.8)
        width = 0.32
        left = [(-0.475 / width, heads[0], "left"), (-0.325 / width, heads[1], "left")]
        left += [(-0.105 / width, "RECORDS", "right"), (-0.03 / width, "EVENTS", "right")]
        for x, text, side in (*left, (1.045, f"{metric} (95 % INTERVAL)", "left")):
            _cell(axes, x, -0.95, text, ha=side, fontsize=7.5, color=SOFT)
        for y, row in enumerate(rows):
            if row.declared:
                axes.axhspan(
                    y - 0.5, y + 0.5, xmin=left[0][0], xmax=1.7, color=PALE, clip_on=False, zorder=0, linewidth=0
                )
            _cell(axes, left[0][0], y, f"  {label(row.name, 22)}", ha="left")
            _cell(axes, left[1][0], y, label(row.note, 24), ha="left", color=SOFT)
            _cell(axes, left[2][0], y, str(row.records), ha="right")
            _cell(axes, left[3][0], y, row.events, ha="right")
            if math.isnan(row.value):
                _cell(axes, 1.045, y, "no estimate", ha="left", color=SOFT)
                continue
            colour = BLUE if row.fused else SOFT
            axes.plot([row.low, row.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            axes.plot(row.value, y, "o", ms=6.5, mec=colour, mfc=colour if row.fused else "white", mew=1.5)
            axes.plot([row.ceiling] * 2, [y - 0.3, y + 0.3], color=ORANGE, linewidth=1.8, solid_capstyle="butt")
            text = f"{number(row.value)} ({interval(row.low, row.high)})" + ("   declared" if row.declared else "")
            _cell(axes, 1.045, y, text, ha="left")

    told = ". ".join(f"{r.name}: {number(r.value)} ({interval(r.low, r.high)})" for r in rows)
    size = (PAGE, 0.72 + 0.3 * max(len(rows), 1))
    return picture(draw, size=size, alt=f"Forest plot of {metric} with 95 % intervals. {told}.")


def deltas(rows: Sequence[Estimate], *, metric: str = "AUROC") -> Picture:
    """Draw how much a model loses when sources are withheld, with intervals.

    Examples
    --------
    >>> deltas([Estimate("no labs", -0.1, -0.15, -0.05)]).alt
    'Change of AUROC when sources are withheld. no labs: −0.10 (−0.15 to −0.05).'
    """
    ends = [abs(v) for r in rows for v in (r.value, r.low, r.high) if not math.isnan(v)]
    reach = max([*ends, 0.02]) * 1.1

    def draw(figure: Figure) -> None:
        axes = _columns(figure, len(rows), left=0.3, right=0.64, head=0.12)
        axes.set_xlim(-reach, reach)
        axes.axvline(0, color=FAINT, linewidth=0.9)
        for y, row in enumerate(rows):
            _cell(axes, -0.3 / 0.34, y, label(row.name, 26), ha="left")
            if math.isnan(row.value):
                _cell(axes, 1.05, y, "no estimate", ha="left", color=SOFT)
                continue
            text = signed(row.value)
            if not math.isnan(row.low):
                axes.plot([row.low, row.high], [y, y], color=BLUE, linewidth=1.6, solid_capstyle="butt")
                text += f" ({signed(row.low)} to {signed(row.high)})"
            axes.plot(row.value, y, "o", ms=5.5, color=BLUE)
            _cell(axes, 1.05, y, text, ha="left", fontsize=8.5)
        axes.set_xlabel(f"change of {metric}")

    told = ". ".join(f"{r.name}: {number(r.value)} ({interval(r.low, r.high)})" for r in rows)
    size = (PAGE / 2 - 0.25, 0.75 + 0.27 * max(len(rows), 1))
    return picture(draw, size=size, alt=f"Change of {metric} when sources are withheld. {told}.")


def calibration(predicted: np.ndarray, observed: np.ndarray, counts: np.ndarray, *, name: str) -> Picture:
    """Draw observed shares against predicted probabilities, group by group.

    Parameters
    ----------
    predicted, observed : ndarray of float64, (groups,)
        Mean predicted probability and share with the finding.
    counts : ndarray of int, (groups,)
        Records of a group: the size of its dot.
    name : str
        Of the model.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.17, 0.14, 0.79, 0.82))
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, dashes=(4, 3))
        axes.text(0.9, 0.95, "perfect", ha="right", color=FAINT, fontsize=8)
        axes.plot(predicted, observed, color=BLUE, linewidth=1.2)
        axes.scatter(predicted, observed, s=14 + 60 * counts / max(counts.max(initial=1), 1), color=BLUE, zorder=3)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability", ylabel="share with the finding")
        ticks = [0, 0.2, 0.4, 0.6, 0.8, 1.0]
        axes.set_xticks(ticks, [percent(t) for t in ticks])
        axes.set_yticks(ticks, [percent(t) for t in ticks])
        axes.grid(True)

    points = ". ".join(f"{percent(p)} predicted, {percent(o)} seen" for p, o in zip(predicted, observed, strict=True))
    return picture(draw, size=(4.4, 4.0), alt=f"Calibration of {name}. {points}.")


def losses(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Picture:
    """Draw training and validation loss over the epochs, one small panel per network.

    Parameters
    ----------
    curves : mapping of str to sequence of (training loss, validation loss)
        Per network one entry per epoch; NaN where there was no validation.

    Examples
    --------
    >>> losses({"ct": [(0.7, 0.69), (0.6, 0.65)]}).alt
    'Training and validation loss of ct.'
    """
    across = 4
    down = max(1, math.ceil(len(curves) / across))

    def draw(figure: Figure) -> None:
        for i, (name, curve) in enumerate(curves.items()):
            axes = figure.add_subplot(down, across, i + 1)
            epochs = np.arange(1, len(curve) + 1)
            for column, (key, colour) in enumerate((("training", SOFT), ("validation", BLUE))):
                axes.plot(epochs, [entry[column] for entry in curve], color=colour, label=key)
            axes.set_title(label(name), fontsize=9, loc="left", color=INK)
            axes.yaxis.grid(True)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
            if i == 0:
                axes.legend()
        figure.subplots_adjust(left=0.05, right=0.99, bottom=0.28 / (0.6 + 1.7 * down), hspace=0.4)

    alt = f"Training and validation loss of {', '.join(curves)}."
    return picture(draw, size=(PAGE, 0.6 + 1.7 * down), alt=alt)


def presence(names: Sequence[str], present: np.ndarray, *, most: int = 14) -> Picture:
    """Draw which sources the records have together: one bar per pattern, dots below it.

    Parameters
    ----------
    names : sequence of str
    present : ndarray of bool, (records, modalities)
    most : int
        Patterns shown; the rarest beyond are named in the last label.

    Examples
    --------
    >>> presence(["ct", "labs"], np.array([[True, True], [True, True], [False, True]])).alt
    'Who has what. 2 records: ct, labs. 1 record: labs.'
    """
    patterns, counts = np.unique(np.asarray(present, bool), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    patterns, counts, hidden = patterns[order][:most], counts[order][:most], len(order) - most
    rows, width = len(names), 1.5 + 0.36 * max(len(counts), 4)
    height = 1.25 + 0.24 * rows + 0.1

    def draw(figure: Figure) -> None:
        left, dots = 1.25 / width, (0.24 * rows + 0.06) / height
        top = figure.add_axes((left, dots + 0.06 / height, 0.98 - left, 0.95 / height))
        x = np.arange(len(counts))
        top.bar(x, counts, color=BLUE, width=0.62)
        for i, count in enumerate(counts):
            top.text(i, count, f"{count}", ha="center", va="bottom", fontsize=8.5)
        bare(top)
        top.set(xlim=(-0.6, max(len(counts), 4) - 0.4), xticks=[], yticks=[])
        below = figure.add_axes((left, 0.0, 0.98 - left, dots), sharex=top)
        below.set_ylim(rows - 0.4, -0.6)
        bare(below)
        below.set_yticks(range(rows), [label(name, 16) for name in names])
        below.tick_params(axis="both", length=0, labelcolor=INK, labelbottom=False)
        for row in range(rows):
            below.axhline(row, color=PALE, linewidth=9, zorder=0)
        for i, pattern in enumerate(patterns):
            has = np.flatnonzero(pattern)
            below.plot([i] * rows, range(rows), "o", ms=5.5, color=LINE)
            below.plot([i] * len(has), has, "o-", ms=5.5, color=INK, linewidth=1.2)

    told = ". ".join(
        f"{c} {'record' if c == 1 else 'records'}: {', '.join(np.asarray(names)[p]) or 'nothing'}"
        for c, p in zip(counts, patterns, strict=True)
    )
    rest = f" and {hidden} rarer patterns" if hidden > 0 else ""
    return picture(draw, size=(width, height), alt=f"Who has what. {told}{rest}.")
