"""Patients with several records: all, the first, the last, or each patient with one vote."""

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.calibration.operating import held_out_of
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import predicted_statistic
from clinfuse.evaluation.visits import by_patient, check_order, visit_table, visit_weights, visits
from clinfuse.training.unimodal import Unimodal


def made(times=True):
    """Three patients with 3, 1 and 2 records; the second record of the first patient is the earliest."""
    patients = ["P1", "P1", "P1", "P2", "P3", "P3"]
    labels = np.array([0, 0, 1, 1, 0, 1])
    stamps = ["2021-01-05", "2021-01-01", "2021-01-09", "2021-03-01", "2021-02-01", "2021-02-02"]
    cohort = Cohort.from_arrays(
        {"labs": np.arange(6.0)[:, None]},
        labels=labels,
        kinds={"labs": "ehr"},
        patient_ids=patients,
        times=stamps if times else None,
    )
    p = np.linspace(0.1, 0.9, 6)
    n, text = 6, np.full(6, "")
    predictions = Predictions(
        np.full(n, "labs"), np.zeros(n), np.zeros(n), np.asarray(cohort.keys), np.asarray(cohort.patient_keys), text,
        text, labels, np.stack([np.zeros(n), np.log(p / (1 - p))], 1), np.stack([1 - p, p], 1), np.ones((n, 1), bool),
        classes=("no", "yes"), task="binary", modalities=("labs",),
    )  # fmt: skip
    return cohort, predictions


@pytest.mark.parametrize(("which", "rows"), [("first", {1, 3, 4}), ("last", {2, 3, 5}), ("all", set(range(6)))])
def test_one_record_of_each_patient_by_index_time(which, rows):
    cohort, predictions = made()
    order = np.random.default_rng(0).permutation(6)
    found = visits(predictions.rows(order), cohort, which)
    assert set(found.record) == {cohort.keys[row] for row in rows}


def test_weights_are_one_over_visits_and_copies_change_nothing():
    cohort, predictions = made()
    assert visit_weights(predictions) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1 / 2, 1 / 2])
    measured = by_patient(predicted_statistic(predictions, "brier"), predictions)
    squares = (predictions.probabilities[:, 1] - predictions.y_true) ** 2
    expected = (squares[:3].mean() + squares[3] + squares[4:].mean()) / 3
    assert float(measured(np.ones((1, 6)))[0]) == pytest.approx(expected)
    whole = Predictions.concat([predictions, predictions.rows(np.arange(6)).select(repeat=0)][:1])
    assert visits(whole, cohort, "first").record.tolist() == visits(predictions, cohort, "first").record.tolist()


def test_a_table_counts_each_patient_once_or_takes_one_record(cohort_of):
    cohort = cohort_of(120, visits=3)
    found = {"m0": cross_validate(Unimodal("m0"), cohort, folds=2)}
    held = held_out_of(found["m0"])
    expected = by_patient(predicted_statistic(held, "auroc"), held)(np.ones((1, len(held))))[0]
    line = visit_table(found, "all", weighted=True).iloc[0]
    assert line["AUROC"].startswith(f"{expected:.2f} (")
    assert line["records"] == len(held)
    with pytest.raises(DataError, match="VISIT_ORDER"):
        visit_table(found, "first")
    with pytest.raises(DataError, match="VISIT_ORDER"):
        check_order(cohort)
    check_order(made()[0])


def test_without_times_nobody_knows_who_was_first():
    cohort, predictions = made(times=False)
    assert len(visits(predictions, cohort)) == 6
    alone = predictions.rows(np.array([3]))
    assert len(visits(alone, cohort, "last")) == 1
    for which in ("first", "newest"):
        with pytest.raises(DataError, match="VISIT_ORDER"):
            visits(predictions, cohort, which)
