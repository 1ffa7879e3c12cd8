"""A cohort is X: scikit-learn splits it by patient, clones and searches, and never sees inside."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_predict, cross_val_score

from clinfuse.cohort.cohort import Cohort


class OnTable(ClassifierMixin, BaseEstimator):
    """Logistic regression on one table of a cohort; remembers who it was fitted on."""

    def __init__(self, modality: str = "labs", strength: float = 1.0) -> None:
        self.modality = modality
        self.strength = strength

    def fit(self, cohort: Cohort, y: np.ndarray) -> OnTable:
        self.seen_ = set(cohort.groups.tolist())
        self.classes_ = np.unique(y)
        self.model_ = LogisticRegression(C=self.strength).fit(np.nan_to_num(cohort.arrays(self.modality)), y)
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        assert not self.seen_ & set(cohort.groups.tolist())
        return self.model_.predict_proba(np.nan_to_num(cohort.arrays(self.modality)))

    def predict(self, cohort: Cohort) -> np.ndarray:
        return self.classes_[self.predict_proba(cohort).argmax(axis=1)]


@pytest.fixture
def table() -> Cohort:
    draw = np.random.default_rng(0)
    labels = np.repeat(draw.permutation(30) % 2, 2)
    labs = labels[:, None] + draw.normal(size=(60, 3))
    return Cohort.from_arrays(
        {"labs": labs}, labels=labels, patient_ids=[f"p{k // 2}" for k in range(60)], kinds={"labs": "ehr"}
    )


def test_out_of_fold_predictions_by_patient(table: Cohort) -> None:
    folds = StratifiedGroupKFold(3)
    found = cross_val_predict(OnTable(), table, table.labels, groups=table.groups, cv=folds, method="predict_proba")
    expected = np.zeros((60, 2))
    for train, test in folds.split(table, table.labels, table.groups):
        plain = LogisticRegression().fit(table.arrays("labs")[train], table.labels[train])
        expected[test] = plain.predict_proba(table.arrays("labs")[test])
    np.testing.assert_array_equal(found, expected)


def test_scores_in_two_processes_equal_those_in_one(table: Cohort) -> None:
    options = {"groups": table.groups, "cv": StratifiedGroupKFold(3), "scoring": "roc_auc"}
    one = cross_val_score(OnTable(), table, table.labels, n_jobs=1, **options)
    two = cross_val_score(OnTable(), table, table.labels, n_jobs=2, **options)
    np.testing.assert_array_equal(one, two)


def test_a_grid_can_be_searched(table: Cohort) -> None:
    search = GridSearchCV(OnTable(), {"strength": [1e-4, 1.0]}, cv=StratifiedGroupKFold(3), refit=False)
    search.fit(table, table.labels, groups=table.groups)
    assert search.best_params_["strength"] in (1e-4, 1.0)
    assert len(search.cv_results_["mean_test_score"]) == 2


def test_a_classifier_is_cloned_without_its_data(table: Cohort) -> None:
    fitted = OnTable(strength=2.0).fit(table, table.labels)
    assert clone(fitted).get_params() == {"modality": "labs", "strength": 2.0}
    assert not hasattr(clone(fitted), "model_")


def test_a_folder_can_be_split_too(cohort: Cohort) -> None:
    found = cross_val_predict(OnTable(), cohort, cohort.labels, groups=cohort.groups, cv=StratifiedGroupKFold(2))
    assert found.shape == (8,)
