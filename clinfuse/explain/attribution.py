"""Explain one record: modality Shapley values on the logit, and maps inside each modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from clinfuse.cohort.modality import Modality
from clinfuse.cohort.shown import withheld
from clinfuse.errors import ConfigError
from clinfuse.evaluation.contribution import shapley
from clinfuse.explain.checks import absent_check, completeness_check, probability_check, shares_check
from clinfuse.explain.features import baseline_words, named_features
from clinfuse.explain.gradients import PathIntegral, integrated_gradients
from clinfuse.explain.values import Attribution, Check, FeatureValue, ModalityAttribution

__all__ = ["Attribution", "Check", "FeatureValue", "ModalityAttribution", "attribute"]

Decide = Callable[[np.ndarray], float]


@runtime_checkable
class Folded(Protocol):
    """What holds, for every record, a classifier that never saw its patient."""

    def classifier_for(self, record_id_or_key: str, repeat: int = 0) -> Any:
        """Give the classifier whose training patients do not include this record's."""


def attribute(model: Any, record: Any, *, seed: int = 0, steps: int = 64) -> Attribution:
    """Explain what a model says about one record.

    Parameters
    ----------
    model : CrossValidation or fitted FusionClassifier
        Of a cross-validation the classifier is taken that never saw this patient.
    record : PatientRecord
        One record of the cohort, with the label's classes: two of them.
    seed : int
        Written into the result; nothing here is drawn.
    steps : int
        Points on the path of integrated gradients to begin with, doubled up to 512 until the maps are complete.

    Returns
    -------
    Attribution
        The shares are exact Shapley values over the present modalities of the log odds of the positive class, an
        absent modality simply being withheld from the model: no stand-in baseline. The maps of a network are
        integrated gradients; a learner's are its exact additive parts.

    Raises
    ------
    ConfigError
        ``ATTRIBUTE_TASK`` where the task is not binary.
    TrainingError
        ``ATTRIBUTION_FINITE`` where a gradient is not a number.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365. Shapley 1953, doi:10.1515/9781400881970-018.
    """
    cohort = record.cohort
    if cohort.task != "binary":
        raise ConfigError(
            "ATTRIBUTE_TASK",
            place="attribute",
            rule="a binary task, whose log odds are explained",
            found=f"a {cohort.task} one",
            remedy="Explain one class against the others: declare it as `positive` in cohort.toml.",
        )
    classifier = model.classifier_for(record.key) if isinstance(model, Folded) else model
    names = tuple(classifier.modalities_)
    encoded = classifier.encode(cohort)
    present = np.asarray(encoded.present, bool)[0]
    decide = _log_odds(classifier, encoded)
    shares = _shares(decide, present, names)
    probability = float(classifier.predict_proba(cohort)[0, 1])
    parts, gradients, stray = _parts(
        classifier, cohort, shares, present=dict(zip(names, present, strict=True)), steps=steps
    )
    logit, prior = decide(present), decide(np.zeros_like(present))
    checks = (
        probability_check(probability, logit),
        shares_check(shares, logit, prior),
        absent_check(shares, stray, dict(zip(names, present, strict=True))),
        *completeness_check(gradients),
    )
    return Attribution(
        model=_name(model, classifier),
        taxonomy=str(classifier.taxonomy()),
        record=str(record.key),
        patient=str(record.patient_key),
        positive=str(cohort.classes[-1]),
        probability=probability,
        prior_probability=_sigmoid(prior),
        logit=logit,
        prior_logit=prior,
        parts=parts,
        without={
            name: _sigmoid(decide(present & (np.arange(len(names)) != m))) for m, name in enumerate(names) if present[m]
        },
        described=_described(record),
        checks=checks,
        steps=max((path.steps for path in gradients), default=0),
        seed=seed,
        held_out=isinstance(model, Folded),
    )


def _log_odds(classifier: Any, encoded: Any) -> Decide:
    def decide(mask: np.ndarray) -> float:
        logits = np.asarray(classifier.decide(encoded, present=mask[None]), np.float64)[0]
        return float(logits[1] - logits[0])

    return decide


def _shares(decide: Decide, present: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    here = [name for m, name in enumerate(names) if present[m]]
    found = shapley(lambda members: decide(np.array([name in members for name in names])), here) if here else {}
    return {name: float(found.get(name, 0.0)) for name in names}


def _parts(
    classifier: Any, cohort: Any, shares: Mapping[str, float], *, present: Mapping[str, bool], steps: int
) -> tuple[tuple[ModalityAttribution, ...], tuple[PathIntegral, ...], float]:
    """Give the parts in the cohort's order, the path integrals behind them and the largest stray absent value."""
    if not any(present.values()):
        return tuple(_absent(cohort.modality(name)) for name in present), (), 0.0
    explainable = classifier.explainable(cohort)
    order = tuple(name for name in explainable.order if name in explainable.inputs)
    gradients: tuple[PathIntegral, ...] = ()
    maps: dict[str, np.ndarray] = {}
    if order:
        path = integrated_gradients(
            explainable.function,
            [explainable.inputs[name] for name in order],
            baselines=[explainable.baselines[name] for name in order],
            steps=steps,
        )
        gradients, maps = (path,), dict(zip(order, path.maps, strict=True))
    exact = {name: np.asarray(part, np.float32).reshape(-1) for name, part in explainable.contributions.items()}
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
        method = "integrated gradients" if name in maps else "exact contributions" if name in exact else "share only"
        parts.append(
            ModalityAttribution(
                modality,
                True,
                shares[name],
                cast(Any, method),
                inner,
                named_features(cohort, modality, tuple(explainable.feature_names.get(name, ())), inner),
                _data(cohort, modality, inner),
                baseline_words(modality, explainable.baselines.get(name, np.zeros(0))),
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


def _sigmoid(logit: float) -> float:
    return float(1.0 / (1.0 + np.exp(-logit)))
