"""Figures for print, one and two columns of a journal wide: PNG, SVG and PDF, the same bytes for the same numbers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clinfuse.report.canvas import BLUE, FAINT, GREEN, INK, LINE, ORANGE, SOFT, Picture
from clinfuse.report.html import DataUri, clean, percent, write_bytes

WIDTHS_MM = (85, 170)
FORMS = ("png", "svg", "pdf")
MM = 1 / 25.4
COLOURS = (BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9")  # Okabe and Ito: told apart by every kind of colour vision
STYLES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)))
_DPI = 300
_METADATA: dict[str, Any] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}
STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 7.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.borderaxespad": 0.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "clinfuse",
}


@final
@dataclass(frozen=True)
class Plate:
    """One figure for print.

    Parameters
    ----------
    name : str
        Of its files.
    heights_mm : tuple of float
        At 85 and at 170 mm width.
    draw : callable
        Fills an empty figure; told whether it is the wide one.
    alt : str
        What it shows, for those who do not see it on a page.
    """

    name: str
    heights_mm: tuple[float, float]
    draw: Callable[[Figure, bool], None]
    alt: str = ""


def write_plates(plates: Sequence[Plate], folder: Path, *, forms: Collection[str] = FORMS) -> tuple[Path, ...]:
    """Write every figure as ``NAME-85mm`` and ``NAME-170mm`` in the forms asked for.

    Parameters
    ----------
    plates : sequence of Plate
    folder : Path
        Made where it is missing.
    forms : collection of str
        Out of ``"png"`` (300 dots an inch), ``"svg"`` and ``"pdf"``.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    written = []
    for plate in plates:
        for width, height in zip(WIDTHS_MM, plate.heights_mm, strict=True):
            for form, content in _forms(plate, width, height, forms).items():
                written.append(write_bytes(folder / f"{plate.name}-{width}mm.{form}", content))
    return tuple(written)


def plate_picture(plate: Plate, *, width: int) -> Picture:
    """Give a figure for print as a page embeds it, of this many CSS pixels, one column of a journal wide.

    Examples
    --------
    >>> plate_picture(Plate("nothing", (17.0, 20.0), lambda figure, wide: None), width=500).height
    100
    """
    content = _forms(plate, WIDTHS_MM[0], plate.heights_mm[0], ("svg",))["svg"]
    high = round(width * plate.heights_mm[0] / WIDTHS_MM[0])
    return Picture(DataUri.of(content, "svg+xml"), clean(plate.alt), width, high)


def _forms(plate: Plate, width: float, height: float, forms: Collection[str]) -> dict[str, bytes]:
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # A letter that this font lacks is drawn as a box: no reason to stop a report.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure = Figure(figsize=(width * MM, height * MM))
        FigureCanvasAgg(figure)
        plate.draw(figure, width == WIDTHS_MM[-1])
        found = {}
        for form in (one for one in FORMS if one in forms):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=form, dpi=_DPI, metadata=_METADATA[form])
            found[form] = buffer.getvalue()
    return found


def axes_mm(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Give axes at a place in millimetres from the lower left corner of the figure."""
    wide, high = figure.get_size_inches() / MM
    return figure.add_axes((left / wide, bottom / high, width / wide, height / high))


def square(figure: Figure, wide: bool, *, lines: int) -> Axes:
    """Give square axes: with room for a legend of so many lines below them, or beside them where it is wide."""
    return axes_mm(figure, 17, 12, 88, 88) if wide else axes_mm(figure, 17, 13 + 4.2 * lines, 64, 64)


def square_heights(lines: int) -> tuple[float, float]:
    """Heights in millimetres of a figure with `square` axes."""
    return 80 + 4.2 * lines, 103


def legend(axes: Axes, wide: bool, *, title: str = "") -> None:
    """Put the legend beside wide axes, or below narrow ones."""
    if wide:
        axes.legend(loc="upper left", bbox_to_anchor=(1.06, 1.0), title=title or None, alignment="left")
    else:
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.155), title=title or None, alignment="left")


def shares(axes: Axes, *, x: bool = True, y: bool = True) -> None:
    """Mark axes from 0 to 1 in per cent."""
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    if x:
        axes.set_xlim(-0.01, 1.01)
        axes.set_xticks(ticks, [percent(tick) for tick in ticks])
    if y:
        axes.set_ylim(-0.01, 1.01)
        axes.set_yticks(ticks, [percent(tick) for tick in ticks])
