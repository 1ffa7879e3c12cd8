"""Fills inside classifiers: fitted in the fold, never with the record they fill while a learner trains."""

from pathlib import Path

import numpy as np
import pytest

from clinfuse.encoders.cells import cell_fill_names
from clinfuse.errors import ConfigError
from clinfuse.fusion import missing
from clinfuse.fusion.fill import Fill
from clinfuse.fusion.missing import NeighbourFill, fill_names
from clinfuse.fusion.pooling import pool_names
from clinfuse.fusion.register import register
from clinfuse.fusion.stand_ins import stand_in_names
from clinfuse.study.config import parse_study
from clinfuse.training.early import EarlyFusion
from clinfuse.training.fills import fit_fill
from clinfuse.training.late import LateFusion
from clinfuse.training.learner import LearnerRows
from clinfuse.training.learners import learner_names
from clinfuse.training.store import load_model, save_model

every = pytest.mark.parametrize("fill", fill_names())


def rows_of(n, copies=3, patients=20):
    ids = np.array([f"R{k:03d}" for k in range(n)])
    return LearnerRows(np.tile(np.arange(n), copies), np.array([f"P{k % patients:02d}" for k in range(n)]), ids, seed=0)


def test_no_training_row_is_filled_by_a_fill_that_saw_its_patient(monkeypatch):
    rows = rows_of(60)
    rng = np.random.default_rng(0)
    # The first column names the patient, so that a fill can be asked whom it saw.
    named = rng.standard_normal((60, 2))
    named[:, 0] = [float(group[1:]) for group in rows.groups]
    z, present = [named, rng.standard_normal((60, 2))], np.ones((60, 2), bool)
    masks = np.ones((180, 2), bool)
    masks[60:, 1] = False
    seen, original_fit, original_fill = {}, Fill.fit, Fill.fill

    def fit(self, blocks, there):
        seen[id(self)] = set(blocks[0][:, 0])
        return original_fit(self, blocks, there)

    def fill(self, blocks, there):
        assert not set(blocks[0][:, 0]) & seen[id(self)]
        return original_fill(self, blocks, there)

    monkeypatch.setattr(Fill, "fit", fit)
    monkeypatch.setattr(Fill, "fill", fill)
    last, filled = fit_fill("knn", z, present, masks=masks, rows=rows)
    assert seen[id(last)] == set(range(20))
    np.testing.assert_array_equal(filled[0], z[0][rows.owners])
    # With the nearest neighbour a fill that had seen the record would give back what was hidden.
    monkeypatch.undo()
    _, near = fit_fill(NeighbourFill(k=1), z, present, masks=masks, rows=rows)
    assert (np.abs(near[1][60:] - z[1][rows.owners[60:]]) > 1e-9).all()
    own = NeighbourFill(k=1).fit(z, present).fill(z, masks[60:120])
    np.testing.assert_allclose(own[1], z[1], rtol=0, atol=1e-12)


def test_the_mean_of_standardised_features_is_what_early_fusion_does_anyway(make_embedding_cohort):
    cohort = make_embedding_cohort(80)
    settings = {"kind": "I", "learner": "logistic"}
    skipped, zeros, means = (
        EarlyFusion(fill=fill, **settings).fit(cohort).predict_proba(cohort) for fill in ("skip", "zero", "mean")
    )
    np.testing.assert_array_equal(skipped, zeros)
    np.testing.assert_allclose(means, zeros, rtol=0, atol=1e-9)


@every
def test_a_fill_changes_what_trees_see_and_presence_stays_a_feature(fill, make_embedding_cohort):
    cohort = make_embedding_cohort(80)
    model = EarlyFusion(kind="I", fill=fill).fit(cohort)
    (half,) = model.halves_
    encoded = model.encode(cohort)
    table = half.table({name: encoded.values[name] for name in model.modalities_}, encoded.present)
    assert np.isfinite(table).all()
    np.testing.assert_array_equal(table[:, -2:], encoded.present)
    skipped = EarlyFusion(kind="I").fit(cohort)
    assert not np.array_equal(skipped.predict_proba(cohort), model.predict_proba(cohort))


def test_trees_read_absence_otherwise_than_zeros(make_embedding_cohort):
    complete, fresh = make_embedding_cohort(150, missing=0.0), make_embedding_cohort(400, missing=0.0, seed=3)
    without = fresh.withhold(np.tile([False, True], (400, 1)))
    own, zeros = (EarlyFusion(kind="I", fill=fill).fit(complete) for fill in ("skip", "zero"))
    assert np.abs(own.predict_proba(without) - zeros.predict_proba(without)).max() > 1e-3


def test_a_zero_logit_lets_an_absent_modality_say_the_prior(make_embedding_cohort):
    cohort = make_embedding_cohort(80)
    skipped, filled = (LateFusion(combine="logit mean", inner_folds=2, fill=f).fit(cohort) for f in ("skip", "zero"))
    alone = cohort.withhold(np.tile([True, False], (80, 1)))[np.flatnonzero(cohort.present[:, 0])]
    prior = skipped.prior_logits_
    expected = prior + (skipped.decide(skipped.encode(alone)) - prior) / 2
    found = filled.decide(filled.encode(alone))
    np.testing.assert_allclose(found[:, 1] - found[:, 0], expected[:, 1] - expected[:, 0], rtol=0, atol=1e-9)


@every
@pytest.mark.parametrize("kind", [EarlyFusion, LateFusion])
def test_a_fill_is_stored_and_its_name_with_it(kind, fill, make_embedding_cohort, tmp_path):
    cohort = make_embedding_cohort(60)
    settings = {"kind": "I"} if kind is EarlyFusion else {"combine": "mean", "inner_folds": 2}
    model = kind(fill=fill, **settings).fit(cohort)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.fill == fill
    np.testing.assert_array_equal(again.predict_proba(cohort), model.predict_proba(cohort))


class MedianFill(Fill):
    """A fill of one's own: one class."""

    name = "median"

    def _learn(self, x, present):
        self.median_ = np.array([np.median(c[there]) for c, there in zip(x.T, self._wide(present).T, strict=True)])

    def _values(self, x, present):
        return self._raw(np.tile(self.median_, (len(x), 1)))

    def _learned(self):
        return {"median": self.median_}

    def _restore(self, state):
        self.median_ = state["median"]


def test_a_fill_of_your_own_is_one_class(make_embedding_cohort, monkeypatch, tmp_path):
    monkeypatch.setattr(missing, "_FILLS", dict(missing._FILLS))
    register("median", MedianFill)
    parsed = parse_study({"cohort": "c", "results": "r", "models": {"late": {"fusion": "late", "fill": "median"}}})
    assert parsed.build_models()["late"].fill == "median"
    cohort = make_embedding_cohort(60)
    model = EarlyFusion(kind="I", fill="median").fit(cohort)
    save_model(model, tmp_path / "model")
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict_proba(cohort), model.predict_proba(cohort))
    (half,) = model.halves_
    blocks = [np.zeros((1, width)) for width in half.fill.widths_]
    expected = half.fill.median_ * half.fill.spread_ + half.fill.centre_
    found = np.concatenate(half.fill.fill(blocks, np.array([[False, False]])), axis=1)[0]
    np.testing.assert_allclose(found, expected)
    for name, kind in (("median", MedianFill), ("other", MedianFill), ("skip", Fill)):
        with pytest.raises(ConfigError, match="FILL_CLASS"):
            register(name, kind)


def test_every_name_of_a_fill_pool_and_learner_is_explained():
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    names = {*fill_names(), *stand_in_names(), *pool_names(), *learner_names(), *cell_fill_names(), "per pattern"}
    assert [name for name in sorted(names) if f"`{name}`" not in text and f'"{name}"' not in text] == []


def test_what_cannot_be_is_refused(make_embedding_cohort):
    cohort = make_embedding_cohort(60)
    for model in (EarlyFusion(fill="median"), LateFusion(fill="median")):
        with pytest.raises(ConfigError, match=r"FILL_NAME.*skip, .*knn, mean, regression, zero"):
            model.fit(cohort)
    with pytest.raises(ConfigError, match=r"POOL_WEIGHTS.*source1, source2"):
        LateFusion(combine="weighted", weights={"source1": 1.0}).fit(cohort)
