import json

import numpy as np
import pytest
import torch

from clinfuse.errors import ConfigError
from clinfuse.fusion.pool import probabilities
from clinfuse.fusion.pooling import build_pool, pool_from_state, pool_names


def logit(p):
    return np.log(p / (1 - p))


def two_class(p):
    """Logits (records, modalities, 2) of positive probabilities (records, modalities)."""
    p = np.asarray(p, dtype=float)
    return torch.from_numpy(np.stack([np.log(1 - p), np.log(p)], -1))


def positive(pool, p, present=None):
    logits = two_class(p)
    mask = torch.ones(logits.shape[:2], dtype=torch.bool) if present is None else torch.tensor(present)
    return torch.softmax(pool.combine(logits, mask), -1)[:, 1].numpy()


def fitted(name, n=400, modalities=3, seed=0, multilabel=False, noise=()):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, 2) if multilabel else n)
    outputs = 2
    logits = rng.standard_normal((n, modalities, outputs))
    for m in range(modalities):
        if m in noise:
            continue
        if multilabel:
            logits[:, m] += 2 * labels - 1
        else:
            logits[np.arange(n), m, labels] += 1.0
    present = rng.random((n, modalities)) > 0.3
    present[~present.any(1), 0] = True
    prior = np.zeros(2) if multilabel else np.log([0.5, 0.5])
    pool = build_pool(name, prior, multilabel=multilabel)
    return pool.fit(logits, present, labels, np.ones(n)), logits, present, labels


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mean", 0.750), ("logit mean", 0.78606), ("evidence", 0.93103), ("noisy or", 0.96), ("max", 0.9), ("min", 0.6)],
)
def test_pools_of_two_probabilities_match_the_arithmetic(name, expected):
    # By hand: p = .9 and .6 at prevalence .5.
    pool = build_pool(name, np.log([0.5, 0.5]), multilabel=False)
    assert positive(pool, [[0.9, 0.6]])[0] == pytest.approx(expected, abs=5e-6)


def test_evidence_pool_is_the_true_posterior_of_independent_sources():
    rng = np.random.default_rng(0)
    prior, d = 0.3, np.array([1.0, 0.8, 1.5])
    y = rng.random(500) < prior
    x = rng.standard_normal((500, 3)) + np.where(y[:, None], d / 2, -d / 2)
    each = 1 / (1 + np.exp(-(logit(prior) + d * x)))
    truth = 1 / (1 + np.exp(-(logit(prior) + (d * x).sum(1))))
    pool = build_pool("evidence", np.log([1 - prior, prior]), multilabel=False)
    np.testing.assert_allclose(positive(pool, each), truth, atol=1e-9)


def test_a_tied_vote_goes_with_the_prior():
    for prevalence in (0.2, 0.8):
        pool = build_pool("majority vote", np.log([1 - prevalence, prevalence]), multilabel=False)
        assert (positive(pool, [[0.9, 0.1]])[0] > 0.5) == (prevalence > 0.5)
        assert positive(pool, [[0.9, 0.8]])[0] > 0.5


def test_declared_weights_are_renormalised_over_what_is_present_and_not_learned():
    # By hand: weights .5, .3, .2 without the second are 5/7, 0 and 2/7; their scale does not matter.
    pool = build_pool("weighted", np.log([0.5, 0.5]), multilabel=False, weights=np.array([5.0, 3.0, 2.0]))
    assert not pool.learns
    np.testing.assert_allclose(pool.weights_, [0.5, 0.3, 0.2])
    p = np.array([[0.9, 0.4, 0.2]])
    expected = (5 * 0.9 + 2 * 0.2) / 7
    assert positive(pool, p, [[True, False, True]])[0] == pytest.approx(expected, abs=1e-9)
    assert positive(pool_from_state(pool.to_state()), p, [[True, False, True]])[0] == pytest.approx(expected, abs=1e-9)


def test_only_modalities_that_weigh_nothing_count_equally():
    pool = build_pool("weighted", np.log([0.5, 0.5]), multilabel=False, weights=np.array([1.0, 0.0, 0.0]))
    found = positive(pool, [[0.9, 0.4, 0.2]], [[False, True, True]])[0]
    assert found == pytest.approx(0.3, abs=1e-9)


@pytest.mark.parametrize("weights", [[1.0, -0.5, 0.5], [0.0, 0.0, 0.0], [1.0, np.nan, 0.0], [np.inf, 1.0, 1.0]])
def test_weights_that_cannot_be_meant_are_refused(weights):
    with pytest.raises(ConfigError, match="POOL_WEIGHTS"):
        build_pool("weighted", np.zeros(2), multilabel=False, weights=np.array(weights))
    with pytest.raises(ConfigError, match=r"POOL_WEIGHTS.*weighted"):
        build_pool("mean", np.zeros(2), multilabel=False, weights=np.ones(3))


def test_the_mean_probability_is_the_logit_pooling_of_drfuse():
    # methods.md G19: logsumexp(h1+h2, h1+h2, h1, h2) - logsumexp(0, 0, h1, h2) at h = (1.2, -0.7).
    h = np.array([1.2, -0.7])
    published = np.logaddexp.reduce([h.sum(), h.sum(), *h]) - np.logaddexp.reduce([0, 0, *h])
    pool = build_pool("mean", np.zeros(1), multilabel=True)
    found = pool.combine(torch.from_numpy(h[None, :, None]), torch.ones(1, 2, dtype=torch.bool))
    assert published == pytest.approx(0.20135155, abs=5e-9)
    assert float(found[0, 0]) == pytest.approx(published, abs=1e-9)


@pytest.mark.parametrize(("name", "expected"), [("max", [0.6, 0.5, 0.3]), ("min", [0.2, 0.1, 0.2])])
def test_extremes_of_three_classes_are_taken_class_by_class(name, expected):
    p = np.array([[[0.6, 0.1, 0.3], [0.2, 0.5, 0.3], [0.5, 0.3, 0.2]]])
    pool = build_pool(name, np.log(np.full(3, 1 / 3)), multilabel=False)
    found = torch.softmax(pool.combine(torch.from_numpy(np.log(p)), torch.ones(1, 3, dtype=torch.bool)), -1)
    np.testing.assert_allclose(found[0].numpy(), np.array(expected) / sum(expected), atol=1e-5)


def test_brier_scores_of_the_posterior_the_mean_and_the_best_source():
    # methods.md G29, at prevalence .3 with d = 1.0, 0.8, 1.5: .101, .139, .135.
    rng = np.random.default_rng(0)
    prior, d, n = 0.3, np.array([1.0, 0.8, 1.5]), 400_000
    y = rng.random(n) < prior
    x = rng.standard_normal((n, 3)) + np.where(y[:, None], d / 2, -d / 2)
    each = 1 / (1 + np.exp(-(logit(prior) + d * x)))
    pools = {name: build_pool(name, np.log([1 - prior, prior]), multilabel=False) for name in ("evidence", "mean")}
    brier = [float(((p - y) ** 2).mean()) for p in (*(positive(pool, each) for pool in pools.values()), each[:, 2])]
    assert brier == pytest.approx([0.101, 0.139, 0.135], abs=1.5e-3)


def test_weighted_pool_trusts_the_better_modality_more():
    pool, *_ = fitted("weighted", noise=(2,))
    assert pool.weights_[0] > pool.weights_[2]
    assert pool.weights_.sum() == pytest.approx(1)


def test_stacking_ignores_a_modality_that_says_nothing():
    pool, *_ = fitted("stacked", n=2000, noise=(2,))
    assert pool.slopes_[2] < 0.1 * pool.slopes_[0]
    assert (pool.slopes_ >= 0).all()


def test_stacking_corrects_overconfident_logits():
    rng = np.random.default_rng(3)
    x = rng.standard_normal(4000)
    labels = (rng.random(4000) < 1 / (1 + np.exp(-x))).astype(int)
    logits = np.stack([np.zeros_like(x), 4 * x], -1)[:, None]
    pool = build_pool("stacked", np.log([0.5, 0.5]), multilabel=False)
    pool.fit(logits, np.ones((4000, 1), bool), labels, np.ones(4000))
    assert pool.slopes_[0] == pytest.approx(0.25, abs=0.03)


def test_the_calibrated_mean_takes_each_source_for_what_it_knows():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4000, 2))
    labels = (rng.random(4000) < 1 / (1 + np.exp(-x.sum(1)))).astype(int)
    # The first is four times too sure of itself, the second knows what the first does not and says it too faintly.
    logits = np.stack([np.zeros_like(x), x * [4.0, 0.25]], -1)
    present = np.ones((4000, 2), bool)
    pool = build_pool("calibrated mean", np.log([0.5, 0.5]), multilabel=False)
    pool.fit(logits, present, labels, np.ones(4000))
    alone = 1 / np.sqrt(1 + np.pi / 8)  # the other source, unseen, flattens the slope
    assert pool.slopes_ == pytest.approx([alone / 4, alone / 0.25], rel=0.1)
    first = torch.tensor([[True, False]]).expand(4000, -1)
    z = pool.combine(torch.from_numpy(logits), first).numpy()
    np.testing.assert_allclose(z[:, 1] - z[:, 0], pool.slopes_[0] * 4 * x[:, 0], rtol=0, atol=0.15)


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("name", pool_names())
def test_what_is_absent_never_matters(name, multilabel):
    pool, logits, present, _ = fitted(name, multilabel=multilabel)
    mask = torch.from_numpy(present)
    spoiled = np.where(present[..., None], logits, 1e6)
    before = pool.combine(torch.from_numpy(logits), mask)
    after = pool.combine(torch.from_numpy(spoiled), mask)
    assert torch.equal(before, after)
    assert torch.isfinite(before).all()


@pytest.mark.parametrize("name", pool_names())
def test_order_of_records_does_not_matter(name):
    pool, logits, present, _ = fitted(name)
    turned = np.arange(len(logits))[::-1].copy()
    one = pool.combine(torch.from_numpy(logits), torch.from_numpy(present)).numpy()
    other = pool.combine(torch.from_numpy(logits[turned]), torch.from_numpy(present[turned])).numpy()
    np.testing.assert_array_equal(one[turned], other)


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("name", pool_names())
def test_a_stored_pool_answers_the_same(name, multilabel):
    pool, logits, present, _ = fitted(name, multilabel=multilabel)
    again = pool_from_state(pool.to_state())
    mask = torch.from_numpy(present)
    assert torch.equal(pool.combine(torch.from_numpy(logits), mask), again.combine(torch.from_numpy(logits), mask))


@pytest.mark.parametrize("name", [n for n in pool_names() if n != "majority vote"])
def test_attributions_can_run_through_a_pool(name):
    pool, logits, present, _ = fitted(name)
    x = torch.from_numpy(logits[:5]).requires_grad_()
    pool.combine(x, torch.from_numpy(present[:5]))[:, 1].sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0


def test_probabilities_stay_away_from_certainty():
    chances = probabilities(torch.tensor([[[0.0, 1e4]]], dtype=torch.float64), multilabel=False)
    assert json.loads(json.dumps(chances.tolist())) == [[[1e-6, 1 - 1e-6]]]


def test_an_unknown_pool_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"POOL_NAME.*logit mean.*stacked"):
        build_pool("average", np.zeros(2), multilabel=False)
