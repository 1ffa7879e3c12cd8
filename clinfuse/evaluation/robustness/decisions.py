"""What a cross-validated model says of every held-out record for every set of modalities left: nothing is run again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy import special

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions


@final
@dataclass(frozen=True, eq=False)
class Decisions:
    """Every decision a model can be asked for about held-out records; made by `decisions`.

    Parameters
    ----------
    rows : Predictions
        Of one model with nothing withheld, sorted by repeat and record.
    names : tuple of str
        The model's modalities, in the order of the cohort.
    logits, probabilities : ndarray of float64, (2**M, rows, classes)
        By the number of the set that is left: bit k stands for ``names[k]``. Set 0, nothing, is the training
        prevalence.
    """

    rows: Predictions
    names: tuple[str, ...]
    logits: np.ndarray
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> list[int]:
        """Places of the model's modalities among those of the cohort."""
        return [self.rows.modalities.index(name) for name in self.names]

    @property
    def abstain(self) -> np.ndarray:
        """Which rows have nothing the model may use, by the number of the set that is left; bool (2**M, rows)."""
        has = self.rows.present[:, self.columns]
        kept = (np.arange(len(self.logits))[:, None] >> np.arange(len(self.names))) & 1 == 1
        return np.asarray(~(has[None] & kept[:, None]).any(2))

    def numbers(self, kept: np.ndarray) -> np.ndarray:
        """Give the number of the set that is left to each row, int64 (...,), from a mask, bool (..., modalities)."""
        chosen = np.asarray(kept)[..., self.columns]
        return np.asarray((chosen * (1 << np.arange(len(self.names)))).sum(-1), dtype=np.int64)

    def under(self, kept: np.ndarray) -> Predictions:
        """Give what the model says when only this much is left to it.

        Parameters
        ----------
        kept : ndarray of bool, (rows, modalities)
            Of the cohort, in its order; what a record never had stays absent.

        Returns
        -------
        Predictions
            As many rows; those with nothing left are kept and answered with the training prevalence.

        Raises
        ------
        DataError
            ``MASK_SHAPE``.
        """
        mask = np.asarray(kept)
        if mask.dtype != np.bool_ or mask.shape != self.rows.present.shape:
            raise DataError(
                "MASK_SHAPE",
                place="mask of what is left",
                rule=f"bool of shape {self.rows.present.shape}",
                found="another type or shape",
                remedy="Give one row per row of predictions and one column per modality of the cohort.",
            )
        number, row = self.numbers(mask), np.arange(len(self))
        texts = np.array([self.text(one) for one in range(len(self.logits))])
        return replace(
            self.rows,
            withheld=texts[number],
            logits=self.logits[number, row],
            probabilities=self.probabilities[number, row],
        )

    def text(self, number: int) -> str:
        """Give what is withheld where this set is left, as `Predictions.withheld` says it."""
        return "+".join(name for place, name in enumerate(self.names) if not number >> place & 1)


def decisions(cv: CrossValidation) -> Decisions:
    """Arrange the held-out predictions of a model so that any pattern of missing modalities can be looked up.

    Parameters
    ----------
    cv : CrossValidation

    Returns
    -------
    Decisions

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.unimodal import Unimodal
    >>> labels = np.tile([0, 1], 12)
    >>> cohort = Cohort.from_arrays({"labs": labels[:, None] + 0.1}, labels=labels, kinds={"labs": "ehr"})
    >>> found = decisions(cross_validate(Unimodal("labs"), cohort, folds=3))
    >>> found.probabilities[0, 0].tolist(), found.text(0)
    ([0.5, 0.5], 'labs')
    """
    names = cv.modalities
    rows = cv.withheld.select(withheld="")
    shape = (1 << len(names), *rows.logits.shape)
    logits, probabilities = np.empty(shape), np.empty(shape)
    for number in range(1, shape[0]):
        text = "+".join(name for place, name in enumerate(names) if not number >> place & 1)
        one = cv.withheld.select(withheld=text)
        logits[number], probabilities[number] = one.logits, one.probabilities
    places = zip(rows.repeat.tolist(), rows.fold.tolist(), strict=True)
    logits[0] = np.stack([cv.priors[place] for place in places])
    several = rows.task == "multilabel"
    probabilities[0] = special.expit(logits[0]) if several else special.softmax(logits[0], axis=1)
    return Decisions(rows, names, logits, probabilities)


def places(rows: Predictions, cohort: Cohort) -> np.ndarray:
    """Give the row of a cohort that each prediction is about, int64 (rows,)."""
    found = {str(key): row for row, key in enumerate(cohort.keys)}
    return np.array([found[str(key)] for key in rows.record], dtype=np.int64)
