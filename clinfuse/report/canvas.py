"""The drawing board: one style for every figure, drawn without a screen and without a date."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clinfuse.report.html import DataUri, clean

INK, SOFT, FAINT, LINE, PALE = "#1a1d21", "#5b636d", "#8a929c", "#d9dde2", "#f1f3f5"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # Okabe and Ito: told apart by every kind of colour vision
PAGE = 10.875  # inches: the 1044 pixels of a page's text at 96 pixels an inch

_PAGE_FONTS = b"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
_STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.7,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "clinfuse",
    "path.simplify": True,
}


@final
@dataclass(frozen=True, eq=False)
class Picture:
    """A finished figure, as a page embeds it.

    Parameters
    ----------
    uri : DataUri
        The image itself.
    alt : str
        What it shows, for those who do not see it.
    width, height : int
        On the page, CSS pixels.
    """

    uri: DataUri
    alt: str
    width: int
    height: int


def picture(
    draw: Callable[[Figure], None], *, size: tuple[float, float], alt: str, kind: Literal["svg", "png"] = "svg"
) -> Picture:
    """Draw a figure in the one style.

    Parameters
    ----------
    draw : callable
        Fills an empty figure.
    size : tuple of float, (width, height)
        Inches; a page's text is 10.875 inches wide.
    alt : str
    kind : {"svg", "png"}
        Lines and words as SVG, in the font of the page; pixels as PNG, two for one.

    Returns
    -------
    Picture
        The same bytes for the same inputs.

    Examples
    --------
    >>> picture(lambda figure: None, size=(1, 0.5), alt="nothing").width
    96
    """
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # A letter that this font lacks is drawn by the reader's browser, or as a box: no reason to stop a report.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        draw(figure)
        buffer = io.BytesIO()
        if kind == "png":
            figure.savefig(buffer, format="png", dpi=192, metadata={"Software": None})
        else:
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    content = buffer.getvalue()
    if kind == "svg":
        content = content.replace(b"'DejaVu Sans'", _PAGE_FONTS)
    uri = DataUri.of(content, "png" if kind == "png" else "svg+xml")
    return Picture(uri, clean(alt), round(96 * size[0]), round(96 * size[1]))


def bare(axes: Axes, *keep: str) -> None:
    """Leave of the frame only the named sides."""
    for side in ("left", "bottom", "top", "right"):
        axes.spines[side].set_visible(side in keep)


def label(text: str, limit: int = 28) -> str:
    """Give a name as a figure prints it: cleaned, short.

    Examples
    --------
    >>> label("a very long name of a column", 12)
    'a very long…'
    """
    return clean(text, limit)
