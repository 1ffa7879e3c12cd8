"""What every operator is: the embeddings or tokens of a record's present modalities in, one vector out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NoReturn

import torch
from torch import Tensor, nn

from clinfuse.errors import ConfigError, DataError


class Operator(nn.Module, ABC):
    """Fuse what the encoders give of each modality into one vector per record.

    The content of an absent modality never reaches the output: it is replaced by a finite filler before any
    arithmetic and masked after it. At least one modality of every record is present; the classifier answers with
    the prior where none is.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Attributes
    ----------
    name : str
        What it is called in ``combine``; a class in a file of this folder is found by it.
    needs : {"vectors", "tokens"}
        One embedding per modality, or the embeddings of its parts; an operator on tokens is a `TokenOperator`.

    Raises
    ------
    ConfigError
        ``OPERATOR_WIDTHS`` without a modality, or where a width is not positive.
    """

    name: ClassVar[str] = ""
    needs: ClassVar[Literal["vectors", "tokens"]] = "vectors"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.features = features
        self.norms = nn.ModuleList()
        if not self.widths or min((*self.widths, features)) < 1:
            refuse_widths("at least one modality, every width positive", f"widths {self.widths}, features={features}")

    @classmethod
    def options_for(cls, kinds: tuple[str, ...]) -> dict[str, Any]:
        """Give the options that follow from the kinds of the modalities, in the cohort's order; by default none."""
        del kinds
        return {}

    def normalise(self) -> None:
        """Standardise every embedding before it is fused (layer norm, each modality's own; present rows only).

        Raises
        ------
        ConfigError
            ``OPERATOR_WIDTHS``: an embedding of width 1, of which nothing would be left.
        """
        if min(self.widths) < 2:
            refuse_widths("embeddings at least 2 wide where they are normalised", f"widths {self.widths}")
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in self.widths)

    def kept(self, z: list[Tensor], present: Tensor) -> list[Tensor]:
        """Give the embeddings, normalised if so asked, with zeros where absent, whatever was there.

        Parameters
        ----------
        z : list of Tensor, each (batch, width)
        present : Tensor of bool, (batch, modalities)

        Raises
        ------
        DataError
            As `check`.
        """
        self.check(z, present)
        return self.filled(z, [present[:, m, None] for m in range(len(z))])

    def check(self, z: list[Tensor], present: Tensor) -> None:
        """Refuse what does not fit this operator.

        Raises
        ------
        DataError
            ``FUSION_SHAPE``; ``FUSION_TOKENS``: vectors where tokens are needed, or the reverse;
            ``FUSION_NOTHING_PRESENT`` where a record has no modality.
        """
        count = len(self.widths)
        if present.dtype != torch.bool or tuple(present.shape[1:]) != (count,) or len(z) != count:
            refuse_shape(f"{count} embeddings and a bool presence (batch, {count})", "another number or type")
        for part, width in zip(z, self.widths, strict=True):
            if part.ndim != (3 if self.needs == "tokens" else 2):
                self._refuse_form(f"an embedding with {part.ndim} axes")
            if part.shape[-1] != width or len(part) != len(present):
                refuse_shape(f"an embedding (batch, ..., {width})", f"shape {tuple(part.shape)}")
        if not bool(present.any(1).all()):
            _refuse("FUSION_NOTHING_PRESENT", "every record has at least one modality", "a record with none")

    def filled(self, z: list[Tensor], rows: list[Tensor]) -> list[Tensor]:
        """Give embeddings or tokens with zeros where ``rows``, bool (batch, ..., 1), says that nothing is."""
        clean = [torch.where(row, part, torch.zeros_like(part)) for row, part in zip(rows, z, strict=True)]
        if not len(self.norms):
            return clean
        normed = [norm(part) for norm, part in zip(self.norms, clean, strict=True)]
        return [torch.where(row, part, torch.zeros_like(part)) for row, part in zip(rows, normed, strict=True)]

    @abstractmethod
    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse.

        Parameters
        ----------
        z : list of Tensor, each (batch, width)
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

    def _refuse_form(self, found: str) -> NoReturn:
        who = self.name or "this operator"
        if self.needs == "vectors":
            _refuse("FUSION_TOKENS", f"{who} takes one vector per modality", found)
        rule = f"{who} needs tokens: over a single pooled vector attention is 1 whatever is asked, and does nothing"
        _refuse("FUSION_TOKENS", rule, found)


class ProjectedOperator(Operator):
    """An operator that first maps every embedding to the width of the fused vector.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Attributes
    ----------
    biased : bool
        Whether the maps have a bias.
    """

    biased: ClassVar[bool] = True

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        self.project = nn.ModuleList(nn.Linear(width, features, bias=self.biased) for width in self.widths)

    def projected(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give every embedding's projection, (batch, modalities, features); content of absent ones removed."""
        parts = zip(self.project, self.kept(z, present), strict=True)
        return torch.stack([project(part) for project, part in parts], 1)


class TokenOperator(Operator):
    """An operator on tokens: patches of an image, stretches of a signal, columns of a table.

    Every token is first mapped to the width of the fused vector, by a map of its modality, whose bias says which one it
    is. Tokens of one modality are a set: where a patch lies is known by what its encoder saw.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's tokens, in the cohort's order.
    features : int
        Width of the fused vector.
    """

    needs: ClassVar[Literal["vectors", "tokens"]] = "tokens"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        self.project = nn.ModuleList(nn.Linear(width, features) for width in self.widths)

    def forward(self, z: list[Tensor], present: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Fuse.

        Parameters
        ----------
        z : list of Tensor, each (batch, tokens, width)
            Absent modalities, and tokens that do not exist, may hold any value.
        present : Tensor of bool, (batch, modalities)
        masks : sequence of Tensor of bool, each (batch, tokens)
            Which tokens of each modality exist, such as those of a window that was recorded; empty where all do.

        Returns
        -------
        Tensor, (batch, features)
        """
        return self.fuse(self.prepare(z, present, masks), present)

    def prepare(self, z: list[Tensor], present: Tensor, masks: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
        """Give all that `fuse` reads, each (batch, ...): whatever is the same whichever modalities are then withheld.

        By default each modality's mapped tokens, followed by which of them are there.
        """
        tokens, seen = self.tokens(z, present, masks)
        return (*tokens, *seen)

    @abstractmethod
    def fuse(self, prepared: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """Fuse what was prepared, (batch, features).

        Parameters
        ----------
        prepared : tuple of Tensor, each (batch, ...)
            From `prepare`.
        present : Tensor of bool, (batch, modalities)
            The modalities to use, out of those that were present then; at least one for each record.
        """

    def tokens(
        self, z: list[Tensor], present: Tensor, masks: Sequence[Tensor] = ()
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Give each modality's mapped tokens (batch, tokens, features), and which of them are there (batch, tokens).

        A present modality without any token, such as a recording of no window, counts as one token of zeros.
        """
        self.check(z, present)
        parts, contents, seen = [], [], []
        for m, part in enumerate(z):
            mask = masks[m] if len(masks) else torch.ones_like(part[..., 0], dtype=torch.bool)
            if mask.shape != part.shape[:2] or mask.dtype != torch.bool:
                refuse_shape(f"a bool mask of tokens {tuple(part.shape[:2])}", f"shape {tuple(mask.shape)}")
            first = torch.zeros_like(mask)
            first[:, :1] = ~mask.any(1, keepdim=True)
            parts.append(part)
            contents.append((mask & present[:, m, None])[..., None])
            seen.append((mask | first) & present[:, m, None])
        return [project(part) for project, part in zip(self.project, self.filled(parts, contents), strict=True)], seen


def side_by_side(prepared: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, Tensor]:
    """Give the tokens of all modalities one after the other, (batch, tokens, features), and which are there.

    What no record of the batch has is left out: withholding it costs nothing.

    Parameters
    ----------
    prepared : tuple of Tensor
        Each modality's tokens, followed by which of them are there.
    present : Tensor of bool, (batch, modalities)
    """
    count = present.shape[1]
    # As many of its tokens as count: all or none.
    kept = [slice(None if bool(present[:, m].any()) else 0) for m in range(count)]
    seen = [prepared[count + m][:, kept[m]] & present[:, m, None] for m in range(count)]
    return torch.cat([prepared[m][:, kept[m]] for m in range(count)], 1), torch.cat(seen, 1)


def pooled(tokens: Tensor, mask: Tensor) -> Tensor:
    """Mean of the tokens that are there, (batch, features); zeros where none is.

    Parameters
    ----------
    tokens : Tensor, (batch, tokens, features)
    mask : Tensor of bool, (batch, tokens)
    """
    kept = torch.where(mask[..., None], tokens, torch.zeros_like(tokens)).sum(1)
    return kept / mask.sum(1, keepdim=True).clamp(min=1)


def joined(z: list[Tensor], present: Tensor) -> Tensor:
    """Give embeddings side by side, followed by which are present, (batch, sum of widths + modalities)."""
    return torch.cat([*z, present.to(z[0].dtype)], 1)


def refuse_widths(rule: str, found: str, remedy: str = "Correct the widths.") -> NoReturn:
    """Refuse widths an operator cannot be built with.

    Raises
    ------
    ConfigError
        ``OPERATOR_WIDTHS``, always.
    """
    raise ConfigError("OPERATOR_WIDTHS", place="fusion operator", rule=rule, found=found, remedy=remedy)


def refuse_shape(rule: str, found: str) -> NoReturn:
    """Refuse embeddings, presence or masks that do not fit.

    Raises
    ------
    DataError
        ``FUSION_SHAPE``, always.
    """
    _refuse("FUSION_SHAPE", rule, found)


def _refuse(code: str, rule: str, found: str) -> NoReturn:
    raise DataError(
        code,
        place="fusion",
        rule=rule,
        found=found,
        remedy="Give what the operator needs, for each declared modality.",
    )
