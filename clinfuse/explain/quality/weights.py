"""The same classifier with the weights of its networks drawn anew, from the output backwards."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from clinfuse.training.seeds import derived_seed

_DEEPEST = 8


def networks(classifier: Any) -> tuple[nn.Module, ...]:
    """Give every network that a classifier holds, in the order in which it holds them."""
    return tuple(_found(classifier, set(), 0))


def _found(held: Any, seen: set[int], depth: int) -> Iterator[nn.Module]:
    if id(held) in seen or depth > _DEEPEST:
        return
    seen.add(id(held))
    if isinstance(held, nn.Module):
        yield held
        return
    for inner in _inside(held):
        yield from _found(inner, seen, depth + 1)


def _inside(held: Any) -> tuple[Any, ...]:
    if isinstance(held, Mapping):
        return tuple(held.values())
    if isinstance(held, list | tuple):
        return tuple(held)
    ours = type(held).__module__.startswith("clinfuse.")
    return tuple(vars(held).values()) if ours and hasattr(held, "__dict__") else ()


def redrawn(classifier: Any, *, share: float = 1.0, seed: int = 0) -> Any:
    """Copy a classifier and draw weights anew as before training; learners and preparations stay as they are.

    Parameters
    ----------
    classifier : fitted FusionClassifier
    share : float
        Of the layers of every network, counted from its output, in (0, 1].
    seed : int

    Returns
    -------
    FusionClassifier
        A copy; the classifier given is not touched.

    References
    ----------
    Adebayo et al. 2018, Sanity checks for saliency maps, arXiv:1810.03292.
    """
    changed = copy.deepcopy(classifier)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(derived_seed(seed, "redrawn weights"))
        for network in networks(changed):
            layers = [layer for layer in network.modules() if any(True for _ in layer.parameters(recurse=False))]
            for layer in layers[len(layers) - max(1, round(share * len(layers))) :]:
                _draw(layer)
    return changed


def _draw(layer: nn.Module) -> None:
    reset = getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)
    if callable(reset):
        reset()
        return
    for parameter in layer.parameters(recurse=False):
        spread = float(parameter.std()) if parameter.numel() > 1 else 1.0
        nn.init.normal_(parameter, std=spread or 1.0)
