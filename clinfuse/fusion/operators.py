"""Operators: how the embeddings of a record's present modalities become one vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn


class Operator(nn.Module, ABC):
    """Fuse one embedding per modality into one vector per record.

    The content of an absent modality never reaches the output: it is replaced by a finite filler before any
    arithmetic and masked after it. At least one modality of every record is present; the classifier answers with
    the prior where none is.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.
    """

    needs: ClassVar[Literal["vectors", "tokens"]] = "vectors"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.features = features

    @abstractmethod
    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse.

        Parameters
        ----------
        z : list of Tensor, each (batch, width) or, where the operator needs tokens, (batch, tokens, width)
            Rows of absent modalities may hold any value.
        present : Tensor of bool, (batch, modalities)

        Returns
        -------
        Tensor, (batch, features)
        """
