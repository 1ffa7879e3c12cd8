"""Confusion, comparisons and training curves, drawn from numbers that were computed before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clinfuse.report.canvas import BLUE, FAINT, INK, SOFT, bare, label
from clinfuse.report.figures import Estimate
from clinfuse.report.html import number, percent, signed
from clinfuse.report.plates.board import Plate, axes_mm

_BLUES = LinearSegmentedColormap.from_list("blues", ["#ffffff", BLUE])
_MOST_NETWORKS = 8


def confusion_plate(matrix: np.ndarray, classes: Sequence[str], *, name: str, how: str) -> Plate:
    """Draw how many records of each class were called what, with the share of their class.

    Parameters
    ----------
    matrix : ndarray of int, (classes, classes)
        True class by row.
    classes : sequence of str
    name : str
        Of the model.
    how : str
        How decisions were taken, as ``"from 50 % on"``.
    """
    part = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    short = [label(one, 14) for one in classes]

    def draw(figure: Figure, wide: bool) -> None:
        axes = axes_mm(figure, 40, 14, 100, 60) if wide else axes_mm(figure, 30, 14, 52, 52)
        axes.imshow(part, cmap=_BLUES, vmin=0, vmax=1.7, aspect="auto")
        for row, column in np.ndindex(*matrix.shape):
            text = f"{matrix[row, column]}\n{percent(float(part[row, column]))}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8)
        bare(axes)
        axes.tick_params(length=0)
        axes.set_xticks(range(len(short)), short)
        axes.set_yticks(range(len(short)), short)
        axes.set(xlabel=f"called by {label(name, 22 if wide else 12)} ({how})", ylabel="in truth")

    return Plate("confusion", (69, 77), draw)


def forest_plate(rows: Sequence[Estimate], *, metric: str, against: str, people: str) -> Plate:
    """Draw every fusion's difference to the single modality of the question, with its interval.

    Parameters
    ----------
    rows : sequence of Estimate
        The declared fusion is marked.
    metric : str
        As it is to be printed.
    against : str
        The single modality.
    people : str
        How many records and events stand behind it.
    """
    ends = [end for row in rows for end in (row.low, row.high)]
    reach = max(0.02, *(abs(end) for end in ends)) * 1.08

    def draw(figure: Figure, wide: bool) -> None:
        left, broad = (40, 80) if wide else (22, 31)
        axes = axes_mm(figure, left, 14, broad, 6 * len(rows))
        axes.set(xlim=(-reach, reach), ylim=(len(rows) - 0.5, -0.5))
        axes.axvline(0, color=FAINT, linewidth=0.8)
        bare(axes, "bottom")
        axes.xaxis.grid(True)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5 if wide else 3, symmetric=True))
        axes.set_yticks(range(len(rows)), [label(row.name, 22 if wide else 12) for row in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        for y, row in enumerate(rows):
            axes.plot([row.low, row.high], [y, y], color=BLUE, linewidth=1.3, solid_capstyle="butt")
            axes.plot(row.value, y, "o", ms=4.5, mec=BLUE, mfc=BLUE if row.declared else "white", mew=1.1)
            text = f"{signed(row.value)} ({number(row.low)} to {number(row.high)})"
            axes.text(1.04, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7)
        axes.set_xlabel(f"difference of {metric} to {label(against, 30 if wide else 22)}")
        figure.text(0.02, 0.02, f"filled: declared beforehand; {people}", fontsize=7, color=SOFT)

    height = 18 + 6 * len(rows)
    return Plate("comparisons", (height, height), draw)


def training_plate(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Plate:
    """Draw training and validation loss over the epochs, a small panel for each network.

    Parameters
    ----------
    curves : mapping of str to sequence of (training loss, validation loss)
        Per network one entry per epoch; NaN where there was no validation.
    """
    shown = dict(list(curves.items())[:_MOST_NETWORKS])

    def draw(figure: Figure, wide: bool) -> None:
        across = 4 if wide else 2
        down = math.ceil(len(shown) / across)
        height = float(figure.get_size_inches()[1]) * 25.4
        for place, (name, curve) in enumerate(shown.items()):
            row, column = divmod(place, across)
            axes = axes_mm(figure, 16 + 39 * column, height - 30 - 34 * row, 27, 24)
            _losses(axes, name, curve, first=place == 0)
            if row == down - 1 or place + across >= len(shown):
                axes.set_xlabel("epoch")
            if column == 0:
                axes.set_ylabel("loss")

    heights = [34 * math.ceil(len(shown) / across) + 7 for across in (2, 4)]
    return Plate("training", (heights[0], heights[1]), draw)


def _losses(axes: Any, name: str, curve: Sequence[tuple[float, float]], *, first: bool) -> None:
    epochs = np.arange(1, len(curve) + 1)
    for column, (key, colour) in enumerate((("training", SOFT), ("validation", BLUE))):
        values = np.array([entry[column] for entry in curve], dtype=np.float64)
        if np.isfinite(values).any():
            axes.plot(epochs, values, color=colour, linestyle="-" if column else (0, (4, 1.5)), label=key)
    axes.set_title(label(name, 18), loc="left", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.yaxis.grid(True)
    if first:
        axes.legend(loc="upper right")
