"""One record with its maps, and the questions that every check puts to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from captum.attr import IntegratedGradients

from clinfuse.cohort.modality import Modality
from clinfuse.explain.quality.units import summed, units
from clinfuse.training.seeds import generator

Maps = Mapping[str, np.ndarray]
Explain = Callable[[Any], Maps]
STEPS = 16
NOISE = 0.02
_AT_ONCE = 32


def gradients(explainable: Any) -> Maps:
    """Integrated gradients of a record, by modality, on a path of few points: enough to see what a check asks."""
    names = explainable.order
    ends, starts = (
        tuple(torch.from_numpy(np.asarray(of[name], np.float32)) for name in names)
        for of in (explainable.inputs, explainable.baselines)
    )
    starts = tuple(start.reshape(end.shape) for start, end in zip(starts, ends, strict=True))
    found = IntegratedGradients(lambda *x: explainable.function(x)).attribute(
        ends, baselines=starts, n_steps=STEPS, method="gausslegendre", internal_batch_size=STEPS
    )
    return {name: part[0].detach().numpy() for name, part in zip(names, found, strict=True)}


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """A record that the maps of a method are tested on.

    Parameters
    ----------
    explainable : Explainable
        The decision about the record, as a function of its inputs.
    modalities : mapping of str to Modality
    explain : callable
        From an Explainable to maps by modality: the method that is tested.
    redrawn : tuple of Explainable
        The same record before networks whose weights were drawn anew, of ever more layers.
    relabelled : tuple of Explainable
        The same record before a model that was trained on shuffled labels; empty where none was.
    seed : int
    key : str
        Of the record; draws depend on it and on nothing else.
    """

    explainable: Any
    modalities: Mapping[str, Modality]
    explain: Explain = gradients
    redrawn: tuple[Any, ...] = ()
    relabelled: tuple[Any, ...] = ()
    seed: int = 0
    key: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Modalities that have a map."""
        return tuple(self.explainable.order)

    @cached_property
    def maps(self) -> Maps:
        """Maps of the record by modality, without batch axis."""
        return self.explain(self.explainable)

    def noisy(self, number: int) -> Maps:
        """Maps of the record with uniform noise in every input, at most `NOISE` of the input's spread."""
        known = self._noisy
        if number not in known:
            draw, inputs = self.draw("noise", number), self.explainable.inputs
            spoilt = {
                name: (x + NOISE * float(x.std()) * draw.uniform(-1, 1, x.shape)).astype(np.float32)
                for name, x in inputs.items()
            }
            known[number] = self.explain(replace(self.explainable, inputs=spoilt))
        return known[number]

    @cached_property
    def _noisy(self) -> dict[int, Maps]:
        return {}

    def of_others(self, which: str) -> tuple[Maps, ...]:
        """Maps of the record by the method of other models: ``"redrawn"`` or ``"relabelled"``."""
        return self._others[which]

    @cached_property
    def _others(self) -> dict[str, tuple[Maps, ...]]:
        return {
            "redrawn": tuple(self.explain(one) for one in self.redrawn),
            "relabelled": tuple(self.explain(one) for one in self.relabelled),
        }

    def draw(self, *purpose: object) -> np.random.Generator:
        """The generator of one purpose for this record."""
        return generator(self.seed, *purpose, self.key)

    def parts(self, name: str) -> np.ndarray:
        """The units of a modality, int64 in the shape of its input."""
        return units(self.modalities[name], tuple(self.explainable.inputs[name].shape[1:]))

    def weights(self, name: str) -> np.ndarray:
        """What the map says of each unit, float64 (units,)."""
        return summed(self.maps[name], self.parts(name))

    def answers(self, name: str, shown: np.ndarray) -> np.ndarray:
        """Logits where only some units of a modality are shown and the others replaced by the baseline.

        Parameters
        ----------
        name : str
        shown : ndarray of bool, (variants, units)

        Returns
        -------
        ndarray of float64, (variants,)
        """
        numbers = self.parts(name)
        x, baseline = self.explainable.inputs[name], self.explainable.baselines[name]
        found = []
        for start in range(0, len(shown), _AT_ONCE):
            kept = shown[start : start + _AT_ONCE][:, numbers]
            found.append(self._logits({name: np.where(kept, x, baseline.reshape(x.shape))}, len(kept)))
        return np.concatenate(found)

    def differs(self, other: Any, name: str) -> bool:
        """Whether another model answers otherwise to a modality of the record being hidden."""
        hidden = np.stack(
            [np.ones(int(self.parts(name).max()) + 1, bool), np.zeros(int(self.parts(name).max()) + 1, bool)]
        )
        ours, theirs = (one.answers(name, hidden) for one in (self, replace(self, explainable=other)))
        return not np.isclose(ours[0] - ours[1], theirs[0] - theirs[1], rtol=1e-4, atol=1e-6)

    def _logits(self, changed: Maps, count: int) -> np.ndarray:
        given = [
            torch.from_numpy(np.asarray(changed[name], np.float32))
            if name in changed
            else torch.from_numpy(np.asarray(self.explainable.inputs[name], np.float32)).expand(
                count, *self.explainable.inputs[name].shape[1:]
            )
            for name in self.names
        ]
        with torch.no_grad():
            return np.asarray(self.explainable.function(tuple(given)).double().numpy())
