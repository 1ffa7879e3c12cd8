"""Encoders of all modalities and what fuses them in one network, trained with one loss."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn

from clinfuse.cohort.batch import load_batch
from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.base import Encoder
from clinfuse.encoders.choice import EncoderChoice, build_encoder, default_encoder
from clinfuse.encoders.table import TablePreparation
from clinfuse.errors import StorageError
from clinfuse.fusion.choice import OperatorChoice, build_operator, resolved
from clinfuse.fusion.operators.base import Operator
from clinfuse.fusion.stand_ins import behind_stand_in
from clinfuse.training.blocks import feature_preparation
from clinfuse.training.classifiers import FusionClassifier, refuse_single
from clinfuse.training.contrastive import DualEncoder
from clinfuse.training.encoded import Encoded
from clinfuse.training.explainable import Anatomy
from clinfuse.training.loop import Epoch, TrainingRows, train
from clinfuse.training.models import choice_from_state, choice_state, prepared_table
from clinfuse.training.networks import JointNetwork, RawTable
from clinfuse.training.objective import training_objective
from clinfuse.training.parts import median_row
from clinfuse.training.seeds import derived_seed, quiet_torch
from clinfuse.training.single import network_encoder, training_correction, training_inputs
from clinfuse.training.taxonomy import FusionInput, fusion_class

RAW = "as it is"
_PREDICTION_BATCH = 64
_TOKEN_BATCH = 128


class TrainedTogether(FusionClassifier):
    """What joint and hybrid fusion share: one network, trained with one loss."""

    combine: str | OperatorChoice
    kind: str
    encoders: Mapping[str, Any] | None
    fill: str
    single_heads: bool
    pretraining: DualEncoder | None
    frozen: bool

    def fit(self, cohort: Cohort, y: np.ndarray | None = None) -> FusionClassifier:
        """Learn from a cohort, its records without a label too where encoders are pretrained; gives itself."""
        if self.pretraining is not None:
            seed = derived_seed(self.seed, "pretraining") % 2**32
            self.pretrained_ = clone(self.pretraining).set_params(encoders=self.encoders, seed=seed).fit(cohort)
        return super().fit(cohort, y)

    def _begun(self) -> tuple[str, ...]:
        """Modalities whose encoders begin with what they learned without labels."""
        return () if self.pretraining is None else tuple(n for n in self.pretrained_.modalities_ if self._own(n))

    def _own(self, name: str) -> bool:
        return not (self.kind == "II" and name in self.pretrained_.tables_)

    def _fit(self, cohort: Cohort, labels: np.ndarray) -> None:
        refuse_single(cohort, 2)
        rows = np.flatnonzero(cohort.present.any(1))
        cohort, labels = cohort[rows], labels[rows]
        self.tables_ = {m.name: self._table(cohort, m.name) for m in cohort.modalities if m.kind == "ehr"}
        tables = {name: prepared_table(cohort, name, p) for name, p in self.tables_.items()}
        data = TrainingRows(cohort, labels, tables)
        self.choices_ = {m.name: self._choice(m.kind, m.name) for m in cohort.modalities}
        self.operator_ = resolved(self.combine, tuple(m.kind for m in cohort.modalities))
        seed = derived_seed(self.seed, type(self).__name__, self.combine)
        options = self.options
        with quiet_torch(seed, options.threads):
            network = self._network(cohort, tables)
            self._adapt(network, data)
            for name in self._begun():
                network.encoders[network.names.index(name)].load_state_dict(self.pretrained_.weights(name))
            objective = training_objective(options, self.prior_, multilabel=self.multilabel_)
            self.curve_ = train(network, data, objective, options=options, seed=seed)
        self.correction_ = training_correction(labels, self.prior_, options, multilabel=self.multilabel_)
        if not self.single_heads:
            network.heads = nn.ModuleList()  # heads that only training had a use for
        self._keep(network)

    def _joint_class(self) -> str:
        """What the fused head is given; before `fit` what it would be given of an image and a table."""
        image = next(iter((self.encoders or {}).values()), "")
        choices = (
            self.choices_
            if hasattr(self, "choices_")
            else {"image": image, "table": RAW if self.kind == "II" else default_encoder("ehr")}
        )
        frozen = {name: isinstance(choice, EncoderChoice) and choice.frozen for name, choice in choices.items()}
        return fusion_class(
            [
                FusionInput("original") if choice == RAW else FusionInput("extracted", True, frozen[name])
                for name, choice in choices.items()
            ]
        )

    def _table(self, cohort: Cohort, name: str) -> TablePreparation:
        if name in self._begun():
            return self.pretrained_.tables_[name]
        present = cohort.present[:, cohort.names.index(name)]
        return feature_preparation(cohort, name, style="network").fit(cohort.arrays(name)[present])

    def _choice(self, kind: str, name: str) -> Any:
        if kind == "ehr" and self.kind == "II":
            return RAW
        if self.frozen and name in self._begun():
            return self.pretrained_.kept(name)
        return (self.encoders or {}).get(name) or default_encoder(kind)

    def _network(self, cohort: Cohort, tables: Mapping[str, np.ndarray]) -> JointNetwork:
        encoders: dict[str, Encoder] = {}
        for name in cohort.names:
            width = tables[name].shape[1] if name in tables else 0
            choice = self.choices_[name]
            encoders[name] = (
                RawTable(width) if choice == RAW else network_encoder(choice, cohort, name, width, seed=self.seed)
            )
        widths = tuple(encoder.features for encoder in encoders.values())
        operator = self._operator(widths, seed=derived_seed(self.seed, "operator"))
        dropout, auxiliary = self.options.dropout, 1.0 if self.single_heads else self.options.auxiliary
        return JointNetwork(
            encoders, operator, len(self.prior_), dropout=dropout, single_heads=auxiliary > 0, single_weight=auxiliary
        )

    def _operator(self, widths: tuple[int, ...], *, seed: int) -> Operator:
        operator = build_operator(self.operator_, widths, seed=seed)
        return behind_stand_in(self.fill, operator, seed=derived_seed(seed, "fill"))

    def _adapt(self, network: JointNetwork, data: TrainingRows) -> None:
        self.baselines_ = {}
        for name, encoder in zip(network.names, network.encoders, strict=True):
            seen = training_inputs(data, name)
            cast("Encoder", encoder).adapt(seen)
            windowed = data.cohort.modality(name).windowed
            self.baselines_[name] = np.zeros(seen.shape[1:], np.float32) if windowed else seen.mean(0).numpy()

    def _keep(self, network: JointNetwork) -> None:
        self.network_ = network
        # Decisions are made in float64, so that contributions of modalities add up; those on tokens, which cost more,
        # only where they are explained.
        self.decider_ = copy.deepcopy(network).double()

    def _inputs(self, cohort: Cohort, rows: np.ndarray) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        tables = {name: prepared_table(cohort, name, p) for name, p in self.tables_.items() if name in cohort.names}
        batch = load_batch(cohort, rows, tables)
        return dict(batch.inputs), dict(batch.window_masks)

    def _encode(self, cohort: Cohort, names: list[str]) -> dict[str, np.ndarray]:
        cohort = cohort.without(*(name for name in cohort.names if name not in names))
        result = {}
        for name in names:
            only = cohort.without(*(other for other in names if other != name))
            rows = np.flatnonzero(only.present[:, 0])
            values = self.network_.nothing(name, len(cohort)).double().numpy()
            with torch.no_grad():
                for start in range(0, len(rows), _PREDICTION_BATCH):
                    chosen = rows[start : start + _PREDICTION_BATCH]
                    inputs, masks = self._inputs(only, chosen)
                    mask = masks.get(name, torch.zeros(0, dtype=torch.bool))
                    encoded = self.network_.embed(name, inputs[name], mask).double().numpy()
                    if start == 0:
                        values = np.zeros((len(cohort), *encoded.shape[1:]))
                    values[chosen] = encoded
            result[name] = values
        return result

    def _nothing(self, records: int) -> np.ndarray:
        return np.zeros((records, 0))

    def _decide(self, values: dict[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        z = []
        for name in self.network_.names:
            value = torch.from_numpy(values[name])
            z.append(value if value.shape[1] else self.network_.nothing(name, len(value)).double())
        with torch.no_grad():
            return self.decider_.decision(z, torch.from_numpy(present)).numpy() + self.correction_

    def _prepared(self, values: Mapping[str, np.ndarray], present: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = np.flatnonzero(present.any(1))
        if self.network_.operator.needs != "tokens" or not len(rows):
            return ()
        result: tuple[np.ndarray, ...] = ()
        for chosen in _batches(rows):
            kept = self._masked(values, present, chosen)
            z = [torch.from_numpy(kept[name]).float() for name in self.network_.names]
            with torch.no_grad():
                parts = [part.numpy() for part in self.network_.prepared(z, torch.from_numpy(present[chosen]))]
            result = result or tuple(np.zeros((len(present), *part.shape[1:]), part.dtype) for part in parts)
            for whole, part in zip(result, parts, strict=True):
                whole[chosen] = part
        return result

    def _decided(self, encoded: Encoded, mask: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if self.network_.operator.needs != "tokens":
            return super()._decided(encoded, mask, rows)
        prepared = encoded.prepared or self._prepared(encoded.values, encoded.present)
        logits = np.zeros((len(mask), len(self.prior_)))
        # Side by side lie records that have the same: what none of a batch has costs nothing.
        for chosen in _batches(rows[np.lexsort(mask[rows].T)]):
            parts = tuple(torch.from_numpy(part[chosen]) for part in prepared)
            with torch.no_grad():
                logits[chosen] = self.network_.concluded(parts, torch.from_numpy(mask[chosen])).double().numpy()
        return logits[rows] + self.correction_

    def _anatomy(self, cohort: Cohort, encoded: Encoded, present: list[str]) -> Anatomy:
        inputs, masks = self._inputs(cohort, np.array([0]))
        mask, correction = torch.from_numpy(encoded.present), torch.from_numpy(self.correction_)
        network = self.network_
        own = {name: torch.from_numpy(encoded.values[name]) for name in present}

        def logits(given: Mapping[str, Tensor]) -> Tensor:
            size = len(next(iter(given.values())))
            z = []
            for name in network.names:
                if name not in given:
                    fixed = own.get(name, network.nothing(name, 1).double())
                    z.append(fixed.expand(size, *fixed.shape[1:]))
                    continue
                windows = masks[name].expand(size, -1) if name in masks else torch.zeros(0, dtype=torch.bool)
                z.append(network.embed(name, given[name].float(), windows).double())
            return self.decider_.decision(z, mask.expand(size, -1)) + correction

        tables = {name: p for name, p in self.tables_.items() if name in present}
        encoders = dict(zip(network.names, network.encoders, strict=True))
        baselines = {}
        for name in present:
            baselines[name] = np.zeros(tuple(inputs[name].shape), np.float32)
            if name not in masks:
                baselines[name][:] = self.baselines_[name]
        return Anatomy(
            logits,
            {name: inputs[name].numpy() for name in present},
            baselines,
            {name: median_row(p) for name, p in tables.items()},
            {name: tuple(p.names_) for name, p in tables.items()},
            encoders={name: (encoders[name],) for name in present},
        )

    @property
    def loss_curves_(self) -> dict[str, tuple[Epoch, ...]]:
        """The loss curve of the one network."""
        return {"all modalities": self.curve_}

    @property
    def stored_(self) -> bool:
        """Whether everything learned has a safe form on disk."""
        return all(isinstance(choice, str | EncoderChoice) for choice in self.choices_.values())

    def _learned(self) -> dict[str, Any]:
        if not self.stored_:
            raise StorageError(
                "STORE_ENCODER",
                place="encoder",
                rule="encoders chosen by name can be stored",
                found="one brought as a function",
                remedy="Register it under a name; until then it is refitted where it is needed.",
            )
        encoders = zip(self.network_.names, self.network_.encoders, strict=True)
        return {
            "combine": self.combine if isinstance(self.combine, str) else asdict(self.combine),
            "operator": asdict(self.operator_),
            "kind": self.kind,
            "fill": self.fill,
            "dropout": self.options.dropout,
            "choices": {name: choice_state(choice) for name, choice in self.choices_.items()},
            "shapes": {n: [list(cast("Encoder", e).input_shape), cast("Encoder", e).features] for n, e in encoders},
            "weights": {key: value.numpy() for key, value in self.network_.state_dict().items()},
            "tables": {name: preparation.to_state() for name, preparation in self.tables_.items()},
            "baselines": self.baselines_,
            "correction": self.correction_,
            "curve": [asdict(epoch) for epoch in self.curve_],
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.operator_ = OperatorChoice(**state["operator"])
        asked = state["combine"]
        self.combine = asked if isinstance(asked, str) else OperatorChoice(**asked)
        self.kind, self.fill = state["kind"], state.get("fill", "skip")
        self.choices_ = {name: choice_from_state(choice) for name, choice in state["choices"].items()}
        encoders: dict[str, Encoder] = {
            name: RawTable(features)
            if self.choices_[name] == RAW
            else build_encoder(self.choices_[name], tuple(shape), seed=0, features=features)
            for name, (shape, features) in state["shapes"].items()
        }
        widths = tuple(encoder.features for encoder in encoders.values())
        operator = self._operator(widths, seed=0)
        network = JointNetwork(
            encoders, operator, len(self.prior_), dropout=state["dropout"], single_heads=self.single_heads
        )
        network.load_state_dict({key: torch.from_numpy(value) for key, value in state["weights"].items()})
        network.eval()
        self.tables_ = {name: TablePreparation.from_state(table) for name, table in state["tables"].items()}
        self.baselines_ = dict(state["baselines"])
        self.correction_ = state["correction"]
        self.curve_ = tuple(Epoch(**epoch) for epoch in state["curve"])
        self._keep(network)


def _batches(rows: np.ndarray) -> list[np.ndarray]:
    """Rows by few at a time: every token may look at every other, and all at once would not fit into memory."""
    return [rows[start : start + _TOKEN_BATCH] for start in range(0, len(rows), _TOKEN_BATCH)]
