"""How well a model does in inner folds of the training patients of a fold: what the best of several is chosen by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from sklearn.base import clone

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.folds import Fold, Scheme
from clinfuse.training.calibrated import plain
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.seeds import derived_seed
from clinfuse.training.splits import patient_folds
from clinfuse.training.unseen import unseen_auroc

_TOO_FEW = ("SPLIT_PATIENTS", "SPLIT_CLASSES")


@final
@dataclass(frozen=True)
class InnerFolds:
    """Inner folds of the training patients of every fold, the same for all models that are asked in them.

    Parameters
    ----------
    folds : int
        By patient; fewer where a class has fewer training patients.
    seed : int
        As the models' own: a fold deals its patients by it, so that fits can be shared with models that cut
        their training patients alike.
    """

    folds: int
    seed: int

    def __post_init__(self) -> None:
        if not isinstance(self.folds, int) or self.folds < 2:
            raise ConfigError(
                "SCHEME_VALUE",
                place="inner_folds",
                rule="must be a whole number of at least 2",
                found="another value",
                remedy="Correct inner_folds.",
            )

    def cuts(self, training: Cohort, fold: Fold, scheme: Scheme) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows to train on and to test on among the training records of a fold; none where a class has one patient.

        Raises
        ------
        DataError
            What `clinfuse.training.splits.patient_folds` raises of anything but too few patients.
        """
        people = np.asarray(training.labels), training.groups, training.record_ids
        seed = derived_seed(fold.seed(self.seed, scheme.seed), "inner")
        for folds in range(self.folds, 1, -1):
            try:
                return patient_folds(*people, folds=folds, seed=seed)
            except DataError as error:
                if error.code not in _TOO_FEW:
                    raise
        return []

    def auroc(self, model: FusionClassifier, training: Cohort, fold: Fold, scheme: Scheme) -> float:
        """Give the mean AUROC of a model over the inner folds, as `clinfuse.training.unseen.unseen_auroc`.

        Every inner fold is answered by a copy that was fitted on the others. A calibration is left out: it rises, and
        so keeps ranks.

        Parameters
        ----------
        model : FusionClassifier
            Unfitted, with the settings of the fold.
        training : Cohort
            Training records of the fold, labelled and sorted by id.
        fold : Fold
        scheme : Scheme

        Returns
        -------
        float
            One half where there are too few patients to compare any.
        """
        labels, cuts = np.asarray(training.labels), self.cuts(training, fold, scheme)
        logits = np.zeros((len(training), labels.shape[1] if labels.ndim == 2 else len(training.classes)))
        for train, test in cuts:
            fitted: FusionClassifier = clone(plain(model)).fit(training[train])
            logits[test] = fitted.decide(fitted.encode(training[test]))
        return unseen_auroc(labels, logits, [test for _, test in cuts])
