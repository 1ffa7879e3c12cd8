"""The methods text says what lies in the run, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinfuse.report.artefacts import Artefacts
from clinfuse.report.written_methods import methods_document

COHORT = {
    "records": 240,
    "patients": 210,
    "labelled": 240,
    "records_in": 243,
    "excluded": {"INDEX_TIME": 3},
    "events": 84,
    "classes": ["other", "epilepsy"],
    "task": "binary",
    "sites": 2,
    "years": [2019, 2021],
    "complete": 142,
    "rules": {
        "index_time": True,
        "per_patient": "first",
        "label": {"window": ["0 d", "365 d"], "no_row": "negative", "follow_up": True},
        "modalities": {"ct": {"window": ["-7 d", "0 d"], "several": "nearest"}},
    },
    "modalities": [
        {
            "name": "ct",
            "kind": "ct",
            "shape": [1, 24, 24, 16],
            "spacing_mm": [4.0, 4.0, 5.0],
            "window_hu": [-100, 400],
            "present": 204,
        },
        {
            "name": "eeg",
            "kind": "eeg",
            "shape": [3, 19, 640],
            "windows": 3,
            "seconds": 10.0,
            "rate_hz": 64.0,
            "channels": 19,
            "reference": "average",
            "band_hz": [0.5, 28.8],
            "notch_hz": 50.0,
            "present": 206,
        },
        {"name": "labs", "kind": "ehr", "shape": [1], "columns": [{"name": "crp", "unit": "mg/L"}], "present": 235},
    ],
}
RUN = {
    "seed": 7,
    "versions": {"clinfuse": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
    "hashes": {"code": "a57edf97b17e00"},
    "config": {
        "validation": {"folds": 5, "repeats": 3, "inner_folds": 2},
        "missing": {"hide": 0.3, "report": ["rates"]},
        "question": {"primary": ["late", "labs"]},
        "models": {"late": {"calibration": "platt", "calibration_by": "pattern"}, "early": {"calibration": "none"}},
    },
}
METRICS = [
    {"model": "ct", "taxonomy": "single", "metric": "auroc"},
    {"model": "late", "taxonomy": "late, stacked", "metric": "auroc"},
    {"model": "late", "taxonomy": "late, stacked", "metric": "auroc difference"},
]
OPTIONS = {
    "epochs": 15,
    "patience": 4,
    "validation": "0.15",
    "class_weight": "balanced",
    "augment": True,
    "learning_rate": "0.003",
    "weight_decay": "0.05",
    "batch_size": 8,
    "schedule": "cosine",
}


def put(folder: Path, name: str, value: object) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    put(tmp_path, "cohort.json", COHORT)
    put(tmp_path, "run.json", RUN)
    put(tmp_path, "metrics.json", METRICS)
    for name, asked, learned in (
        ("ct", {}, {"model": {"choice": {"name": "small-conv"}}}),
        ("late", {"combine": "stacked", "fill": "skip", "cells": "median"}, {"combine": "stacked"}),
    ):
        folder = f"folds/0-0/{name}"
        put(tmp_path, f"{folder}/key.json", {"settings": {"parameters": {**asked, "options": OPTIONS}}})
        put(tmp_path, f"{folder}/losses.json", {"ct": [{"epoch": 0}]} if name == "ct" else {})
        put(tmp_path, f"{folder}/task.json", {"multimodal": name == "late"})
        put(tmp_path, f"{folder}/model/model.json", {"learned": learned})
    header = json.dumps({"/learned/weights/a": {"shape": [40, 30]}, "/prior": {"shape": [2]}}).encode()
    arrays = tmp_path / "folds/0-0/ct/model/arrays.safetensors"
    arrays.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 16)
    return tmp_path


def text(run: Path) -> str:
    return methods_document(Artefacts(run)).replace("\u00a0", " ")


def test_everything_that_lies_in_the_run_is_told(run: Path) -> None:
    told = text(run)
    for sentence in (
        "The cohort holds 240 records of 210 patients from 2 sites.",
        "Index times lie in the years 2019 to 2021.",
        "Of 243 records in the export 3 were left out (INDEX_TIME 3).",
        "The outcome is epilepsy, present in 84 of 240 records (35 %).",
        "Of each patient the first record was used.",
        "The outcome counts from 0 d to 365 d around the index time.",
        "A patient without an entry counts as without the finding.",
        "ct: CT, present in 204 of 240 records; resampled to 24 × 24 × 16 voxels of 4 × 4 × 5 mm, limited to −100 to",
        "Of ct counts what was made from −7 d to 0 d around the index time; of several the one nearest to the index",
        "3 windows of 10 s at 64 Hz, 19 channels, reference average, pass band 0.5 to 28.8 Hz, notch at 50 Hz.",
        "; 1 column: crp (mg/L).",
        "Fusion models, classed after Huang et al. (2020): late (late, stacked).",
        "Alone, ct is read by the network small-conv (1,200 weights).",
        'The model late combines by "stacked", leaves absent modalities out and fills missing cells of tables',
        "for at most 15 epochs, stopped when the loss of 15 % of the training patients",
        "classes were weighed equally, and the logits corrected back to the prevalence",
        "All modalities are present in 142 of 240 records.",
        "fusions had each present modality hidden with probability 0.3",
        'Probabilities of late were calibrated in inner folds by "platt", one for each set of modalities present.',
        "; training images and signals were varied at random",
        "Performance was estimated by 5-fold cross-validation, stratified by outcome, repeated 3 times (seed 7).",
        "used 2 inner folds by patient",
        "The question, late fusion against labs, was declared before training.",
        "Measured on held-out records: AUROC.",
        "95 % intervals from a bootstrap that draws patients",
        "adjusted by Holm's method",
        "clinfuse 0.1.0 (code a57edf97b17e) on Python 3.11.7, with PyTorch 2.13.0.",
        "derives from the seed 7",
    ):
        assert sentence in told, sentence


@pytest.mark.parametrize(
    ("artefact", "subjects"),
    [
        ("cohort.json", ["Cohort.", "Inputs."]),
        ("metrics.json", ["Models.", "Statistics."]),
        ("run.json", ["Validation.", "Software."]),
    ],
)
def test_what_is_not_in_the_run_is_not_said(run: Path, artefact: str, subjects: list[str]) -> None:
    assert all(f"\n{subject} " in f"\n{text(run)}" for subject in subjects)
    (run / artefact).unlink()
    assert not any(f"\n{subject} " in f"\n{text(run)}" for subject in subjects)


def test_an_empty_folder_gives_no_claim(tmp_path: Path) -> None:
    assert "Validation" not in text(tmp_path)
    assert text(tmp_path).endswith("Research use only. Not a medical device.\n")


def test_a_calibrated_model_is_described_by_the_one_inside_it(run: Path) -> None:
    inside = {"class": "LateFusion", "parameters": {"combine": "mean", "options": {**OPTIONS, "hide": "0.2"}}}
    put(run, "folds/0-0/late/key.json", {"settings": {"parameters": {"method": "platt", "model": inside}}})
    put(run, "run.json", {"config": {"missing": {"hide": None}}})
    assert 'The model late combines by "mean".' in text(run)
    assert "hidden with probability 0.2" in text(run)


def test_what_folds_chose_is_not_told_as_if_it_were_fixed(run: Path) -> None:
    inside = {"class": "LateFusion", "parameters": {"combine": "stacked", "fill": "skip", "options": OPTIONS}}
    calibrated = {"class": "Calibrated", "parameters": {"method": "platt", "model": inside}}
    asked = {"search": "random", "metric": "log_loss", "tries": 7, "inner_folds": 3, "model": calibrated}
    asked["settings"] = {"combine": ["stacked", "mean"], "options.hide": [0.0, 0.3]}
    put(run, "folds/0-0/late/key.json", {"settings": {"parameters": asked}})
    said = (
        "Of the model late, combine and options.hide were chosen inside every fold from 7 combinations drawn at "
        "random, by log loss on 3 inner folds of its training patients."
    )
    assert said in text(run)
    assert 'combines by "stacked"' not in text(run)
    asked["settings"] = {"learner": ["logistic"]}
    put(run, "folds/0-0/ct/key.json", {"settings": {"parameters": {**asked, "search": "grid"}}})
    assert "Of the model ct, learner was chosen inside every fold by trying every combination" in text(run)
    assert "Alone, ct is read" not in text(run)


def test_without_networks_or_images_nothing_is_said_of_their_training(run: Path) -> None:
    put(run, "cohort.json", {**COHORT, "modalities": COHORT["modalities"][2:]})
    assert "Networks were trained" in text(run)
    assert "varied at random" not in text(run)
    put(run, "folds/0-0/ct/losses.json", {})
    assert "Networks were trained" not in text(run)


def test_splits_that_were_saved_win_over_what_was_asked(run: Path) -> None:
    put(run, "splits.json", {"scheme": {"validation": "sites", "seed": 7}})
    assert "Performance was estimated by leaving out one site at a time." in text(run)
    put(run, "splits.json", {"scheme": {"validation": "by moonlight"}})
    assert "Performance was estimated" not in text(run)


def test_a_question_changed_late_is_not_called_declared(run: Path) -> None:
    put(run, "run.json", {**RUN, "changed_after": ["question.primary"]})
    assert "was changed when results could already be seen" in text(run)


def test_the_same_run_gives_the_same_text(run: Path) -> None:
    assert text(run) == text(run)
