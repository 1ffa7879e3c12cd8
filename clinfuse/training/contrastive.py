"""Encoders trained without labels: what belongs to one record lies together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from typing import Any, Literal, cast, final

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from clinfuse.cohort.batch import load_batch
from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.base import Encoder
from clinfuse.encoders.choice import WITH_THE_MODEL, EncoderChoice, build_encoder, default_encoder
from clinfuse.encoders.table import TablePreparation
from clinfuse.errors import ConfigError, StorageError, TrainingError
from clinfuse.training.blocks import feature_preparation
from clinfuse.training.classifiers import check_signature, signature
from clinfuse.training.contrastive_loss import ContrastiveLoss
from clinfuse.training.loop import Epoch, TrainingRows, train
from clinfuse.training.models import choice_from_state, choice_state, prepared_table
from clinfuse.training.networks import Answers, TrainableNetwork, embed
from clinfuse.training.options import TrainingOptions
from clinfuse.training.seeds import derived_seed, quiet_torch
from clinfuse.training.single import network_encoder, training_inputs

Score = Literal["cosine", "fused"]
_HIDDEN = 64
_PREDICTION_BATCH = 64
_TEMPERATURE = 0.07  # where training begins; it is learned
_HOTTEST = math.log(100.0)


class PairNetwork(TrainableNetwork):
    """Encoders of several modalities and how well two of their embeddings go together.

    Parameters
    ----------
    encoders : mapping of str to Encoder
        In the cohort's order.
    features : int
        Width of the common space.
    score : {"cosine", "fused"}
        Cosine over a learned temperature (dual encoder), or a small network that sees both (fusion encoder).
    """

    def __init__(self, encoders: Mapping[str, Encoder], *, features: int, score: Score) -> None:
        super().__init__()
        self.names = tuple(encoders)
        self.encoders = nn.ModuleList(encoders.values())
        self.projections = nn.ModuleList(nn.Linear(encoder.features, features) for encoder in encoders.values())
        self.pairs = tuple(combinations(range(len(self.names)), 2))
        self.temperature = nn.Parameter(torch.tensor(-math.log(_TEMPERATURE)))
        matchers = [_matcher(features) for _ in self.pairs] if score == "fused" else []
        self.matchers = nn.ModuleList(matchers)

    def project(self, position: int, x: Tensor, mask: Tensor) -> Tensor:
        """Give one modality's embeddings in the common space, of length 1, (batch, features)."""
        z = self.projections[position](embed(self.encoders[position], x, mask))
        return nn.functional.normalize(z, dim=1)

    def score(self, pair: int, first: Tensor, second: Tensor) -> Tensor:
        """Give how well embeddings go together, (..., batch), from two of (..., batch, features)."""
        if len(self.matchers):
            both = torch.cat([first, second, first * second], -1)
            return cast("Tensor", self.matchers[pair](both)).select(-1, 0)
        return (first * second).sum(-1) * self.temperature.clamp(max=_HOTTEST).exp()

    def answers(self, inputs: Mapping[str, Tensor], masks: Mapping[str, Tensor], present: Tensor) -> Answers:
        """Give the similarities of every two modalities, (batch, batch), for the records that have both."""
        z = [self._present(k, inputs, masks, present[:, k]) for k in range(len(self.names))]
        found = []
        for pair, (a, b) in enumerate(self.pairs):
            shape = (len(present), len(present), z[a].shape[1])
            scores = self.score(pair, z[a][:, None].expand(shape), z[b][None].expand(shape))
            found.append((scores, present[:, a] & present[:, b]))
        return Answers(tuple(found), present.new_zeros((), dtype=torch.float32))

    def _present(
        self, position: int, inputs: Mapping[str, Tensor], masks: Mapping[str, Tensor], rows: Tensor
    ) -> Tensor:
        name = self.names[position]
        mask = masks.get(name, torch.zeros(0, dtype=torch.bool))
        width = cast("nn.Linear", self.projections[position]).out_features
        z = torch.zeros((len(rows), width), device=rows.device)
        if not bool(rows.any()):
            return z
        return z.masked_scatter(
            rows[:, None], self.project(position, inputs[name][rows], mask[rows] if len(mask) else mask)
        )


def _matcher(features: int) -> nn.Module:
    return nn.Sequential(nn.Linear(3 * features, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1))


@final
class DualEncoder(BaseEstimator):
    """Learn embeddings of several modalities that lie together where they belong to one record; no label is read.

    Parameters
    ----------
    modalities : sequence of str
        Names in the cohort; empty takes all. With more than two, every pair is trained.
    score : {"cosine", "fused"}
        ``"cosine"`` compares two embeddings made apart from each other, so that one can search among thousands;
        ``"fused"`` lets a small network see both, which can only judge a pair it is given.
    encoders : mapping of str to str, EncoderChoice or callable, optional
        Network of a modality by its name; others take their kind's default.
    features : int
        Width of the common space.
    alike : float
        By how much negatives of the same stratum count; 1 for no more than any other.
    options : TrainingOptions
        ``hide``, ``patience`` and ``class_weight`` have no meaning here.
    seed : int

    References
    ----------
    Radford et al. 2021, arXiv 2103.00020. Zhang et al. 2022, Contrastive learning of medical visual representations
    from paired images and text, arXiv 2010.00747.

    Examples
    --------
    >>> DualEncoder(("ct", "labs")).features
    32
    """

    def __init__(
        self,
        modalities: Sequence[str] = (),
        *,
        score: Score = "cosine",
        encoders: Mapping[str, Any] | None = None,
        features: int = 32,
        alike: float = 1.0,
        options: TrainingOptions = TrainingOptions(epochs=40, batch_size=128),
        seed: int = 0,
    ) -> None:
        self.modalities = modalities
        self.score = score
        self.encoders = encoders
        self.features = features
        self.alike = alike
        self.options = options
        self.seed = seed

    def fit(self, cohort: Cohort, y: None = None, *, strata: np.ndarray | None = None) -> DualEncoder:
        """Learn from the records that have at least two of the modalities, labelled or not; gives itself.

        Parameters
        ----------
        cohort : Cohort
            In any order: records are sorted by id.
        y : ignored
        strata : ndarray, (records,), optional
            What makes two patients alike, such as site, age band and sex in one text; see ``alike``.

        Raises
        ------
        ConfigError
            ``CONTRASTIVE_MODALITIES``, ``CONTRASTIVE_SETTING``.
        TrainingError
            ``CONTRASTIVE_RECORDS``: fewer than two patients to tell apart. ``TRAIN_DIVERGED``, ``TRAIN_PRECISION``.
        """
        self._check(cohort)
        order = np.argsort(cohort.record_ids, kind="stable")
        strata = np.zeros(len(cohort), dtype=np.int64) if strata is None else np.asarray(strata)
        self.modalities_ = tuple(n for n in cohort.names if n in self.modalities) if self.modalities else cohort.names
        chosen = cohort.without(*(n for n in cohort.names if n not in self.modalities_))
        order = order[np.asarray(chosen.present)[order].sum(1) >= 2]
        chosen, targets = chosen[order], np.stack([_codes(chosen.groups[order]), _codes(strata[order])], 1)
        if len(np.unique(targets[:, 0])) < 2:
            raise TrainingError(
                "CONTRASTIVE_RECORDS",
                place="contrastive training",
                rule="at least two patients with two of the modalities",
                found="fewer",
                remedy="Name modalities that more records have together.",
            )
        self.signatures_ = {m.name: signature(m) for m in chosen.modalities}
        self.tables_ = {m.name: _table(chosen, m.name) for m in chosen.modalities if m.kind == "ehr"}
        tables = {name: prepared_table(chosen, name, p) for name, p in self.tables_.items()}
        data = TrainingRows(chosen, targets, tables)
        self.choices_ = {
            m.name: (self.encoders or {}).get(m.name) or default_encoder(m.kind) for m in chosen.modalities
        }
        options = replace(self.options, hide=0.0, patience=0, class_weight="none")
        seed = derived_seed(self.seed, "contrastive")
        with quiet_torch(seed, options.threads):
            encoders = {
                name: network_encoder(choice, chosen, name, self._width(tables, name), seed=self.seed)
                for name, choice in self.choices_.items()
            }
            for name, encoder in encoders.items():
                encoder.adapt(training_inputs(data, name))
            network = PairNetwork(encoders, features=self.features, score=self.score)
            self.curve_ = train(network, data, ContrastiveLoss(self.alike), options=options, seed=seed)
        self.network_ = network
        self.limits_: dict[str, float] = {}
        return self

    def judge(self, names: tuple[str, str], limit: float) -> None:
        """Take the disagreement of two modalities above which a record is suspected; it is stored with the encoder."""
        self.limits_["+".join(names)] = float(limit)

    def embed(self, cohort: Cohort) -> dict[str, np.ndarray]:
        """Give every record's embedding by modality, float32 (records, features), of length 1; zeros where absent.

        Raises
        ------
        DataError
            ``MODALITY_CHANGED``: a modality declared otherwise than where the encoder was trained.
        """
        self._check_fitted()
        found = {}
        for position, name in enumerate(self.modalities_):
            check_signature(cohort.modality(name), self.signatures_[name])
            only = cohort.without(*(other for other in cohort.names if other != name))
            rows = np.flatnonzero(only.present[:, 0])
            found[name] = np.zeros((len(cohort), self.features), np.float32)
            tables = {name: prepared_table(only, name, self.tables_[name])} if name in self.tables_ else {}
            with torch.no_grad():
                for start in range(0, len(rows), _PREDICTION_BATCH):
                    chosen = rows[start : start + _PREDICTION_BATCH]
                    batch = load_batch(only, chosen, tables)
                    mask = batch.window_masks.get(name, torch.zeros(0, dtype=torch.bool))
                    found[name][chosen] = self.network_.project(position, batch.inputs[name], mask).numpy()
        return found

    def similarity(self, names: tuple[str, str], first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Give how well embeddings of two modalities go together, float64 (...): higher, more likely one record's.

        Parameters
        ----------
        names : (str, str)
            The modalities, in the cohort's order.
        first, second : ndarray of float32, (..., features)
            From `embed`; broadcast against each other.
        """
        self._check_fitted()
        pair = self.network_.pairs.index(cast("tuple[int, int]", tuple(self.modalities_.index(n) for n in names)))
        one, other = np.broadcast_arrays(first, second)
        with torch.no_grad():
            scores = self.network_.score(pair, torch.from_numpy(one.copy()), torch.from_numpy(other.copy()))
        return scores.double().numpy()

    def weights(self, name: str) -> dict[str, Tensor]:
        """Give the weights of one modality's encoder by name, to begin a diagnosis with."""
        self._check_fitted()
        return dict(self.network_.encoders[self.modalities_.index(name)].state_dict())

    def kept(self, name: str) -> EncoderChoice:
        """Give the choice of one modality's encoder with its weights frozen.

        Raises
        ------
        ConfigError
            ``CONTRASTIVE_FROZEN``: an encoder brought as a function, which no name can stand for.
        """
        choice = self.choices_[name]
        if not isinstance(choice, str | EncoderChoice):
            raise ConfigError(
                "CONTRASTIVE_FROZEN",
                place=f"modality {name}",
                rule="an encoder chosen by name can be kept frozen",
                found="one brought as a function",
                remedy="Register it under a name, or leave frozen out.",
            )
        named = EncoderChoice(choice) if isinstance(choice, str) else choice
        features = cast("Encoder", self.network_.encoders[self.modalities_.index(name)]).features
        return replace(named, features=features, weights=WITH_THE_MODEL, frozen=True)

    def to_state(self) -> dict[str, Any]:
        """Give everything learned, as JSON values and arrays.

        Raises
        ------
        StorageError
            ``STORE_ENCODER``: an encoder brought as a function.
        """
        self._check_fitted()
        if not all(isinstance(choice, str | EncoderChoice) for choice in self.choices_.values()):
            raise StorageError(
                "STORE_ENCODER",
                place="encoder",
                rule="encoders chosen by name can be stored",
                found="one brought as a function",
                remedy="Register it under a name.",
            )
        encoders = zip(self.modalities_, self.network_.encoders, strict=True)
        return {
            "classifier": type(self).__name__,
            "options": asdict(self.options),
            "seed": self.seed,
            "score": self.score,
            "features": self.features,
            "alike": self.alike,
            "modalities": list(self.modalities_),
            "signatures": dict(self.signatures_),
            "limits": dict(self.limits_),
            "choices": {name: choice_state(choice) for name, choice in self.choices_.items()},
            "shapes": {n: [list(cast("Encoder", e).input_shape), cast("Encoder", e).features] for n, e in encoders},
            "weights": {key: value.numpy() for key, value in self.network_.state_dict().items()},
            "tables": {name: preparation.to_state() for name, preparation in self.tables_.items()},
            "curve": [asdict(epoch) for epoch in self.curve_],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> DualEncoder:
        """Give the encoder that `to_state` described."""
        encoder = cls(
            tuple(state["modalities"]),
            score=state["score"],
            features=state["features"],
            alike=state["alike"],
            options=TrainingOptions(**state["options"]),
            seed=state["seed"],
        )
        encoder.modalities_ = tuple(state["modalities"])
        encoder.signatures_, encoder.limits_ = dict(state["signatures"]), dict(state["limits"])
        encoder.choices_ = {name: choice_from_state(choice) for name, choice in state["choices"].items()}
        encoders = {
            name: build_encoder(encoder.choices_[name], tuple(shape), seed=0, features=features)
            for name, (shape, features) in state["shapes"].items()
        }
        network = PairNetwork(encoders, features=encoder.features, score=encoder.score)
        network.load_state_dict({key: torch.from_numpy(value) for key, value in state["weights"].items()})
        network.eval()
        encoder.network_ = network
        encoder.tables_ = {name: TablePreparation.from_state(table) for name, table in state["tables"].items()}
        encoder.curve_ = tuple(Epoch(**epoch) for epoch in state["curve"])
        return encoder

    @staticmethod
    def _width(tables: Mapping[str, np.ndarray], name: str) -> int:
        return tables[name].shape[1] if name in tables else 0

    def _check(self, cohort: Cohort) -> None:
        known = [name for name in self.modalities if name in cohort.names]
        if len(known) < len(self.modalities) or len(known or cohort.names) < 2:
            raise ConfigError(
                "CONTRASTIVE_MODALITIES",
                place="contrastive training",
                rule=f"at least two of {', '.join(cohort.names)}",
                found="another name, or fewer",
                remedy="Correct modalities.",
            )
        if self.score not in ("cosine", "fused") or not self.alike > 0 or self.features < 1:
            raise ConfigError(
                "CONTRASTIVE_SETTING",
                place="contrastive training",
                rule='score "cosine" or "fused", alike above 0, features at least 1',
                found="another value",
                remedy="Correct the setting.",
            )

    def _check_fitted(self) -> None:
        if not hasattr(self, "network_"):
            message = "This DualEncoder is not fitted yet: call fit with a cohort first."
            raise NotFittedError(message)


def _table(cohort: Cohort, name: str) -> TablePreparation:
    present = cohort.present[:, cohort.names.index(name)]
    return feature_preparation(cohort, name, style="network").fit(cohort.arrays(name)[present])


def _codes(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
