"""Cohorts of arrays: one informative direction, turned; the posterior of every subset; fresh records of one world."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from clinfuse.synthetic.ceiling import area, complete_auroc
from clinfuse.synthetic.embedding import embedding_cohort, embedding_world, rotation
from clinfuse.synthetic.make import make_cohort
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings, preset
from clinfuse.synthetic.truth import truth_of

NAMES = ("ct", "eeg", "labs")
SEPARATIONS = {"ct": 1.0, "eeg": 0.8, "labs": 1.5}
SUBSETS = [names for size in (1, 2, 3) for names in itertools.combinations(NAMES, size)]


@pytest.mark.parametrize("width", [1, 2, 8])
def test_a_rotation_turns_and_does_not_stretch(width: int) -> None:
    settings = preset("embedding", width=width, seed=3)
    turns = [rotation(settings, name) for name in MODALITIES]
    for turn in turns:
        assert np.allclose(turn @ turn.T, np.eye(width), atol=1e-12)
    if width > 1:
        assert not any(np.allclose(a, b) for a, b in itertools.combinations(turns, 2))
        assert not np.allclose(turns[0], rotation(preset("embedding", width=width, seed=4), "ct"))
    assert np.array_equal(turns[0], rotation(preset("embedding", width=width, seed=3, records=9), "ct"))


def test_the_signal_lies_in_one_direction_and_in_no_column() -> None:
    settings = preset("embedding", records=4000, width=8, seed=1, missing_rate=0.0)
    cohort, truth = make_cohort("embedding", records=4000, width=8, seed=1, missing_rate=0.0), truth_of(settings)
    assert cohort.shape == (4000, 4)
    assert set(cohort.sites) == {"site A", "site B"}
    for m, name in enumerate(MODALITIES):
        values, turn = cohort.arrays(name), rotation(settings, name)
        assert np.allclose(values @ turn[:, 0], truth.latents.z[:, m], atol=1e-12)
        means = [values[cohort.labels == k].mean(0) for k in (0, 1)]
        found = (means[1] - means[0]) @ turn
        assert found[0] == pytest.approx(settings.separations[m], abs=0.12)
        assert np.abs(found[1:]).max() < 0.12
        single = max(abs(means[1] - means[0]))
        assert single < settings.separations[m]


def test_the_oracle_of_embeddings_reads_the_direction() -> None:
    settings = preset("embedding", records=4000, width=7)
    cohort, truth = embedding_cohort(settings), truth_of(settings)
    assert np.array_equal(cohort.present, truth.latents.present)
    assert truth.oracle_scores(cohort).auroc() == pytest.approx(truth.ceiling_of(cohort), abs=0.02)


@pytest.mark.parametrize(("strength", "low", "high"), [(0.6, 0.85, 0.95), (0.0, -0.06, 0.06)])
def test_shared_factors_are_seen_by_two_modalities_or_not_at_all(strength: float, low: float, high: float) -> None:
    settings = preset("embedding", records=4000, factor_strength=strength, missing_rate=0.0, width=6)
    cohort = embedding_cohort(settings)
    ct, xray = (cohort.arrays(name) @ rotation(settings, name) for name in ("ct", "xray"))
    assert low < np.corrcoef(ct[:, 1], xray[:, 1])[0, 1] < high
    assert abs(np.corrcoef(ct[:, 5], xray[:, 5])[0, 1]) < 0.06
    assert abs(np.corrcoef(ct[:, 1], cohort.labels)[0, 1]) < 0.06


def test_a_world_has_a_training_cohort_and_fresh_records_of_other_patients() -> None:
    settings = preset("embedding", records=150, width=5, seed=2)
    world = embedding_world(settings, fresh=1200, names=NAMES)
    alone = embedding_cohort(settings).without("xray")
    assert world.training.names == world.fresh.names == NAMES
    assert np.array_equal(world.training.present, alone.present)
    for name in NAMES:
        assert np.array_equal(world.training.arrays(name), alone.arrays(name), equal_nan=True)
    assert len(world.fresh) == 1200
    assert world.fresh.present.all()
    assert not set(world.fresh.patient_ids) & set(world.training.patient_ids)
    as_trained = embedding_world(settings, fresh=1200, names=NAMES, fresh_complete=False)
    assert np.array_equal(as_trained.fresh.labels, world.fresh.labels)
    assert as_trained.fresh.present.mean() == pytest.approx(0.85, abs=0.03)


def test_the_patient_on_the_border_is_no_fresh_one() -> None:
    # Seeds differ in whether the last training patient has a second record: some must.
    straddling = 0
    for seed in range(30):
        world = embedding_world(preset("embedding", records=20, width=1, seed=seed), fresh=5)
        straddling += int(world.fresh.record_ids[0] != "R0021")
        assert not set(world.fresh.patient_ids) & set(world.training.patient_ids)
        assert len(world.fresh) == 5
    assert straddling > 0


@pytest.mark.parametrize("names", SUBSETS, ids="+".join)
def test_the_posterior_of_every_subset_reaches_the_closed_form(names: tuple[str, ...]) -> None:
    # Golden numbers of the binormal cohort: 0.760, 0.714, 0.856, 0.817, 0.899, 0.885, 0.918.
    world = embedding_world(preset("embedding", records=50, seed=5), fresh=30_000, names=NAMES)
    reached = area(world.fresh.labels, world.posterior(names))
    assert reached == pytest.approx(complete_auroc([SEPARATIONS[name] for name in names]), abs=0.008)


def test_the_posterior_reads_only_what_is_present() -> None:
    world = embedding_world(preset("embedding", records=50, seed=5), fresh=400, names=NAMES)
    without = world.posterior(NAMES, np.tile([True, False, True], (400, 1)))
    assert np.array_equal(without, world.posterior(("ct", "labs")))
    assert np.array_equal(world.posterior(NAMES, np.zeros((400, 3), dtype=bool)), np.zeros(400))


@pytest.mark.parametrize("mechanism", ["MCAR", "MNAR"])
def test_the_posterior_is_calibrated_absences_included(mechanism: str) -> None:
    settings = preset("embedding", records=50, seed=6, mechanism=mechanism, missing_rate=0.4, mechanism_strength=2.0)
    world = embedding_world(settings, fresh=20_000, fresh_complete=False)
    chances = expit(world.posterior(MODALITIES) + np.log(settings.prevalence / (1 - settings.prevalence)))
    for low in np.arange(0, 1, 0.2):
        group = (chances >= low) & (chances < low + 0.2)
        error = 4 * np.sqrt(0.25 / group.sum())
        assert world.fresh.labels[group].mean() == pytest.approx(chances[group].mean(), abs=error)


def test_a_modality_of_pure_noise_says_nothing() -> None:
    options = {"separations": {"xray": 0.0}, "factor_strength": 0.0, "missing_rate": 0.0}
    cohort = embedding_cohort(preset("embedding", records=4000, width=8, **options))
    xray = cohort.arrays("xray")
    assert np.abs(np.corrcoef(xray.T) - np.eye(8)).max() < 0.08
    assert np.abs(xray[cohort.labels == 1].mean(0) - xray[cohort.labels == 0].mean(0)).max() < 0.15


def test_xor_is_nothing_alone_and_everything_together() -> None:
    world = embedding_world(preset("xor", records=50, width=8), fresh=4000)
    for name in MODALITIES:
        assert area(world.fresh.labels, world.posterior((name,))) == pytest.approx(0.5, abs=1e-12)
    assert area(world.fresh.labels, world.posterior(("ct", "labs"))) > 0.99
    turned = [world.fresh.arrays(name) @ rotation(world.settings, name)[:, 0] for name in ("ct", "labs")]
    assert np.mean(((turned[0] > 0) != (turned[1] > 0)) == world.fresh.labels) > 0.98


def test_a_record_is_the_same_in_any_cohort_of_its_world() -> None:
    few, more = (embedding_cohort(replace(SMALL, records=count)) for count in (40, 1300))
    for name in MODALITIES:
        assert np.array_equal(few.arrays(name), more.arrays(name)[:40], equal_nan=True)


SMALL = SyntheticSettings(level="embedding", width=8, seed=7)
