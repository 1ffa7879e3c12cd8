"""Ways in which a label or a person gets into the data: each is planted and found; clean cohorts raise no alarm."""

from __future__ import annotations

from pathlib import Path

import edfio
import numpy as np
import pandas as pd
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit.checks import audit
from clinfuse.evaluation.audit.finding import Audit
from clinfuse.synthetic.make import make_cohort

PEOPLE = 30
LABELS = np.random.default_rng(7).permutation(np.arange(PEOPLE) % 2)
RECORDS = """
[records]
table = "records.csv"
patient_id = "patient"
record_id = "record"
index_time = "at"

[label]
column = "finding"
positive = ["yes"]

[modalities.eeg]
kind = "eeg"
column = "eeg"
channels = ["C3", "C4"]
reference = "as recorded"
rate_hz = 32
segments = { seconds = 2, count = 2 }
"""


def severities(found: Audit) -> dict[str, str]:
    return {one.code: one.severity for one in found.findings}


def night(file: Path, samples: np.ndarray, start: pd.Timestamp) -> None:
    """An EDF file of two channels at 64 Hz, in steps of 0.1 µV."""
    file.parent.mkdir(parents=True, exist_ok=True)
    signals = [
        edfio.EdfSignal(row, 64, label=f"EEG {name}", physical_dimension="uV", physical_range=(-400, 400))
        for row, name in zip(samples, ("C3", "C4"), strict=True)
    ]
    moment = start.to_pydatetime()
    recording = edfio.Recording(startdate=moment.date())
    edfio.Edf(signals, starttime=moment.time(), recording=recording).write(file)


class Nights:
    """A cohort of one recording each; every test spoils one thing."""

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        self.samples = [30 * draw.standard_normal((2, 64 * 5)) for _ in range(PEOPLE)]
        days = draw.permutation(PEOPLE)
        self.starts = [pd.Timestamp("2024-01-02 09:10:07") + pd.Timedelta(days=int(d), minutes=int(d)) for d in days]
        self.people = [f"P{k:03d}" for k in range(PEOPLE)]
        self.names = [f"eeg/{k:04d}.edf" for k in draw.permutation(PEOPLE)]

    def opened(self, folder: Path) -> Cohort:
        for name, samples, start in zip(self.names, self.samples, self.starts, strict=True):
            night(folder / name, samples, start)
        ats = [pd.Timestamp("2024-06-01 08:00") + pd.Timedelta(hours=int(k * 7 % 31)) for k in range(PEOPLE)]
        table = {
            "patient": self.people,
            "record": [f"V{k:03d}" for k in range(PEOPLE)],
            "at": [at.isoformat(sep=" ") for at in ats],
            "finding": np.where(LABELS, "yes", "no"),
            "eeg": self.names,
        }
        pd.DataFrame(table).to_csv(folder / "records.csv", index=False)
        (folder / "cohort.toml").write_text(RECORDS, encoding="utf-8")
        return Cohort.from_folder(folder)


def test_honest_recordings_raise_no_alarm(tmp_path: Path) -> None:
    found = audit(Nights().opened(tmp_path))
    assert [one.code for one in found.findings if one.severity != "note"] == []


def test_the_beginning_of_a_recording_under_another_patient_stops(tmp_path: Path) -> None:
    nights = Nights()
    nights.samples[3] = nights.samples[20][:, : 64 * 4]
    found = audit(nights.opened(tmp_path))
    assert severities(found)["LEAK_SUBJECT"] == "stop"


def test_a_recording_cut_in_two_is_told_by_its_times(tmp_path: Path) -> None:
    nights = Nights()
    nights.starts[3] = nights.starts[20] + pd.Timedelta(seconds=5)
    found = audit(nights.opened(tmp_path))
    assert severities(found) == {"CONTENT_CONTINUES": "warning"}


def test_two_parts_of_one_recording_of_one_patient_are_no_leak(tmp_path: Path) -> None:
    nights = Nights()
    nights.starts[3] = nights.starts[20] + pd.Timedelta(seconds=5)
    nights.people[3] = nights.people[20]
    assert audit(nights.opened(tmp_path)).findings == ()


def test_folders_named_after_the_label_are_found(tmp_path: Path) -> None:
    nights = Nights()
    nights.names = [f"eeg/{'b' if label else 'a'}/{k:04d}.edf" for k, label in enumerate(LABELS)]
    found = audit(nights.opened(tmp_path))
    assert severities(found)["FILES_PREDICT"] == "warning"
    assert any("folder 1" in one.text for one in found.findings)


def test_file_names_in_the_order_of_the_label_are_found(tmp_path: Path) -> None:
    nights = Nights()
    nights.names = [f"eeg/{'pos' if label else 'neg'}{k:04d}.edf" for k, label in enumerate(LABELS)]
    found = audit(nights.opened(tmp_path))
    assert any("order of names" in one.text for one in found.findings)


def test_recordings_made_in_the_order_of_the_label_are_found(tmp_path: Path) -> None:
    nights = Nights()
    order = np.argsort(np.argsort(LABELS, kind="stable"))
    nights.starts = [pd.Timestamp("2024-01-02 09:10:07") + pd.Timedelta(days=int(k)) for k in order]
    found = audit(nights.opened(tmp_path))
    assert any("time made" in one.text and one.code == "FILES_PREDICT" for one in found.findings)
    assert "2024" not in str(found)


def test_recordings_longer_for_one_class_are_found(tmp_path: Path) -> None:
    nights = Nights()
    nights.samples = [np.tile(one, 2) if label else one for one, label in zip(nights.samples, LABELS, strict=True)]
    found = audit(nights.opened(tmp_path))
    assert any("duration_s" in one.text for one in found.findings)


@pytest.mark.parametrize("kind", ["xray", "ct"])
def test_the_same_image_under_two_patients_stops(kind: str) -> None:
    shape = (40, 1, 8, 8) if kind == "xray" else (40, 1, 6, 6, 4)
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    images[7] = images[30]
    cohort = Cohort.from_arrays({"scan": images}, labels=np.tile([0, 1], 20), kinds={"scan": kind})
    assert severities(audit(cohort)) == {"LEAK_SUBJECT": "stop"}


def masked(image: np.ndarray) -> np.ndarray:
    made = np.full_like(image, image.min())
    made[..., 3:-3, 3:-3] = image[..., 3:-3, 3:-3]
    return made


@pytest.mark.parametrize("change", [masked, lambda image: 0.7 * image + 0.1, lambda image: masked(3.0 * image - 5.0)])
@pytest.mark.parametrize(
    ("kind", "shape"), [("xray", (40, 1, 32, 24)), ("ct", (40, 1, 16, 16, 12)), ("mr", (40, 1, 16, 16, 12))]
)
def test_an_image_that_differs_in_its_borders_or_its_grey_scale_is_found(kind, shape, change) -> None:
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    images[7] = change(images[30])
    cohort = Cohort.from_arrays({"scan": images}, labels=np.tile([0, 1], 20), kinds={"scan": kind})
    found = audit(cohort)
    assert severities(found) == {"CONTENT_ALIKE": "warning"}
    assert all(str(cohort.patient_keys[row]) in found.findings[0].text for row in (7, 30))
    people = np.arange(40).astype(str)
    people[7] = people[30]
    own = Cohort.from_arrays(
        {"scan": images}, labels=np.tile([0, 1], 20), kinds={"scan": kind}, patient_ids=people.tolist()
    )
    assert audit(own).findings == ()


def test_images_of_one_build_are_not_alike() -> None:
    """Forty pictures that are nine tenths the same anatomy, and one that is the same picture with a little noise."""
    draw = np.random.default_rng(2)
    rows, columns = np.mgrid[:32, :32] / 32
    anatomy = np.sin(6 * rows) * np.cos(5 * columns)
    images = (anatomy + 0.1 * draw.normal(size=(40, 1, 32, 32))).astype(np.float32)
    kinds, labels = {"film": "xray"}, np.tile([0, 1], 20)
    assert audit(Cohort.from_arrays({"film": images}, labels=labels, kinds=kinds)).findings == ()
    images[3] = images[8] + 0.05 * draw.normal(size=(1, 32, 32)).astype(np.float32)
    assert audit(Cohort.from_arrays({"film": images}, labels=labels, kinds=kinds)).findings == ()
    empty = np.zeros((40, 1, 32, 32), dtype=np.float32)
    empty[:, 0, 0, :] = images[:, 0, 0, :]
    assert audit(Cohort.from_arrays({"film": empty}, labels=labels, kinds=kinds)).findings == ()


def test_films_of_a_synthetic_cohort_are_everybody_s_own() -> None:
    cohort = make_cohort("small", records=24, seed=0)
    assert dict(audit(cohort).facts)["images alike under two patients"] == "0 pairs of patients"


@pytest.mark.parametrize(("share", "severity"), [(1.0, "stop"), (0.8, "warning")])
def test_a_column_that_is_filled_in_for_the_sick_is_found(share: float, severity: str) -> None:
    draw = np.random.default_rng(1)
    labels = np.tile([0, 1], 100)
    values = draw.normal(size=(200, 3))
    empty = np.where(draw.random(200) < share, labels == 0, labels == 1)
    values[empty, 1] = np.nan
    found = audit(Cohort.from_arrays({"labs": values}, labels=labels, kinds={"labs": "ehr"}))
    assert severities(found) == {"MISSING_PREDICTS": severity}


def test_rows_alike_under_two_patients_are_only_warned_of() -> None:
    values = np.random.default_rng(0).normal(size=(40, 6))
    values[5] = values[6]
    found = audit(Cohort.from_arrays({"labs": values}, labels=np.tile([0, 1], 20), kinds={"labs": "ehr"}))
    assert severities(found) == {"CONTENT_TWICE": "warning"}


def test_values_after_the_index_time_are_counted_and_never_used(tmp_path: Path) -> None:
    table = {"patient": ["a", "b", "c", "d"], "at": ["2024-01-05 10:00"] * 4, "finding": ["yes", "no"] * 2}
    pd.DataFrame(table).to_csv(tmp_path / "records.csv", index=False)
    labs = {
        "patient": ["a", "a", "b", "c", "d"],
        "t": ["2024-01-05 09:00", "2024-01-05 11:00"] + ["2024-01-04 09:00"] * 3,
    }
    pd.DataFrame({**labs, "crp": [1, 99, 2, 3, 4]}).to_csv(tmp_path / "labs.csv", index=False)
    (tmp_path / "cohort.toml").write_text(
        '[records]\ntable = "records.csv"\npatient_id = "patient"\nindex_time = "at"\n'
        '[label]\ncolumn = "finding"\npositive = ["yes"]\n'
        '[modalities.labs]\nkind = "ehr"\ntable = "labs.csv"\ntime = "t"\ncolumns.crp = "number"\n',
        encoding="utf-8",
    )
    cohort = Cohort.from_folder(tmp_path)
    assert cohort.arrays("labs").ravel().tolist() == [1.0, 2.0, 3.0, 4.0]
    assert [entry.code for entry in cohort.ledger.entries if entry.note] == ["AFTER_INDEX"]


@pytest.mark.parametrize("seed", range(20))
def test_clean_cohorts_raise_no_alarm(seed: int) -> None:
    found = audit(make_cohort("embedding", records=240, seed=seed, empty_cells=0.05, width=6))
    assert [one.code for one in found.findings if one.severity != "note"] == []
