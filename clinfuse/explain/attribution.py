"""Explain records: shares of modalities in the log odds of a class, and maps inside each modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import numpy as np

from clinfuse.errors import ConfigError
from clinfuse.explain.assemble import assembled, checks_of
from clinfuse.explain.baselines import chosen_baselines
from clinfuse.explain.choosing import DEFAULT, built_method, chosen_methods
from clinfuse.explain.inside import Inside, Settings, look_inside
from clinfuse.explain.values import Attribution, Check, FeatureValue, ModalityAttribution
from clinfuse.explain.withholding import chance, withhold_each
from clinfuse.training.explainable import Anatomy, explainable
from clinfuse.training.seeds import quiet_torch

__all__ = ["Attribution", "Check", "FeatureValue", "ModalityAttribution", "attribute", "attribute_many"]

NOTHING = explainable(Anatomy(lambda given: next(iter(given.values()))), target=-1, multilabel=True)


@runtime_checkable
class Folded(Protocol):
    """What holds, for every record, a classifier that never saw its patient."""

    def classifier_for(self, record_id_or_key: str, repeat: int = 0) -> Any:
        """Give the classifier whose training patients do not include this record's."""


def attribute(
    model: Any,
    record: Any,
    *,
    target: str = "",
    methods: str | Mapping[str, str] = DEFAULT,
    baselines: Mapping[str, str] | None = None,
    background: Any = (),
    seed: int = 0,
    steps: int = 64,
) -> Attribution:
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
    methods : str or mapping of str to str
        ``"integrated-gradients"``, ``"gradient-shap"``, ``"deep-lift"``, ``"occlusion"``, ``"grad-cam"``,
        ``"feature-ablation"`` or ``"shapley-sampling"``: one for all modalities that it can look into, or by modality.
        Modalities of learners on features have their learner's own parts instead.
    baselines : mapping of str to str, optional
        What a modality's input is compared with, by modality; a name of `clinfuse.explain.baselines.BASELINES`. By
        default air (ct), the training mean (mr, xray, mask), silence (eeg), the training median (ehr).
    background : Cohort
        Training records that GradientShap compares with; by default the baseline alone.
    seed : int
        Of whatever a method or a baseline draws.
    steps : int
        Points on the path of integrated gradients to begin with, doubled up to 400 until the maps are complete.

    Returns
    -------
    Attribution
        The shares are exact Shapley values over the present modalities of the log odds of one class against all others
        together, an absent modality simply being withheld from the model: no stand-in baseline. They describe the
        model, not causes.

    Raises
    ------
    ConfigError
        ``ATTRIBUTE_TARGET``, ``ATTRIBUTE_METHOD``, ``ATTRIBUTE_BASELINE``: a name that there is not.
    TrainingError
        ``ATTRIBUTION_FINITE`` where a part is not a number.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365. Shapley 1953, doi:10.1515/9781400881970-018.
    """
    asked = _Asked(target, methods, baselines or {}, background, seed, steps)
    classifier = _classifier(model, record)
    with quiet_torch(seed % 2**32, classifier.options.threads):
        return _attributed(model, classifier, record, asked)


def attribute_many(
    model: Any, records: Iterable[Any], *, workers: int = 1, seed: int = 0, **settings: Any
) -> tuple[Attribution, ...]:
    """Explain what a model says about several records, each exactly as `attribute` would alone.

    Parameters
    ----------
    model : CrossValidation or fitted FusionClassifier
    records : iterable of PatientRecord
    workers : int
        Records explained side by side, in threads. Methods that draw from a generator, or look inside layers, which
        others share, are asked one record after the other whatever the number.
    seed : int
    **settings
        ``target``, ``methods``, ``baselines``, ``background``, ``steps``: as of `attribute`.

    Returns
    -------
    tuple of Attribution
        In the order of the records, the same bits for any number of workers.

    Raises
    ------
    ConfigError, TrainingError
        As of `attribute`.
    """
    asked = _Asked(seed=seed, **settings)
    each = [(_classifier(model, record), record) for record in records]
    if not each:
        return ()
    words = {asked.methods} if isinstance(asked.methods, str) else set(asked.methods.values())
    side_by_side = 1 if any(built_method(word).alone for word in words) else workers
    quiet = quiet_torch(seed % 2**32, each[0][0].options.threads)
    with quiet, ThreadPoolExecutor(side_by_side) as pool:
        return tuple(pool.map(lambda one: _attributed(model, one[0], one[1], asked), each))


@final
@dataclass(frozen=True)
class _Asked:
    target: str = ""
    methods: str | Mapping[str, str] = DEFAULT
    baselines: Mapping[str, str] | None = None
    background: Any = ()
    seed: int = 0
    steps: int = 64

    def settings(self, modalities: Mapping[str, Any]) -> Settings:
        return Settings(
            chosen_methods(self.methods, modalities),
            chosen_baselines(self.baselines or {}, modalities),
            self.steps,
            self.seed,
            self.background,
        )


def _classifier(model: Any, record: Any) -> Any:
    return model.classifier_for(record.key) if isinstance(model, Folded) else model


def _attributed(model: Any, classifier: Any, record: Any, asked: _Asked) -> Attribution:
    cohort, names = record.cohort, tuple(classifier.modalities_)
    settings = asked.settings({name: cohort.modality(name) for name in names})
    encoded = classifier.encode(cohort)
    present = dict(zip(names, np.asarray(encoded.present, bool)[0].tolist(), strict=True))
    whole = classifier.decide(encoded)
    chances = classifier.probabilities(whole)[0]
    number = _target(cohort, asked.target, chances)
    game = withhold_each(classifier, encoded, whole, target=number)
    own, points, risks = game.shares, game.points, game.risks
    shares = {name: own.get(name, 0.0) for name in names}
    anything = any(present.values())
    taken = classifier.explainable(cohort, encoded=encoded, target=number) if anything else NOTHING
    inside = look_inside(classifier, taken, cohort, settings) if anything else Inside()
    probability, here = float(chances[number]), frozenset(game.names)
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
        parts=assembled(taken, inside, cohort, shares, present=present, baselines=settings.baselines),
        without={name: risks[here - {name}] for name in game.names},
        described=_described(record),
        checks=checks_of(taken, inside, game, shares, present=present, probability=probability),
        steps=max((answer.steps for answer in inside.answers), default=0),
        seed=asked.seed,
        held_out=isinstance(model, Folded),
        points={name: points.get(name, 0.0) for name in names},
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


def _described(record: Any) -> tuple[tuple[str, object], ...]:
    attributes = record.attributes
    return tuple((str(name), attributes[name]) for name in attributes.keys())  # noqa: SIM118  (a Series iterates values)


def _name(model: Any, classifier: Any) -> str:
    name = getattr(model, "name", "") if isinstance(model, Folded) else ""
    return str(name) or type(classifier).__name__
