"""What a method that looks inside modalities is: a question about one function, and its answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from clinfuse.cohort.modality import KINDS, Modality
from clinfuse.errors import TrainingError

ROWS_AT_ONCE = 16


@final
@dataclass(frozen=True, eq=False)
class Question:
    """One function of one or more modalities of one record, and where to look at it from.

    Parameters
    ----------
    function : callable
        Takes one tensor for each modality, (batch, ...), and gives what is explained, (batch,).
    modalities : tuple of Modality
    inputs, baselines : tuple of ndarray of float32, each (1, ...)
        The record, and what it is compared with.
    backgrounds : tuple of ndarray of float32, each (rows, ...)
        Several things to compare it with.
    encoders : tuple of tuple of nn.Module
        The networks that see each modality.
    names : tuple of tuple of str
        Of a table's prepared columns; else empty.
    windows : tuple of ndarray of bool, each (windows,)
        Which windows of a signal exist; else empty.
    steps : int
        Points on a path to begin with.
    seed : int
        Of whatever is drawn.
    """

    function: Callable[[tuple[Tensor, ...]], Tensor]
    modalities: tuple[Modality, ...]
    inputs: tuple[np.ndarray, ...]
    baselines: tuple[np.ndarray, ...]
    backgrounds: tuple[np.ndarray, ...] = ()
    encoders: tuple[tuple[nn.Module, ...], ...] = ()
    names: tuple[tuple[str, ...], ...] = ()
    windows: tuple[np.ndarray, ...] = ()
    steps: int = 64
    seed: int = 0

    def forward(self, *given: Tensor) -> Tensor:
        """Give what is explained, as Captum asks for it."""
        return self.function(given)

    @property
    def ends(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Inputs and baselines as tensors of their own."""
        both = (tuple(torch.tensor(np.asarray(x, np.float32)) for x in side) for side in (self.inputs, self.baselines))
        inputs, baselines = both
        return inputs, baselines

    def values(self, *sides: tuple[Tensor, ...]) -> list[float]:
        """What is explained at some inputs."""
        with torch.no_grad():
            return [float(self.function(side)[0]) for side in sides]


@final
@dataclass(frozen=True, eq=False)
class Answer:
    """Maps of a question's modalities.

    Parameters
    ----------
    maps : tuple of ndarray of float32
        One per modality, in the shape of its input without the batch axis.
    change : float
        What additive maps are to add up to: the function at the inputs minus the function at the baselines.
    total : float
        What they add up to.
    words : str
        The method that answered.
    note : str
        Why it was not the one that was asked; empty where it was.
    steps : int
        Points on a path; 0 without one.
    additive : bool
        Whether the maps are parts of the change at all.
    """

    maps: tuple[np.ndarray, ...]
    change: float
    total: float
    words: str
    note: str = ""
    steps: int = 0
    additive: bool = True


class Method(ABC):
    """One way to look inside modalities.

    ``additive`` says that its maps are parts of a change and add up to it; ``gradients`` that it needs a function that
    gradients run through; ``kinds`` which kinds of modality it can look into; ``alone`` that it draws from a generator,
    or puts hooks on layers, that other threads would use too.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    additive: ClassVar[bool] = True
    gradients: ClassVar[bool] = False
    alone: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...]] = KINDS

    @abstractmethod
    def attribute(self, question: Question) -> Answer:
        """Give the maps."""

    def answer(self, question: Question, maps: Sequence[Tensor], change: float) -> Answer:
        """Give an answer of these maps, each (1, ...), once they are known to be finite.

        A window that the record does not have is read by no network: what rounding left of it is 0.

        Raises
        ------
        TrainingError
            ``ATTRIBUTION_FINITE``.
        """
        arrays = tuple(one[0].detach().to(torch.float32).numpy().copy() for one in maps)
        for array, windows in zip(arrays, question.windows, strict=False):
            if len(windows):
                array[~windows] = 0.0
        if not all(np.isfinite(one).all() for one in arrays):
            raise TrainingError(
                "ATTRIBUTION_FINITE",
                place=self.words,
                rule="every part a finite number",
                found="NaN or infinity",
                remedy="Train the model again with a lower learning rate or stronger clipping.",
            )
        total = float(sum(one.sum(dtype=np.float64) for one in arrays))
        return Answer(arrays, change, total, self.words, additive=self.additive)


def spread_out(values: Tensor, numbers: np.ndarray) -> Tensor:
    """Share a group's value, which stands on each of its elements, among them, so that their sum is the value once.

    Parameters
    ----------
    values : Tensor, (1, ...)
    numbers : ndarray of int64, (...)
        The group of each element, from 0 without gaps.
    """
    sizes = np.bincount(numbers.ravel())
    return values / torch.from_numpy(sizes[numbers])
