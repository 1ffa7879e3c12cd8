"""Figures are the same every time, say what they show, and bear any name."""

from __future__ import annotations

import base64
import math
import struct

import numpy as np
import pytest

from clinfuse.cohort.modality import Modality
from clinfuse.report import figures, pictures
from clinfuse.report.canvas import Picture
from clinfuse.report.figures import Estimate
from clinfuse.report.record.views import prepared_view

ODD = "$\\frac{a}$ <b>&\u202e名"
ROWS = (
    Estimate("labs", 0.78, 0.71, 0.84, "single", 235, 82, 0.80, fused=False),
    Estimate(ODD, math.nan, math.nan, math.nan, ODD, 240, 84),
    Estimate("late", 0.85, 0.79, 0.91, "late, stacked", 240, 84, 0.89, declared=True),
)
DRAWN = {
    "forest": lambda: figures.forest(ROWS),
    "nothing": lambda: figures.forest(()),
    "deltas": lambda: figures.deltas((Estimate("no labs", -0.1, -0.15, -0.05), ROWS[1])),
    "calibration": lambda: figures.calibration(np.array([0.1, 0.6]), np.array([0, 0.7]), np.array([9, 8]), name=ODD),
    "losses": lambda: figures.losses({ODD: [(0.7, math.nan), (0.6, 0.65)], "b": []}),
    "presence": lambda: figures.presence(["ct", ODD], np.array([[1, 0], [1, 1], [0, 0]], bool)),
    "waterfall": lambda: pictures.waterfall(-1.0, [("ct", 1.5, True), (ODD, 0.0, False)], 0.5),
    "flat": lambda: pictures.waterfall(0.0, [], 0.0),
    "bars": lambda: pictures.bars([(ODD, ODD, "", "high", 0.0), ("CRP", "81 mg/l", "to 5", "", -0.3)]),
}


def content(picture: Picture) -> bytes:
    return base64.b64decode(picture.uri.partition(",")[2])


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_a_figure_is_the_same_twice_and_says_what_it_shows(name: str) -> None:
    first, second = DRAWN[name](), DRAWN[name]()
    assert first.uri == second.uri
    assert len(first.alt) > 15
    assert "\u202e" not in first.alt
    text = content(first)
    assert text.startswith(b"<?xml")
    assert b"<dc:date>" not in text
    assert b"<script" not in text
    assert b"<b>" not in text


def test_the_forest_prints_the_numbers_it_was_given() -> None:
    text = content(figures.forest(ROWS)).decode()
    assert "0.78 (0.71 to 0.84)" in text
    assert "0.85 (0.79 to 0.91)" in text
    assert "no estimate" in text


VOLUME = Modality("ct", "ct", (1, 10, 12, 6), spacing_mm=(4, 4, 5), window=(-100, 150))
MASK = Modality("organs", "mask", (2, 10, 12, 6))


@pytest.mark.parametrize("modality", [VOLUME, MASK], ids=lambda m: m.kind)
def test_a_volume_is_cut_through_the_strongest_attribution(modality: Modality) -> None:
    map_ = np.zeros(modality.shape, np.float32)
    map_[0, 3, 7, 2] = -1.0
    flat = np.zeros(modality.shape, np.float32)
    picture = pictures.volume(prepared_view(modality, flat, map_))
    moved = np.roll(map_, 3, axis=1)
    assert picture.uri == pictures.volume(prepared_view(modality, flat, map_)).uri
    assert picture.uri != pictures.volume(prepared_view(modality, flat, moved)).uri
    assert "patient's right on the left" in picture.alt
    assert struct.unpack(">II", content(picture)[16:24]) == pytest.approx(
        (2 * picture.width, 2 * picture.height), abs=2
    )


@pytest.mark.parametrize("map_value", [0.0, 1.0])
def test_a_flat_map_is_drawn_without_a_fault(map_value: float) -> None:
    picture = pictures.radiograph("xray", np.full((12, 10), 0.5), np.full((12, 10), map_value), (2.0, 2.0))
    assert content(picture).startswith(b"\x89PNG")
