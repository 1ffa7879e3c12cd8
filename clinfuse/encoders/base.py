"""What every encoder is: prepared input in, one embedding per record out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

# Attention costs the square of the tokens, and is asked anew for every set of modalities: a large image or a long
# recording must not have more tokens than a small one.
MOST_TOKENS = 16


class Encoder(nn.Module, ABC):
    """One modality's network, from a prepared input to an embedding.

    Parameters
    ----------
    input_shape : tuple of int
        Of one input without the batch axis: ``(channel, x, y, z)``, ``(channel, y, x)``, one window
        ``(channel, time)``, or ``(columns,)``.
    features : int
        Width of the embedding.
    """

    def __init__(self, input_shape: tuple[int, ...], *, features: int) -> None:
        super().__init__()
        self.input_shape = tuple(input_shape)
        self.features = features

    def adapt(self, x: Tensor) -> None:
        """Learn fixed statistics, once, from present training rows (batch, and the input shape); by default nothing."""

    @abstractmethod
    def tokens(self, x: Tensor) -> Tensor:
        """Give the embeddings of parts of the input, float32 (batch, tokens, features).

        What lies side by side follows each other: of more than ``MOST_TOKENS`` tokens neighbours are averaged.
        """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Give the embedding of the whole input, float32 (batch, features)."""


def pool_windows(z: Tensor, mask: Tensor) -> Tensor:
    """Mean of the embeddings of a record's present windows.

    Parameters
    ----------
    z : Tensor of float32, (batch, windows, features)
    mask : Tensor of bool, (batch, windows)
        Which windows exist; a record without any gives zeros.

    Returns
    -------
    Tensor of float32, (batch, features)
    """
    kept = torch.where(mask[..., None], z, torch.zeros_like(z)).sum(1)
    return kept / mask.sum(1, keepdim=True).clamp(min=1)


def merged(tokens: Tensor) -> Tensor:
    """Average as many neighbours as it takes where a record has more than ``MOST_TOKENS`` tokens.

    Parameters
    ----------
    tokens : Tensor of float32, (batch, tokens, features + 1)
        The last column is 1 where the token exists, else the whole token is 0.

    Returns
    -------
    Tensor of float32, (batch, at most ``MOST_TOKENS``, features + 1)
        Means over those that exist; a token without any does not exist either.
    """
    each = -(-tokens.shape[1] // MOST_TOKENS)
    if each < 2:
        return tokens
    rest = -tokens.shape[1] % each
    cells = nn.functional.pad(tokens, (0, 0, 0, rest)).unflatten(1, (-1, each)).sum(2)
    return cells / cells[..., -1:].clamp(min=1)
