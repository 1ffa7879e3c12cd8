"""From shares and maps to what an explanation is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clinfuse.cohort.modality import Modality
from clinfuse.cohort.shown import withheld
from clinfuse.explain.baselines import baseline_words
from clinfuse.explain.checks import absent_check, completeness_check, probability_check, shares_check
from clinfuse.explain.features import named_features
from clinfuse.explain.gradients import PathIntegral
from clinfuse.explain.inside import Inside
from clinfuse.explain.values import Check, ModalityAttribution
from clinfuse.explain.withholding import Withholding
from clinfuse.training.explainable import Explainable

SHARE_ONLY = "share only"


def assembled(
    taken: Explainable,
    inside: Inside,
    cohort: Any,
    shares: Mapping[str, float],
    *,
    present: Mapping[str, bool],
    baselines: Mapping[str, str],
) -> tuple[ModalityAttribution, ...]:
    """Give what every modality did, in the order of the cohort."""
    parts = []
    for name, here in present.items():
        modality = cohort.modality(name)
        if not here:
            parts.append(ModalityAttribution(modality, False, 0.0, "absent", np.zeros(modality.shape, np.float32)))
            continue
        inner, method, note, delta, looked = _inner(taken, inside, name)
        names = tuple(taken.feature_names.get(name, ()))
        parts.append(
            ModalityAttribution(
                modality,
                True,
                shares[name],
                method,
                inner,
                named_features(cohort, modality, names, inner),
                _data(cohort, modality, inner),
                baseline_words(baselines[name], modality) if looked else "",
                delta,
                withheld(cohort.ledger.entries, name, str(cohort.keys[0])),
                note,
                baselines[name] if looked else "",
            )
        )
    return tuple(parts)


def _inner(taken: Explainable, inside: Inside, name: str) -> tuple[np.ndarray, str, str, float, bool]:
    """Map, method, note, completeness gap of a modality, and whether its input was compared with a baseline."""
    if name in inside.owners:
        answer = inside.answer(name)
        gap = answer.total - answer.change if answer.additive else 0.0
        return inside.map(name), answer.words, answer.note, gap, True
    own = np.asarray(taken.contributions.get(name, np.zeros(0)), np.float32)
    gap = float(np.sum(taken.contributions[name]) - taken.changes[name]) if name in taken.changes else 0.0
    return own, taken.methods.get(name, SHARE_ONLY), "", gap, False


def _data(cohort: Any, modality: Modality, inner: np.ndarray) -> np.ndarray:
    if modality.kind == "ehr" or inner.shape != modality.shape:
        return np.zeros(0, np.float32)
    return np.asarray(cohort.arrays(modality.name)[0], np.float32)


def checks_of(
    taken: Explainable,
    inside: Inside,
    game: Withholding,
    shares: Mapping[str, float],
    *,
    present: Mapping[str, bool],
    probability: float,
) -> tuple[Check, ...]:
    """Give what this explanation was tested for."""
    maps = {name: inside.map(name) for name in inside.owners} | dict(taken.contributions)
    stray = max((float(np.abs(m).max()) for n, m in maps.items() if m.size and not present[n]), default=0.0)
    sums = [PathIntegral((), a.change, a.total, a.steps) for a in inside.answers if a.additive]
    return (
        probability_check(probability, game.logit),
        shares_check(shares, game.logit, game.prior),
        absent_check(shares, stray, present),
        *completeness_check(sums),
    )
