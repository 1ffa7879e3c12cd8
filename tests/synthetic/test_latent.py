from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clinfuse.errors import ConfigError
from clinfuse.synthetic.draws import generator, normals
from clinfuse.synthetic.latent import LABS, WEIGHT, Latents, draw_latents
from clinfuse.synthetic.settings import PRESETS, SyntheticSettings, preset

FIELDS = list(Latents.__dataclass_fields__)


@hypothesis_settings(max_examples=15, deadline=None)
@given(
    few=st.integers(2, 60),
    more=st.integers(60, 1200),
    mechanism=st.sampled_from(["MCAR", "MAR", "MNAR"]),
    xor=st.booleans(),
)
def test_a_record_does_not_depend_on_how_many_there_are(few: int, more: int, mechanism: str, xor: bool) -> None:
    options = {"mechanism": "MCAR" if xor else mechanism, "xor": xor, "missing_rates": (0.5,) * 4}
    short = draw_latents(SyntheticSettings(records=few, **options))
    long = draw_latents(SyntheticSettings(records=more, **options))
    for field in FIELDS:
        assert np.array_equal(getattr(short, field), getattr(long, field)[:few]), field


def test_another_seed_gives_another_cohort() -> None:
    one, other = (draw_latents(SyntheticSettings(seed=seed)) for seed in (0, 1))
    assert not np.allclose(one.z, other.z)
    assert not np.array_equal(one.present, other.present)


def test_purposes_are_independent() -> None:
    assert generator(0, "a", 1).random() != generator(0, "a", 2).random()
    assert generator(0, "a1").random() != generator(0, "a", 1).random()
    pair = np.stack([normals(0, "one", 20000), normals(0, "other", 20000)])
    assert abs(np.corrcoef(pair)[0, 1]) < 0.03


def test_240_records_are_those_of_about_210_patients_with_a_label_each() -> None:
    latents = draw_latents(SyntheticSettings())
    people = len(set(latents.patient_ids))
    assert 200 <= people <= 220
    for patient in np.unique(latents.patient):
        here = latents.patient == patient
        assert here.sum() <= 2
        assert len(set(latents.labels[here])) == 1
        assert len(set(latents.sites[here])) == 1
        assert list(latents.visit[here]) == list(range(here.sum()))


def test_latents_are_binormal_with_the_declared_separations() -> None:
    latents = draw_latents(SyntheticSettings(records=40000, prevalence=0.3))
    assert latents.labels.mean() == pytest.approx(0.3, abs=0.01)
    means = [latents.z[latents.labels == label].mean(axis=0) for label in (1, 0)]
    assert means[0] - means[1] == pytest.approx([1.0, 0.8, 0.8, 1.5], abs=0.04)
    assert latents.z[latents.labels == 1].std(axis=0) == pytest.approx(np.ones(4), abs=0.03)
    within = latents.z - np.where(latents.labels[:, None] == 1, *means)
    assert np.abs(np.corrcoef(within.T) - np.eye(4)).max() < 0.03


def test_laboratory_columns_add_up_to_the_latent_and_are_uncorrelated_within_a_class() -> None:
    latents = draw_latents(SyntheticSettings(records=40000))
    assert np.allclose(latents.columns.sum(axis=1) * WEIGHT, latents.z[:, LABS])
    within = latents.columns[latents.labels == 1]
    assert np.cov(within.T) == pytest.approx(np.eye(3), abs=0.04)


def test_views_of_one_factor_correlate_as_declared_and_say_nothing_of_the_finding() -> None:
    latents = draw_latents(SyntheticSettings(records=20000))
    for factor in range(4):
        seen = np.corrcoef(latents.views[:, :, factor].T)[np.triu_indices(4, 1)]
        assert seen == pytest.approx(np.full(6, 0.9), abs=0.02)
    flat = latents.views.reshape(len(latents), -1)
    for target in (latents.labels, *latents.z.T):
        assert max(abs(np.corrcoef(column, target)[0, 1]) for column in flat.T) < 0.04


def test_factors_turned_off_leave_nothing_in_common() -> None:
    latents = draw_latents(SyntheticSettings(records=20000, factor_strength=0.0))
    off = np.corrcoef(latents.views[:, :, 0].T) - np.eye(4)
    assert np.abs(off).max() < 0.03


@pytest.mark.parametrize("rate", [0.15, 0.9])
def test_every_record_keeps_something(rate: float) -> None:
    latents = draw_latents(SyntheticSettings(records=3000, missing_rates=(rate,) * 4))
    assert latents.present.any(axis=1).all()
    expected = (1 - rate) / (1 - rate**4)
    assert latents.present.mean(axis=0) == pytest.approx(np.full(4, expected), abs=0.04)


def test_absence_follows_the_declared_mechanism() -> None:
    mcar, mar, mnar = (draw_latents(SyntheticSettings(records=20000, mechanism=m)) for m in ("MCAR", "MAR", "MNAR"))
    gaps = [
        latents.present[latents.labels == 1, :3].mean() - latents.present[latents.labels == 0, :3].mean()
        for latents in (mcar, mar, mnar)
    ]
    assert abs(gaps[0]) < 0.01
    assert min(gaps[1:]) > 0.05
    assert mar.present[:, LABS].all()
    band = np.abs(mar.evidence[:, LABS]) < 0.2
    given_labs = [mar.present[band & (mar.labels == label), :3].mean() for label in (0, 1)]
    assert abs(given_labs[0] - given_labs[1]) < 0.02


def test_the_signs_of_ct_and_labs_differ_in_those_with_the_finding_only() -> None:
    latents = draw_latents(preset("xor", records=4000))
    differ = np.sign(latents.z[:, 0]) != np.sign(latents.z[:, LABS])
    assert np.mean(differ == (latents.labels == 1)) > 0.97
    assert abs(latents.z[latents.labels == 1, 0].mean() - latents.z[latents.labels == 0, 0].mean()) < 0.25


def test_site_shift_moves_every_latent_of_the_second_site() -> None:
    plain, shifted = (draw_latents(SyntheticSettings(records=500, site_shift=shift)) for shift in (0.0, 0.7))
    assert np.allclose(shifted.z - plain.z, 0.7 * plain.sites[:, None])


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"prevalence": 1.0}, "prevalence"),
        ({"records": 1}, "records at least 2"),
        ({"missing_rate": 0.99}, "missing rates"),
        ({"separations": {"mri": 1.0}}, "keys out of"),
        ({"mechanism": "mcar"}, "mechanism"),
        ({"xor": True, "site_shift": 1.0}, "xor without site shift"),
        ({"ct_size": (8, 8, 4)}, "ct_size"),
    ],
)
def test_settings_that_cannot_be_made_are_refused(options: dict[str, object], rule: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[SYNTHETIC_SETTING\].*{rule}"):
        preset("demo", **options)


def test_unknown_names_and_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[SYNTHETIC_NAME\]"):
        preset("demonstration")
    with pytest.raises(ConfigError, match=r"\[SYNTHETIC_OPTION\]"):
        preset("demo", missing=0.1)


def test_every_preset_and_every_setting_has_an_identity_of_its_own() -> None:
    made = [preset(name) for name in PRESETS] + [preset("demo", seed=1), preset("demo", messy=True)]
    assert len({each.identity for each in made}) == len(made)
    assert preset("demo", missing_rate=0.3).missing_rates == (0.3,) * 4
