"""How networks are trained: one frozen value, valid once constructed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import torch

from clinfuse.errors import ConfigError

_POSITIVE = ("epochs", "batch_size", "learning_rate", "clip", "threads")
_CHOICES = {
    "class_weight": ("none", "balanced", "sampled"),
    "precision": ("float32", "bfloat16", "auto"),
    "schedule": ("cosine", "constant"),
    "loss": ("cross-entropy", "focal"),
}


@final
@dataclass(frozen=True)
class TrainingOptions:
    """How every network of a classifier is trained.

    Parameters
    ----------
    epochs : int
        Passes over the training records; the most there are when ``patience`` is used.
    batch_size : int
        Records in one step. Small cohorts need many small steps: on a synthetic cohort of 240 records, 15 epochs of 8
        at a time found what 15 epochs of 16 at a time missed (AUROC 0.78 and 0.67), at the same cost.
    learning_rate, weight_decay : float
        Of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101).
    schedule : {"cosine", "constant"}
        ``"cosine"`` falls to zero over all epochs.
    warm_up : float
        Share of all steps in which the learning rate rises to its value.
    clip : float
        Largest norm of the gradient of one step.
    patience : int
        0 trains all epochs on all training records. Otherwise a share ``validation`` of the training *patients* is
        held back, training stops when their loss has not fallen for so many epochs, and the best state is restored.
    validation : float
        Share of the training patients held back when ``patience`` is used.
    class_weight : {"none", "balanced", "sampled"}
        Weigh or draw the classes equally; the logits are then corrected back to the prevalence. What is drawn is a
        patient of a class, and then one of his records of that class.
    loss : {"cross-entropy", "focal"}
        The focal loss turns training towards records that are told badly. Its minimum is not at the true
        probabilities, and nothing corrects for that: look at the calibration that the study reports.
    focusing : float
        Of the focal loss (gamma); 0 is cross-entropy.
    auxiliary : float
        Of joint fusion: weight of a loss of every modality's own head beside that of the fused one, so that no encoder
        is left behind by one that learns faster; 0.1 to 1 is usual. These heads are thrown away after training.
    augment : bool
        Vary training inputs by kind: images turned by at most 10 degrees, shifted, scaled and jittered; signals
        shifted in time, with channels dropped and noise added. Never at prediction.
    dropout : float
        Share of the embedding set to zero while training.
    hide : float
        Probability with which each present modality is hidden from a record while training, so that a model knows
        what to do without it.
    copies : int
        Masked copies of every record that a learner on features is trained on, beside the record itself.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"auto"``.
    precision : {"float32", "bfloat16", "auto"}
        Of the training pass only; everything that is reported is float32 or better.
    threads : int
        Threads of one fit; part of the configuration, because another number gives other bits.

    Raises
    ------
    ConfigError
        ``TRAINING_OPTION``: a value outside its range.

    Examples
    --------
    >>> TrainingOptions(epochs=5).batch_size
    8
    """

    epochs: int = 20
    batch_size: int = 8
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    schedule: Literal["cosine", "constant"] = "cosine"
    warm_up: float = 0.1
    clip: float = 1.0
    patience: int = 0
    validation: float = 0.15
    class_weight: Literal["none", "balanced", "sampled"] = "none"
    loss: Literal["cross-entropy", "focal"] = "cross-entropy"
    focusing: float = 2.0
    auxiliary: float = 0.0
    augment: bool = True
    dropout: float = 0.1
    hide: float = 0.3
    copies: int = 4
    device: str = "cpu"
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    threads: int = 1

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                self._refuse(name, "a number above 0")
        for name in ("weight_decay", "patience", "copies", "focusing", "auxiliary"):
            if not getattr(self, name) >= 0:
                self._refuse(name, "a number of at least 0")
        for name in ("warm_up", "validation", "dropout", "hide"):
            if not 0 <= getattr(self, name) < 1:
                self._refuse(name, "a number from 0 to below 1")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                self._refuse(name, f"one of {', '.join(allowed)}")
        if self.device not in ("cpu", "auto") and not self.device.startswith("cuda"):
            self._refuse("device", "cpu, cuda or auto")

    @staticmethod
    def _refuse(name: str, rule: str) -> None:
        raise ConfigError(
            "TRAINING_OPTION",
            place=f"training option {name}",
            rule=f"must be {rule}",
            found="another value",
            remedy=f"Correct {name} in [training] or in TrainingOptions.",
        )

    @property
    def torch_device(self) -> torch.device:
        """The device that ``device`` names on this machine."""
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)
