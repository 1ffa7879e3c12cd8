"""A table of numbers whose cells are shaded by them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from clinfuse.report.canvas import INK, SOFT, Picture, bare, label, picture

# Light to dark in one hue: order is seen by every kind of colour vision, and in grey.
_SHADES = LinearSegmentedColormap.from_list("shades", ["#f3f6fa", "#9cc2e0", "#2f7fb8", "#0b3c66"])
_ROW, _COLUMN, _NAMES, _HEAD = 0.29, 1.05, 2.6, 0.42


def heat_map(rows: Sequence[str], columns: Sequence[str], values: np.ndarray, *, low: float, high: float) -> Picture:
    """Draw a table with a number in every cell, shaded by it.

    Parameters
    ----------
    rows, columns : sequence of str
    values : ndarray of float64, (rows, columns)
        A cell with NaN stays empty.
    low, high : float
        Where the lightest and the darkest shade lie; beyond them shades do not change.

    Examples
    --------
    >>> heat_map(["ct + labs", "ct"], ["early"], np.array([[0.9], [0.7]]), low=0.5, high=1.0).alt
    'ct + labs: early 0.90. ct: early 0.70.'
    """
    width, height = _NAMES + _COLUMN * len(columns), _HEAD + _ROW * max(len(rows), 1)
    shares = np.clip((values - low) / (high - low), 0, 1)

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((_NAMES / width, 0, 1 - _NAMES / width, 1 - _HEAD / height))
        axes.imshow(np.ma.masked_invalid(shares), cmap=_SHADES, vmin=0, vmax=1, aspect="auto")
        bare(axes)
        axes.set_xticks(range(len(columns)), [label(name, 14) for name in columns])
        axes.set_yticks(range(len(rows)), [label(name, 40) for name in rows])
        axes.tick_params(length=0, labelcolor=INK, labeltop=True, labelbottom=False)
        axes.hlines(np.arange(1, len(rows)) - 0.5, -0.5, len(columns) - 0.5, color="white", linewidth=1.5)
        axes.vlines(np.arange(1, len(columns)) - 0.5, -0.5, len(rows) - 0.5, color="white", linewidth=1.5)
        for (row, column), value in np.ndenumerate(values):
            text = f"{value:.2f}" if np.isfinite(value) else "–"
            dark = np.isfinite(value) and shares[row, column] > 0.55
            colour = "white" if dark else INK if np.isfinite(value) else SOFT
            axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=colour)

    told = [
        f"{name}: {', '.join(f'{c} {v:.2f}' for c, v in zip(columns, line, strict=True) if np.isfinite(v))}."
        for name, line in zip(rows, values, strict=True)
    ]
    return picture(draw, size=(width, height), alt=" ".join(told))
