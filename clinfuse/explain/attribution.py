"""Explain one record: modality Shapley values on the logit, and maps inside each modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from clinfuse.cohort.modality import Modality
from clinfuse.cohort.shown import withheld
from clinfuse.errors import ConfigError
from clinfuse.explain.checks import absent_check, completeness_check, probability_check, shares_check
from clinfuse.explain.features import baseline_words, named_features
from clinfuse.explain.gradients import PathIntegral, integrated_gradients
from clinfuse.explain.values import Attribution, Check, FeatureValue, ModalityAttribution
from clinfuse.explain.withholding import chance, withhold_each
from clinfuse.training.explainable import Anatomy, Explainable, explainable
from clinfuse.training.seeds import quiet_torch

__all__ = ["Attribution", "Check", "FeatureValue", "ModalityAttribution", "attribute"]

NOTHING = explainable(Anatomy(lambda given: next(iter(given.values()))), target=-1, multilabel=True)


@runtime_checkable
class Folded(Protocol):
    """What holds, for every record, a classifier that never saw its patient."""

    def classifier_for(self, record_id_or_key: str, repeat: int = 0) -> Any:
        """Give the classifier whose training patients do not include this record's."""


def attribute(model: Any, record: Any, *, target: str = "", seed: int = 0, steps: int = 64) -> Attribution:
    """Explain what a model says about one record.

    Parameters
    ----------
    model : CrossValidation or fitted FusionClassifier
        Of a cross-validation the classifier is taken that never saw this patient.
    record : PatientRecord
        One record of the cohort.
    target : str
        Name of the class, or of the label, whose log odds are explained. By default the positive one of two, and of
        more the one with the highest probability.
    seed : int
        Written into the result; nothing here is drawn.
    steps : int
        Points on the path of integrated gradients to begin with, doubled up to 400 until the maps are complete.

    Returns
    -------
    Attribution
        The shares are exact Shapley values over the present modalities of the log odds of one class against all others
        together, an absent modality simply being withheld from the model: no stand-in baseline. They describe the
        model, not causes. The maps of a network are integrated gradients; a learner's are its additive parts.

    Raises
    ------
    ConfigError
        ``ATTRIBUTE_TARGET``: a class or label that there is not.
    TrainingError
        ``ATTRIBUTION_FINITE`` where a gradient is not a number.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365. Shapley 1953, doi:10.1515/9781400881970-018.
    """
    cohort = record.cohort
    classifier = model.classifier_for(record.key) if isinstance(model, Folded) else model
    with quiet_torch(seed % 2**32, classifier.options.threads):
        return _attributed(model, classifier, record, cohort, target=target, seed=seed, steps=steps)


def _attributed(
    model: Any, classifier: Any, record: Any, cohort: Any, *, target: str, seed: int, steps: int
) -> Attribution:
    names = tuple(classifier.modalities_)
    encoded = classifier.encode(cohort)
    present = dict(zip(names, np.asarray(encoded.present, bool)[0], strict=True))
    whole = classifier.decide(encoded)
    chances = classifier.probabilities(whole)[0]
    number = _target(cohort, target, chances)
    game = withhold_each(classifier, encoded, whole, target=number)
    shares = {name: game.shares.get(name, 0.0) for name in names}
    taken = classifier.explainable(cohort, encoded=encoded, target=number) if any(present.values()) else NOTHING
    parts, gradients, stray = _parts(taken, cohort, shares, present=present, steps=steps)
    probability, risks, here = float(chances[number]), game.risks, frozenset(game.names)
    checks = (
        probability_check(probability, game.logit),
        shares_check(shares, game.logit, game.prior),
        absent_check(shares, stray, present),
        *completeness_check(gradients),
    )
    return Attribution(
        model=_name(model, classifier),
        taxonomy=str(classifier.taxonomy()),
        record=str(record.key),
        patient=str(record.patient_key),
        positive=str(cohort.classes[number]),
        probability=probability,
        prior_probability=chance(game.prior),
        logit=game.logit,
        prior_logit=game.prior,
        parts=parts,
        without={name: risks[here - {name}] for name in game.names},
        described=_described(record),
        checks=checks,
        steps=max((path.steps for path in gradients), default=0),
        seed=seed,
        held_out=isinstance(model, Folded),
        points={name: game.points.get(name, 0.0) for name in names},
        interactions=game.interactions,
        risks=risks,
        terms=taken.terms,
    )


def _target(cohort: Any, target: str, chances: np.ndarray) -> int:
    """Position of the class or label that is explained."""
    classes = [str(name) for name in cohort.classes]
    if not target:
        return 1 if cohort.task == "binary" else int(np.argmax(chances))
    if target not in classes:
        raise ConfigError(
            "ATTRIBUTE_TARGET",
            place="attribute",
            rule=f"target must be one of {', '.join(classes)}",
            found="another name",
            remedy="Correct target, or leave it out.",
        )
    return classes.index(target)


def _parts(
    taken: Explainable, cohort: Any, shares: Mapping[str, float], *, present: Mapping[str, bool], steps: int
) -> tuple[tuple[ModalityAttribution, ...], tuple[PathIntegral, ...], float]:
    """Give the parts in the cohort's order, the path integrals behind them and the largest stray absent value."""
    order = taken.order if taken.smooth else ()
    gradients: tuple[PathIntegral, ...] = ()
    maps: dict[str, np.ndarray] = {}
    if order:
        path = integrated_gradients(
            taken.function,
            [taken.inputs[name] for name in order],
            baselines=[taken.baselines[name] for name in order],
            steps=steps,
        )
        gradients, maps = (path,), dict(zip(order, path.maps, strict=True))
    exact = {name: np.asarray(part, np.float32).reshape(-1) for name, part in taken.contributions.items()}
    stray = max(
        (float(np.abs(m).max()) for n, m in {**maps, **exact}.items() if m.size and not present[n]), default=0.0
    )
    parts = []
    for name in present:
        modality = cohort.modality(name)
        if not present[name]:
            parts.append(_absent(modality))
            continue
        inner = maps.get(name, exact.get(name, np.zeros(0, np.float32)))
        method = "integrated gradients" if name in maps else taken.methods.get(name, "share only")
        parts.append(
            ModalityAttribution(
                modality,
                True,
                shares[name],
                method,
                inner,
                named_features(cohort, modality, tuple(taken.feature_names.get(name, ())), inner),
                _data(cohort, modality, inner),
                baseline_words(modality, taken.baselines.get(name, np.zeros(0))),
                gradients[0].gap if name in maps else 0.0,
                withheld(cohort.ledger.entries, name, str(cohort.keys[0])),
            )
        )
    return tuple(parts), gradients, stray


def _absent(modality: Modality) -> ModalityAttribution:
    return ModalityAttribution(modality, False, 0.0, "absent", np.zeros(modality.shape, np.float32))


def _data(cohort: Any, modality: Modality, inner: np.ndarray) -> np.ndarray:
    if modality.kind == "ehr" or inner.shape != modality.shape:
        return np.zeros(0, np.float32)
    return np.asarray(cohort.arrays(modality.name)[0], np.float32)


def _described(record: Any) -> tuple[tuple[str, object], ...]:
    attributes = record.attributes
    return tuple((str(name), attributes[name]) for name in attributes.keys())  # noqa: SIM118  (a Series iterates values)


def _name(model: Any, classifier: Any) -> str:
    name = getattr(model, "name", "") if isinstance(model, Folded) else ""
    return str(name) or type(classifier).__name__
