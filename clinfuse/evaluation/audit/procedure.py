"""Does a classifier look at records that were held out: they are changed, and what it learned is compared."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import (
    KFold,
    LeaveOneOut,
    LeavePOut,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from clinfuse.cohort.changed import Part, changed, on_store, one_record_each
from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import StorageError
from clinfuse.evaluation.audit.finding import Audit, Finding
from clinfuse.evaluation.folds import scored
from clinfuse.training.splits import patient_folds


class Classifier(Protocol):
    """What can be fitted on a cohort: every `FusionClassifier`, and anything with its methods."""

    def fit(self, cohort: Cohort, /) -> Any:
        """Learn from a cohort."""

    def predict_proba(self, cohort: Cohort, /) -> np.ndarray:
        """Give probabilities, (records, classes)."""

    def predict(self, cohort: Cohort, /) -> np.ndarray:
        """Give classes, (records,)."""


Procedure: TypeAlias = Classifier | Callable[[Cohort], Classifier]
_FOLDS = 3
_SAME = 1e-5
_DEPTH = 6
# They know no groups, whatever is given to them.
_ROW_FOLDS = (
    *(KFold, StratifiedKFold, RepeatedKFold, RepeatedStratifiedKFold),
    *(ShuffleSplit, StratifiedShuffleSplit, LeaveOneOut, LeavePOut),
)


def audit_procedure(procedure: Procedure, cohort: Cohort, *, seed: int = 0) -> Audit:
    """Find out whether records that were held out reach what a classifier learns, or each other's predictions.

    A third of the patients is held out. The classifier is fitted on the others four times: as it is; after it was
    fitted on everybody and has predicted everybody; and with the held-out records in another order, with other values,
    fewer modalities and other labels. Everything learned (`to_state`, where it has a form on disk) and the predictions
    for all records must be the same bits. Where a classifier holds the cohort it is asked about, or part of it, it gets
    the changed one instead; what was computed of the cohort beforehand is seen only if a function makes the classifier.
    Where patients have several records and it holds one of scikit-learn's tools that deal rows into folds, it is fitted
    once more with every record another patient's: if that makes no difference, nobody asked whose records they are.

    Parameters
    ----------
    procedure : FusionClassifier, or callable, Cohort -> FusionClassifier
        Or anything with ``fit``, ``predict_proba`` and ``predict`` of a cohort. Unfitted, and left as it is. A function
        is given the whole cohort and gives what is to be fitted on a part.
    cohort : Cohort
    seed : int
        Of the folds.

    Returns
    -------
    Audit
        ``PROCEDURE_SEES_TEST``, ``PROCEDURE_REMEMBERS``, ``PROCEDURE_BY_BATCH``, ``PROCEDURE_DRAWS``,
        ``PROCEDURE_BY_ROW``.

    Raises
    ------
    DataError
        ``LABELS_NONE``, ``SPLIT_PATIENTS``, ``SPLIT_CLASSES``, and what fitting raises.

    Examples
    --------
    >>> from clinfuse.training.early import EarlyFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(60, 2)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds=dict.fromkeys(arrays, "ehr"))
    >>> audit_procedure(EarlyFusion(kind="I", learner="logistic"), cohort).findings
    ()
    """
    records = scored(cohort)
    train, test = patient_folds(records.labels, records.groups, records.record_ids, folds=_FOLDS, seed=seed)[0]
    trial = _Trial(procedure, records, train, test)
    model, plain = trial.fitted(records)
    _, after = trial.fitted(records, before=True)
    facts = [("records held out of the classifier", f"{len(test)} of {len(records)}")]
    if after != plain:
        again = trial.fitted(records)[1]
        found = _REMEMBERS if again in (plain, after) else _DRAWS
        return Audit((found,), (*facts, ("fitted again", "other predictions")))
    findings = []
    reached = trial.reached(plain)
    if reached:
        findings.append(_sees(reached))
    rowwise = trial.rowwise(model, plain)
    if rowwise:
        findings.append(_by_row(rowwise))
    away = trial.batch(model)
    if away > _SAME:
        findings.append(_BATCH)
    if trial.several:
        folds = "none found" if not rowwise else ", ".join(rowwise)
        facts.append(("folds inside that divide patients", folds))
    said = f"changes {' and '.join(reached)}" if reached else "changes nothing"
    facts += [
        ("fitted again after everybody was seen", "the same"),
        ("held-out records changed", f"{said} ({'everything learned' if trial.stored else 'predictions'} compared)"),
        ("other records predicted beside", f"a prediction moves by {away:.0e}" if away else "changes nothing"),
    ]
    return Audit(tuple(findings), tuple(facts))


class _Trial:
    """One classifier, one cohort, one split."""

    def __init__(self, procedure: Procedure, records: Cohort, train: np.ndarray, test: np.ndarray) -> None:
        self._procedure, self._records, self._train, self._test = procedure, records, train, test
        self.stored = True

    def fitted(self, everyone: Cohort, *, before: bool = False) -> tuple[Classifier, str]:
        """The classifier fitted on the training records, and a hash of what it learned and what it predicts."""
        model = self._made(everyone)
        if before:
            model.fit(everyone)
            model.predict_proba(everyone)
        model.fit(everyone[self._train])
        found = hashlib.sha256(self._state(model))
        for answer in (model.predict_proba(self._records), model.predict(self._records)):
            found.update(np.ascontiguousarray(answer).tobytes())
        return model, found.hexdigest()

    def reached(self, plain: str) -> list[str]:
        """What of held-out records reaches what is learned; nothing where all of it together does not."""
        parts: dict[str, Part] = {"their inputs": "inputs", "their labels": "labels", "their order": "order"}
        if self._after(*parts.values()) == plain:
            return []
        return [name for name, part in parts.items() if self._after(part) != plain] or ["all of this together"]

    @property
    def several(self) -> bool:
        """Whether some training patients have more than one record."""
        groups = self._records.groups[self._train]
        return len(np.unique(groups)) < len(groups)

    def rowwise(self, model: Classifier, plain: str) -> list[str]:
        """What the classifier holds that makes folds of rows, where it learns the same if all rows are of others."""
        tools = sorted(set(splits_rows(model))) if self.several else []
        return tools if tools and self.fitted(one_record_each(self._records))[1] == plain else []

    def batch(self, model: Classifier) -> float:
        """By how much a prediction moves where other records of its batch are others."""
        other = changed(self._records, self._test[1::2], "inputs")
        moved = model.predict_proba(other[self._test]) - model.predict_proba(self._records[self._test])
        return float(np.abs(moved[::2]).max())

    def _after(self, *what: Part) -> str:
        return self.fitted(changed(self._records, self._test, *what))[1]

    def _made(self, everyone: Cohort) -> Classifier:
        if not hasattr(self._procedure, "fit"):
            return self._procedure(everyone)
        held = {id(one): on_store(one, everyone.store) for one in _cohorts(self._procedure, self._records)}
        return cast("Classifier", copy.deepcopy(self._procedure, dict(held)))

    def _state(self, model: Classifier) -> bytes:
        try:
            return learned(model)
        except StorageError:
            self.stored = False
            return b""


def splits_rows(value: Any, depth: int = _DEPTH) -> Iterator[str]:
    """Names of scikit-learn's tools that something holds, and that deal rows into folds whosever they are."""
    if isinstance(value, Cohort | np.ndarray):
        return
    if isinstance(value, BaseEstimator):
        asked = value.get_params(deep=False)
        cv = asked.get("cv", "none")
        if cv is None or isinstance(cv, (int, *_ROW_FOLDS)) or asked.get("early_stopping") is True:
            yield type(value).__name__
    if depth:
        held = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        for one in (*held, *getattr(value, "__dict__", {}).values()):
            yield from splits_rows(one, depth - 1)


def learned(model: Any) -> bytes:
    """Everything a fitted classifier learned, to the last bit; StorageError where it has no form on disk."""
    if not hasattr(model, "to_state"):
        raise StorageError(
            "STORE_LEARNER",
            place="classifier",
            rule="what is learned must have a form on disk",
            found="no to_state",
            remedy="Compare predictions.",
        )
    return b"".join(_bytes(model.to_state()))


def _cohorts(value: Any, records: Cohort, depth: int = _DEPTH) -> Iterator[Cohort]:
    """Cohorts on the same store that something holds."""
    if isinstance(value, Cohort):
        if value.store is records.store:
            yield value
    elif depth:
        held = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        for one in (*held, *getattr(value, "__dict__", {}).values()):
            yield from _cohorts(one, records, depth - 1)


def _bytes(value: Any) -> Iterator[bytes]:
    """Everything in a state, in order, to the last bit."""
    if isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield f"{key}:".encode()
            yield from _bytes(one)
    elif isinstance(value, list | tuple):
        yield f"[{len(value)}".encode()
        for one in value:
            yield from _bytes(one)
    else:
        yield repr(value).encode()


def _sees(reached: list[str]) -> Finding:
    said = "Records that were held out reach what the classifier learns"
    text = f"{said}: it is another one once {' and '.join(reached)} are others."
    return Finding("PROCEDURE_SEES_TEST", "stop", text)


def _by_row(tools: list[str]) -> Finding:
    text = (
        f"Folds inside the classifier divide patients ({', '.join(tools)}): what it chooses there, it chooses by "
        "records of patients it was trained on."
    )
    return Finding("PROCEDURE_BY_ROW", "warning", text)


_REMEMBERS = Finding(
    "PROCEDURE_REMEMBERS",
    "stop",
    "The classifier learns something else once it has seen other records: it, or its module, keeps what it saw before.",
)
_DRAWS = Finding(
    "PROCEDURE_DRAWS",
    "warning",
    "Two fits on the same records differ, so nothing can be said of what reaches them: draw from a seed.",
)
_BATCH = Finding(
    "PROCEDURE_BY_BATCH",
    "stop",
    "What the classifier says of a record depends on the other records it is asked about at the same time.",
)
