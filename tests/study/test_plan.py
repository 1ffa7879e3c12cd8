from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clinfuse.study.config import load_study, parse_study
from clinfuse.study.plan import fits_of, plan_run
from clinfuse.study.run import prepare

TRAINED = {"ct": True, "eeg": True, "labs": False}


def counted(**models: Any) -> tuple[float, int]:
    """Whole trainings of networks, and fits, of one fold of a study with these models."""
    values = {"cohort": "c", "results": "r", "models": models}
    study = parse_study({**values, "question": {"primary": [next(iter(models)), "best single"]}})
    study = study.model_copy(update={"validation": study.validation.model_copy(update={"inner_folds": 2})})
    fits: dict[tuple[str, ...], Any] = {}
    for name, section in study.models.items():
        fits |= fits_of(name, section, study, TRAINED)
    networks = sum(fit.passes * sum(TRAINED[name] for name in fit.modalities) for fit in fits.values())
    return networks, sum(fit.count for fit in fits.values())


@pytest.mark.parametrize(
    ("models", "networks", "fits"),
    [
        ({"one": {"fusion": "single", "modality": "ct"}}, 1, 1),
        ({"one": {"fusion": "single", "modality": "ct", "learner": "logistic"}}, 0, 1),
        ({"one": {"fusion": "joint"}}, 2, 1),
        ({"one": {"fusion": "early", "kind": "I"}}, 0, 1),
        ({"one": {"fusion": "early"}}, 2, 6),  # two halves of two networks, and two learners
        ({"one": {"fusion": "late", "combine": "mean"}}, 2, 3),
        ({"one": {"fusion": "late"}}, 4, 9),  # whole, and two inner folds of half the patients each
        ({"one": {"fusion": "late"}, "two": {"fusion": "late", "combine": "weighted"}}, 4, 9),  # shared
        ({"one": {"fusion": "late", "calibration": "platt"}}, 4, 9),  # calibrated on what the pool learned from
        ({"one": {"fusion": "late", "combine": "mean", "calibration": "platt"}}, 4, 9),
        ({"one": {"fusion": "single", "modality": "ct", "calibration": "platt"}, "two": {"fusion": "late"}}, 4, 9),
        ({"one": {"fusion": "joint", "calibration": "temperature"}}, 4, 3),  # and half of it in either inner fold
        ({"one": {"fusion": "early", "calibration": "platt"}}, 4, 18),
        ({"one": {"fusion": "late"}, "two": {"fusion": "early"}}, 4, 11),  # early fusion makes the same cut
    ],
)
def test_trainings_are_counted_once_where_models_share_them(models: Any, networks: float, fits: int) -> None:
    assert counted(**models) == (networks, fits)


def test_what_is_asked_inside_is_counted(study_file: Path) -> None:
    text = study_file.read_text(encoding="utf-8")
    for asked, trainings in (
        ('"late", "labs"', 9),
        ('"late", "best single"', 9 + 3 * 6),  # both modalities in three inner folds, in three folds
        ('"best fusion", "labs"', 9 + 3 * 9),  # the parts of late fusion, and early fusion
        ('"best fusion", "best single"', 9 + 3 * 9),  # late fusion shares its parts with the single modalities
    ):
        study_file.write_text(text.replace('"late", "labs"', asked), encoding="utf-8")
        work = prepare(load_study(study_file))
        assert plan_run(work, workers=1).trainings == trainings


def test_a_plan_is_for_what_is_left(study_file: Path) -> None:
    work = prepare(load_study(study_file))
    whole = plan_run(work, workers=1)
    assert (whole.tasks, whole.left, whole.trainings) == (12, 12, 9)
    assert not any(timing.trained for timing in whole.timings.values())
    assert whole.megabytes > 0
    list(work.do())
    assert plan_run(work, workers=1).left == 0
    assert plan_run(work, workers=1).hours == 0
