"""ROC, precision and recall, calibration and net benefit, each drawn from numbers that were computed before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from matplotlib.figure import Figure

from clinfuse.report.canvas import BLUE, FAINT, INK, SOFT, label
from clinfuse.report.html import percent
from clinfuse.report.plates.board import COLOURS, STYLES, Plate, axes_mm, legend, shares, square, square_heights


@final
@dataclass(frozen=True, eq=False)
class Line:
    """One model's curve.

    Parameters
    ----------
    name, note : str
        Of the model, and what stands behind it in the legend.
    curve : Curve or DecisionCurve
        Of `clinfuse.evaluation.measures.curves`.
    fused : bool
        A single modality is drawn in grey.
    """

    name: str
    note: str
    curve: Any
    fused: bool = True


def roc_plate(lines: Sequence[Line], *, positive: str, people: str) -> Plate:
    """Draw sensitivity over 1 - specificity, one line for each model.

    Parameters
    ----------
    lines : sequence of Line
        At most five; the notes hold their AUROC.
    positive : str
        The positive class.
    people : str
        How many records and events stand behind it.
    """

    def draw(figure: Figure, wide: bool) -> None:
        axes = square(figure, wide, lines=len(lines) + 1)
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, dashes=(4, 3))
        for line, colour, style in zip(lines, COLOURS, STYLES, strict=False):
            tint: Any = colour if line.fused else SOFT
            axes.plot(line.curve.x, line.curve.y, color=tint, linestyle=style, label=_named(line))
        shares(axes)
        axes.grid(True)
        axes.set_xlabel(f"1 − specificity (others called {label(positive, 24)})")
        axes.set_ylabel(f"sensitivity ({label(positive, 24)} recognised)")
        legend(axes, wide, title=f"AUROC; {people}")

    alt = f"ROC curves of {people}. AUROC: {_told(lines)}."
    return Plate("roc", square_heights(len(lines) + 1), draw, alt)


def precision_plate(lines: Sequence[Line], *, positive: str, people: str) -> Plate:
    """Draw precision over recall as steps, beside the level line of chance; parameters as for `roc_plate`."""

    def draw(figure: Figure, wide: bool) -> None:
        axes = square(figure, wide, lines=len(lines) + 1)
        prevalence = lines[0].curve.prevalence
        axes.axhline(prevalence, color=FAINT, linewidth=0.8, dashes=(4, 3))
        axes.text(0.01, prevalence + 0.012, f"chance {percent(prevalence)}", color=SOFT, fontsize=7)
        for line, colour, style in zip(lines, COLOURS, STYLES, strict=False):
            tint: Any = colour if line.fused else SOFT
            # A point's precision holds from the recall before it on.
            x, y = np.append(0.0, line.curve.x), np.append(line.curve.y[:1], line.curve.y)
            axes.step(x, y, where="pre", color=tint, linestyle=style, label=_named(line))
        shares(axes)
        axes.grid(True)
        axes.set_xlabel(f"recall ({label(positive, 24)} recognised)")
        axes.set_ylabel(f"precision (called and {label(positive, 24)})")
        legend(axes, wide, title=f"AUPRC; {people}")

    alt = f"Precision over recall of {people}. AUPRC: {_told(lines)}."
    return Plate("precision-recall", square_heights(len(lines) + 1), draw, alt)


def calibration_plate(curve: Any, *, name: str, positive: str, people: str) -> Plate:
    """Draw the share that has the finding over what the model said, in groups of equal size with their intervals.

    Parameters
    ----------
    curve : CalibrationCurve
    name : str
        Of the model.
    positive, people : str
        As for `roc_plate`.
    """

    def draw(figure: Figure, wide: bool) -> None:
        axes = square(figure, wide, lines=4)
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, dashes=(4, 3), label="perfect")
        axes.vlines(curve.predicted, curve.low, curve.high, color=BLUE, linewidth=0.9)
        shown = f"{label(name, 24)}, {len(curve.counts)} groups"
        axes.plot(curve.predicted, curve.observed, "o-", ms=3.2, linewidth=0.9, color=BLUE, label=shown)
        shares(axes)
        axes.grid(True)
        axes.set_xlabel(f"predicted probability of {label(positive, 24)}")
        axes.set_ylabel(f"share with {label(positive, 24)}")
        legend(axes, wide, title=f"95 % interval of each group;\n{people}")

    points = zip(curve.predicted, curve.observed, strict=True)
    told = ", ".join(f"{percent(said)} predicted and {percent(seen)} seen" for said, seen in points)
    return Plate("calibration", square_heights(4), draw, f"Calibration of {name}, {people}: {told}.")


def decision_plate(lines: Sequence[Line], *, positive: str, people: str) -> Plate:
    """Draw net benefit over the threshold probability, beside treating everyone and nobody.

    Parameters
    ----------
    lines : sequence of Line
        Of decision curves, the declared model first: it has a band.
    positive, people : str
        As for `roc_plate`.
    """
    first = lines[0].curve
    top = max(float(np.nanmax(first.high)), first.prevalence) * 1.08

    def draw(figure: Figure, wide: bool) -> None:
        below = 13 + 4.2 * (len(lines) + 3)
        axes = axes_mm(figure, 17, 12, 96, 64) if wide else axes_mm(figure, 17, below, 64, 50)
        axes.axhline(0, color=INK, linewidth=0.8, label="treat nobody")
        axes.plot(first.thresholds, first.treat_all, color=FAINT, linewidth=1.0, dashes=(4, 3), label="treat everyone")
        for line, colour, style in zip(lines, COLOURS, STYLES, strict=False):
            tint: Any = colour if line.fused else SOFT
            if line is lines[0]:
                axes.fill_between(line.curve.thresholds, line.curve.low, line.curve.high, color=tint, alpha=0.15, lw=0)
            axes.plot(line.curve.thresholds, line.curve.model, color=tint, linestyle=style, label=_named(line))
        shares(axes, y=False)
        axes.set_ylim(-0.12 * top, top)
        axes.grid(True)
        axes.set_xlabel(f"threshold probability of {label(positive, 24)}")
        axes.set_ylabel("net benefit per record")
        if wide:
            axes.legend(loc="upper left", bbox_to_anchor=(1.04, 1.0), title=people, alignment="left")
        else:
            axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.205), title=people, alignment="left")

    alt = f"Net benefit over the threshold probability, {people}: {', '.join(line.name for line in lines)}."
    return Plate("decision", (66 + 4.2 * (len(lines) + 3), 79), draw, alt)


def _named(line: Line) -> str:
    single = "" if line.fused else " alone"
    return f"{label(line.name, 22)}{single} {line.note}".strip()


def _told(lines: Sequence[Line]) -> str:
    return ", ".join(f"{line.name} {line.note}".strip() for line in lines)
