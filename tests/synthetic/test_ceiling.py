from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from clinfuse.synthetic.ceiling import (
    area,
    complete_auroc,
    expected_auroc,
    mixture_auroc,
    posterior_logit,
    realised_auroc,
)
from clinfuse.synthetic.latent import draw_latents
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings, preset

SUBSETS = [("ct", "xray", "eeg", "labs"), ("labs",), ("ct", "xray", "eeg"), ("ct", "labs"), ("eeg",)]
MANY = 60000


@pytest.mark.parametrize(
    ("separations", "auroc"),
    [
        # Binormal model, d = (1, 0.8, 1.5): Phi(sqrt(sum d^2 / 2)) for the seven subsets.
        ([1.0], 0.76025),
        ([0.8], 0.71420),
        ([1.5], 0.85558),
        ([1.0, 0.8], 0.81741),
        ([1.0, 1.5], 0.89880),
        ([0.8, 1.5], 0.88533),
        ([1.0, 0.8, 1.5], 0.91844),
    ],
)
def test_complete_subsets_have_their_closed_form(separations: list[float], auroc: float) -> None:
    assert complete_auroc(separations) == pytest.approx(auroc, abs=5e-6)
    squared = np.array([np.sum(np.square(separations))])
    assert mixture_auroc(squared, np.ones(1)) == pytest.approx(complete_auroc(separations), abs=1e-12)


def test_a_mixture_is_the_chance_that_one_of_two_records_scores_higher() -> None:
    # Half of the records show d = 2, half show nothing. Pairs: both show it, one does, none does.
    by_hand = (norm.cdf(2 / np.sqrt(2)) + 2 * norm.cdf(1) + 0.5) / 4
    assert mixture_auroc(np.array([4.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(by_hand, abs=1e-12)


def test_nothing_to_read_is_a_coin() -> None:
    assert mixture_auroc(np.zeros(1), np.ones(1)) == 0.5
    nothing = expected_auroc(preset("nothing-to-gain"), ("ct", "xray", "eeg"))
    assert nothing == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("names", SUBSETS)
@pytest.mark.parametrize("empty_cells", [0.0, 0.3])
def test_the_closed_form_is_what_the_true_posterior_reaches(names: tuple[str, ...], empty_cells: float) -> None:
    settings = SyntheticSettings(records=MANY, seed=1, empty_cells=empty_cells)
    latents = draw_latents(settings)
    reached = area(latents.labels, posterior_logit(latents, settings, names, latents.present))
    assert expected_auroc(settings, names) == pytest.approx(reached, abs=0.006)
    assert expected_auroc(settings, names, latents.present) == pytest.approx(reached, abs=0.006)
    assert realised_auroc(latents, settings, names, latents.present) == pytest.approx(reached, abs=0.006)


@pytest.mark.parametrize(
    "options",
    [{"mechanism": "MAR"}, {"mechanism": "MNAR"}, {"site_shift": 0.7}, {"mechanism": "MAR", "site_shift": 0.5}],
)
@pytest.mark.parametrize("names", SUBSETS[:3])
def test_the_posterior_is_calibrated_and_so_cannot_be_improved(
    options: dict[str, object], names: tuple[str, ...]
) -> None:
    settings = SyntheticSettings(records=MANY, **options)
    latents = draw_latents(settings)
    logit = posterior_logit(latents, settings, names, latents.present) + np.log(0.4 / 0.6)
    expected = 1 / (1 + np.exp(-logit))
    read = latents.present[:, [MODALITIES.index(name) for name in names]]
    patterns = read @ (1 << np.arange(len(names)))
    groups = [patterns == pattern for pattern in np.unique(patterns)]
    groups += [(logit > low) & (logit <= low + 0.5) for low in np.arange(-3, 3, 0.5)]
    for group in (group for group in groups if group.sum() > 400):
        error = 4 * np.sqrt(0.25 / group.sum())
        assert latents.labels[group].mean() == pytest.approx(expected[group].mean(), abs=error)


def test_absence_that_follows_the_finding_is_worth_something_even_alone() -> None:
    settings = SyntheticSettings(records=MANY, mechanism="MNAR", separations=(0.0,) * 4, mechanism_strength=2.0)
    latents = draw_latents(settings)
    assert realised_auroc(latents, settings, MODALITIES, latents.present) > 0.6
    ignored = SyntheticSettings(records=MANY, separations=(0.0,) * 4)
    assert realised_auroc(draw_latents(ignored), ignored, MODALITIES, latents.present) == 0.5


def test_xor_is_nothing_alone_and_everything_together() -> None:
    settings = preset("xor", records=5000)
    latents = draw_latents(settings)
    for name in MODALITIES:
        assert realised_auroc(latents, settings, (name,), latents.present) == 0.5
    assert realised_auroc(latents, settings, ("ct", "labs"), latents.present) > 0.99


def test_reading_more_never_lowers_the_ceiling() -> None:
    settings = SyntheticSettings()
    for size in (1, 2, 3):
        for names in itertools.combinations(MODALITIES, size):
            more = [expected_auroc(settings, (*names, other)) for other in MODALITIES if other not in names]
            assert min(more) > expected_auroc(settings, names)


def test_area_agrees_with_scikit_learn_on_ties() -> None:
    draw = np.random.default_rng(3)
    labels, scores = draw.integers(0, 2, 300), draw.integers(0, 20, 300).astype(float)
    assert area(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert np.isnan(area(np.ones(3, dtype=int), np.arange(3.0)))
