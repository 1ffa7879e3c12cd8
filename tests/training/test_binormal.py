"""Golden numbers of the binormal cohort (methods.md G28, G29, G30, G45): d = 1.0 (ct), 0.8 (eeg), 1.5 (labs)."""

import itertools

import numpy as np
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit, logit
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from clinfuse.evaluation.contribution import shapley, subsets
from clinfuse.fusion.pooling import build_pool
from clinfuse.synthetic.ceiling import area, complete_auroc
from clinfuse.synthetic.embedding import embedding_world
from clinfuse.synthetic.settings import preset
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.loop import hidden_mask
from clinfuse.training.unimodal import Unimodal

SEPARATIONS = {"ct": 1.0, "eeg": 0.8, "labs": 1.5}
NAMES = tuple(SEPARATIONS)
PREVALENCE = 0.3


@pytest.fixture(scope="module")
def world():
    settings = preset("embedding", records=400, width=2, seed=11, prevalence=PREVALENCE, missing_rate=0.0)
    return embedding_world(settings, fresh=40_000, names=NAMES)


def test_shapley_values_of_the_best_auroc():
    # methods.md G28.
    found = shapley(lambda names: complete_auroc([SEPARATIONS[name] for name in names]) if names else 0.5, NAMES)
    assert found == pytest.approx({"ct": 0.12219, "eeg": 0.09243, "labs": 0.20382}, abs=6e-6)
    assert sum(found.values()) == pytest.approx(0.41844, abs=6e-6)


def pooled(world, combine, names):
    """Positive probabilities of a pool over the true single posteriors."""
    prior = np.log([1 - PREVALENCE, PREVALENCE])
    each = np.stack([world.posterior((name,)) + logit(PREVALENCE) for name in NAMES], axis=1)
    logits = torch.from_numpy(np.stack([-np.logaddexp(0, each), -np.logaddexp(0, -each)], -1))
    present = torch.tensor([name in names for name in NAMES]).expand(len(each), -1)
    pool = build_pool(combine, prior, multilabel=False)
    return torch.softmax(pool.combine(logits, present), -1)[:, 1].numpy()


@pytest.mark.parametrize("names", [names for size in (1, 2, 3) for names in itertools.combinations(NAMES, size)])
def test_evidence_of_true_single_posteriors_is_the_true_posterior_of_every_subset(world, names):
    # methods.md G29.
    truth = expit(world.posterior(names) + logit(PREVALENCE))
    np.testing.assert_allclose(pooled(world, "evidence", names), truth, rtol=0, atol=1e-9)


def test_averaging_probabilities_wrecks_calibration(world):
    # methods.md G29: Brier of the optimum, of the average and of the laboratory values alone.
    def brier(chances):
        return float(np.square(chances - world.fresh.labels).mean())

    assert brier(pooled(world, "evidence", NAMES)) == pytest.approx(0.101, abs=0.003)
    assert brier(pooled(world, "mean", NAMES)) == pytest.approx(0.139, abs=0.003)
    assert brier(pooled(world, "evidence", ("labs",))) == pytest.approx(0.135, abs=0.003)
    assert area(world.fresh.labels, pooled(world, "mean", NAMES)) == pytest.approx(0.913, abs=0.004)


def test_late_fusion_of_single_posteriors_learned_from_many_records_is_nearly_the_true_posterior(world):
    # methods.md G29, with models that were fitted instead of given.
    fitted = LateFusion(combine="evidence").fit(world.training)
    chances = fitted.predict_proba(world.fresh)[:, 1]
    truth = expit(world.posterior(NAMES) + logit(PREVALENCE))
    assert np.abs(chances - truth).mean() < 0.05
    single = Unimodal("labs").fit(world.training).predict_proba(world.fresh)[:, 1]
    assert area(world.fresh.labels, chances) > area(world.fresh.labels, single) + 0.04


def test_half_hidden_modalities_leave_each_subset_alike():
    # methods.md G30: q = 0.5 and three modalities, 1/7 for each non-empty subset.
    count = 7000
    everything = np.ones(3, dtype=bool)
    masks = np.stack([hidden_mask(everything, 0.5, 0, f"R{k}", 0) for k in range(count)])
    found = np.bincount(masks @ [1, 2, 4], minlength=8) / count
    assert found[0] == 0
    np.testing.assert_allclose(found[1:], 1 / 7, atol=4 * np.sqrt(1 / 7 * 6 / 7 / count))


def exact_brier(names):
    """Mean squared error of the true posterior, by quadrature over its logit within each class."""
    squared = sum(SEPARATIONS[name] ** 2 for name in names)
    nodes, weights = hermegauss(80)
    weights = weights / weights.sum()
    total = 0.0
    for label, share in ((1, PREVALENCE), (0, 1 - PREVALENCE)):
        centre = logit(PREVALENCE) + (label - 0.5) * squared
        total += share * weights @ np.square(expit(centre + np.sqrt(squared) * nodes) - label)
    return float(total)


def test_the_brier_score_under_drop_out_is_a_sum_over_subsets():
    # methods.md G30, section 3.4: q = 0.3; a record with nothing gets the prevalence.
    q = 0.3
    terms = [q ** (3 - len(names)) * (1 - q) ** len(names) * exact_brier(names) for names in ((), *subsets(NAMES))]
    assert exact_brier(NAMES) == pytest.approx(0.101, abs=5e-4)
    assert sum(terms) == pytest.approx(0.12774, abs=1e-3)


def test_xor_is_seen_by_early_and_not_by_late_fusion():
    # methods.md G45: late about .50, early above .99, where the columns themselves hold the signal (width 1).
    made = embedding_world(preset("xor", records=1000, width=1, seed=11), fresh=10_000, names=("ct", "labs"))

    def reached(model):
        return area(made.fresh.labels, model.fit(made.training).predict_proba(made.fresh)[:, 1])

    assert reached(LateFusion()) == pytest.approx(0.5, abs=0.05)
    assert reached(EarlyFusion(kind="I")) > 0.97
    assert reached(EarlyFusion(kind="I", learner=QuadraticDiscriminantAnalysis())) > 0.99
