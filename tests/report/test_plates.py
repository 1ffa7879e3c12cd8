"""Figures for print: readable at one column, nothing cut off, the same bytes every time."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from clinfuse.evaluation.measures.curves import (
    calibration_curve,
    decision_curve,
    precision_recall_curve,
    roc_curve,
)
from clinfuse.report.figures import Estimate
from clinfuse.report.plates.board import MM, STYLE, WIDTHS_MM, Plate, write_plates
from clinfuse.report.plates.boxes import confusion_plate, forest_plate, training_plate
from clinfuse.report.plates.lines import Line, calibration_plate, decision_plate, precision_plate, roc_plate

DRAW = np.random.default_rng(0)
LABELS = np.tile([0, 1, 0], 40)
RISKS = np.clip(0.25 + 0.3 * LABELS + DRAW.normal(0, 0.15, 120), 0.01, 0.99)
LONG = "a rather long name of some epileptic syndrome $x^2$"
SAID = {"positive": LONG, "people": "120 records, 40 events"}


def plates() -> list[Plate]:
    roc = [Line(name, "0.88", roc_curve(LABELS, RISKS), name != "labs") for name in (LONG, "early", "labs")]
    steps = [Line("late", "0.80", precision_recall_curve(LABELS, RISKS))]
    benefit = [Line("late", "", decision_curve(LABELS, RISKS, thresholds=[0.1, 0.3], patients=LABELS + np.arange(120)))]
    rows = [Estimate(LONG, 0.05, -0.01, 0.11, declared=True), Estimate("early", -0.4, -0.5, -0.2)]
    curves = {f"{LONG} {k}": [(0.7, math.nan), (0.6, 0.65), (0.5, 0.6)] for k in range(9)}
    return [
        roc_plate(roc, **SAID),
        precision_plate(steps, **SAID),
        calibration_plate(calibration_curve(LABELS, RISKS), name=LONG, **SAID),
        decision_plate(benefit, **SAID),
        confusion_plate(np.array([[70, 10], [15, 25]]), ("other", LONG), name=LONG, how="from 50 % on"),
        forest_plate(rows, metric="AUROC", against=LONG, people=SAID["people"]),
        training_plate(curves),
    ]


@pytest.mark.parametrize("plate", plates(), ids=lambda plate: plate.name)
@pytest.mark.parametrize("wide", [False, True])
def test_everything_written_is_readable_and_inside(plate: Plate, wide: bool) -> None:
    with matplotlib.rc_context(STYLE):
        size = (WIDTHS_MM[wide] * MM, plate.heights_mm[wide] * MM)
        figure = Figure(figsize=size, dpi=100)
        canvas = FigureCanvasAgg(figure)
        plate.draw(figure, wide)
        canvas.draw()
        written = [one for one in figure.findobj(Text) if one.get_text() and one.get_visible()]
        assert min(one.get_fontsize() for one in written) >= 7
        box = figure.get_tightbbox(canvas.get_renderer())
        assert box.x0 >= -0.01
        assert box.y0 >= -0.01
        assert box.x1 <= size[0] + 0.01
        assert box.y1 <= size[1] + 0.01


def test_axes_name_the_positive_class() -> None:
    for plate in plates()[:5]:
        figure = Figure(figsize=(WIDTHS_MM[0] * MM, plate.heights_mm[0] * MM))
        plate.draw(figure, False)
        words = " ".join(one.get_text() for one in figure.findobj(Text))
        assert "a rather long" in words, plate.name


def test_files_have_the_width_of_a_column_and_no_date_and_are_the_same_again(tmp_path: Path) -> None:
    some = [plates()[4]]
    first, second = (write_plates(some, tmp_path / name) for name in "ab")
    names = [f"confusion-{width}mm.{form}" for width in (85, 170) for form in ("png", "svg", "pdf")]
    assert [file.name for file in first] == names
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    found = {file.name: file.read_bytes() for file in first}
    for width in WIDTHS_MM:
        points = width / 25.4 * 72
        assert struct.unpack(">I", found[f"confusion-{width}mm.png"][16:20])[0] == int(width / 25.4 * 300)
        svg, pdf = found[f"confusion-{width}mm.svg"].decode(), found[f"confusion-{width}mm.pdf"]
        assert float(re.findall(r'width="([\d.]+)pt"', svg)[0]) == pytest.approx(points, abs=0.01)
        assert float(re.findall(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf)[0]) == pytest.approx(points, abs=0.01)
        assert b"CreationDate" not in pdf
        assert "<dc:date>" not in svg


def test_only_the_forms_asked_for_are_written(tmp_path: Path) -> None:
    assert [file.suffix for file in write_plates([plates()[5]], tmp_path, forms=("svg",))] == [".svg", ".svg"]
