"""Thresholds from training patients that the model had not seen."""

import numpy as np
import pytest

from clinfuse.errors import ConfigError
from clinfuse.training.calibration import Unseen
from clinfuse.training.thresholds import learned_thresholds


def unseen_of(labels, scores, patients=None):
    n = len(labels)
    patients = np.arange(n) if patients is None else np.asarray(patients)
    logits = np.stack([np.zeros(n), scores], axis=1)
    return Unseen(logits, np.asarray(labels), patients, np.ones((n, 1), bool), np.zeros(n, int))


@pytest.mark.parametrize(("others", "rank"), [(9, 9), (19, 18), (99, 90), (8, 8)])
def test_the_patient_of_the_conformal_rank_is_just_not_called(others, rank):
    """G13: ceil((n + 1) 0.9) of n = 9, 19, 99; of 8 there is no such rank, and nobody is called."""
    scores = np.arange(1.0, others + 2)
    unseen = unseen_of([0] * others + [1], scores)
    limit = learned_thresholds(unseen, {"specificity": 0.9})["specificity"][0]
    assert rank < limit < rank + 1e-9
    turned = learned_thresholds(unseen_of([1] * others + [0], -scores), {"sensitivity": 0.9})["sensitivity"][0]
    assert turned == -rank


def test_new_patients_are_spared_as_often_as_was_asked():
    draw = np.random.default_rng(0)
    spared = []
    for _ in range(2000):
        scores = draw.normal(size=31)
        limit = learned_thresholds(unseen_of([0] * 30 + [1], scores), {"specificity": 0.8})["specificity"][0]
        spared.append(draw.normal() < limit)
    assert 0.8 - 0.02 < np.mean(spared) < 25 / 31 + 0.02


def test_a_patient_counts_once_whatever_the_number_of_records():
    labels, scores = np.array([0] * 19 + [1]), np.arange(20.0)
    copies = np.concatenate([np.arange(20), np.repeat(18, 30)])
    once = learned_thresholds(unseen_of(labels, scores), {"specificity": 0.7})
    again = learned_thresholds(unseen_of(labels[copies], scores[copies], copies), {"specificity": 0.7})
    assert once == again


def test_every_label_has_a_threshold_and_several_classes_have_none():
    labels = np.stack([np.tile([0, 1], 20), np.tile([0, 0, 1, -1], 10)], axis=1)
    unseen = Unseen(np.random.default_rng(0).normal(size=(40, 2)), labels, *(np.arange(40), np.ones((40, 1)), labels))
    assert learned_thresholds(unseen, {"specificity": 0.5})["specificity"].shape == (2,)
    with pytest.raises(ConfigError, match="THRESHOLD_AIM"):
        learned_thresholds(Unseen(np.zeros((3, 3)), np.arange(3), *[np.arange(3)] * 3), {"specificity": 0.5})
    for aims in ({"specificity": 1.0}, {"accuracy": 0.5}):
        with pytest.raises(ConfigError, match="THRESHOLD_AIM"):
            learned_thresholds(unseen_of([0, 1], np.zeros(2)), aims)
    with pytest.raises(ConfigError, match="THRESHOLD_AIM"):
        learned_thresholds(unseen_of([0, 0], np.zeros(2)), {"sensitivity": 0.5})
