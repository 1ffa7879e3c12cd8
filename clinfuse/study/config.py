"""study.toml: one question, one file; every key checked, none ignored."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, final

from pydantic import BeforeValidator, Field, ValidationError

from clinfuse.cohort.strict import Strict, nearest, read_toml
from clinfuse.errors import ConfigError
from clinfuse.study.report_section import ReportSection
from clinfuse.study.rules import (
    BEST_FUSION,
    BEST_SINGLE,
    OPTIONS_OF,
    check_modalities,
    check_name,
    check_study,
    check_table_beside,
    refuse_name,
)
from clinfuse.study.search_section import SearchSection
from clinfuse.study.validation_section import ValidationSection

Reported = Literal["observed", "subsets", "rates"]
Share = Annotated[float, Field(gt=0, lt=1)]


@final
class QuestionSection(Strict):
    """What is asked, fixed before training."""

    primary: Annotated[tuple[str, str], Field(strict=False)] = ("late", BEST_SINGLE)
    metric: Literal["auroc"] = "auroc"


@final
class ModelSection(Strict):
    """One model: how it fuses, and with what."""

    fusion: Literal["single", "early", "joint", "late", "hybrid"]
    modality: str = ""
    kind: Literal["", "I", "II"] = ""
    learner: str = ""
    combine: str = ""
    learners: dict[str, str] = Field(default_factory=dict)
    fill: str = ""
    cells: str = ""
    single_heads: bool = False
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    features: Annotated[int, Field(ge=1)] | None = None
    normalise: bool = False
    options: dict[str, Any] = Field(default_factory=dict)
    calibration: Literal["none", "temperature", "platt", "isotonic"] = "none"
    calibration_by: Literal["all", "pattern"] = "all"

    def operator(self) -> Any:
        """Give what joint fusion takes: the name where nothing else is written, else an `OperatorChoice`."""
        from clinfuse.fusion.choice import OperatorChoice

        name = self.combine or "concat"
        written = {key: getattr(self, key) for key in ("features", "normalise", "options") if getattr(self, key)}
        return OperatorChoice(name, **written) if written else name


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


@final
class NetworkSection(Strict):
    """The network of a modality: its name alone, or a table with what differs from its defaults."""

    name: str
    features: Annotated[int, Field(ge=1)] | None = None
    weights: str = ""
    frozen: bool = False
    options: dict[str, Any] = Field(default_factory=dict)

    def encoder(self) -> Any:
        """Give what a classifier takes: the name where nothing else is written, else an `EncoderChoice`."""
        from clinfuse.encoders.choice import EncoderChoice

        written = {
            key: getattr(self, key) for key in ("features", "weights", "frozen", "options") if getattr(self, key)
        }
        return EncoderChoice(self.name, **written) if written else self.name


@final
class TrainingSection(Strict):
    """How every network is trained; what is not written keeps the default of `TrainingOptions`."""

    epochs: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    schedule: Literal["cosine", "constant"] | None = None
    warm_up: Annotated[float, Field(ge=0, lt=1)] | None = None
    clip: Annotated[float, Field(gt=0)] | None = None
    patience: Annotated[int, Field(ge=0)] | None = None
    validation: Share | None = None
    class_weights: Literal["none", "balanced", "sampled"] | None = None
    loss: Literal["cross-entropy", "focal"] | None = None
    focusing: Annotated[float, Field(ge=0)] | None = None
    auxiliary: Annotated[float, Field(ge=0)] | None = None
    augment: bool | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    copies: Annotated[int, Field(ge=0)] | None = None
    device: str | None = None
    precision: Literal["float32", "bfloat16", "auto"] | None = None
    threads: Annotated[int, Field(ge=1)] | None = None


@final
class MissingSection(Strict):
    """What happens, and what is reported, when a modality is absent, and how many files may be refused."""

    hide: Annotated[float, Field(ge=0, lt=1)] | None = None
    max_refused: Annotated[float, Field(ge=0, le=1)] = 0.05
    report: Annotated[tuple[Reported, ...], Field(strict=False)] = ("observed", "subsets")


@final
class Study(Strict):
    """One question to one cohort: everything that fixes the outcome of a run.

    Parameters
    ----------
    cohort : str
        ``cohort.toml`` or its folder, relative to the study file.
    results : str
        Folder of the run, relative to the study file; the same command again goes on where it was.
    seed : int
    modalities : tuple of str
        Names of the modalities to use; empty takes all of the cohort.
    question, validation, search, networks, models, training, missing, report
        The sections of the study file. ``networks`` names an encoder for a modality; ``models`` holds the fusions:
        every single modality is always trained beside them.

    Examples
    --------
    >>> study = parse_study({"cohort": "c", "results": "r", "models": {"late": {"fusion": "late"}}})
    >>> study.question.primary
    ('late', 'best single')
    """

    cohort: str
    results: str
    seed: Annotated[int, Field(ge=0)] = 0
    modalities: Annotated[tuple[str, ...], Field(strict=False)] = ()
    question: QuestionSection = QuestionSection()
    validation: ValidationSection = ValidationSection()
    search: SearchSection = SearchSection()
    networks: dict[str, Annotated[NetworkSection, BeforeValidator(_named)]] = Field(default_factory=dict)
    models: Annotated[dict[str, ModelSection], Field(min_length=1)]
    training: TrainingSection = TrainingSection()
    missing: MissingSection = MissingSection()
    report: ReportSection = ReportSection()

    @property
    def primary(self) -> str:
        """Name of the model that the question is about; ``"best fusion"`` where it is chosen in every fold."""
        return self.question.primary[0]

    @property
    def leading(self) -> str:
        """Name of a model of the study that stands for all: the declared one, or the first fusion."""
        fusions = [name for name, section in self.models.items() if section.fusion != "single"]
        return fusions[0] if self.primary == BEST_FUSION else self.primary

    @property
    def chooses(self) -> bool:
        """Whether the question has models chosen in inner folds."""
        return self.primary == BEST_FUSION or not self.rival

    @property
    def rival(self) -> str:
        """Name of the single modality it has to beat; empty where the best one is meant."""
        return "" if self.question.primary[1] == BEST_SINGLE else self.question.primary[1]

    def options(self) -> Any:
        """The `TrainingOptions` that the sections training and missing ask for."""
        from clinfuse.training.options import TrainingOptions

        asked = self.training.model_dump(exclude_none=True)
        if "class_weights" in asked:
            asked["class_weight"] = asked.pop("class_weights")
        if self.missing.hide is not None:
            asked["hide"] = self.missing.hide
        return TrainingOptions(**asked)

    def build_models(self, modalities: Sequence[str] = ()) -> dict[str, Any]:
        """Unfitted classifiers by name: each modality alone, then the entries of the section models.

        Parameters
        ----------
        modalities : sequence of str
            Names of the cohort's modalities, whose single models are named like them.

        Returns
        -------
        dict of str to FusionClassifier

        Raises
        ------
        ConfigError
            ``TRAINING_OPTION``, and what a classifier refuses of its arguments.
        """
        singles = {name: self.single_section(name) for name in modalities}
        return {name: _build(name, section, self) for name, section in {**singles, **self.models}.items()}

    def single_section(self, name: str) -> ModelSection:
        """The single model of a modality that the file has none for: calibrated as the declared model is."""
        declared = self.models[self.leading]
        return ModelSection(
            fusion="single",
            modality=name,
            calibration=declared.calibration,
            calibration_by=declared.calibration_by,
        )

    def check_against(self, kinds: Mapping[str, str]) -> None:
        """Refuse names that the cohort or this version does not have.

        Parameters
        ----------
        kinds : mapping of str to str
            Kind of each of the cohort's modalities, by name.

        Raises
        ------
        ConfigError
            ``CONFIG_NAME``: a network, model or rival for a modality the study does not use, an unknown network, or
            a model that is called like a modality. ``CONFIG_CONFLICT``: a type of fusion these modalities do not allow.
            ``ENCODER_FROZEN``, ``ENCODER_NORM``: what needs weights without any.
        """
        from clinfuse.encoders.choice import encoder_names

        for name in self.modalities:
            check_name(name, list(kinds), "modalities", "modalities of the cohort")
        used = {name: kind for name, kind in kinds.items() if name in (self.modalities or kinds)}
        known = list(used)
        for name in self.networks:
            check_name(name, known, "networks", "a modality of the study")
        for name, network in self.networks.items():
            check_name(network.name, list(encoder_names(used[name])), f"networks.{name}", f"a network for {used[name]}")
            network.encoder()
        for name in self.search.models:
            check_name(name, [*self.models, *known], "search.models", "a model, or a modality of the study")
        for name, section in self.models.items():
            check_modalities(name, section, known)
            if name in kinds and section.modality != name:
                refuse_name(f"models.{name}", "a name that no modality has", "the name of a modality", "Rename it.")
        if self.rival:
            check_name(self.rival, [BEST_SINGLE, *known], "question.primary", "best single or a modality")
        check_table_beside(self, used)


def load_study(file: Path) -> Study:
    """Read and check a study file.

    Parameters
    ----------
    file : Path
        A study.toml; the paths in it are relative to its folder.

    Returns
    -------
    Study
        With ``cohort`` and ``results`` as absolute paths.

    Raises
    ------
    ConfigError
        ``CONFIG_ABSENT``, ``CONFIG_SYNTAX``, ``CONFIG_KEY``, ``CONFIG_MISSING``, ``CONFIG_VALUE``,
        ``CONFIG_NAME``, ``CONFIG_CONFLICT``.
    """
    values = read_toml(file)
    study = parse_study(values)
    # Not resolve(): a link out of the study's folder is meant as it is written.
    root = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120
    paths = {name: os.path.normpath(os.path.join(root, getattr(study, name))) for name in ("cohort", "results")}  # noqa: PTH118
    networks = {
        name: network.model_copy(update={"weights": os.path.normpath(os.path.join(root, network.weights))})  # noqa: PTH118
        if network.weights
        else network
        for name, network in study.networks.items()
    }
    return study.model_copy(update={**paths, "networks": networks})


def parse_study(values: Mapping[str, Any]) -> Study:
    """Check the contents of a study file.

    Parameters
    ----------
    values : mapping
        What ``tomllib`` read.

    Returns
    -------
    Study

    Raises
    ------
    ConfigError
        As `load_study`, but for ``CONFIG_ABSENT`` and ``CONFIG_SYNTAX``.
    """
    try:
        study = Study.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    else:
        check_study(study)
        return study
    raise _translated(str(first["type"]), str(first["msg"]), [str(part) for part in first["loc"]]) from None


def _translated(kind: str, message: str, loc: list[str]) -> ConfigError:
    place = ".".join(["study", *loc])
    if kind == "extra_forbidden":
        known = _known_keys(loc)
        near = nearest(loc[-1], known)
        remedy = f"Did you mean '{near}'?" if near else f"Known here: {', '.join(known)}."
        return ConfigError("CONFIG_KEY", place=place, rule="a known key", found="an unknown one", remedy=remedy)
    if kind == "missing":
        return ConfigError("CONFIG_MISSING", place=place, rule="this key", found="nothing", remedy="Add the line.")
    rule = message.removeprefix("Input should be ").removeprefix("Value error, ")
    return ConfigError("CONFIG_VALUE", place=place, rule=rule, found="something else", remedy="Correct the value.")


def _known_keys(loc: list[str]) -> list[str]:
    """Keys that are known where an unknown one was written."""
    if len(loc) == 1:
        return list(Study.model_fields)
    if loc[0] in ("models", "networks"):
        return list((ModelSection if loc[0] == "models" else NetworkSection).model_fields)
    section = Study.model_fields[loc[0]].annotation
    return list(getattr(section, "model_fields", {}))


def _build(name: str, section: ModelSection, study: Study) -> Any:
    from clinfuse.training.calibrated import Calibrated

    # Settings are searched for inside every inner fold too: what a fold is calibrated by had no part in its choice.
    inner = study.validation.inner_folds
    model = study.search.tuned(name, _fusion(section, study), inner_folds=inner, seed=study.seed)
    if section.calibration == "none" and not study.report.asks_inside:
        return model
    how: dict[str, Any] = {"method": section.calibration, "by": section.calibration_by}
    return Calibrated(model, **how, inner_folds=inner)


def _fusion(section: ModelSection, study: Study) -> Any:
    from clinfuse.training.early import EarlyFusion
    from clinfuse.training.joint import HybridFusion, JointFusion
    from clinfuse.training.late import LateFusion
    from clinfuse.training.unimodal import Unimodal

    written = {key: getattr(section, key) for key in OPTIONS_OF[section.fusion] if getattr(section, key)}
    common: dict[str, Any] = {"options": study.options(), "seed": study.seed}
    if section.fusion == "single":
        network = study.networks.get(section.modality)
        encoder = None if network is None else network.encoder()
        return Unimodal(written.pop("modality"), **written, encoder=encoder, **common)
    if section.fusion in ("joint", "hybrid"):
        written = {key: value for key, value in written.items() if key == "kind"} | {"combine": section.operator()}
    if section.fusion == "late":
        written["inner_folds"] = study.validation.inner_folds
    kinds = {"early": EarlyFusion, "joint": JointFusion, "late": LateFusion, "hybrid": HybridFusion}
    encoders = {name: network.encoder() for name, network in study.networks.items()}
    return kinds[section.fusion](**written, encoders=encoders or None, **common)
