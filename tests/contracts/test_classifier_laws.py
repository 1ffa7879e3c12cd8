"""Laws of design that every classifier obeys, with modalities missing at training and at prediction."""

import importlib.util
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

import clinfuse.training
from clinfuse.evaluation.audit.procedure import learned
from clinfuse.explain.attribution import attribute
from clinfuse.explain.withholding import chance
from clinfuse.fusion.missing import fill_names
from clinfuse.fusion.pooling import pool_names
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.memo import sharing_fits
from clinfuse.training.store import load_model, save_model

_spec = importlib.util.spec_from_file_location("laws_cohort", Path(__file__).with_name("conftest.py"))
laws = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(laws)

# A pattern of so few records has no logistic regression of its own.
pytestmark = pytest.mark.filterwarnings("ignore:.PATTERN_RARE")
every = pytest.mark.parametrize("name", sorted(laws.CLASSIFIERS))


def test_every_classifier_and_every_pool_is_under_these_laws():
    for module in pkgutil.iter_modules(clinfuse.training.__path__):
        importlib.import_module(f"clinfuse.training.{module.name}")

    def final(cls):
        return {leaf for sub in cls.__subclasses__() for leaf in (final(sub) or {sub})}

    made = {type(make()) for make in laws.CLASSIFIERS.values()}
    assert made == final(FusionClassifier)
    assert {make().combine for make in laws.CLASSIFIERS.values() if isinstance(make(), LateFusion)} == set(pool_names())
    filled = {make().fill for make in laws.CLASSIFIERS.values() if isinstance(make(), EarlyFusion)}
    assert filled == {"skip", "per pattern", *fill_names()}


@every
def test_fit_gives_itself_and_leaves_its_arguments_alone(name, cohort):
    model = laws.CLASSIFIERS[name]()
    before, content = repr(model.get_params()), cohort.fingerprint
    assert model.fit(cohort) is model
    assert repr(model.get_params()) == before
    assert cohort.fingerprint == content


@every
def test_probabilities_are_the_softmax_of_the_decision(name, cohort, fitted):
    model = fitted[name]
    chances = model.predict_proba(cohort)
    logits = model.decide(model.encode(cohort))
    assert chances.dtype == logits.dtype == np.float64
    np.testing.assert_array_equal(chances, model.probabilities(logits))
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-12)
    np.testing.assert_array_equal(model.predict(cohort), chances.argmax(1))


@every
def test_the_same_seed_gives_the_same_bits_whatever_the_order_of_records_and_whoever_is_held_out(name, cohort, fitted):
    everyone = laws.with_others(cohort)
    among = np.flatnonzero(np.isin(everyone.record_ids, cohort.record_ids))
    again = laws.CLASSIFIERS[name]().fit(everyone[among])
    np.testing.assert_array_equal(again.predict_proba(cohort), fitted[name].predict_proba(cohort))
    assert learned(again) == learned(fitted[name])


@every
def test_sharing_fits_changes_no_number(name, cohort, fitted):
    with sharing_fits():
        laws.CLASSIFIERS["late stacked"]().fit(cohort)
        shared = laws.CLASSIFIERS[name]().fit(cohort)
    np.testing.assert_array_equal(shared.predict_proba(cohort), fitted[name].predict_proba(cohort))


@every
def test_a_prediction_does_not_depend_on_its_batch(name, cohort, fitted):
    together = fitted[name].predict_proba(cohort)
    alone = np.concatenate([fitted[name].predict_proba(cohort[k : k + 1]) for k in range(len(cohort))])
    np.testing.assert_allclose(alone, together, atol=1e-5)


@every
def test_a_stand_in_never_matters(name, cohort, fitted):
    arrays, _, present = laws.tiny_arrays(len(cohort))
    for column, array in enumerate(arrays.values()):
        array[~present[:, column]] = 1e6
    spoiled = laws.tiny_cohort(arrays=arrays)
    again = laws.CLASSIFIERS[name]().fit(spoiled)
    np.testing.assert_array_equal(again.predict_proba(spoiled), fitted[name].predict_proba(cohort))


@every
def test_a_record_with_nothing_usable_gets_the_prior(name, cohort, fitted):
    nothing = cohort.withhold(np.zeros((len(cohort), 3), dtype=bool))
    assert fitted[name].encode(nothing).abstain.all()
    chances = fitted[name].predict_proba(nothing)
    share = np.bincount(cohort.labels) / len(cohort)
    np.testing.assert_allclose(chances, np.tile(share, (len(cohort), 1)), atol=1e-12)


@every
def test_deciding_without_a_modality_equals_never_having_had_it(name, cohort, fitted):
    model, names = fitted[name], cohort.names
    encoded = model.encode(cohort)
    for withheld in names:
        if withheld not in model.modalities_:
            continue
        mask = encoded.present.copy()
        mask[:, model.modalities_.index(withheld)] = False
        kept = np.tile([n != withheld for n in names], (len(cohort), 1))
        without = cohort.withhold(kept)
        np.testing.assert_allclose(model.decide(encoded, mask), model.decide(model.encode(without)), atol=1e-5)


@every
def test_decisions_are_finite_for_any_mask(name, cohort, fitted):
    model = fitted[name]
    encoded = model.encode(cohort)
    width = encoded.present.shape[1]
    for pattern in range(2**width):
        mask = encoded.present & np.array([(pattern >> k) & 1 for k in range(width)], dtype=bool)
        assert np.isfinite(model.decide(encoded, mask)).all()


@every
def test_nothing_outside_fit_is_learned(name, cohort, fitted):
    model = fitted[name]
    first = model.predict_proba(cohort[:6])
    model.predict_proba(cohort[6:])
    model.explainable(cohort[np.flatnonzero(model.encode(cohort).present.any(1))[:1]])
    np.testing.assert_array_equal(model.predict_proba(cohort[:6]), first)


@every
def test_a_stored_model_predicts_the_same_bits(name, cohort, fitted, tmp_path):
    save_model(fitted[name], tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.taxonomy() == fitted[name].taxonomy()
    np.testing.assert_array_equal(again.predict_proba(cohort), fitted[name].predict_proba(cohort))
    text = (tmp_path / "model" / "model.json").read_text()
    assert not any(record in text for record in cohort.record_ids)


@every
def test_a_clone_is_unfitted_and_fits_the_same(name, cohort, fitted):
    again = clone(fitted[name])
    with pytest.raises(Exception, match="not fitted"):
        again.predict_proba(cohort)
    np.testing.assert_array_equal(again.fit(cohort).predict_proba(cohort), fitted[name].predict_proba(cohort))


@every
def test_the_explained_function_is_the_decision(name, cohort, fitted):
    model = fitted[name]
    usable = np.flatnonzero(model.encode(cohort).present.any(1))[:5]
    for row in usable:
        record = cohort[row : row + 1]
        parts = model.explainable(record)
        logits = model.decide(model.encode(record))[0]
        for modality, change in parts.changes.items():
            assert parts.contributions[modality].sum() == pytest.approx(change, abs=0.02)
        if parts.order:
            inputs = tuple(torch.from_numpy(parts.inputs[m]) for m in parts.order)
            with torch.no_grad():
                value = float(parts.function(inputs)[0])
            assert value == pytest.approx(logits[1] - logits[0], abs=1e-4)
        for modality in (*parts.order, *parts.contributions):
            assert record.present[0, cohort.names.index(modality)]


@every
def test_shares_add_up_and_what_is_absent_explains_exactly_nothing(name, cohort, fitted):
    model = fitted[name]
    usable = np.flatnonzero(model.encode(cohort).present.any(1) & ~cohort.present.all(1))[:2]
    for row in usable:
        record = cohort[int(row)]
        found = attribute(model, record, steps=4)
        assert abs(found.prior_logit + sum(found.shares.values()) - found.logit) <= 1e-6
        prior, points = 100 * found.prior_probability, sum(found.points.values())
        assert prior + points == pytest.approx(100 * chance(found.logit), abs=1e-6)
        assert found.probability == model.predict_proba(record.cohort)[0, 1]
        assert found.probability == pytest.approx(1 / (1 + np.exp(-found.logit)), abs=1e-9)
        for part in found.parts:
            if not part.present:
                assert (part.share, np.abs(part.map).sum(), found.points[part.name]) == (0, 0, 0)
        assert set(found.risks) == set(map(frozenset, _sets([p.name for p in found.parts if p.present])))


def _sets(names):
    return [[n for k, n in enumerate(names) if (bits >> k) & 1] for bits in range(2 ** len(names))]


def test_the_learner_never_sees_features_of_records_its_extractor_was_trained_on(cohort):
    seen = []
    original = EarlyFusion._half

    def spy(self, whole, labels, extract, learn):
        seen.append((set(whole.patient_ids[extract]), set(whole.patient_ids[learn])))
        return original(self, whole, labels, extract, learn)

    EarlyFusion._half = spy
    try:
        EarlyFusion(options=laws.OPTIONS).fit(cohort)
    finally:
        EarlyFusion._half = original
    assert len(seen) == 2
    for extracted, learned_on in seen:
        assert extracted
        assert learned_on
        assert not extracted & learned_on
    assert seen[0][0] == seen[1][1]
