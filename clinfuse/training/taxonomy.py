"""The class of a fusion, decided from what its final model is given, not from what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from clinfuse.errors import ConfigError


@final
@dataclass(frozen=True)
class FusionInput:
    """What the final model is given of one modality.

    Parameters
    ----------
    form : {"prediction", "extracted", "original"}
        A probability, logit or vote; features of a network or of other software trained separately, or the embedding
        of an encoder; or the modality's own columns and summary features.
    loss_reaches : bool
        Whether the loss of the final model reaches a network between the modality and the final model.
    frozen : bool
        Whether that network stands on an extractor whose weights are kept as they came.
    """

    form: Literal["prediction", "extracted", "original"]
    loss_reaches: bool = False
    frozen: bool = False


def fusion_class(inputs: Sequence[FusionInput]) -> str:
    """Give the class of a fusion: ``"late"``, or ``"early"`` or ``"joint"`` with its type.

    Predictions alone are late fusion; predictions together with features are features: early fusion, type II.

    Parameters
    ----------
    inputs : sequence of FusionInput
        One per modality, at least one.

    Raises
    ------
    ConfigError
        ``TAXONOMY_EMPTY``: no modality.

    References
    ----------
    Huang et al. 2020, doi 10.1038/s41746-020-00341-z.

    Examples
    --------
    >>> fusion_class([FusionInput("prediction"), FusionInput("original")])
    'early, type II'
    """
    if not inputs:
        raise ConfigError(
            "TAXONOMY_EMPTY", place="taxonomy", rule="at least one modality", found="none", remedy="Name the inputs."
        )
    if all(one.form == "prediction" for one in inputs):
        return "late"
    if any(one.loss_reaches for one in inputs):
        kind = "I" if all(one.loss_reaches for one in inputs) else "II"
        frozen = ", on frozen features" if any(one.frozen for one in inputs) else ""
        return f"joint, type {kind}{frozen}"
    kind = "I" if all(one.form == "original" for one in inputs) else "II"
    return f"early, type {kind}"
