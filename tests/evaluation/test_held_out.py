"""DeLong is for finished models: one fold, patients nobody trained on."""

from dataclasses import replace

import numpy as np
import pytest

from clinfuse.errors import DataError
from clinfuse.evaluation.held_out import held_out_delong
from clinfuse.evaluation.metrics import auroc
from clinfuse.evaluation.statistics.significance import clustered_delong, delong


def scores_of(seed=0, records=60):
    draw = np.random.default_rng(seed)
    labels = np.arange(records) % 2
    return labels, draw.normal(size=(2, records)) + labels


def test_one_record_a_patient_is_delong_and_several_are_clusters(predictions_of):
    labels, scores = scores_of()
    models = [predictions_of(labels, row, model=name) for name, row in zip("ab", scores, strict=True)]
    found = held_out_delong(*models)
    assert found.values == pytest.approx([auroc(labels, row) for row in scores], abs=1e-12)
    assert found.covariance == pytest.approx(delong(labels, *scores).covariance, abs=1e-15)
    people = np.array([f"P-{number // 3}" for number in range(60)])
    visits = [predictions_of(labels, row, model=name, patients=people) for name, row in zip("ab", scores, strict=True)]
    assert held_out_delong(*visits).covariance == pytest.approx(
        clustered_delong(labels, *scores, patients=people).covariance, abs=1e-15
    )


def test_neither_order_nor_records_without_a_label_matter(predictions_of):
    labels, scores = scores_of()
    one, other = (predictions_of(labels, row, model=name) for name, row in zip("ab", scores, strict=True))
    turned = other.rows(np.random.default_rng(1).permutation(60))
    assert np.array_equal(held_out_delong(one, turned).covariance, held_out_delong(one, other).covariance)
    unknown = replace(one, y_true=np.where(np.arange(60) < 50, labels, -1))
    assert held_out_delong(unknown).values == pytest.approx(auroc(labels[:50], scores[0][:50]))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("DELONG_FOLDS", lambda one: replace(one, fold=np.arange(60) % 2)),
        ("DELONG_FOLDS", lambda one: replace(one, repeat=np.arange(60) % 2)),
        ("DELONG_TASK", lambda one: replace(one, withheld=np.full(60, "m0"))),
        ("DELONG_TASK", lambda one: replace(one, task="multiclass")),
        ("PAIR_RECORDS", lambda one: replace(one, y_true=1 - one.y_true)),
    ],
)
def test_what_is_not_of_one_finished_model_is_refused(predictions_of, code, change):
    one = predictions_of(*[part if part.ndim == 1 else part[0] for part in scores_of()])
    with pytest.raises(DataError, match=code):
        held_out_delong(one, change(one))
