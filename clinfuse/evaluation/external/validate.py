"""Does a finished model hold in another clinic: the same numbers inside and outside, before and after recalibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.characteristics import Characteristics
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.external.case_mix import EXTERNAL, INTERNAL, case_mix
from clinfuse.evaluation.external.frozen import frozen
from clinfuse.evaluation.external.recalibration import FORMS, Recalibration, cross_fitted, learned
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import Counts, counts, known_intervals
from clinfuse.evaluation.statistics.intervals import DRAWS, Estimate
from clinfuse.training.classifiers import FusionClassifier

Shared = Literal["refuse", "leave out", "other people"]
WORDS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier",
    "observed_expected": "observed to expected",
    "calibration_intercept": "calibration in the large",
    "calibration_slope": "calibration slope",
}
_MOVED = ("brier", "observed_expected", "calibration_intercept", "calibration_slope")
_RECALIBRATED = {form: f"external, {form} refitted" for form in FORMS}
_LARGE = 0.1


@final
@dataclass(frozen=True, eq=False)
class ExternalValidation:
    """A frozen model in the cohort it was made with and in another; made by `validate_externally`.

    Parameters
    ----------
    model : str
    averaged : int
        How many fitted models answer together, by the mean of their logits; 1 for a single one.
    counts : mapping of str to Counts
        ``"external"``, and ``"internal"`` where it is known.
    estimates : mapping of str to mapping of str to Estimate
        By cohort (and by recalibration, of the external one), then by metric; what has no value is not there.
    predictions : Predictions
        Of the external records as the model gave them.
    recalibrations : tuple of Recalibration
        Fitted to all external patients, to be used there; the estimates above are of lines fitted to other patients.
    case_mix : tuple of Characteristics
        Both cohorts side by side; none where the internal one is not known.
    shared : int
        Patients of the external cohort who are internal ones too, and were left out.
    compared : bool
        Whether it is known who the internal patients are.
    """

    model: str
    averaged: int
    counts: Mapping[str, Counts]
    estimates: Mapping[str, Mapping[str, Estimate]]
    predictions: Predictions
    recalibrations: tuple[Recalibration, ...]
    case_mix: tuple[Characteristics, ...]
    shared: int
    compared: bool

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was asked, of whom, and what came of it, in words."""
        outside = self.counts[EXTERNAL]
        said = [
            f"{outside.records} external records of {outside.patients} patients, {outside.events} with "
            f"{outside.positive}; nothing was learned from them but what is called refitted."
        ]
        if self.averaged > 1:
            said.append(f"The logits of the models of {self.averaged} folds were averaged.")
        if not self.compared:
            said.append("Whether some of these patients trained the model could not be looked up.")
        elif self.shared:
            said.append(f"{self.shared} patients are in both cohorts and were left out.")
        for metric in ("auroc", "calibration_slope", "observed_expected"):
            known = {name: one[metric] for name, one in self.estimates.items() if metric in one}
            if EXTERNAL in known:
                said.append(f"{WORDS[metric]}: {'; '.join(f'{name} {one}' for name, one in known.items())}.")
        for mix in self.case_mix:
            apart = [one for one in mix.lines if one.difference > _LARGE]
            names = [one.name for one in sorted(apart, key=lambda one: -one.difference)][:4]
            said.append(f"The cohorts differ most in: {', '.join(names)}." if names else "The cohorts look alike.")
        return tuple(said)

    def table(self) -> pd.DataFrame:
        """Give one line per metric and one column per cohort and recalibration, for reading."""
        lines = [
            {
                "metric": word,
                **{name: str(one[metric]) if metric in one else "" for name, one in self.estimates.items()},
            }
            for metric, word in WORDS.items()
        ]
        for word, of in (("records", "records"), ("events", "events")):
            lines.append({"metric": word, **{name: str(getattr(one, of)) for name, one in self.counts.items()}})
        return pd.DataFrame(lines).fillna("")

    def __str__(self) -> str:
        return "\n".join((self.table().to_string(index=False), *self.sentences))

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


def validate_externally(
    model: FusionClassifier | CrossValidation | str | Path,
    cohort: Cohort,
    *,
    internal: CrossValidation | None = None,
    shared: Shared = "refuse",
    absent: Sequence[str] = (),
    folds: int = 5,
    seed: int = 0,
    draws: int = DRAWS,
) -> ExternalValidation:
    """Ask a finished model about the labelled records of a second cohort, and set the answer beside the first one.

    Parameters
    ----------
    model : FusionClassifier, CrossValidation or path
        A fitted classifier, the folder of a stored one, or a cross-validation: then the models of all folds answer
        together, by the mean of their logits.
    cohort : Cohort
        The second one, with the modalities, columns, units and classes of the first; records without a label are left
        out.
    internal : CrossValidation, optional
        What is known of the model from the first cohort: its held-out predictions and who its patients are. Of a
        cross-validation, that itself.
    shared : {"refuse", "leave out", "other people"}
        What to do with patients whose id is in both cohorts; "other people": the same ids mean other people here.
    absent : sequence of str
        Modalities that nobody has in the second clinic, and that the model shall do without.
    folds : int
        Parts in which patients are recalibrated by lines fitted to the other parts.
    seed, draws : int
        Of these parts and of the patient-cluster bootstrap.

    Returns
    -------
    ExternalValidation

    Raises
    ------
    DataError
        ``EXTERNAL_SHARED``, ``EXTERNAL_CLASSES``, ``EXTERNAL_MODALITY``, ``EXTERNAL_LABELS``, ``MODALITY_CHANGED``.
    ConfigError
        ``EXTERNAL_MODEL``.
    StorageError
        What `clinfuse.load_model` raises.

    References
    ----------
    Collins et al. 2024, doi:10.1136/bmj-2023-074819 (external validation).

    Examples
    --------
    >>> from clinfuse.training.unimodal import Unimodal
    >>> labels = np.tile([0, 1], 60)
    >>> near, far = (
    ...     Cohort.from_arrays({"labs": labels[:, None] + np.random.default_rng(k).normal(size=(120, 1))},
    ...     labels=labels, kinds={"labs": "ehr"}) for k in (0, 1))
    >>> found = validate_externally(Unimodal("labs").fit(near), far, draws=200)
    >>> found.counts["external"].records, found.averaged, "auroc" in found.estimates["external"]
    (120, 1, True)
    """
    asked = frozen(model)
    asked.check(cohort, absent)
    known = [model] if isinstance(model, CrossValidation) else [internal] if internal is not None else []
    chosen = cohort[np.flatnonzero(np.asarray(cohort.labels) >= 0)].sorted_by_id()
    twice = _twice(known, chosen, shared)
    left_out = len(np.unique(np.asarray(chosen.patient_ids)[twice]))
    if left_out:
        chosen = chosen[np.flatnonzero(~twice)]
        asked.check(chosen, absent)
    outside = asked.predictions(chosen)
    tables = {INTERNAL: known[0].predictions} if known else {}
    tables |= {EXTERNAL: outside}
    estimates = {name: known_intervals(one, tuple(WORDS), seed=seed, draws=draws) for name, one in tables.items()}
    for form in FORMS:
        for moved in cross_fitted(outside, form, folds=folds, seed=seed):
            estimates[_RECALIBRATED[form]] = known_intervals(moved, _MOVED, seed=seed, draws=draws)
    return ExternalValidation(
        asked.name,
        len(asked.classifiers),
        {name: counts(one) for name, one in tables.items()},
        estimates,
        outside,
        tuple(line for form in FORMS for line in learned(outside, form)),
        tuple(case_mix(one.cohort, chosen) for one in known),
        left_out,
        bool(known),
    )


def _twice(known: Sequence[CrossValidation], chosen: Cohort, shared: Shared) -> np.ndarray:
    """Which records are to be left out because their patient is an internal one."""
    ids = {str(one) for cv in known for one in cv.cohort.patient_ids}
    both = np.array([str(one) in ids for one in chosen.patient_ids], dtype=bool)
    if shared == "other people" or not both.any():
        return np.zeros(len(chosen), dtype=bool)
    if shared == "refuse":
        raise DataError(
            "EXTERNAL_SHARED",
            place="external cohort",
            rule="no patient the model was made with",
            found=f"{len(np.unique(np.asarray(chosen.patient_ids)[both]))} patients with the same id in both cohorts",
            remedy='Write shared="leave out"; or shared="other people" where the two clinics number their own.',
        )
    return both
