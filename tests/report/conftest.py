"""One record's attribution with every kind of source, made of plain numbers: pages need no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import numpy as np
import pytest

from clinfuse.cohort.modality import Column, Modality
from clinfuse.explain.values import Attribution, Check, FeatureValue, ModalityAttribution


@dataclass
class Page(HTMLParser):
    """What a browser would make of a page."""

    text: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] not in ("style", "script"):
            self.text.append(data)

    def values(self, tag: str, name: str) -> list[str]:
        return [value for found, key, value in self.attributes if (found, key) == (tag, name)]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="session")
def read() -> Callable[[str], Page]:
    def parse(page: str) -> Page:
        found = Page()
        found.feed(page)
        found.close()
        return found

    return parse


@pytest.fixture(scope="session")
def attribution() -> Attribution:
    draw = np.random.default_rng(0)

    def noise(*shape: int) -> np.ndarray:
        return draw.normal(size=shape).astype(np.float32)

    ct = Modality("ct", "ct", (1, 12, 12, 8), spacing_mm=(4, 4, 5), window=(-100, 150), unit="HU", spread=100)
    xray = Modality("xray", "xray", (1, 16, 16), unit="grey", centre=0.5, spread=0.5)
    eeg = Modality("eeg", "eeg", (2, 4, 50), channels=("Fz", "Cz", "O1", "O2"), rate_hz=25, seconds=2, unit="µV")
    columns = (
        Column("CRP", unit="mg/l", normal=(float("-inf"), 5.0)),
        Column("age", unit="years"),
        Column("sex", "category", levels=("F", "M")),
        Column("smoker", "yes/no"),
    )
    labs = Modality("labs", "ehr", (4,), columns=columns)
    features = (
        FeatureValue("CRP", 81.0, 0.6, "mg/l", columns[0].normal),
        FeatureValue("age", 93.0, 0.2, "years"),
        FeatureValue("sex", 1.0, -0.1, kind="category", levels=("F", "M")),
        FeatureValue("smoker", float("nan"), 0.0, kind="yes/no"),
    )
    walk = "integrated gradients"
    parts = (
        ModalityAttribution(ct, True, 0.9, walk, noise(1, 12, 12, 8), (), 50 * noise(1, 12, 12, 8), "-1000 HU", 0.001),
        ModalityAttribution(xray, True, 0.4, walk, noise(1, 16, 16), (), np.full((1, 16, 16), 0.5, np.float32), "grey"),
        ModalityAttribution(eeg, True, -0.3, walk, noise(2, 4, 50), (), 20 * noise(2, 4, 50), "0 µV everywhere"),
        ModalityAttribution(labs, True, 0.5, "exact contributions", noise(4), features),
        ModalityAttribution(replace(xray, name="scan"), False, 0.0, "absent", np.zeros((1, 16, 16), np.float32)),
    )
    prior, logit = -0.5, -0.5 + 0.9 + 0.4 - 0.3 + 0.5
    return Attribution(
        "late",
        "late, stacked",
        "R-ABCDEFGH23",
        "P-ABCDEFGH45",
        "embolism",
        float(1 / (1 + np.exp(-logit))),
        float(1 / (1 + np.exp(-prior))),
        logit,
        prior,
        parts,
        {"ct": 0.5, "xray": 0.6, "eeg": 0.8, "labs": 0.62},
        (("age", 91), ("sex", "F"), ("admitted", "2021-03-04")),
        (Check("same probability", True, "It is."), Check("maps add up", False, "Maps sum to 2, not 1.")),
        64,
    )
