"""Whole studies that must not be trained as they are, or go on without what is bad: up to the first fit.

Another deviation than those beside the faults: a record without any usable modality (S04) is kept and counted under
"none", as it gets the prior with `abstain` by law and its label still counts for the prevalence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import edfio
import numpy as np
import pandas as pd

from clinfuse.evaluation.audit.checks import audit
from clinfuse.study.config import load_study
from clinfuse.study.folder import describe, settle
from clinfuse.study.run import prepare, refuse_damage, refuse_stops
from tests.faults.fault import NAME, NUMBER, Fault

PATIENTS = 30
CONTRACT = """
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

[modalities.labs]
kind = "ehr"
table = "labs.csv"
record_id = "record"
columns.crp = { unit = "mg/L" }
columns.pulse = { unit = "1/min" }
"""
STUDY = """
cohort = "cohort"
results = "RESULTS"
seed = SEED

[question]
primary = ["late", "labs"]

[validation]
folds = FOLDS

[missing]

[models]
late = { fusion = "late", combine = "mean" }
"""


@dataclass
class Clinic:
    """Thirty patients with a recording and two laboratory values each; nothing is wrong with it."""

    folds: int = 3
    seed: int = 1
    results: str = "results"
    labels: np.ndarray = field(default_factory=lambda: np.random.default_rng(4).permutation(np.arange(PATIENTS) % 2))
    recordings: list[np.ndarray] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    starts: list[pd.Timestamp] = field(default_factory=list)
    labs: np.ndarray = field(default_factory=lambda: np.random.default_rng(5).normal(50, 9, (PATIENTS, 2)).round(2))
    cut: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        draw = np.random.default_rng(6)
        self.recordings = [25 * draw.standard_normal((2, 320)) for _ in range(PATIENTS)]
        self.names = [f"eeg/{NAME}-{NUMBER}{k:03d}.edf" for k in draw.permutation(PATIENTS)]
        days = draw.permutation(PATIENTS)
        self.starts = [pd.Timestamp("2024-02-03 10:11:09") + pd.Timedelta(days=int(day)) for day in days]

    def write(self, folder: Path) -> Path:
        cohort = folder / "cohort"
        (cohort / "eeg").mkdir(parents=True)
        for k, name in enumerate(self.names):
            if name:
                (cohort / name).parent.mkdir(parents=True, exist_ok=True)
                _write_edf(cohort / name, self.recordings[k], self.starts[k])
                if k in self.cut:
                    (cohort / name).write_bytes((cohort / name).read_bytes()[:300])
        records = [f"V{NUMBER}{k:03d}" for k in range(PATIENTS)]
        table = pd.DataFrame({"patient": [f"{NUMBER}{k:03d}" for k in range(PATIENTS)], "record": records})
        table["at"] = "2024-06-01 08:00"
        table["finding"] = np.where(self.labels, "yes", "no")
        table.assign(eeg=self.names, who=NAME).to_csv(cohort / "records.csv", index=False)
        labs = pd.DataFrame({"record": records, "crp": self.labs[:, 0], "pulse": self.labs[:, 1]})
        labs.to_csv(cohort / "labs.csv", index=False)
        (cohort / "cohort.toml").write_text(CONTRACT, encoding="utf-8")
        text = STUDY.replace("RESULTS", self.results).replace("SEED", str(self.seed)).replace("FOLDS", str(self.folds))
        (folder / "study.toml").write_text(text, encoding="utf-8")
        return folder


def _write_edf(file: Path, samples: np.ndarray, start: pd.Timestamp) -> None:
    signals = [
        edfio.EdfSignal(row, 64, label=f"EEG {name}", physical_dimension="uV", physical_range=(-400, 400))
        for row, name in zip(samples, ("C3", "C4"), strict=True)
    ]
    moment = start.to_pydatetime()
    patient, recording = edfio.Patient(name=NAME), edfio.Recording(startdate=moment.date())
    edfio.Edf(signals, patient=patient, starttime=moment.time(), recording=recording).write(file)


Change = Callable[[Clinic, int], None]


def _build(folder: Path, variant: int, *, change: Change) -> Path:
    clinic = Clinic()
    change(clinic, variant)
    return clinic.write(folder)


def until_training(folder: Path, accepted: str) -> tuple[str, ...]:
    """All that happens before the first fit; codes of what was noted, refused and found."""
    file = folder / "study.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("[missing]\n", f"[missing]\n{accepted}\n"), encoding="utf-8"
    )
    work = prepare(load_study(file))
    refuse_damage(work.cohort, work.study.missing.max_refused)
    found = audit(work.cohort)
    refuse_stops(found, "See clinfuse check.")
    described = describe(work.study, work.run, work.cohort.fingerprint)
    settle(work.run, described, touched=work.touched, agreed=False)
    ledger = work.cohort.ledger
    if ledger.records_in != ledger.records_used + sum(ledger.excluded.values()):
        raise ArithmeticError
    return (*(entry.code for entry in ledger.entries), *(one.code for one in found.findings))


def few_positives(clinic: Clinic, variant: int) -> None:
    clinic.labels[:] = 0
    clinic.labels[: variant + 1] = 1
    clinic.folds = variant + 2


def more_folds_than_patients(clinic: Clinic, variant: int) -> None:
    clinic.folds = PATIENTS + 1 + variant


def same_recording(clinic: Clinic, variant: int) -> None:
    clinic.recordings[variant] = clinic.recordings[variant + 9].copy()


def beginning_of_another(clinic: Clinic, variant: int) -> None:
    clinic.recordings[variant] = clinic.recordings[variant + 9][:, :256]


def recording_cut_in_two(clinic: Clinic, variant: int) -> None:
    clinic.starts[variant] = clinic.starts[variant + 9] + pd.Timedelta(seconds=5)


def nothing_at_all(clinic: Clinic, variant: int) -> None:
    for row in range(variant + 1):
        clinic.names[row] = ""
        clinic.labs[row] = np.nan


def nobody_has_it(clinic: Clinic, variant: int) -> None:
    if variant % 2:
        clinic.names = [""] * PATIENTS
    else:
        clinic.labs[:] = np.nan


def one_class_has_it(clinic: Clinic, variant: int) -> None:
    wanted = variant % 2
    if variant < 2:
        clinic.names = [
            name if label == wanted else "" for name, label in zip(clinic.names, clinic.labels, strict=True)
        ]
    else:
        clinic.labs[clinic.labels != wanted] = np.nan


def filled_in_for_one_class(clinic: Clinic, variant: int) -> None:
    clinic.labs[clinic.labels == variant % 2, variant // 2] = np.nan


def cut_files(few: bool) -> Change:
    def change(clinic: Clinic, variant: int) -> None:
        clinic.cut = (7 * variant + 1,) if few else tuple(range(0, PATIENTS, variant + 2))

    return change


def every_file_cut(clinic: Clinic, variant: int) -> None:
    clinic.cut = tuple(range(PATIENTS))


def flat(clinic: Clinic, variant: int) -> None:
    clinic.recordings[variant] = np.full((2, 320), (0.0, 20.0, -30.0, 0.0)[variant])


def label_copied(clinic: Clinic, variant: int) -> None:
    clinic.labs[:, variant % 2] = (clinic.labels if variant < 2 else 1 - clinic.labels) * 10 + 40


def folders_by_label(clinic: Clinic, variant: int) -> None:
    words = (("a", "b"), ("eeg1", "eeg2"), (NAME, "x"), ("0", "1"))[variant]
    clinic.names = [f"eeg/{words[label]}/{k:03d}.edf" for k, label in enumerate(clinic.labels)]


def dates_by_label(clinic: Clinic, variant: int) -> None:
    order = np.argsort(np.argsort(clinic.labels, kind="stable"))
    first, step = pd.Timestamp("2024-02-03 10:11:09"), ("1h", "1D", "2D", "30min")[variant]
    clinic.starts = [first + int(k) * pd.Timedelta(step) for k in order]


def length_by_label(clinic: Clinic, variant: int) -> None:
    extra = 64 * (variant + 1)
    for row in np.flatnonzero(clinic.labels):
        clinic.recordings[row] = np.tile(clinic.recordings[row], 3)[:, : 320 + extra]


def results_in_a_file(folder: Path, variant: int) -> Path:
    clinic = Clinic(results=("cohort/labs.csv", "cohort/labs.csv/r", "study.toml", "x" * (300 + variant))[variant])
    return clinic.write(folder)


def another_study(folder: Path, variant: int) -> Path:
    """A run that was begun with another question or other data."""
    Clinic().write(folder)
    until_training(folder, "")
    study, labs, records = folder / "study.toml", folder / "cohort" / "labs.csv", folder / "cohort" / "records.csv"
    file, old, new = (
        (study, '["late", "labs"]', '["late", "eeg"]'),
        (labs, "5", "6"),
        (records, ",yes,", ",no,"),
        (records, "2024-06-01", "2024-06-02"),
    )[variant]
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def fault(number: str, name: str, action: str, code: str, change: Change, variants: int = 4) -> Fault:
    return Fault(number, name, action, code, partial(_build, change=change), until_training, variants)  # type: ignore[arg-type]


FAULTS = (
    fault("S01", "fewer positives than folds", "FAIL", "SPLIT_CLASSES", few_positives),
    fault("S02", "more folds than patients", "FAIL", "SPLIT_PATIENTS", more_folds_than_patients),
    # The list's LEAK_SUBJECT is the finding; the run stops with AUDIT_STOPS, which names it and takes --yes.
    fault("S03", "a recording under two patients", "FAIL", "AUDIT_STOPS", same_recording),
    fault("S03", "the beginning of a recording under another patient", "FAIL", "AUDIT_STOPS", beginning_of_another),
    fault("S03", "a recording cut in two", "FLAG", "CONTENT_CONTINUES", recording_cut_in_two),
    fault("S04", "records with nothing at all", "FIX", "", nothing_at_all),
    fault("S05", "a modality that nobody has", "FAIL", "SOURCE_EMPTY", nobody_has_it),
    fault("S05", "a modality that one class has", "FLAG", "PRESENCE_PREDICTS", one_class_has_it),
    fault("S05", "a column that is filled in for one class", "FAIL", "AUDIT_STOPS", filled_in_for_one_class),
    fault("S07", "one file cut short", "FLAG", "EDF_HEADER", cut_files(True)),
    fault("S07", "many files cut short", "ASK", "REFUSED_MANY", cut_files(False)),
    fault("S07", "every file cut short", "FAIL", "SOURCE_EMPTY", every_file_cut, 1),
    Fault("S11", "a run begun with another question or data", "FAIL", "RUN_CHANGED", another_study, until_training),
    Fault("S12", "results that cannot lie where they shall", "FAIL", "RUN_WRITE", results_in_a_file, until_training),
    fault("S14", "a recording without any signal", "FLAG", "EEG_BAD_CHANNELS", flat),
    fault("H29", "a column that is the label of the study", "FAIL", "AUDIT_STOPS", label_copied),
    fault("H29", "folders named after the label", "FLAG", "FILES_PREDICT", folders_by_label),
    fault("H29", "recordings made in the order of the label", "FLAG", "FILES_PREDICT", dates_by_label),
    fault("H29", "recordings longer for one class", "FLAG", "FILES_PREDICT", length_by_label),
)
