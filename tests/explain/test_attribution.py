"""What every explanation must obey, for every class of fusion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.ledger import Entry
from clinfuse.errors import ConfigError, DataError
from clinfuse.explain.attribution import attribute
from clinfuse.explain.values import Attribution, ModalityAttribution

WITHOUT_XRAY, WITHOUT_LABS, COMPLETE = 0, 1, 20


@pytest.mark.parametrize("row", [WITHOUT_XRAY, COMPLETE])
def test_the_probability_is_the_one_that_is_predicted(fitted, cohort: Cohort, row: int) -> None:
    found = attribute(fitted, cohort[row])
    assert found.probability == fitted.predict_proba(cohort[row].cohort)[0, 1]


@pytest.mark.parametrize("row", [WITHOUT_XRAY, COMPLETE])
def test_shares_add_up_from_the_prior_to_the_answer(fitted, cohort: Cohort, row: int) -> None:
    found = attribute(fitted, cohort[row])
    prior = fitted.prior_logits_[1] - fitted.prior_logits_[0]
    assert found.prior_logit == pytest.approx(prior, abs=1e-12)
    assert prior + sum(found.shares.values()) == pytest.approx(found.logit, abs=1e-6)


def test_an_absent_modality_explains_exactly_nothing(fitted, cohort: Cohort) -> None:
    found = attribute(fitted, cohort[WITHOUT_LABS])
    assert found.present["labs"] is False
    assert found.shares["labs"] == 0.0
    assert not found.maps["labs"].any()
    assert "labs" not in found.without


def test_maps_are_in_the_shape_of_the_input_and_complete(cohort: Cohort, fitted) -> None:
    found = attribute(fitted, cohort[COMPLETE])
    for part in found.parts:
        if part.method == "integrated gradients" and part.name == "xray":
            assert part.map.shape == (1, 16, 16)
            assert part.data.shape == (1, 16, 16)
            np.testing.assert_array_equal(part.data, cohort.arrays("xray")[COMPLETE])
    assert all(check.passed for check in found.checks)


def test_a_table_is_explained_by_its_declared_columns(fitted, cohort: Cohort) -> None:
    labs = attribute(fitted, cohort[COMPLETE])["labs"]
    declared = [column.name for column in cohort.modality("labs").columns]
    assert [feature.name for feature in labs.features] == declared
    np.testing.assert_allclose([f.value for f in labs.features], cohort.arrays("labs")[COMPLETE])
    assert sum(f.contribution for f in labs.features) == pytest.approx(float(labs.map.sum()), abs=1e-5)


def test_withholding_a_modality_gives_what_the_model_says_without_it(fitted, cohort: Cohort) -> None:
    record = cohort[COMPLETE]
    found = attribute(fitted, record)
    for name, probability in found.without.items():
        present = np.ones((1, 2), bool)
        present[0, cohort.names.index(name)] = False
        expected = fitted.predict_proba(record.cohort.withhold(present))[0, 1]
        assert probability == pytest.approx(expected, abs=1e-5)


def test_the_same_record_is_explained_the_same_way_twice(fitted, cohort: Cohort) -> None:
    first, second = (attribute(fitted, cohort[COMPLETE]) for _ in range(2))
    assert first.shares == second.shares
    for name, map_ in first.maps.items():
        np.testing.assert_array_equal(map_, second.maps[name])


def test_keys_stand_for_the_record_and_its_patient(fitted, cohort: Cohort) -> None:
    found = attribute(fitted, cohort[COMPLETE])
    assert (found.record, found.patient) == (cohort.keys[COMPLETE], cohort.patient_keys[COMPLETE])


class Folds:
    """A cross-validation that remembers for whom it was asked."""

    name = "declared"

    def __init__(self, classifier) -> None:
        self.classifier, self.asked = classifier, []

    def classifier_for(self, record: str, repeat: int = 0):
        self.asked.append(record)
        return self.classifier


def test_a_cross_validation_answers_with_the_model_that_never_saw_the_patient(fitted, cohort: Cohort) -> None:
    folds = Folds(fitted)
    found = attribute(folds, cohort[COMPLETE])
    assert folds.asked == [cohort.keys[COMPLETE]]
    assert found.model == "declared"
    assert found.held_out
    assert not attribute(fitted, cohort[COMPLETE]).held_out


def test_a_record_without_anything_gets_the_prior(fitted, cohort: Cohort) -> None:
    nothing = cohort.withhold(np.zeros(cohort.shape, bool))
    found = attribute(fitted, nothing[COMPLETE])
    assert found.logit == found.prior_logit
    assert set(found.shares.values()) == {0.0}
    assert found.probability == pytest.approx(found.prior_probability, abs=1e-12)


def test_a_class_that_there_is_not_is_refused_by_name(fitted, cohort: Cohort) -> None:
    with pytest.raises(ConfigError, match="ATTRIBUTE_TARGET"):
        attribute(fitted, cohort[COMPLETE], target="maybe")


def test_the_other_class_is_explained_by_the_opposite_numbers(fitted, cohort: Cohort) -> None:
    yes, no = (attribute(fitted, cohort[COMPLETE], target=name) for name in ("positive", "negative"))
    assert (no.logit, no.positive) == (pytest.approx(-yes.logit, abs=1e-12), "negative")
    assert no.probability == pytest.approx(1 - yes.probability, abs=1e-12)
    for name, share in yes.shares.items():
        assert no.shares[name] == pytest.approx(-share, abs=1e-12)
        np.testing.assert_allclose(no.maps[name], -yes.maps[name], atol=1e-5)


def test_shares_that_do_not_add_up_cannot_be_written_down(fitted, cohort: Cohort) -> None:
    found = attribute(fitted, cohort[COMPLETE])
    with pytest.raises(DataError, match="ATTRIBUTION_NUMBERS"):
        replace(found, logit=found.logit + 0.01)


def test_an_absent_modality_with_a_share_cannot_be_written_down(cohort: Cohort) -> None:
    with pytest.raises(DataError, match="ATTRIBUTION_ABSENT"):
        ModalityAttribution(cohort.modality("labs"), False, 0.1, "absent", np.zeros(3, np.float32))


def test_maps_cannot_be_changed_afterwards(fitted, cohort: Cohort) -> None:
    found = attribute(fitted, cohort[COMPLETE])
    assert isinstance(found, Attribution)
    with pytest.raises(ValueError, match="read-only"):
        found.parts[0].map[...] = 0


def test_what_no_page_may_show_is_known_from_the_ledger(
    fitted, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = cohort[COMPLETE]
    assert not any(part.withheld for part in attribute(fitted, record).parts)
    noted = cohort.ledger.plus(Entry("XRAY_TEXT", "xray", record.key, "Text is burned in.", note=True))
    monkeypatch.setattr(cohort._store, "ledger", noted)
    for part in attribute(fitted, record).parts:
        assert part.withheld == ("Text is burned in." if part.name == "xray" else "")
