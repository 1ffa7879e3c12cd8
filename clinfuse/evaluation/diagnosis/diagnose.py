"""Why a fusion does, or does not, beat the best single modality: what it makes of each one, and of them together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from html import escape
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.errors import ConfigError
from clinfuse.evaluation.answer import Difference, paired_difference
from clinfuse.evaluation.compare import Comparison
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.diagnosis.exchange import HeldOut, additive_logits, decided, held_out, shuffled
from clinfuse.evaluation.diagnosis.reasons import reasons
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import both_classes, metric_draws, metric_interval, predicted_statistic
from clinfuse.evaluation.statistics.intervals import Estimate

SHUFFLES = 5
_LEAST = 5
_DRAWS = 1000
_ADDITIVE = 1e-9


@final
@dataclass(frozen=True)
class ModalityRole:
    """What a fusion makes of one modality, on held-out records.

    Parameters
    ----------
    modality : str
    records : int
        That have it, and that ``alone``, ``kept`` and ``gap`` are of.
    shuffled : Estimate
        AUROC on all records minus AUROC when the modality is exchanged between patients: 0 where it is not used.
    alone : Estimate
        AUROC of the model that was trained on this modality alone.
    kept : Estimate
        AUROC of the fusion when it is given nothing but this modality.
    gap : Estimate
        ``alone`` minus ``kept``, paired: above 0 the fusion reads the modality worse than a model of its own.
    gradient : float
        Share of the gradient that reached the modality's encoder in training; NaN where encoders are not trained
        together.
    """

    modality: str
    records: int
    shuffled: Estimate
    alone: Estimate
    kept: Estimate
    gap: Estimate
    gradient: float


@final
@dataclass(frozen=True)
class Interaction:
    """What modalities say together beyond what each says on its own.

    Parameters
    ----------
    whole, added : float
        AUROC of the model, and of the sum of one term for each modality that is nearest to it.
    gain : Estimate
        The first minus the second, from a paired patient-cluster bootstrap.
    additive : bool
        Whether the model's logits are such a sum, so that it could not use an interaction if there were one.
    """

    whole: float
    added: float
    gain: Estimate
    additive: bool

    @property
    def present(self) -> bool:
        """Whether the interval of the gain lies above 0."""
        return self.gain.low > 0


@final
@dataclass(frozen=True)
class Diagnosis:
    """Why a fusion does, or does not, beat the best single modality; made by `diagnose`.

    Parameters
    ----------
    model : str
    rival : str
        The single modality it is held against.
    difference : Difference
        Fusion minus that single modality, on all records.
    roles : tuple of ModalityRole
        Of every modality with at least five held-out records of every class.
    interaction : Interaction
    """

    model: str
    rival: str
    difference: Difference
    roles: tuple[ModalityRole, ...]
    interaction: Interaction

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the numbers say, in plain words: the result, then its reasons, then the interaction."""
        return reasons(self)

    def table(self) -> pd.DataFrame:
        """Give one line for each modality, for reading."""
        return pd.DataFrame(
            {
                "model": self.model,
                "modality": role.modality,
                "records": role.records,
                "lost when shuffled (95 % CI)": _signed(role.shuffled),
                "alone": str(role.alone),
                "fusion given it alone": str(role.kept),
                "alone minus fusion (95 % CI)": _signed(role.gap),
                "share of gradient": "-" if math.isnan(role.gradient) else f"{100 * role.gradient:.0f} %",
            }
            for role in self.roles
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values; what was not measured is None."""
        roles = [
            asdict(role) | {"gradient": None if math.isnan(role.gradient) else role.gradient} for role in self.roles
        ]
        return {
            "model": self.model,
            "rival": self.rival,
            "difference": asdict(self.difference.estimate),
            "roles": roles,
            "interaction": asdict(self.interaction) | {"present": self.interaction.present},
            "sentences": list(self.sentences),
        }

    def __str__(self) -> str:
        return "\n".join((*self.sentences, "", self.table().to_string(index=False)))

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(one)}</p>" for one in self.sentences) + self.table().to_html(index=False)


def diagnose(comparison: Comparison, model: str = "", *, seed: int | None = None) -> Diagnosis:
    """Say why a fusion does, or does not, beat the best single modality.

    Nothing is fitted. Held-out records are encoded once more by the model of their fold; then each modality is
    exchanged between patients (five times, the same exchanges for every model), and the model is compared with the
    nearest sum of one term for each modality (EMAP).

    Parameters
    ----------
    comparison : Comparison
        Of `compare`.
    model : str, optional
        Name of a fusion in it; by default the declared one.
    seed : int, optional
        Of exchanges and bootstrap; by default that of the comparison.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ConfigError
        ``MODEL_UNKNOWN``; ``DIAGNOSE_SINGLE``: a model of one modality.

    References
    ----------
    Wang et al. 2020, doi:10.1109/CVPR42600.2020.01271 (fusion no better than one modality). Hessel and Lee 2020,
    doi:10.18653/v1/2020.emnlp-main.62 (EMAP). Breiman 2001, doi:10.1023/A:1010933404324 (exchange between records).

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.evaluation.compare import compare
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 40)
    >>> arrays = {"labs": 2 * labels[:, None] + draw.normal(size=(80, 1)), "signs": draw.normal(size=(80, 1))}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> late = LateFusion(combine="logit mean")
    >>> found = diagnose(compare(cohort, {"late": late}, folds=2, best_single="labs"))
    >>> found.interaction.additive, found.roles[0].shuffled.low > 0
    (True, True)
    """
    name = model or comparison.primary
    cv = comparison[name]
    if not cv.multimodal:
        raise ConfigError(
            "DIAGNOSE_SINGLE",
            place=f"model {name}",
            rule="a fusion of several modalities",
            found="a model of one",
            remedy="Name a fusion of the comparison.",
        )
    start = cv.seed if seed is None else seed
    folds = list(held_out(cv))
    alone = _alone(comparison)
    gradients = gradient_shares(cv)
    measured = [one for one in cv.modalities if one in alone and _can_be_measured(cv, one)]
    roles = tuple(_role(cv, alone[one], folds, gradient=gradients.get(one, math.nan), seed=start) for one in measured)
    rival = comparison.comparator
    difference = (
        comparison.differences[name]
        if name in comparison.differences
        else paired_difference(cv.predictions, rival.predictions, seed=start)
    )
    return Diagnosis(name, rival.label, difference, roles, _interaction(cv, folds, start))


def gradient_shares(cv: CrossValidation) -> dict[str, float]:
    """Give the share of the gradient that reached each modality's encoder, over all epochs and folds.

    Empty where no network of several encoders was trained.
    """
    total: dict[str, float] = {}
    for curves in cv.losses.values():
        for curve in curves.values():
            for point in curve:
                for name, norm in point.get("gradients", {}).items():
                    total[name] = total.get(name, 0.0) + float(norm)
    whole = sum(total.values())
    return {name: norm / whole for name, norm in total.items()} if whole > 0 else {}


def _can_be_measured(cv: CrossValidation, name: str) -> bool:
    has = cv.predictions.present[:, cv.predictions.modalities.index(name)]
    return bool(has.any()) and both_classes(cv.predictions.rows(has), _LEAST)


def _alone(comparison: Comparison) -> dict[str, CrossValidation]:
    """The single model of each modality: of several the one that bears its name, else the first."""
    found: dict[str, CrossValidation] = {}
    for one in comparison.models.values():
        if not one.multimodal and (one.name == one.modalities[0] or one.modalities[0] not in found):
            found[one.modalities[0]] = one
    return found


def _role(
    cv: CrossValidation, single: CrossValidation, folds: Sequence[HeldOut], *, gradient: float, seed: int
) -> ModalityRole:
    name = single.modalities[0]
    others = "+".join(other for other in cv.modalities if other != name)
    kept, alone = (
        one.rows(one.present[:, one.modalities.index(name)])
        for one in (cv.withheld.select(withheld=others), single.predictions)
    )
    return ModalityRole(
        modality=name,
        records=len(np.unique(kept.record)),
        shuffled=_lost(cv.predictions, _exchanged(cv, folds, name, seed), seed),
        alone=metric_interval(alone, "auroc", seed=seed),
        kept=metric_interval(kept, "auroc", seed=seed),
        gap=paired_difference(alone, replace(kept, withheld=np.full(len(kept), "")), seed=seed).estimate,
        gradient=gradient,
    )


def _exchanged(cv: CrossValidation, folds: Sequence[HeldOut], name: str, seed: int) -> list[Predictions]:
    column = cv.modalities.index(name)
    return [
        decided(folds, cv.predictions, partial(shuffled, modality=column, seed=seed, draw=draw))
        for draw in range(SHUFFLES)
    ]


def _lost(whole: Predictions, exchanged: Sequence[Predictions], seed: int) -> Estimate:
    """AUROC minus the mean AUROC of the exchanged predictions, with a paired interval."""
    first, *others = (predicted_statistic(one, "auroc") for one in (whole, *exchanged))

    def lost(given: np.ndarray) -> np.ndarray:
        return first(given) - np.mean([other(given) for other in others], axis=0)

    return metric_draws("auroc", whole, seed=seed, draws=_DRAWS).estimate(lost)


def _interaction(cv: CrossValidation, folds: Sequence[HeldOut], seed: int) -> Interaction:
    added = decided(folds, cv.predictions, partial(additive_logits, seed=seed))
    far = float(np.abs(added.logits - cv.predictions.logits).max())
    if far < _ADDITIVE:
        whole = float(predicted_statistic(cv.predictions, "auroc")(np.ones((1, len(cv.predictions))))[0])
        return Interaction(whole, whole, Estimate(0.0, 0.0, 0.0), additive=True)
    found = paired_difference(cv.predictions, added, seed=seed, draws=_DRAWS)
    return Interaction(*found.values, found.estimate, additive=False)


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.2f} ({estimate.low:+.2f} to {estimate.high:+.2f})"
