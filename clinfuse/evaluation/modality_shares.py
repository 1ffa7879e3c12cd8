"""What each modality is worth to a model over a whole cohort: Shapley values of AUROC, withheld and trained anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np
import pandas as pd

from clinfuse.errors import ConfigError
from clinfuse.evaluation.contribution import interactions, shapley
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.robustness.regret import Regret
from clinfuse.evaluation.scores import predicted_statistic

CHANCE = 0.5


@final
@dataclass(frozen=True)
class ModalityShares:
    """Shares of modalities in a model's AUROC above chance; made by `modality_shares`.

    They describe the model with sources withheld from it, or the same kind of model trained without them; neither says
    what causes the disease.

    Parameters
    ----------
    model : str
    auroc : float
        With everything that each record has.
    withheld : mapping of str to float
        Shapley value of each modality, the others withheld from the model as it is; they add up to ``auroc`` minus 0.5.
    interactions : mapping of (str, str) to float
        Shapley interaction index of every pair in the same game; below 0 the two repeat each other.
    retrained : mapping of str to float
        The same shares where a model is trained on every subset instead; empty where that was not asked for.
    """

    model: str
    auroc: float
    withheld: dict[str, float]
    interactions: dict[tuple[str, str], float] = field(default_factory=dict)
    retrained: dict[str, float] = field(default_factory=dict)

    @property
    def largest_difference(self) -> float:
        """The largest difference between a withheld and a retrained share; NaN without the latter."""
        gaps = [abs(share - self.retrained[name]) for name, share in self.withheld.items() if name in self.retrained]
        return max(gaps, default=float("nan"))

    @property
    def sentence(self) -> str:
        """Whether models trained on every subset share their AUROC out alike, in words."""
        if not self.retrained:
            return f"Shares describe {self.model} with sources withheld; no model was trained without them."
        first, second = (max(shares, key=lambda name: shares[name]) for shares in (self.withheld, self.retrained))
        same = f"both give {first} most" if first == second else f"withheld {first}, trained anew {second} has most"
        gap = f"{self.largest_difference:.2f} at most"
        return f"Withheld or trained anew, the shares of {self.model} differ by {gap}; {same}."

    def table(self) -> pd.DataFrame:
        """Give one line per modality."""
        rows: list[dict[str, object]] = [
            {"modality": name, "withheld": f"{s:+.3f}"} for name, s in self.withheld.items()
        ]
        for row in rows:
            name = str(row["modality"])
            row["trained anew"] = f"{self.retrained[name]:+.3f}" if self.retrained else "-"
        return pd.DataFrame(rows)


def modality_shares(cv: CrossValidation, *, regret: Regret | None = None) -> ModalityShares:
    """Share a model's AUROC out among its modalities, over all subsets and all held-out records.

    Parameters
    ----------
    cv : CrossValidation
        Of a binary task. Records of which nothing is left are answered with the prior.
    regret : Regret, optional
        Of the same model, with a model trained on every subset: their shares are then given beside.

    Returns
    -------
    ModalityShares

    Raises
    ------
    ConfigError
        ``SHARES_MODEL``: not a binary task, or a regret of another model or without some subsets.

    References
    ----------
    Shapley 1953, doi:10.1515/9781400881970-018. Soenksen et al. 2022, doi:10.1038/s41746-022-00689-4 (Shapley values of
    sources on AUROC).

    Examples
    --------
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(60, 1)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> found = modality_shares(cross_validate(LateFusion(combine="mean"), cohort, folds=2))
    >>> abs(sum(found.withheld.values()) - (found.auroc - 0.5)) < 1e-12
    True
    """
    if cv.predictions.task != "binary":
        _refuse("a binary task", f"a {cv.predictions.task} one")
    whole = _auroc(cv.predictions)

    def asked(kept: frozenset[str]) -> float:
        if not kept:
            return CHANCE
        return _auroc(cv.withheld.select(withheld="+".join(name for name in cv.modalities if name not in kept)))

    worth = _remembered(asked)
    return ModalityShares(
        cv.name,
        whole,
        dict(shapley(worth, cv.modalities)),
        dict(interactions(worth, cv.modalities)) if len(cv.modalities) > 1 else {},
        {} if regret is None else _retrained(cv, regret, whole),
    )


def _retrained(cv: CrossValidation, regret: Regret, whole: float) -> dict[str, float]:
    found = {frozenset(row.kept): row.dedicated.value for row in regret.rows}
    worth = {frozenset[str](): CHANCE, **found, frozenset(cv.modalities): whole}
    if regret.model != cv.name or len(worth) < 2 ** len(cv.modalities):
        _refuse(
            "the regret of this model, with a model trained on every subset", "another, or one with subsets left out"
        )
    return dict(shapley(worth.__getitem__, cv.modalities))


def _remembered(asked: Callable[[frozenset[str]], float]) -> Callable[[frozenset[str]], float]:
    known: dict[frozenset[str], float] = {}

    def worth(kept: frozenset[str]) -> float:
        if kept not in known:
            known[kept] = asked(kept)
        return known[kept]

    return worth


def _auroc(predictions: Predictions) -> float:
    return float(predicted_statistic(predictions, "auroc")(np.ones((1, len(predictions))))[0])


def _refuse(rule: str, found: str) -> None:
    raise ConfigError(
        "SHARES_MODEL", place="shares of modalities", rule=rule, found=found, remedy="Correct the arguments."
    )
