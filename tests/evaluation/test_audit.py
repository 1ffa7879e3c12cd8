import numpy as np
import pandas as pd
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.audit.checks import audit


def codes(cohort):
    return {one.code: one.severity for one in audit(cohort).findings}


def tables(values, labels, **more):
    return Cohort.from_arrays({"labs": values}, labels=labels, kinds={"labs": "ehr"}, **more)


def noise(n=200, columns=3, seed=0):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(n, columns)), draw.permutation(np.arange(n) % 2)


@pytest.mark.parametrize("seed", range(10))
def test_an_honest_cohort_has_nothing_to_be_found(cohort_of, seed):
    order = np.random.default_rng(seed + 100).permutation(240)
    found = audit(cohort_of(240, seed=seed, order=order))
    assert [one.code for one in found.findings if one.severity != "note"] == []
    assert found.checks == 9
    assert not found.stops


def test_a_modality_ordered_for_the_sick_is_found(cohort_of):
    cohort = cohort_of(200, missing=0.0)
    draw = np.random.default_rng(0)
    sick = np.where(cohort.labels == 1, 0.9, 0.4)
    mask = np.stack([np.ones(200, bool), draw.random(200) < sick], axis=1)
    found = audit(cohort.withhold(mask))
    assert [one.code for one in found.findings] == ["PRESENCE_PREDICTS"]
    assert "m1 most of all" in found.findings[0].text


def test_a_copy_of_the_label_is_found_and_stops():
    values, labels = noise()
    values[:, 1] = labels + 0.001 * values[:, 1]
    found = audit(tables(values, labels))
    assert {one.code: one.severity for one in found.findings} == {"COLUMN_IS_LABEL": "stop"}
    assert found.stops


def test_a_column_that_is_nearly_the_label_is_found():
    values, labels = noise(400)
    values[:, 2] += 2.5 * labels
    assert codes(tables(values, labels)) == {"COLUMN_TOO_GOOD": "warning"}


def test_the_largest_column_is_told_even_where_it_is_honest():
    values, labels = noise()
    values[:, 1] -= labels
    facts = dict(audit(tables(values, labels)).facts)
    assert facts["largest single column"].startswith("labs, column ")
    assert "0.7" in facts["largest single column"] or "0.8" in facts["largest single column"]


def test_what_files_say_of_themselves_is_scored_and_never_a_value_printed(monkeypatch):
    values, labels = noise(36)
    cohort = tables(values, labels)
    seconds = np.where(labels == 1, 62.125, 182.125)
    frame = pd.DataFrame({"duration_s": seconds, "rate_hz": 500.0})

    def properties(self, name):
        return frame.iloc[self.rows].reset_index(drop=True)

    monkeypatch.setattr(Cohort, "properties", properties)
    found = audit(cohort)
    assert [one.code for one in found.findings] == ["FILES_PREDICT"]
    assert "duration_s of the files gives AUROC 1.00 alone" in found.findings[0].text
    assert "62.125" not in str(found)


def test_windows_that_tell_the_classes_apart_stop():
    labels = np.tile([0, 1], 20)
    draw = np.random.default_rng(0)
    windows = draw.normal(size=(40, 3, 2, 16))
    windows[labels == 1, 1:] = np.nan
    cohort = Cohort.from_arrays({"eeg": windows}, labels=labels, kinds={"eeg": "eeg"})
    found = audit(cohort)
    assert found.findings[0].code == "LENGTH_LEAK"
    assert found.stops


def test_the_same_content_under_two_patients_is_found_and_named_by_key():
    labels = np.tile([0, 1], 20)
    images = np.random.default_rng(0).normal(size=(40, 1, 8, 8))
    images[7] = images[30]
    images[3] = 0
    images[5] = 0
    cohort = Cohort.from_arrays({"xray": images}, labels=labels, kinds={"xray": "xray"})
    found = audit(cohort)
    assert [(one.code, one.severity) for one in found.findings] == [("LEAK_SUBJECT", "stop")]
    assert cohort.patient_keys[7] in found.findings[0].text
    assert str(cohort.patient_ids[7]) not in found.findings[0].text


def test_two_records_of_one_patient_may_share_a_file():
    labels = np.repeat(np.tile([0, 1], 10), 2)
    images = np.repeat(np.random.default_rng(0).normal(size=(20, 1, 8, 8)), 2, axis=0)
    people = [f"p{number // 2}" for number in range(40)]
    cohort = Cohort.from_arrays({"xray": images}, labels=labels, kinds={"xray": "xray"}, patient_ids=people)
    assert "LEAK_SUBJECT" not in codes(cohort)


def test_sites_of_other_prevalence_are_noted_and_warned_of_when_sure():
    values, _ = noise(400)
    sites = np.array(["east", "west"])[np.arange(400) % 2]
    draw = np.random.default_rng(3)
    apart = (draw.random(400) < np.where(sites == "east", 0.3, 0.6)).astype(int)
    found = audit(tables(values, apart, sites=sites.tolist()))
    assert [(one.code, one.severity) for one in found.findings] == [("SITE_PREVALENCE", "warning")]


def test_records_sorted_by_label_are_noticed():
    values, labels = noise()
    assert codes(tables(values, np.sort(labels))) == {"ORDER_PREDICTS": "warning"}


def test_a_cohort_without_labels_is_refused():
    values, labels = noise(20)
    with pytest.raises(DataError, match="LABELS_NONE"):
        audit(tables(values, np.full_like(labels, -1)))


def test_findings_can_be_read(cohort_of):
    values, labels = noise()
    found = audit(tables(values, np.sort(labels)))
    assert found.table()["code"].tolist() == ["ORDER_PREDICTS"]
    assert "ORDER_PREDICTS" in str(found)
    assert "<table" in found._repr_html_()
