"""Classifiers that look where they must not: the three ways that are counted, four more, and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV

from clinfuse.cohort.cohort import Cohort

TABLE = "labs"


class Honest:
    """A logistic regression on one table; means and spreads come from the records it is fitted on."""

    def measured_on(self, cohort: Cohort) -> np.ndarray:
        """Give the rows that means and spreads are taken from."""
        return cohort.arrays(TABLE)

    def prepared(self, cohort: Cohort) -> np.ndarray:
        """Give the columns, empty cells filled."""
        return (np.where(np.isnan(cohort.arrays(TABLE)), self.mean_, cohort.arrays(TABLE)) - self.mean_) / self.spread_

    def fit(self, cohort: Cohort) -> Honest:
        """Learn from a cohort."""
        measured = self.measured_on(cohort)
        self.mean_, self.spread_ = np.nanmean(measured, axis=0), np.nanstd(measured, axis=0)
        self.model_ = self.chosen(cohort)
        return self

    def chosen(self, cohort: Cohort) -> LogisticRegression:
        """Give the fitted regression."""
        return LogisticRegression().fit(self.prepared(cohort), cohort.labels)

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Give probabilities."""
        return self.model_.predict_proba(self.prepared(cohort))

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Give classes."""
        return self.predict_proba(cohort).argmax(1)


class ScaledOnAll(Honest):
    """It was given the whole cohort, and scales by it."""

    def __init__(self, everyone: Cohort) -> None:
        self.everyone = everyone

    def measured_on(self, cohort: Cohort) -> np.ndarray:
        return self.everyone.arrays(TABLE)


class ImputedOnAll(Honest):
    """It fills empty cells with means of all rows behind the cohort it is given."""

    def measured_on(self, cohort: Cohort) -> np.ndarray:
        return cohort.store.array(TABLE)


class StoppedOnTest(Honest):
    """It regularises as serves best those of the whole cohort whom it was not fitted on."""

    def __init__(self, everyone: Cohort) -> None:
        self.everyone = everyone

    def chosen(self, cohort: Cohort) -> LogisticRegression:
        others = self.everyone[np.flatnonzero(~np.isin(self.everyone.record_ids, cohort.record_ids))]
        tried = [
            LogisticRegression(C=c).fit(self.prepared(cohort), cohort.labels) for c in (1e-4, 1e-3, 0.01, 0.1, 1, 10)
        ]
        if len(others) == 0:
            return tried[-1]
        return max(tried, key=lambda one: roc_auc_score(others.labels, one.predict_proba(self.prepared(others))[:, 1]))


class Selected(Honest):
    """It sees the columns that somebody chose beforehand."""

    def __init__(self, columns: np.ndarray) -> None:
        self.columns = columns

    def chosen(self, cohort: Cohort) -> LogisticRegression:
        return LogisticRegression().fit(self.prepared(cohort), cohort.labels)

    def prepared(self, cohort: Cohort) -> np.ndarray:
        return super().prepared(cohort)[:, self.columns]


def selected_on_all(cohort: Cohort) -> Selected:
    """Choose the two columns that go with the label best, in everybody."""
    values = np.nan_to_num(cohort.arrays(TABLE))
    return Selected(np.argsort(-np.abs(np.corrcoef(values.T, cohort.labels)[-1, :-1]))[:2])


class Running(Honest):
    """It scales by the largest and smallest that it, or another of its kind, has ever seen."""

    seen: ClassVar[list[np.ndarray]] = []

    def fit(self, cohort: Cohort) -> Honest:
        values = np.concatenate([cohort.arrays(TABLE), *Running.seen])
        Running.seen[:] = [np.stack([np.nanmin(values, axis=0), np.nanmax(values, axis=0)])]
        self.mean_, self.spread_ = Running.seen[0][0], np.ptp(Running.seen[0], axis=0)
        self.model_ = self.chosen(cohort)
        return self


class ByBatch(Honest):
    """It scales what it is asked about by what else it is asked about."""

    def prepared(self, cohort: Cohort) -> np.ndarray:
        values = np.where(np.isnan(cohort.arrays(TABLE)), self.mean_, cohort.arrays(TABLE))
        return (values - values.mean(0)) / values.std(0)


class FoldsByRow(Honest):
    """It regularises as serves best in inner folds, which deal records and not patients."""

    def chosen(self, cohort: Cohort) -> GridSearchCV:
        search = GridSearchCV(LogisticRegression(), {"C": [1e-3, 0.1, 10.0]}, cv=3, scoring="roc_auc")
        return search.fit(self.prepared(cohort), cohort.labels)


COUNTED: dict[str, Callable[[Cohort], Any]] = {
    "scaler on all": lambda cohort: ScaledOnAll(cohort),
    "imputer on all": lambda cohort: ImputedOnAll(),
    "stopped on the test fold": lambda cohort: StoppedOnTest(cohort),
}
OTHERS: dict[str, Callable[[Cohort], Any]] = {
    "columns chosen on all": lambda cohort: selected_on_all,
    "goes on from before": lambda cohort: Running(),
    "scaled by its batch": lambda cohort: ByBatch(),
    "inner folds by row": lambda cohort: FoldsByRow(),
}


def table_cohort(seed: int = 0, *, records: int = 90, columns: int = 40) -> Cohort:
    """Make a cohort of two tables with empty cells, two records a patient, and little to be learned."""
    draw = np.random.default_rng([seed, 77])
    labels = np.repeat(draw.permutation(np.arange(records // 2) % 2), 2)
    arrays = {name: draw.normal(size=(records, width)) for name, width in ((TABLE, columns), ("vitals", 4))}
    for values in arrays.values():
        values[:, 0] += labels
        values[draw.random(values.shape) < 0.1] = np.nan
    people = [f"P{k // 2:03d}" for k in range(records)]
    return Cohort.from_arrays(arrays, labels=labels, kinds=dict.fromkeys(arrays, "ehr"), patient_ids=people)
