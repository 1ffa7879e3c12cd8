"""What an explanation is made of: plain numbers and declarations, so that a page can be written without a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from clinfuse.cohort.modality import Modality
from clinfuse.errors import DataError

NOT_CAUSES = "Shares describe this model with a source withheld from it; they are not causes of the disease."


@final
@dataclass(frozen=True)
class Check:
    """One thing that an explanation was tested for.

    Parameters
    ----------
    name : str
    passed : bool
    text : str
        One sentence with the numbers.
    modality : str
        Whose map was tested; empty where it is about all of them.
    failure : str
        What a page says of a map that failed, after "this map failed:"; empty where `name` says it.
    """

    name: str
    passed: bool
    text: str
    modality: str = ""
    failure: str = ""


@final
@dataclass(frozen=True)
class FeatureValue:
    """One named quantity of the record and what it did to the logit.

    Parameters
    ----------
    name : str
        Declared column, or named summary feature of an image or signal.
    value : float
        As measured; NaN where the record has none. A category is the index of its level, a yes/no column 0 or 1.
    contribution : float
        Added to the logit by this quantity, against the baseline.
    unit : str
        Empty where it has none.
    normal : tuple of float
        Reference range, (-inf, inf) where none is declared.
    kind : {"number", "category", "yes/no"}
    levels : tuple of str
        Names of the categories.
    """

    name: str
    value: float
    contribution: float
    unit: str = ""
    normal: tuple[float, float] = (float("-inf"), float("inf"))
    kind: Literal["number", "category", "yes/no"] = "number"
    levels: tuple[str, ...] = ()

    @property
    def outside(self) -> Literal["", "low", "high"]:
        """Whether the value lies below or above its reference range; empty inside it or without a value."""
        if self.value < self.normal[0]:
            return "low"
        return "high" if self.value > self.normal[1] else ""


@final
@dataclass(frozen=True, eq=False)
class ModalityAttribution:
    """What one modality did to the logit of one record.

    Parameters
    ----------
    modality : Modality
        Its declaration: kind, shape, channels, spacing, unit.
    present : bool
    share : float
        Shapley value on the logit; exactly 0 for an absent modality.
    method : str
        How the parts inside the modality were obtained; ``"share only"`` where its learner gives none.
    map : ndarray of float32
        Parts of the logit in the shape of the prepared input (a table: one per prepared feature); empty where the
        modality has no map, zeros where it is absent.
    features : tuple of FeatureValue
        For tables and learners on named features, in the order of the declaration.
    data : ndarray
        The prepared input in its own unit (HU, grey, µV), to draw the map on; empty for tables and where absent.
    baseline : str
        What the map compares the input with, in words.
    delta : float
        Completeness gap of the map's run: sum of the maps minus the change of the logit that they explain.
    withheld : str
        Why no page may show the picture, in words; empty where it may be shown.
    note : str
        Why another method answered than the one that was asked for; empty where it was that one.
    compared : str
        Name of the baseline; empty where the input was compared with none.
    """

    modality: Modality
    present: bool
    share: float
    method: str
    map: np.ndarray
    features: tuple[FeatureValue, ...] = ()
    data: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    baseline: str = ""
    delta: float = 0.0
    withheld: str = ""
    note: str = ""
    compared: str = ""

    def __post_init__(self) -> None:
        if not self.present and (self.share != 0 or np.any(self.map)):
            raise DataError(
                "ATTRIBUTION_ABSENT",
                place=f"modality {self.modality.name}",
                rule="an absent modality explains nothing",
                found="a share or a map that is not zero",
                remedy="The classifier reads its stand-in; report this.",
            )
        for name in ("map", "data"):
            locked = getattr(self, name).view()
            locked.flags.writeable = False
            object.__setattr__(self, name, locked)

    @property
    def name(self) -> str:
        """Name of the modality."""
        return self.modality.name

    @property
    def has_map(self) -> bool:
        """Whether there is a map in the shape of an image or a signal to draw."""
        return self.present and self.map.size > 0 and self.map.shape == self.modality.shape and self.map.ndim > 1


@final
@dataclass(frozen=True, eq=False)
class Attribution:
    """Why a model said what it said about one record; it explains the model, not the disease.

    Parameters
    ----------
    model, taxonomy : str
        The classifier's name and its place in the taxonomy of Huang et al. 2020.
    record, patient : str
        Keys, never ids.
    positive : str
        Name of the class whose log odds are explained: the positive one of two; of several classes, or labels, the one
        that was asked for, else the most probable.
    probability, prior_probability : float
        What the model says of that class, and what it says when it knows nothing of the record. ``probability`` is the
        one of ``predict_proba``.
    logit, prior_logit : float
        Log odds of that class against all others together; ``logit`` is ``prior_logit`` plus the shares of all
        modalities.
    parts : tuple of ModalityAttribution
        In the cohort's order.
    without : mapping of str to float
        Probability if a present modality were absent, by its name.
    described : tuple of (str, object)
        Declared subgroup columns of the record.
    checks : tuple of Check
    steps : int
        Points on the path of integrated gradients; 0 where none was needed.
    seed : int
    held_out : bool
        Whether the model is known never to have seen this patient in training.
    points : mapping of str to float
        Shapley values on the probability, in percentage points, by modality; with the prior's they add up to the
        record's, both kept within 1e-6 of 0 and 1. Shares and points describe the model with a source withheld.
    interactions : mapping of (str, str) to float
        Shapley interaction index on the log odds for every pair of present modalities; below 0 the two repeat each
        other.
    risks : mapping of frozenset of str to float
        Probability for every set of the present modalities, the others withheld.
    terms : mapping of str to float
        Late fusion with a linear pool: slope times the departure of each modality's own log odds from the prior's.
        Empty elsewhere.

    Raises
    ------
    DataError
        ``ATTRIBUTION_NUMBERS`` where a number is not finite or the shares do not add up to 1e-6.

    Examples
    --------
    >>> a = Attribution("late", "late, stacked", "R-AAAAAAAAAA", "P-AAAAAAAAAA", "yes", 0.5, 0.5, 0.0, 0.0, ())
    >>> a.present, a.verified
    ({}, True)
    """

    model: str
    taxonomy: str
    record: str
    patient: str
    positive: str
    probability: float
    prior_probability: float
    logit: float
    prior_logit: float
    parts: tuple[ModalityAttribution, ...]
    without: Mapping[str, float] = field(default_factory=dict)
    described: tuple[tuple[str, object], ...] = ()
    checks: tuple[Check, ...] = ()
    steps: int = 0
    seed: int = 0
    held_out: bool = False
    points: Mapping[str, float] = field(default_factory=dict)
    interactions: Mapping[tuple[str, str], float] = field(default_factory=dict)
    risks: Mapping[frozenset[str], float] = field(default_factory=dict)
    terms: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = (self.probability, self.prior_probability, self.logit, self.prior_logit, *self.without.values())
        gap = self.logit - self.prior_logit - sum(part.share for part in self.parts)
        if not np.isfinite(numbers).all() or not abs(gap) <= 1e-6:
            raise DataError(
                "ATTRIBUTION_NUMBERS",
                place=f"record {self.record}",
                rule="finite numbers, and shares that add up to the logit within 1e-6",
                found="others",
                remedy="The classifier's decide() is not a function of its arguments; report this.",
            )
        for name in ("without", "points", "interactions", "risks", "terms"):
            object.__setattr__(self, name, dict(getattr(self, name)))

    @property
    def present(self) -> dict[str, bool]:
        """Whether the record has it, by modality name."""
        return {part.name: part.present for part in self.parts}

    @property
    def shares(self) -> dict[str, float]:
        """Shapley value on the logit, by modality name."""
        return {part.name: part.share for part in self.parts}

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """Parts of the logit, float32 in the shape of the prepared input, by modality name; empty where none."""
        return {part.name: part.map for part in self.parts}

    @property
    def verified(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def __getitem__(self, name: str) -> ModalityAttribution:
        return next(part for part in self.parts if part.name == name)
