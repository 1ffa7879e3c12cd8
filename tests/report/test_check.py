from __future__ import annotations

import base64
import io
import json
import math
import re
import struct
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.ledger import Entry, Ledger
from clinfuse.cohort.modality import Column, Modality
from clinfuse.evaluation.audit.checks import audit
from clinfuse.evaluation.quality import BINS, columns, patterns, presences, suspects
from clinfuse.report.check import Checked, check_facts, check_page, write_check
from clinfuse.report.sheet import PER_PAGE, write_sheets
from clinfuse.report.thumbnails import thumbnail

N = 60


def imaging(records: int = N) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {
        "ct": draw.normal(size=(records, 1, 12, 10, 8)).astype(np.float32),
        "xray": draw.random((records, 1, 32, 24)).astype(np.float32),
        "eeg": draw.normal(size=(records, 3, 4, 64)).astype(np.float32),
    }


def of_arrays(arrays: dict[str, np.ndarray], **more: object) -> Cohort:
    labels = np.arange(len(next(iter(arrays.values())))) % 2
    return Cohort.from_arrays(arrays, labels=labels, kinds={name: name for name in arrays}, **more)  # type: ignore[arg-type]


@pytest.fixture
def cohort(monkeypatch: pytest.MonkeyPatch) -> Cohort:
    arrays = imaging()
    arrays["ct"][5] = arrays["ct"][40]
    arrays["eeg"][11] *= 40
    arrays["ct"][3] = np.nan
    made = of_arrays(arrays)
    key = made.keys
    entries = (
        Entry("DCM_TRUNCATED", "ct", str(key[3]), "Cut.", remedy="Export the file again."),
        Entry("CT_THICKNESS", "ct", str(key[9]), "Uneven.", note=True),
        Entry("CT_TILT", "ct", str(key[9]), "Tilted.", note=True),
        *(Entry("XRAY_TEXT", "xray", str(key[row]), "Text is burned into the picture.", note=True) for row in (2, 4)),
    )
    monkeypatch.setattr(Cohort, "ledger", Ledger(N + 1, N, (*entries, Entry("A", "records", "", "No.", excluded=True))))
    return made


def pngs(page: str) -> list[tuple[int, int]]:
    found = [base64.b64decode(text) for text in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    return [struct.unpack(">II", content[16:24]) for content in found]


def test_the_order_is_that_of_suspicion(cohort: Cohort) -> None:
    found = suspects(cohort, "ct")
    keys = [one.key for one in found]
    assert keys[0] == cohort.keys[3]
    assert set(keys[1:3]) == {cohort.keys[5], cohort.keys[40]}
    assert keys[3] == cohort.keys[9]
    # One of 60 inputs has each of two codes: log2(60) bits twice.
    assert [one.score for one in found[:4]] == pytest.approx([1000.0, 100.0, 100.0, 2 * math.log2(N)])
    assert found[0].reasons == ("refused: DCM_TRUNCATED",)
    assert keys[4:] == sorted(keys[4:])
    first = suspects(cohort, "eeg")[0]
    assert first.key == cohort.keys[11]
    assert "unlike the others" in first.reasons[0]


def test_what_everybody_has_makes_nobody_suspicious(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = of_arrays({"ct": imaging(16)["ct"]})
    keys = [str(key) for key in made.keys]
    remarks = [
        ("CT_FEW", range(16)),
        ("CT_SIDE", range(10)),
        ("CT_AIR", range(4)),
        ("CT_TILT", (7,)),
        ("CT_GAP", (0, 7)),
    ]
    entries = tuple(Entry(code, "ct", keys[row], "Seen.", note=True) for code, rows in remarks for row in rows)
    monkeypatch.setattr(Cohort, "ledger", Ledger(16, 16, entries))
    scores = {one.key: (one.score, one.reasons) for one in suspects(made, "ct")}
    side = math.log2(16 / 10)
    assert scores[keys[7]][0] == pytest.approx(4 + 3 + side)
    assert scores[keys[0]][0] == pytest.approx(2 + 3 + side)
    assert scores[keys[3]][0] == pytest.approx(2 + side)
    assert scores[keys[9]] == (pytest.approx(side), ())
    assert scores[keys[15]] == (0.0, ())
    assert scores[keys[7]][1] == ("CT_TILT", "CT_GAP")
    assert [one.key for one in suspects(made, "ct")][:2] == [keys[7], keys[0]]
    (sheet,) = write_sheets(made, tmp_path)
    assert (sheet.inputs, sheet.suspicious) == (16, 5)
    page = (tmp_path / sheet.file).read_text(encoding="utf-8")
    assert "more than half of them, and so no reason to look at one: CT_FEW (100 %), CT_SIDE (62 %)." in page


def test_sheets_show_every_input_once_and_in_small(cohort: Cohort, tmp_path: Path) -> None:
    sheets = write_sheets(cohort, tmp_path)
    assert [sheet.file for sheet in sheets] == ["sheet-ct-1.html", "sheet-xray-1.html", "sheet-eeg-1.html"]
    page = (tmp_path / "sheet-ct-1.html").read_text(encoding="utf-8")
    shown = re.findall(r'class="key">(R-[A-Z2-7]{10})<', page)
    assert shown == [one.key for one in suspects(cohort, "ct")]
    assert len(pngs(page)) == N - 1
    assert all(width <= 3 * 112 + 6 and height <= 112 for width, height in pngs(page))
    assert "http" not in page.replace("http-equiv", "")
    assert not any(str(written) in page for written in cohort.record_ids if len(str(written)) > 3)


def test_an_x_ray_that_may_hold_a_name_is_not_shown(cohort: Cohort, tmp_path: Path) -> None:
    write_sheets(cohort, tmp_path)
    page = (tmp_path / "sheet-xray-1.html").read_text(encoding="utf-8")
    assert len(pngs(page)) == N - 2
    assert page.count("burned into the picture") == 2
    assert [one.row for one in suspects(cohort, "xray")[:2]] in ([2, 4], [4, 2])


def test_long_sheets_are_cut_into_pages(tmp_path: Path) -> None:
    sheets = write_sheets(of_arrays({"eeg": imaging(PER_PAGE + 7)["eeg"]}), tmp_path)
    assert [sheet.inputs for sheet in sheets] == [PER_PAGE, 7]
    assert 'href="sheet-eeg-2.html"' in (tmp_path / "sheet-eeg-1.html").read_text(encoding="utf-8")


def test_the_middle_of_a_volume_is_shown_with_the_right_side_on_the_left() -> None:
    image = np.zeros((1, 20, 20, 20))
    image[0, 15:, 10, 10] = 1.0  # towards the patient's right, in RAS+
    modality = Modality("ct", "ct", (1, 20, 20, 20), spacing_mm=(1.0, 1.0, 1.0), window=(0.0, 1.0))
    uri = str(thumbnail(modality, image).uri)
    shown = matplotlib.image.imread(io.BytesIO(base64.b64decode(uri.partition(",")[2])))[..., 0]
    axial = shown[:, :112]
    assert axial[:, :56].sum() > 10 * axial[:, 56:].sum() + 1


def test_the_same_input_gives_the_same_bytes(cohort: Cohort, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_check(Checked(cohort, audit(cohort), {}), tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_the_facts_are_json_and_reconcile(cohort: Cohort, tmp_path: Path) -> None:
    write_check(Checked(cohort, audit(cohort), {"ct": 'Write `is = "pacs"`.'}), tmp_path)
    facts = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert facts["flow"] == {"in": N + 1, "used": N, "excluded": {"A": 1}}
    assert sum(one["records"] for one in facts["patterns"]) == N
    assert facts["refused"] == {"DCM_TRUNCATED": 1}
    assert next(one for one in facts["reasons"] if one["code"] == "DCM_TRUNCATED")["remedy"] == "Export the file again."
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert "Export the file again." in page
    assert "ct met no record." in page
    assert "LEAK_SUBJECT" in page


def table_cohort(records: int = 200) -> Cohort:
    draw = np.random.default_rng(2)
    labels = np.arange(records) % 2
    crp = draw.normal(10, 3, records) + 8 * labels
    crp[: records // 4] = np.nan
    crp[-1] = 98765.4321
    ward = (np.arange(records) % 3).astype(float)
    ward[0] = 3.0
    modality = Modality(
        "labs",
        "ehr",
        (2,),
        columns=(
            Column("crp", unit="mg/L", normal=(0.0, 5.0)),
            Column("ward", kind="category", levels=("a", "b", "c", "Zwetschgenknoedel")),
        ),
    )
    values = np.stack([crp, ward], axis=1)
    return Cohort.from_arrays({"labs": values}, labels=labels, kinds={"labs": modality})


def test_columns_are_shown_in_shares_and_quantiles_and_no_single_value() -> None:
    cohort = table_cohort()
    first, second = columns(cohort)
    assert (first.name, first.values, first.empty) == ("crp", 150, 50)
    assert 0.9 < first.label.value < 1
    assert first.label.low < first.label.value <= first.label.high
    assert len(first.bars) == BINS
    assert sum(one + other for one, other in first.bars) == 150
    assert second.levels == (("a", 66), ("b", 67), ("c", 66))
    page = check_page(Checked(cohort, None, {})) + json.dumps(check_facts(Checked(cohort, None, {})))
    assert "98765" not in page
    assert "Zwetschgenknoedel" not in page


def test_presence_is_held_against_the_label() -> None:
    arrays = {name: imaging(80)[name] for name in ("ct", "eeg")}
    labels = np.arange(80) % 2
    present = np.stack([np.ones(80, bool), (labels == 1) | (np.arange(80) < 20)], axis=1)
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"ct": "ct", "eeg": "eeg"}, present=present)
    ct, eeg = presences(cohort)
    assert np.isnan(ct.label.value)
    assert eeg.label.value == pytest.approx(0.5 + 0.75 / 2)
    assert [(one.records, one.positive) for one in patterns(cohort)] == [(50, 40), (30, 0)]


def test_text_of_an_export_cannot_become_markup(tmp_path: Path) -> None:
    records = 40
    column = Column('<script>alert("x")</script>', unit="<b>")
    modality = Modality("labs", "ehr", (1,), columns=(column,))
    values = np.random.default_rng(0).normal(size=(records, 1))
    labels = np.arange(records) % 2
    cohort = Cohort.from_arrays({"labs": values}, labels=labels, kinds={"labs": modality}, classes=("no", "<i>yes</i>"))
    write_check(Checked(cohort, audit(cohort), {"labs": "<img src=x>"}), tmp_path)
    for file in tmp_path.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not any(bad in text for bad in ("<script", "<i>yes", "<img src=x", "<b>,"))


def test_a_cohort_without_labels_is_described_without_an_audit() -> None:
    frame = pd.DataFrame({"a": np.arange(30.0)})
    cohort = Cohort.from_arrays({"labs": frame.to_numpy()}, labels=np.full(30, -1), kinds={"labs": "ehr"})
    assert "No label is declared" in check_page(Checked(cohort, None, {}))
