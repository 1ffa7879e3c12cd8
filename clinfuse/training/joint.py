"""Joint fusion: encoders of all modalities and what fuses them, trained together; and its hybrid with late fusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.fusion.choice import OperatorChoice
from clinfuse.training.contrastive import DualEncoder
from clinfuse.training.options import TrainingOptions
from clinfuse.training.together import TrainedTogether


@final
class JointFusion(TrainedTogether):
    """Train the encoders of all modalities and what fuses them with one loss.

    Parameters
    ----------
    combine : str or OperatorChoice
        The operator by name, such as ``"concat"`` or ``"gated"``, or with its width and options;
        `clinfuse.fusion.choice.operator_names` lists all.
    kind : {"I", "II"}
        Type I gives every modality a trained extractor; type II lets tables in as they are.
    encoders : mapping of str to str, EncoderChoice or callable, optional
        Network of a modality by its name; others take their kind's default.
    pretraining : DualEncoder, optional
        Encoders first learn which inputs belong to one record, from the training patients only, labelled or not;
        its own ``encoders`` and ``seed`` are replaced by those given here.
    frozen : bool
        Whether what they learned is kept as it is; only their last layer is then trained.
    fill : {"skip", "generator", "token"}
        What stands for the embedding of an absent modality: nothing, for the operator leaves it out by itself; what a
        small network predicts from the embeddings that are there; or an embedding that is learned. Trained with the
        rest.
    options : TrainingOptions
    seed : int

    References
    ----------
    Huang et al. 2020, doi 10.1038/s41746-020-00341-z.

    Examples
    --------
    >>> JointFusion().taxonomy()
    'joint, type I'
    """

    single_heads = False

    def __init__(
        self,
        *,
        combine: str | OperatorChoice = "concat",
        kind: Literal["I", "II"] = "I",
        encoders: Mapping[str, Any] | None = None,
        pretraining: DualEncoder | None = None,
        frozen: bool = False,
        fill: str = "skip",
        options: TrainingOptions = TrainingOptions(),
        seed: int = 0,
    ) -> None:
        self.combine = combine
        self.kind = kind
        self.encoders = encoders
        self.pretraining = pretraining
        self.frozen = frozen
        self.fill = fill
        self.options = options
        self.seed = seed

    def taxonomy(self) -> str:
        """Give ``"joint"`` and the type: the loss reaches the extractors."""
        return self._joint_class()

    def _chosen(self, cohort: Cohort) -> tuple[str, ...]:
        tables = [m.name for m in cohort.modalities if m.kind == "ehr"]
        if self.kind not in ("I", "II") or (self.kind == "II" and len(tables) in (0, len(cohort.names))):
            raise ConfigError(
                "JOINT_KIND",
                place="joint fusion",
                rule='kind must be "I", or "II" with both a table and another modality',
                found=f"{len(tables)} tables among {len(cohort.names)} modalities",
                remedy='Use kind = "I".',
            )
        return tuple(cohort.names)


@final
class HybridFusion(TrainedTogether):
    """Joint fusion whose every modality also has a head of its own; the prediction averages fused and single heads.

    Parameters
    ----------
    combine : str or OperatorChoice
    encoders : mapping of str to str, EncoderChoice or callable, optional
    pretraining : DualEncoder, optional
    frozen : bool
        As of `JointFusion`.
    fill : {"skip", "generator", "token"}
    options : TrainingOptions
    seed : int

    Examples
    --------
    >>> HybridFusion().taxonomy()
    'hybrid (joint + late)'
    """

    single_heads = True
    kind = "I"

    def __init__(
        self,
        *,
        combine: str | OperatorChoice = "concat",
        encoders: Mapping[str, Any] | None = None,
        pretraining: DualEncoder | None = None,
        frozen: bool = False,
        fill: str = "skip",
        options: TrainingOptions = TrainingOptions(),
        seed: int = 0,
    ) -> None:
        self.combine = combine
        self.encoders = encoders
        self.pretraining = pretraining
        self.frozen = frozen
        self.fill = fill
        self.options = options
        self.seed = seed

    def taxonomy(self) -> str:
        """Give ``"hybrid (joint + late)"``: outside the three classes."""
        frozen = ", on frozen features" if "frozen" in self._joint_class() else ""
        return f"hybrid (joint + late){frozen}"
