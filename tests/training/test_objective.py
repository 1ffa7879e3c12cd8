import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from clinfuse.errors import TrainingError
from clinfuse.training.objective import Objective, class_prior, prior_logits, weighing_correction

EVERYONE = torch.ones(6, dtype=torch.bool)


def test_classes_are_scored_by_softmax_cross_entropy():
    logits = torch.randn(6, 3)
    targets = torch.tensor([0, 1, 2, 2, 1, 0])
    loss = Objective(False, np.full(3, 1 / 3), False).loss(logits, targets, EVERYONE)
    expected = log_loss(targets.numpy(), torch.softmax(logits.double(), 1).numpy())
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_labels_are_scored_each_and_unknown_ones_do_not_count():
    logits = torch.zeros(2, 2)
    targets = torch.tensor([[1, -1], [0, 1]])
    loss = Objective(True, np.array([0.5, 0.5]), False).loss(logits, targets, torch.ones(2, dtype=torch.bool))
    assert float(loss) == pytest.approx(np.log(2), abs=1e-6)
    logits[0, 1] = 1e3
    changed = Objective(True, np.array([0.5, 0.5]), False).loss(logits, targets, torch.ones(2, dtype=torch.bool))
    assert float(changed) == pytest.approx(np.log(2), abs=1e-6)


def test_rows_that_do_not_count_do_not_count():
    logits, targets = torch.randn(6, 2), torch.tensor([0, 1, 0, 1, 0, 1])
    rows = torch.tensor([True, True, False, False, False, False])
    objective = Objective(False, np.array([0.5, 0.5]), False)
    everyone = torch.ones(2, dtype=torch.bool)
    assert float(objective.loss(logits, targets, rows)) == pytest.approx(
        float(objective.loss(logits[:2], targets[:2], everyone))
    )


@pytest.mark.parametrize("multilabel", [False, True])
def test_the_correction_gives_a_constant_model_the_prevalence_back(multilabel):
    prior = np.array([0.1, 0.3]) if multilabel else np.array([0.8, 0.2])
    # A model trained on balanced classes that says nothing answers 0 everywhere.
    corrected = weighing_correction(prior, multilabel=multilabel, weighed=True)
    chances = 1 / (1 + np.exp(-corrected)) if multilabel else np.exp(corrected) / np.exp(corrected).sum()
    np.testing.assert_allclose(chances, prior)
    np.testing.assert_array_equal(weighing_correction(prior, multilabel=multilabel, weighed=False), 0)


def test_the_prior_is_the_share_of_each_class():
    prior = class_prior(np.array([0, 0, 1, -1]), 2, multilabel=False)
    np.testing.assert_allclose(prior, [2 / 3, 1 / 3])
    np.testing.assert_allclose(np.exp(prior_logits(prior, multilabel=False)), prior)


@pytest.mark.parametrize("labels", [np.array([0, 0, 0]), np.array([[1, 0], [1, 1]])])
def test_a_class_without_records_is_refused(labels):
    with pytest.raises(TrainingError, match=r"TRAIN_ONE_CLASS.*1 of 2"):
        class_prior(labels, 2, multilabel=labels.ndim == 2)
