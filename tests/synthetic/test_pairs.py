"""The best reader of pairs: its ratio is one of densities, and nothing where nothing is shared."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from clinfuse.synthetic.latent import draw_latents
from clinfuse.synthetic.pairs import BANDS, bands, factors, pair_evidence
from clinfuse.synthetic.settings import FACTORS, MODALITIES, preset

NAMES = ("ct", "labs")


def world(**options):
    settings = preset("embedding", seed=3, records=4000, **options)
    return settings, draw_latents(settings)


def test_the_factors_tell_what_two_normals_tell():
    settings, latents = world(separations=(0.0, 0.0, 0.0, 0.0))
    rows = np.arange(50), np.arange(50, 100)
    m = [MODALITIES.index(name) for name in NAMES]
    first, second = latents.views[rows[0], m[0]], latents.views[rows[1], m[1]]
    joint = multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]])
    expected = joint.logpdf(np.stack([first, second], -1)) - norm.logpdf(first) - norm.logpdf(second)
    np.testing.assert_allclose(pair_evidence(settings, latents, NAMES, rows), expected.sum(1), atol=1e-9)


@pytest.mark.parametrize("options", [{"factor_strength": 0.0}, {"factor_correlation": 0.2}])
def test_over_pairs_of_two_patients_the_ratio_is_one_on_average(options):
    settings, latents = world(separations=(2.0, 0.0, 0.0, 2.0), **options)
    rows = np.arange(4000), np.roll(np.arange(4000), 1777)
    ratio = np.exp(pair_evidence(settings, latents, NAMES, rows))
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(4000)


def test_over_patients_of_one_band_too():
    settings, latents = world(factor_correlation=0.2)
    number, draw = bands(settings, latents), np.random.default_rng(0)
    partner = np.array([draw.choice(np.flatnonzero(number == own)) for own in number])
    plain = np.exp(pair_evidence(settings, latents, NAMES, (np.arange(4000), partner)))
    known = np.exp(pair_evidence(settings, latents, NAMES, (np.arange(4000), partner), alike=tuple(BANDS)))
    assert abs(known.mean() - 1) < 4 * known.std() / np.sqrt(4000)
    assert plain.mean() > 1.04


def test_nothing_shared_tells_nothing():
    settings, latents = world(factor_strength=0.0, separations=(0.0, 0.0, 0.0, 0.0))
    rows = np.arange(100)
    np.testing.assert_allclose(pair_evidence(settings, latents, NAMES, (rows[:, None], rows[None])), 0, atol=1e-12)


def test_bands_are_fifths_and_halves_of_the_patients_factors():
    settings, latents = world()
    shared, number = factors(settings, latents), bands(settings, latents)
    assert np.bincount(number).min() > 0.07 * len(number)
    assert len(np.unique(number)) == 10
    assert np.corrcoef(shared[:, 0], latents.views[:, 0, 0])[0, 1] == pytest.approx(np.sqrt(0.9), abs=0.02)
    age = shared[:, FACTORS.index("age")]
    assert age[number // 2 == 0].max() < age[number // 2 == 1].min()
