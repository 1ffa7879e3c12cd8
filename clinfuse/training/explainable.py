"""One record's decision as something that an attribution method can take apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

_NODES = 128
_STRAIGHT = 1e-9


@final
@dataclass(frozen=True, eq=False)
class Anatomy:
    """A classifier's decision about one record: what goes in, modality by modality, and the logits that come out.

    A present modality is in ``inputs``, in ``parts``, or in neither: then only its share is known.

    Parameters
    ----------
    logits : callable
        From a mapping to logits, float64 (batch, outputs). The mapping holds, for one or more modalities, other inputs
        (batch, ...), or, of a modality in ``parts``, what its parts add up to (batch, outputs), float64; every other
        modality stays as it is in the record.
    inputs, baselines, medians : mapping of str to ndarray of float32, (1, ...)
        As in `Explainable`.
    names : mapping of str to tuple of str
        Of prepared features.
    parts : mapping of str to ndarray of float64, (features, outputs)
        Additive parts of a learner's scores.
    methods : mapping of str to str
        How those parts were obtained.
    encoders : mapping of str to tuple of nn.Module
        The networks that see a modality's input.
    terms : mapping of str to ndarray of float64, (outputs,)
        What each modality adds to the logits where these are a sum over modalities; else empty.
    smooth : bool
        Whether gradients run from the logits to the inputs.
    """

    logits: Callable[[Mapping[str, Tensor]], Tensor]
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    baselines: Mapping[str, np.ndarray] = field(default_factory=dict)
    medians: Mapping[str, np.ndarray] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    encoders: Mapping[str, tuple[nn.Module, ...]] = field(default_factory=dict)
    terms: Mapping[str, np.ndarray] = field(default_factory=dict)
    smooth: bool = True


@final
@dataclass(frozen=True, eq=False)
class Explainable:
    """The log odds of one class, for one record, as a function that an attribution method can take apart.

    Parameters
    ----------
    order : tuple of str
        Present modalities whose input the function takes.
    inputs : mapping of str to ndarray of float32, (1, ...)
        What their encoders see; a table as prepared in the fold.
    baselines : mapping of str to ndarray of float32, (1, ...)
        What each input looks like on average over the training records; zeros for a signal.
    feature_names : mapping of str to tuple of str
        For tables and learners: name of each prepared column.
    function : callable
        Takes one tensor per modality of ``order``, (batch, ...), and gives the explained log odds, (batch,): of a class
        against all others, or of a label.
    contributions : mapping of str to ndarray of float64, (features,)
        Additive parts of the log odds by modality, for learners.
    changes : mapping of str to float
        What the contributions of each modality should add up to: the log odds of the record minus those with the
        modality's features at their learner's base.
    methods : mapping of str to str
        How the contributions were obtained: ``"exact contributions"``, ``"Shapley sampling"``, or either followed by
        what bends them.
    medians : mapping of str to ndarray of float32, (1, width)
        Of a table: numbers at the median of the training records, categories at no level, nothing missing.
    encoders : mapping of str to tuple of nn.Module
        The networks that see a modality's input, for methods that look inside.
    terms : mapping of str to float
        What each modality adds to the log odds where these are a plain sum over modalities (late fusion with a linear
        pool): slope times the departure of its own log odds from the prior's. Empty elsewhere.
    smooth : bool
        Whether gradients run from the function to its inputs; where not, only methods that change inputs can be used.
    at : callable
        As ``function``, of a mapping that holds one or more modalities of ``order``; the others stay as they are in the
        record, and are not encoded again.
    """

    order: tuple[str, ...]
    inputs: Mapping[str, np.ndarray]
    baselines: Mapping[str, np.ndarray]
    feature_names: Mapping[str, tuple[str, ...]]
    function: Callable[[tuple[Tensor, ...]], Tensor]
    contributions: Mapping[str, np.ndarray]
    changes: Mapping[str, float] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    medians: Mapping[str, np.ndarray] = field(default_factory=dict)
    encoders: Mapping[str, tuple[nn.Module, ...]] = field(default_factory=dict)
    terms: Mapping[str, float] = field(default_factory=dict)
    smooth: bool = True
    at: Callable[[Mapping[str, Tensor]], Tensor] = lambda given: next(iter(given.values()))


def explained(logits: Tensor, *, multilabel: bool, target: int = -1) -> Tensor:
    """Give the log odds that are explained, (batch,): of one class against all others together, or of one label.

    Parameters
    ----------
    logits : Tensor, (batch, outputs)
    multilabel : bool
    target : int
        Class or label; the last by default.

    Examples
    --------
    >>> [round(one, 3) for one in explained(torch.tensor([[0.0, 0.0, 2.0]]), multilabel=False).tolist()]
    [1.307]
    """
    if multilabel:
        return logits[:, target]
    others = [k for k in range(logits.shape[1]) if k != target % logits.shape[1]]
    return logits[:, target] - torch.logsumexp(logits[:, others], 1)


def explainable(anatomy: Anatomy, *, target: int, multilabel: bool) -> Explainable:
    """Give the log odds of one class, of a decision that was taken apart."""
    order = tuple(anatomy.inputs)

    def odds(given: Mapping[str, Tensor]) -> Tensor:
        return explained(anatomy.logits(given), multilabel=multilabel, target=target)

    contributions, changes, methods = {}, {}, {}
    for name, parts in anatomy.parts.items():
        carried = _carried(parts, lambda score, name=name: odds({name: score}))  # type: ignore[misc]
        if carried is None:
            continue
        contributions[name], changes[name], straight = carried
        methods[name] = anatomy.methods[name] + ("" if straight else ", along a path")
    return Explainable(
        order,
        anatomy.inputs,
        anatomy.baselines,
        anatomy.names,
        lambda tensors: odds(dict(zip(order, tensors, strict=True))),
        contributions,
        changes,
        methods,
        anatomy.medians,
        anatomy.encoders,
        _terms(anatomy, target, multilabel),
        anatomy.smooth,
        odds,
    )


def _carried(parts: np.ndarray, odds: Callable[[Tensor], Tensor]) -> tuple[np.ndarray, float, bool] | None:
    """Parts of a score as parts of the log odds, what they should add up to, and whether nothing bends on the way.

    From base to record the log odds are followed along the straight path of the score (Aumann and Shapley 1974).
    """
    score = torch.from_numpy(np.ascontiguousarray(parts.sum(0)))
    nodes, weights = (torch.from_numpy(each) for each in np.polynomial.legendre.leggauss(_NODES))
    path = (0.5 * (nodes + 1))[:, None] * score
    path.requires_grad_()
    with torch.enable_grad():
        along = odds(path)
    if not along.requires_grad:
        return None
    (slopes,) = torch.autograd.grad(along.sum(), path)
    mean = (0.5 * weights)[:, None].mul(slopes).sum(0)
    with torch.no_grad():
        ends = odds(torch.stack([torch.zeros_like(score), score]))
    straight = bool((slopes - mean).abs().max() <= _STRAIGHT * (1 + mean.abs().max()))
    return parts @ mean.numpy(), float(ends[1] - ends[0]), straight


def _terms(anatomy: Anatomy, target: int, multilabel: bool) -> dict[str, float]:
    outputs = {len(term) for term in anatomy.terms.values()}
    if multilabel:
        return {name: float(term[target]) for name, term in anatomy.terms.items()}
    if outputs != {2}:  # of several classes log odds are no sum
        return {}
    return {name: float(term[target] - term[1 - target % 2]) for name, term in anatomy.terms.items()}
