"""Stand-ins that a joint network learns for the embeddings of absent modalities, and an operator behind them.

Fills of finished embeddings cannot serve here: what they would be fitted on changes with every step of training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from clinfuse.encoders.seeds import weights_from
from clinfuse.errors import ConfigError
from clinfuse.fusion.missing import refuse_fill
from clinfuse.fusion.operators.base import Operator

_HIDDEN = 32


class StandIn(nn.Module, ABC):
    """Give every modality an embedding that can stand in its place.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    """

    name: ClassVar[str]

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.widths = widths

    @abstractmethod
    def forward(self, z: list[Tensor], present: Tensor) -> list[Tensor]:
        """Give a stand-in for each modality of every record, each (batch, width) or (1, width).

        Parameters
        ----------
        z : list of Tensor, each (batch, width)
            Zeros where absent.
        present : Tensor of bool, (batch, modalities)
        """

    def penalty(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give what training adds to the loss, a scalar; by default zero."""
        del present
        return z[0].new_zeros(())


@final
class TokenStandIn(StandIn):
    """One learned embedding for each modality, the same for all records.

    It begins at zero. Behind a plain concatenation, which has a weight for presence already, it can learn nothing more;
    operators that average, gate or multiply can.

    References
    ----------
    Devlin et al. 2019, arXiv 1810.04805 (a learned token in the place of what is masked).
    """

    name = "token"

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__(widths)
        self.tokens = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in widths)

    def forward(self, z: list[Tensor], present: Tensor) -> list[Tensor]:
        """Give the tokens; see ``StandIn.forward``."""
        del present
        return [cast("Tensor", token).expand(len(part), -1) for token, part in zip(self.tokens, z, strict=True)]


@final
class GeneratorStandIn(StandIn):
    """What a small network predicts of a modality's embedding from those of the others that are present.

    It is trained with the loss of the prediction it serves and, on the records that have the modality and another, with
    the mean squared error of what it predicts; there neither what is predicted nor what it is predicted from is moved.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    weight : float
        Of the reconstruction error in the loss.

    References
    ----------
    Ma et al. 2021, SMIL, arXiv 2103.05677; Wang et al. 2023, ShaSpec, arXiv 2307.14126 (absent features made of those
    that are there).
    """

    name = "generator"

    def __init__(self, widths: tuple[int, ...], *, weight: float = 0.1) -> None:
        super().__init__(widths)
        self.weight = weight
        given = sum(widths) + len(widths)
        self.generators = nn.ModuleList(
            nn.Sequential(nn.Linear(given - width - 1, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, width))
            for width in widths
        )

    def forward(self, z: list[Tensor], present: Tensor) -> list[Tensor]:
        """Give the predicted embeddings; see ``StandIn.forward``."""
        result = []
        for m, generator in enumerate(self.generators):
            others = [k for k in range(len(z)) if k != m]
            there = present[:, others].to(z[0].dtype)
            result.append(generator(torch.cat([*(z[k] for k in others), there], 1)))
        return result

    def penalty(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give the weighed mean squared error of the embeddings that are there, a scalar."""
        fixed = [part.detach() for part in z]
        several = present.sum(1) > 1
        errors = []
        for part, made, there in zip(fixed, self(fixed, present), present.T, strict=True):
            counted = there & several
            squared = (made - part).square().mean(1)
            errors.append(torch.where(counted, squared, torch.zeros_like(squared)).sum() / counted.sum().clamp(min=1))
        return self.weight * torch.stack(errors).mean()


@final
class FilledOperator(Operator):
    """An operator that sees every modality: the embeddings that are there, and stand-ins for the others.

    Parameters
    ----------
    stand_in : StandIn
    operator : Operator
        On one embedding per modality.

    Raises
    ------
    ConfigError
        ``FILL_OPERATOR``: an operator on tokens, which leaves absent ones out by itself.
    """

    def __init__(self, stand_in: StandIn, operator: Operator) -> None:
        super().__init__(operator.widths, features=operator.features)
        if operator.needs == "tokens":
            raise ConfigError(
                "FILL_OPERATOR",
                place="fill",
                rule="stands before an operator on one embedding per modality",
                found="an operator on tokens, which leaves absent ones out by itself",
                remedy='Write fill = "skip", or choose another operator.',
            )
        self.stand_in = stand_in
        self.operator = operator

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return cast("Tensor", self.operator(self._full(z, present), torch.ones_like(present)))

    def penalty(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give what stand-in and operator add to the loss, a scalar."""
        kept = self.kept(z, present)
        inner = self.operator.penalty(self._full(z, present), torch.ones_like(present))
        return self.stand_in.penalty(kept, present) + inner

    def _full(self, z: list[Tensor], present: Tensor) -> list[Tensor]:
        kept = self.kept(z, present)
        made = self.stand_in(kept, present)
        parts = zip(kept, made, present.T, strict=True)
        return [torch.where(there[:, None], part, one.to(part.dtype)) for part, one, there in parts]


_STAND_INS: dict[str, type[StandIn]] = {kind.name: kind for kind in (GeneratorStandIn, TokenStandIn)}


def stand_in_names() -> tuple[str, ...]:
    """Give the names of all stand-ins, sorted.

    Examples
    --------
    >>> stand_in_names()
    ('generator', 'token')
    """
    return tuple(sorted(_STAND_INS))


def behind_stand_in(name: str, operator: Operator, *, seed: int) -> Operator:
    """Give the operator behind stand-ins of this name; ``"skip"`` gives the operator itself.

    Parameters
    ----------
    name : str
    operator : Operator
    seed : int
        Of the stand-in's weights.

    Raises
    ------
    ConfigError
        ``FILL_NAME``: no such stand-in; ``FILL_OPERATOR``.
    """
    if name == "skip":
        return operator
    if name not in _STAND_INS:
        refuse_fill(("skip", *stand_in_names()))
    with weights_from(seed):
        return FilledOperator(_STAND_INS[name](operator.widths), operator)
