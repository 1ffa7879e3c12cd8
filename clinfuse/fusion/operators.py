"""Operators: how the embeddings of a record's present modalities become one vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NoReturn, cast, final

import torch
from torch import Tensor, nn

from clinfuse.encoders.seeds import weights_from
from clinfuse.errors import ConfigError, DataError


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

    Raises
    ------
    ConfigError
        ``OPERATOR_WIDTHS`` without a modality, or where a width is not positive.
    """

    needs: ClassVar[Literal["vectors", "tokens"]] = "vectors"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.features = features
        if not self.widths or min((*self.widths, features)) < 1:
            raise ConfigError(
                "OPERATOR_WIDTHS",
                place="fusion operator",
                rule="at least one modality, every width positive",
                found=f"widths {self.widths}, features={features}",
                remedy="Correct the widths.",
            )

    def kept(self, z: list[Tensor], present: Tensor) -> list[Tensor]:
        """Give the embeddings with zeros where absent, whatever was there, after checking shapes and presence.

        Parameters
        ----------
        z : list of Tensor, each (batch, ..., width)
        present : Tensor of bool, (batch, modalities)

        Raises
        ------
        DataError
            ``FUSION_SHAPE``; ``FUSION_NOTHING_PRESENT`` where a record has no modality.
        """
        count = len(self.widths)
        if present.dtype != torch.bool or tuple(present.shape[1:]) != (count,) or len(z) != count:
            _refuse(
                "FUSION_SHAPE", f"{count} embeddings and a bool presence (batch, {count})", "another number or type"
            )
        for part, width in zip(z, self.widths, strict=True):
            if part.shape[-1] != width or len(part) != len(present):
                _refuse("FUSION_SHAPE", f"an embedding (batch, ..., {width})", f"shape {tuple(part.shape)}")
        if not bool(present.any(1).all()):
            _refuse("FUSION_NOTHING_PRESENT", "every record has at least one modality", "a record with none")
        rows = [present[:, m].reshape(-1, *[1] * (part.ndim - 1)) for m, part in enumerate(z)]
        return [torch.where(row, part, torch.zeros_like(part)) for row, part in zip(rows, z, strict=True)]

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

    def penalty(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give what training adds to the loss beside that of the logits, a scalar; by default zero.

        Parameters
        ----------
        z : list of Tensor
            As `forward` takes them.
        present : Tensor of bool, (batch, modalities)
        """
        del present
        return z[0].new_zeros(())


@final
class ConcatFusion(Operator):
    """Concatenate the embeddings, zeros for absent ones, with the presence itself, and map linearly.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> fuse = ConcatFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        self.mix = nn.Linear(sum(self.widths) + len(self.widths), features)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return cast("Tensor", self.mix(_joined(self.kept(z, present), present)))


@final
class ConcatMLPFusion(Operator):
    """Concatenation followed by a hidden layer, which can model interactions between modalities.

    A purely linear concatenation under a linear head adds one contribution per modality and cannot.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the hidden layer and of the fused vector.

    Examples
    --------
    >>> fuse = ConcatMLPFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        total = sum(self.widths) + len(self.widths)
        self.mix = nn.Sequential(nn.Linear(total, features), nn.GELU(), nn.Linear(features, features))

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return cast("Tensor", self.mix(_joined(self.kept(z, present), present)))


class ProjectedOperator(Operator):
    """An operator that first maps every embedding to the width of the fused vector.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.
    bias : bool
        Whether the maps have a bias.
    """

    def __init__(self, widths: tuple[int, ...], *, features: int, bias: bool = True) -> None:
        super().__init__(widths, features=features)
        self.project = nn.ModuleList(nn.Linear(width, features, bias=bias) for width in self.widths)

    def projected(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give every embedding's projection, float32 (batch, modalities, features); content of absent ones removed."""
        parts = zip(self.project, self.kept(z, present), strict=True)
        return torch.stack([project(part) for project, part in parts], 1)


@final
class MeanFusion(ProjectedOperator):
    """Mean of the projections of the present modalities: divided by how many are present, not by how many there are.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> fuse = MeanFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        projected = self.projected(z, present)
        return (projected * present[..., None]).sum(1) / present.sum(1, keepdim=True)


@final
class GatedFusion(ProjectedOperator):
    """Gated multimodal unit: for each record and each fused dimension, weights over the present modalities.

    With two modalities, both present, it is the unit of the paper, one sigmoid gate between two hyperbolic tangents;
    with more, the gates are a softmax over the present ones.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    References
    ----------
    Arevalo J, Solorio T, Montes-y-Gomez M, Gonzalez FA. Gated multimodal units for information fusion. ICLR 2017
    workshop, arXiv 1702.01992.

    Examples
    --------
    >>> fuse = GatedFusion((4, 3), features=2)
    >>> z, present = [torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])
    >>> fuse.gates(z, present).tolist()
    [[[1.0, 1.0], [0.0, 0.0]]]
    """

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features, bias=False)
        count = len(self.widths)
        self.gate = nn.Linear(count * features, count * features, bias=False)

    def gates(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give the weight of every modality in every fused dimension, float32 (batch, modalities, features).

        Each dimension's weights add up to 1 over the present modalities; absent ones have exactly 0. They describe
        the operator, not what the prediction is due to.
        """
        return self._gates(self.projected(z, present), present)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        projected = self.projected(z, present)
        return (self._gates(projected, present) * torch.tanh(projected)).sum(1)

    def _gates(self, projected: Tensor, present: Tensor) -> Tensor:
        scores = self.gate(projected.flatten(1)).unflatten(1, projected.shape[1:])
        return torch.softmax(scores.masked_fill(~present[..., None], float("-inf")), dim=1)


@final
class ProductFusion(ProjectedOperator):
    """Product of the projections of the present modalities; an absent one counts as 1.

    Projections are drawn around 1, so that training starts from sums and their products rather than from products of
    small numbers.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> fuse = ProductFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        for project in self.project:
            nn.init.ones_(cast("nn.Linear", project).bias)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return self.projected(z, present).masked_fill(~present[..., None], 1.0).prod(1)


@final
class MaxFusion(ProjectedOperator):
    """Largest of the projections of the present modalities, dimension by dimension.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> fuse = MaxFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return self.projected(z, present).masked_fill(~present[..., None], float("-inf")).amax(1)


_OPERATORS: dict[str, type[Operator]] = {
    "concat": ConcatFusion,
    "concat-mlp": ConcatMLPFusion,
    "gated": GatedFusion,
    "max": MaxFusion,
    "mean": MeanFusion,
    "product": ProductFusion,
}


def operator_names() -> tuple[str, ...]:
    """Names of the operators, sorted.

    Examples
    --------
    >>> "gated" in operator_names()
    True
    """
    return tuple(sorted(_OPERATORS))


def operator_class(name: str) -> type[Operator]:
    """Give the class of an operator by name, without building it.

    Raises
    ------
    ConfigError
        ``OPERATOR_UNKNOWN``.
    """
    if name not in _OPERATORS:
        raise ConfigError(
            "OPERATOR_UNKNOWN",
            place="combine",
            rule=f"an operator out of {', '.join(operator_names())}",
            found=f"{name!r}",
            remedy="Choose one of these names.",
        )
    return _OPERATORS[name]


def build_operator(name: str, widths: tuple[int, ...], *, features: int, seed: int) -> Operator:
    """Build an operator; the same seed gives bit-identical weights and leaves the global generator alone.

    Parameters
    ----------
    name : str
        One of ``operator_names()``.
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.
    seed : int
        Of the weights.

    Raises
    ------
    ConfigError
        ``OPERATOR_UNKNOWN``, ``OPERATOR_WIDTHS``.

    Examples
    --------
    >>> build_operator("mean", (4, 3), features=8, seed=0).features
    8
    """
    with weights_from(seed):
        return operator_class(name)(widths, features=features)


def _joined(z: list[Tensor], present: Tensor) -> Tensor:
    return torch.cat([*z, present.to(z[0].dtype)], 1)


def _refuse(code: str, rule: str, found: str) -> NoReturn:
    raise DataError(code, place="fusion", rule=rule, found=found, remedy="Give one embedding per declared modality.")
