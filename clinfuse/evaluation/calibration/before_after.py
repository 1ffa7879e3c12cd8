"""Calibration before and after what corrects it: the weighing of classes undone, and a line fitted to other folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special

from clinfuse.evaluation.calibration.across_folds import calibrated
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import predicted_statistic

WEIGHED = "classes weighed, not corrected"
PREDICTED = "as predicted"
RECALIBRATED = "recalibrated on the other folds"
_METRICS = {"slope": "calibration_slope", "in the large": "calibration_intercept", "Brier": "brier"}


def uncorrected(cv: CrossValidation) -> Predictions:
    """Give binary predictions as they were before the weighing of classes was undone."""
    every = cv.predictions
    logits = np.array(every.logits)
    for place, added in cv.weighing.items():
        # A record of which nothing is left is answered with the prevalence, which nothing was added to.
        rows = (every.repeat == place[0]) & (every.fold == place[1])
        columns = [every.modalities.index(name) for name in cv.modalities]
        logits[rows & every.present[:, columns].any(1)] -= added
    p = special.expit(logits[:, 1] - logits[:, 0])
    return replace(every, logits=logits, probabilities=np.stack([1 - p, p], axis=1))


def calibration_forms(cv: CrossValidation) -> dict[str, Predictions]:
    """Give the predictions of a binary model in every form there is, by its name."""
    forms = {WEIGHED: uncorrected(cv)} if any(added.any() for added in cv.weighing.values()) else {}
    forms[PREDICTED] = cv.predictions
    folds = {(int(r), int(f)) for r, f in zip(cv.predictions.repeat, cv.predictions.fold, strict=True)}
    if len(folds) > len(cv.predictions.repeats):
        forms[RECALIBRATED] = calibrated(cv.predictions)
    return forms


def calibration_table(models: Mapping[str, CrossValidation]) -> pd.DataFrame:
    """Give slope, calibration in the large and Brier score of every binary model before and after correction.

    A model is calibrated with slope 1 and 0 in the large. A single modality is scored on the records that have it.
    """
    lines = []
    for name, cv in models.items():
        if cv.predictions.task != "binary":
            continue
        columns = [cv.predictions.modalities.index(modality) for modality in cv.modalities]
        here = np.asarray(cv.predictions.present[:, columns].any(1) | cv.multimodal)
        for form, predictions in calibration_forms(cv).items():
            scored = predictions.rows(here)
            once = np.ones((1, len(scored)))
            found = {word: float(predicted_statistic(scored, metric)(once)[0]) for word, metric in _METRICS.items()}
            lines.append({"model": name, "probabilities": form, **{w: _written(v, w) for w, v in found.items()}})
    return pd.DataFrame(lines)


def _written(value: float, word: str) -> str:
    return "-" if not np.isfinite(value) else f"{value:.3f}" if word == "Brier" else f"{value:.2f}"
