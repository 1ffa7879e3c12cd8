"""Attention that leaves out, exactly, what is not there."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn


@final
class Attention(nn.Module):
    """Scaled dot-product attention with several heads, over the keys that are there.

    A key that is not there has weight exactly 0; where no key is there, the answer is exactly 0.

    Parameters
    ----------
    features : int
        Width of queries, keys and answers.
    heads : int
        At most so many; as many as divide the width.

    References
    ----------
    Vaswani A, Shazeer N, Parmar N, et al. Attention is all you need. NeurIPS 2017, arXiv 1706.03762.

    Examples
    --------
    >>> attend = Attention(4, heads=2)
    >>> mask = torch.tensor([[True, False, True], [False, False, False]])
    >>> answer = attend(torch.randn(2, 5, 4), torch.randn(2, 3, 4), mask)
    >>> answer.shape, bool((answer[1] == 0).all())
    (torch.Size([2, 5, 4]), True)
    """

    def __init__(self, features: int, *, heads: int = 4) -> None:
        super().__init__()
        self.heads = next(h for h in range(min(heads, features), 0, -1) if features % h == 0)
        self.query = nn.Linear(features, features)
        # A bias of the keys would add the same to every score of a query, and a softmax does not see that.
        self.key = nn.Linear(features, features, bias=False)
        self.value = nn.Linear(features, features)
        self.out = nn.Linear(features, features)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Give an answer for every query, (batch, queries, features).

        Parameters
        ----------
        x : Tensor, (batch, queries, features)
        context : Tensor, (batch, keys, features)
            Finite everywhere; what the mask leaves out changes nothing.
        mask : Tensor of bool, (batch, keys)
            Which keys are there.
        """
        return self.ask(x, self.key(context), self.value(context), mask)

    def ask(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Give what `forward` gives, of keys and values, each (batch, keys, features), that were made before."""
        some = mask.any(1)
        # A softmax over nothing would be NaN: such a row attends to everything, and its answer is then set to zero.
        used = mask | ~some[:, None]
        q, k, v = (self._split(part) for part in (self.query(x), keys, values))
        scores = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
        weights = torch.softmax(scores.masked_fill(~used[:, None, None], float("-inf")), dim=-1)
        answer = self.out((weights @ v).transpose(1, 2).flatten(2))
        return torch.where(some[:, None, None], answer, torch.zeros_like(answer))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


@final
class AttentionBlock(nn.Module):
    """A transformer layer with normalisation first: attention, then a small network, each added to what came in.

    Parameters
    ----------
    features : int
    heads : int
    widen : int
        Width of the small network's hidden layer, in widths of the tokens.

    References
    ----------
    Xiong R, Yang Y, He D, et al. On layer normalization in the transformer architecture. ICML 2020, arXiv 2002.04745.

    Examples
    --------
    >>> AttentionBlock(4)(torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool)).shape
    torch.Size([2, 3, 4])
    """

    def __init__(self, features: int, *, heads: int = 4, widen: int = 2) -> None:
        super().__init__()
        self.before = nn.LayerNorm(features)
        self.attention = Attention(features, heads=heads)
        self.between = nn.LayerNorm(features)
        hidden = widen * features
        self.network = nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, features))

    def forward(self, x: Tensor, mask: Tensor, *, first: int = 0) -> Tensor:
        """Give the tokens after the layer, (batch, tokens, features).

        Parameters
        ----------
        x : Tensor, (batch, tokens, features)
        mask : Tensor of bool, (batch, tokens)
            Which tokens are there: others are attended to by none, and what becomes of them is not to be read.
        first : int
            Give so many of the first tokens only; 0 gives all. What nobody reads need not be computed.
        """
        normed, count = self.before(x), first or x.shape[1]
        x = x[:, :count] + self.attention(normed[:, :count], normed, mask)
        return x + self.network(self.between(x))


@final
class CrossBlock(nn.Module):
    """What a sequence learns from another one: attention to it, then a small network.

    Parameters
    ----------
    features : int
    heads : int
    widen : int
        Width of the small network's hidden layer, in widths of the tokens.

    Examples
    --------
    >>> learn = CrossBlock(4)
    >>> nothing = torch.zeros(2, 5, dtype=torch.bool)
    >>> bool((learn(torch.randn(2, 3, 4), torch.randn(2, 5, 4), nothing) == 0).all())
    True
    """

    def __init__(self, features: int, *, heads: int = 4, widen: int = 2) -> None:
        super().__init__()
        self.asking = nn.LayerNorm(features)
        self.asked = nn.LayerNorm(features)
        self.attention = Attention(features, heads=heads)
        self.between = nn.LayerNorm(features)
        hidden = widen * features
        self.network = nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, features))

    def forward(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Give what is to be added to ``x``, (batch, tokens, features): exactly 0 where no key is there.

        Parameters
        ----------
        x : Tensor, (batch, tokens, features)
        context : Tensor, (batch, keys, features)
        mask : Tensor of bool, (batch, keys)
        """
        return self.ask(x, *self.remembered(context), mask)

    def remembered(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Give keys and values, each (batch, keys, features): of a context that is asked more than once."""
        normed = self.asked(context)
        return self.attention.key(normed), self.attention.value(normed)

    def ask(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Give what `forward` gives, of a context that was `remembered`."""
        heard = self.attention.ask(self.asking(x), keys, values, mask)
        change = heard + self.network(self.between(x + heard))
        return torch.where(mask.any(1)[:, None, None], change, torch.zeros_like(change))
