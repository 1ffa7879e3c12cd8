"""AUROC on training patients that a model was not fitted on."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from clinfuse.training.unseen import unseen_auroc


def test_records_of_two_inner_folds_are_not_compared():
    labels, scores = np.array([0, 1, 0, 1]), np.array([0.0, 1.0, 5.0, 6.0])
    logits = np.stack([np.zeros(4), scores], axis=1)
    assert unseen_auroc(labels, logits, [np.array([0, 1]), np.array([2, 3])]) == 1
    assert unseen_auroc(labels, logits, [np.arange(4)]) == 0.75


def test_an_inner_fold_of_one_class_has_no_say_and_none_is_chance():
    logits = np.stack([np.zeros(4), np.arange(4.0)], axis=1)
    rows = [np.array([0, 1]), np.array([2, 3])]
    assert unseen_auroc(np.array([0, 0, 0, 1]), logits, rows) == 1
    assert unseen_auroc(np.array([0, 0, 1, 1]), logits, rows) == 0.5


def test_several_classes_and_labels_are_averaged():
    draw = np.random.default_rng(0)
    labels, logits = draw.integers(3, size=60), draw.normal(size=(60, 3))
    expected = np.mean([roc_auc_score(labels == one, logits[:, one]) for one in range(3)])
    assert unseen_auroc(labels, logits, [np.arange(60)]) == pytest.approx(expected)
    several = draw.integers(2, size=(60, 2))
    several[:5, 0] = -1
    by_hand = [roc_auc_score(several[5:, 0], logits[5:, 0]), roc_auc_score(several[:, 1], logits[:, 1])]
    assert unseen_auroc(several, logits[:, :2], [np.arange(60)]) == pytest.approx(np.mean(by_hand))
