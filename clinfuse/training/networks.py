"""The networks that the one loop trains: a single modality with its head, and several modalities joined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor, nn

from clinfuse.encoders.base import Encoder, merged, pool_windows
from clinfuse.fusion.operators.base import Operator, TokenOperator, pooled


def embed(encoder: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """Give one embedding per record; a record of several windows is the mean over those it has.

    Parameters
    ----------
    encoder : Encoder
    x : Tensor of float32, (batch, ...)
        Prepared inputs; with a window axis after the batch axis where ``mask`` is not empty.
    mask : Tensor of bool, (batch, windows)
        Which windows exist; empty where the modality has no windows.

    Returns
    -------
    Tensor of float32, (batch, features)
    """
    if mask.numel() == 0:
        return cast("Tensor", encoder(x))
    # Only windows that exist are encoded: a filler must not cost time or reach any statistic.
    flat, kept = x.flatten(0, 1), mask.flatten()
    encoded = encoder(flat[kept])
    z = encoded.new_zeros((len(flat), encoded.shape[1])).masked_scatter(kept[:, None], encoded)
    return pool_windows(z.unflatten(0, mask.shape), mask)


def embed_tokens(encoder: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """Give the embeddings of the parts of every record's input; a record's windows follow each other.

    There are at most ``MOST_TOKENS``: of more, neighbours are averaged.

    Parameters
    ----------
    encoder : Encoder
    x : Tensor of float32, (batch, ...)
        As `embed` takes it.
    mask : Tensor of bool, (batch, windows)
        Which windows exist; empty where the modality has no windows.

    Returns
    -------
    Tensor of float32, (batch, tokens, features + 1)
        The last column is 1 where the token exists, else the whole token is 0.
    """
    parts = cast("Encoder", encoder)
    if mask.numel() == 0:
        return merged(_marked(parts.tokens(x)))
    flat, kept = x.flatten(0, 1), mask.flatten()
    encoded = _marked(parts.tokens(flat[kept]))
    z = encoded.new_zeros((len(flat), *encoded.shape[1:])).masked_scatter(kept[:, None, None], encoded)
    return merged(z.unflatten(0, mask.shape).flatten(1, 2))


def _marked(tokens: Tensor) -> Tensor:
    return torch.cat([tokens, torch.ones_like(tokens[..., :1])], -1)


@final
class RawTable(Encoder):
    """A prepared table as it is, without an extractor of its own (joint fusion, type II).

    Parameters
    ----------
    width : int
        Prepared columns.
    """

    def __init__(self, width: int) -> None:
        super().__init__((width,), features=width)

    def tokens(self, x: Tensor) -> Tensor:
        """Give the row as a single token, float32 (batch, 1, width)."""
        return x[:, None]

    def forward(self, x: Tensor) -> Tensor:
        """Give the row, float32 (batch, width)."""
        return x


@final
@dataclass(frozen=True, eq=False)
class Answers:
    """What a network answers for a batch.

    Parameters
    ----------
    logits : tuple of (Tensor of float32 (batch, outputs), Tensor of bool (batch,))
        Every set of logits the loss is taken of, with the rows it counts for.
    penalty : Tensor, scalar
        What is added to the loss beside them.
    weights : tuple of float
        Of the loss of each set of logits; by default all count alike.
    """

    logits: tuple[tuple[Tensor, Tensor], ...]
    penalty: Tensor
    weights: tuple[float, ...] = ()


class TrainableNetwork(nn.Module, ABC):
    """What the loop trains: anything that answers for a batch of records."""

    @abstractmethod
    def answers(self, inputs: Mapping[str, Tensor], masks: Mapping[str, Tensor], present: Tensor) -> Answers:
        """Give what the loss is taken of.

        Parameters
        ----------
        inputs : mapping of str to Tensor of float32, (batch, ...)
        masks : mapping of str to Tensor of bool, (batch, windows)
            Only for modalities that have windows.
        present : Tensor of bool, (batch, modalities)
        """

    def encoders_by_name(self) -> dict[str, nn.Module]:
        """Give the encoders that are trained side by side, by modality; empty where there is one or none."""
        return {}


@final
class SingleNetwork(TrainableNetwork):
    """One modality's encoder with a linear head.

    No rectifier stands between embedding and head: with one, a narrow head died in some fits and answered a constant.

    Parameters
    ----------
    encoder : Encoder
    outputs : int
        Classes, or labels if multilabel.
    dropout : float
        Share of the embedding set to zero in training.
    """

    def __init__(self, encoder: Encoder, outputs: int, *, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.features, outputs)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Give logits, float32 (batch, outputs)."""
        return cast("Tensor", self.head(self.dropout(embed(self.encoder, x, mask))))

    def answers(self, inputs: Mapping[str, Tensor], masks: Mapping[str, Tensor], present: Tensor) -> Answers:
        """Give the logits of the only modality of a batch in which every record has it."""
        ((name, x),) = inputs.items()
        logits = self(x, masks.get(name, torch.zeros(0, dtype=torch.bool)))
        return Answers(((logits, present[:, 0]),), logits.new_zeros(()))


@final
class JointNetwork(TrainableNetwork):
    """Encoders of several modalities, the operator that fuses them and a head, trained together.

    What an encoder gives is one embedding per record, (batch, features), or, where the operator needs tokens, those of
    its parts, (batch, tokens, features + 1), the last column saying which exist.

    Parameters
    ----------
    encoders : mapping of str to Encoder
        In the cohort's order.
    operator : Operator
    outputs : int
        Classes, or labels if multilabel.
    dropout : float
        Share of the fused vector set to zero in training.
    single_heads : bool
        Whether every modality also has a head of its own (hybrid fusion).
    single_weight : float
        Of the loss of each such head, that of the fused one being 1.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        operator: Operator,
        outputs: int,
        *,
        dropout: float,
        single_heads: bool,
        single_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.names = tuple(encoders)
        self.encoders = nn.ModuleList(encoders.values())
        self.operator = operator
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(operator.features, outputs)
        heads = [nn.Linear(encoder.features, outputs) for encoder in encoders.values()] if single_heads else []
        self.heads = nn.ModuleList(heads)
        self.single_weight = single_weight

    def encoders_by_name(self) -> dict[str, nn.Module]:
        """Give every modality's encoder."""
        return dict(zip(self.names, self.encoders, strict=True))

    def embed(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        """Give what the encoder of a modality gives of records that have it.

        Parameters
        ----------
        name : str
        x : Tensor of float32, (batch, ...)
        mask : Tensor of bool, (batch, windows)
            Which windows exist; empty where the modality has no windows.
        """
        encoder = self.encoders[self.names.index(name)]
        return embed_tokens(encoder, x, mask) if self.operator.needs == "tokens" else embed(encoder, x, mask)

    def nothing(self, name: str, records: int) -> Tensor:
        """Give what stands where no record has a modality, zeros of float32."""
        width = cast("Encoder", self.encoders[self.names.index(name)]).features
        return torch.zeros((records, 1, width + 1) if self.operator.needs == "tokens" else (records, width))

    def embed_present(self, inputs: Mapping[str, Tensor], masks: Mapping[str, Tensor], present: Tensor) -> list[Tensor]:
        """Give what each modality's encoder gives, zeros where absent: only present rows are encoded."""
        result = []
        for column, name in enumerate(self.names):
            rows = present[:, column]
            mask = masks.get(name, torch.zeros(0, dtype=torch.bool))
            z = self.nothing(name, len(present)).to(present.device)
            if bool(rows.any()):
                encoded = self.embed(name, inputs[name][rows], mask[rows] if len(mask) else mask)
                z = encoded.new_zeros((len(present), *encoded.shape[1:]))
                z = z.masked_scatter(rows.reshape(-1, *[1] * (z.ndim - 1)), encoded)
            result.append(z)
        return result

    def vectors(self, z: list[Tensor]) -> list[Tensor]:
        """Give one embedding per modality, each (batch, features): of tokens the mean of those that exist."""
        return [pooled(part[..., :-1], part[..., -1] > 0) if part.ndim == 3 else part for part in z]

    def fused_logits(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give the logits of the fused head (batch, outputs)."""
        return cast("Tensor", self.head(self.dropout(self._fused(z, present))))

    def _fused(self, z: list[Tensor], present: Tensor) -> Tensor:
        masks = [[part[..., -1] > 0 for part in z]] if isinstance(self.operator, TokenOperator) else []
        return cast("Tensor", self.operator(self._contents(z), present, *masks))

    def _contents(self, z: list[Tensor]) -> list[Tensor]:
        return [part[..., :-1] if part.ndim == 3 else part for part in z]

    def single_logits(self, z: list[Tensor]) -> list[Tensor]:
        """Give the logits of every modality's own head, each (batch, outputs); empty without such heads."""
        return [head(part) for head, part in zip(self.heads, self.vectors(z), strict=True)] if len(self.heads) else []

    def answers(self, inputs: Mapping[str, Tensor], masks: Mapping[str, Tensor], present: Tensor) -> Answers:
        """Give the fused logits for every record, then each single head's for the records that have its modality."""
        z = self.embed_present(inputs, masks, present)
        everyone = torch.ones(len(present), dtype=torch.bool, device=present.device)
        singles = tuple(zip(self.single_logits(z), present.T, strict=False))
        weights = (1.0, *(self.single_weight for _ in singles))
        penalty = self.operator.penalty(self._contents(z), present)
        return Answers(((self.fused_logits(z, present), everyone), *singles), penalty, weights)

    def decision(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give the logits a prediction is made of: fused, averaged with the mean of present single heads if any."""
        singles = self.single_logits(z)
        fused = self.fused_logits(z, present)
        return _averaged(fused, torch.stack(singles, 1), present) if singles else fused

    def prepared(self, z: list[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        """Give what `concluded` reads, each (batch, ...): of tokens all that is the same for any set of modalities.

        Parameters
        ----------
        z : list of Tensor, each (batch, tokens, features + 1)
        present : Tensor of bool, (batch, modalities)
            All that are there; at least one for each record.
        """
        singles = self.single_logits(z)
        masks = [part[..., -1] > 0 for part in z]
        own = torch.stack(singles, 1) if singles else z[0].new_zeros((len(present), 0))
        return (own, *cast("TokenOperator", self.operator).prepare(self._contents(z), present, masks))

    def concluded(self, prepared: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """Give what `decision` gives, of what was prepared.

        Parameters
        ----------
        prepared : tuple of Tensor, each (batch, ...)
        present : Tensor of bool, (batch, modalities)
            The modalities to use, out of those that are there.
        """
        own, *rest = prepared
        fused = self.head(self.dropout(cast("TokenOperator", self.operator).fuse(tuple(rest), present)))
        return _averaged(fused, own, present) if len(self.heads) else cast("Tensor", fused)


def _averaged(fused: Tensor, singles: Tensor, present: Tensor) -> Tensor:
    """Mean of the fused logits and of the mean of the present modalities' own (batch, modalities, outputs)."""
    weights = present.to(fused.dtype)[..., None]
    return (fused + (singles.nan_to_num() * weights).sum(1) / weights.sum(1).clamp(min=1)) / 2
