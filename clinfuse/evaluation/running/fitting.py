"""One task: a model fitted on the training patients of a fold, and what it says of the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, cast, final

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ClinfuseError
from clinfuse.evaluation.contribution import subsets
from clinfuse.evaluation.folds import Fold, Scheme, settings_of
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.running.inside import InnerFolds
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.loop import Epoch


@final
@dataclass(frozen=True, eq=False)
class Fitted:
    """A finished task.

    Parameters
    ----------
    classifier : FusionClassifier
    predictions : Predictions
        Of the test records, for every subset of the model's modalities that can be kept.
    about : mapping
        JSON values: ``taxonomy``, ``modalities``, ``stored``, ``multimodal``, ``weighing``; ``inner``, the mean AUROC
        in inner folds where it was asked for, else None; ``settings`` that were chosen inside and ``tries`` with their
        scores, empty where none were searched for.
    losses : mapping
        Loss curves by network, JSON values.
    """

    classifier: FusionClassifier
    predictions: Predictions
    about: Mapping[str, Any]
    losses: Mapping[str, Any]


def one_thread_each(model: Any) -> AbstractContextManager[Any]:
    """Hold BLAS and OpenMP to the threads that the model's options name, so that every engine gives the same bits."""
    threads = getattr(getattr(model, "options", None), "threads", 1)
    return cast(AbstractContextManager[Any], threadpool_limits(limits=threads))


def fit_task(
    cohort: Cohort,
    name: str,
    model: FusionClassifier,
    fold: Fold,
    scheme: Scheme,
    *,
    inside: InnerFolds | None = None,
) -> Fitted:
    """Fit a copy of a model in a fold and let it predict the held-out records.

    Parameters
    ----------
    cohort : Cohort
        From `clinfuse.evaluation.folds.scored`.
    name : str
        What the model is called.
    model : FusionClassifier
        Left as it is.
    fold : Fold
    scheme : Scheme
    inside : InnerFolds, optional
        Folds of the training patients in which it is asked how well the model does.

    Raises
    ------
    ClinfuseError
        What `fit` raises, with the fold put before its place.
    """
    with one_thread_each(model):
        try:
            here, training = clone(model).set_params(**settings_of(model, fold, scheme)), cohort[fold.train]
            inner = None if inside is None else inside.auroc(here, training, fold, scheme)
            classifier = here.fit(training)
            predictions = predict_task(cohort, name, classifier, fold)
        except ClinfuseError as error:
            raise error.at(f"model {name}, repeat {fold.repeat}, fold {fold.number}") from None
    about = {
        "taxonomy": classifier.taxonomy(),
        "modalities": list(classifier.modalities_),
        "stored": bool(classifier.stored_),
        "multimodal": bool(classifier.multimodal),
        "weighing": [float(one) for one in classifier.weighing_],
        "inner": inner,
        "settings": dict(getattr(classifier, "best_settings_", {})),
        "tries": [{"settings": dict(one.settings), "score": one.score} for one in getattr(classifier, "tries_", ())],
    }
    return Fitted(classifier, predictions, about, _curves(classifier.loss_curves_))


def predict_task(cohort: Cohort, name: str, classifier: FusionClassifier, fold: Fold) -> Predictions:
    """Predict the test records of a fold: each encoded once, and decided about for every subset of modalities."""
    test = cohort[fold.test]
    encoded = classifier.encode(test)
    names = tuple(classifier.modalities_)
    parts = []
    for kept in subsets(names):
        mask = encoded.present & np.array([one in kept for one in names])
        withheld = "+".join(one for one in names if one not in kept)
        logits = np.asarray(classifier.decide(encoded, mask), dtype=np.float64)
        probabilities = np.asarray(classifier.probabilities(logits), dtype=np.float64)
        parts.append(_table(test, name, fold, withheld, (logits, probabilities)))
    return Predictions.concat(parts)


def _table(test: Cohort, name: str, fold: Fold, withheld: str, decided: tuple[np.ndarray, np.ndarray]) -> Predictions:
    n = len(test)
    return Predictions(
        model=np.full(n, name),
        repeat=np.full(n, fold.repeat),
        fold=np.full(n, fold.number),
        record=np.asarray(test.keys),
        patient=np.asarray(test.patient_keys),
        site=np.asarray(test.sites),
        withheld=np.full(n, withheld),
        y_true=np.asarray(test.labels),
        logits=decided[0],
        probabilities=decided[1],
        present=np.asarray(test.present),
        classes=tuple(test.classes),
        task=test.task,
        modalities=tuple(test.names),
    )


def _curves(curves: Mapping[str, Sequence[Epoch]]) -> dict[str, Any]:
    return {name: [_plain(asdict(point)) for point in curve] for name, curve in curves.items()}


def _plain(point: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that JSON knows: a loss that was not measured is null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in point.items()
    }
