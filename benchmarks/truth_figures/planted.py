"""Attribution against what was planted, on held-out records of the demonstration's declared fusion.

- ct_share_over_area: share of the absolute values of the map inside the planted lesion over the share of the volume
  inside it, mean over held-out records with the finding and a CT. ct_over_untrained and ct_over_edge_map: that over the
  same of networks whose weights were drawn anew, and of the edges of the scan. ct_lesion_over_distractor: that over the
  same of a lesion of the same size that says nothing.
- eeg_planted_channels_first: share of the first four channels that are planted ones, channels ranked by the mean over
  held-out records of the absolute sum of the map; the smallest of the seeds. ehr_true_columns_first: the same of the
  first three columns, beside one that is correlated 0.8 with a true one.
- complete_share: share of maps whose sum is within 5 % of the change they explain, or of half a logit where that is
  more. shares_max_error: largest distance of prior plus shares from the logit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.ndimage import sobel

import clinfuse as cf
from clinfuse.explain.quality.subject import gradients
from clinfuse.explain.quality.units import units
from clinfuse.explain.quality.weights import redrawn
from clinfuse.synthetic.truth import read_truth

SEEDS, RECORDS, FOLDS, EPOCHS, BLOCKS = (0, 1), 360, 3, 15, 216
OCCLUDED = 8  # records of each fold with the finding that parts are hidden from one by one, which costs most
IMAGES = ("ct", "xray")
METHODS = ("integrated gradients", "occlusion", "untrained network", "edges", "intensity")


def tasks(*, quick: bool) -> list[tuple[int, int, int]]:
    """Seed, records and epochs of every cohort."""
    return [(SEEDS[0], 60, 2)] if quick else [(seed, RECORDS, EPOCHS) for seed in SEEDS]


def one(task: tuple[int, int, int]) -> dict[str, Any]:
    """Train on a cohort with decoys, explain its held-out records, and compare with what was planted."""
    seed, records, epochs = task
    with TemporaryDirectory() as place:
        folder = Path(place) / "cohort"
        cohort = cf.make_cohort("demo", records=records, seed=seed, out=folder, distractor=True, proxy=0.8)
        model = cf.EarlyFusion(
            kind="II",
            learner="logistic",
            encoders={"ct": "small-conv", "xray": "small-conv", "eeg": "log-power"},
            options=cf.TrainingOptions(epochs=epochs),
            seed=seed,
        )
        return World(cohort, read_truth(folder), cf.cross_validate(model, cohort, folds=FOLDS, seed=seed)).found()


class World:
    """A cohort with its truth and a cross-validated model, and what is counted of every record."""

    def __init__(self, cohort: Any, truth: Any, fitted: Any) -> None:
        self.cohort, self.truth, self.fitted = cohort, truth, fitted
        self.untrained: dict[int, Any] = {}
        self.places: list[dict[str, Any]] = []
        self.channels: dict[str, list[list[float]]] = {}
        self.columns: list[list[float]] = []
        self.complete: list[bool] = []
        self.errors: list[float] = []
        self.occluded: dict[int, int] = {}

    def found(self) -> dict[str, Any]:
        """Look at every record and give what is counted, as JSON values."""
        for row in range(len(self.cohort)):
            self.look(row)
        labs = self.cohort.modality("labs")
        return {
            "places": self.places,
            "channels": {method: np.mean(values, axis=0).tolist() for method, values in self.channels.items()},
            "channel_names": list(self.cohort.modality("eeg").channels),
            "planted": list(self.truth.planted(str(self.cohort.record_ids[0]), "eeg").channels),
            "columns": np.abs(self.columns).mean(axis=0).tolist(),
            "column_names": [column.name for column in labs.columns],
            "true": list(self.truth.planted(str(self.cohort.record_ids[0]), "labs").columns),
            "complete": self.complete,
            "errors": self.errors,
        }

    def look(self, row: int) -> None:
        """Explain a record, and hold the maps against the truth."""
        record = self.cohort[row]
        said = cf.attribute(self.fitted, record)
        self.errors.append(abs(said.logit - said.prior_logit - sum(said.shares.values())))
        summed = [part for part in said.parts if part.method == "integrated gradients"]
        if summed:
            total, gap = sum(float(part.map.sum(dtype=np.float64)) for part in summed), summed[0].delta
            self.complete.append(abs(gap) <= 0.05 * max(abs(total - gap), 0.5))
        if said.present["labs"]:
            self.columns.append([value.contribution for value in said["labs"].features])
        for method, maps in self.maps(row, said):
            if "eeg" in maps:
                self.channels.setdefault(method, []).append(np.abs(maps["eeg"].sum(axis=(0, 2))).tolist())
            if self.cohort.labels[row] == 1:
                self.places += [self.place(row, method, name, maps[name]) for name in IMAGES if name in maps]

    def maps(self, row: int, said: Any) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """Maps of every method, by modality."""
        yield METHODS[0], {part.name: part.map for part in said.parts if part.has_map}
        images = [part for part in said.parts if part.name in IMAGES and part.data.size]
        if self.cohort.labels[row] == 1:
            yield "edges", {part.name: _edges(part.data) for part in images}
            yield "intensity", {part.name: part.data - part.data.min() for part in images}
        if self.cohort.labels[row] != 1:
            return
        classifier = self.fitted.classifier_for(self.cohort.keys[row])
        alone = self.cohort[row].cohort
        other = self.untrained.setdefault(id(classifier), redrawn(classifier))
        yield "untrained network", gradients(other.explainable(alone))
        count = self.occluded.get(id(classifier), 0)
        if count < OCCLUDED:
            self.occluded[id(classifier)] = count + 1
            yield "occlusion", self.occlusion(classifier.explainable(alone))

    def occlusion(self, explainable: Any) -> dict[str, np.ndarray]:
        """What the logit loses when a block, or a channel, is replaced by its baseline."""
        maps = {}
        whole = [explainable.inputs[name] for name in explainable.order]
        for position, name in enumerate(explainable.order):
            shape = whole[position].shape[1:]
            parts = units(self.cohort.modality(name), shape, most=BLOCKS)
            if name == "eeg":
                parts = np.broadcast_to(np.arange(shape[1])[None, :, None], shape)
            before = _answers(explainable, whole)[0]
            count = int(parts.max()) + 1
            lost = np.zeros(count)
            for start in range(0, count, 32):
                chosen = np.arange(start, min(start + 32, count))
                hidden = np.where(
                    parts[None] == chosen.reshape(-1, *[1] * len(shape)), explainable.baselines[name], whole[position]
                )
                given = [np.repeat(each, len(chosen), axis=0) for each in whole]
                given[position] = hidden.astype(np.float32)
                lost[chosen] = before - _answers(explainable, given)
            maps[name] = lost[parts] / np.bincount(parts.ravel())[parts]
        return maps

    def place(self, row: int, method: str, name: str, found: np.ndarray) -> dict[str, Any]:
        """How much of a map lies where the lesion is, and where the one lies that says nothing."""
        modality, record = self.cohort.modality(name), str(self.cohort.record_ids[row])
        weight = np.abs(np.asarray(found, np.float64))
        lesion = self.truth.planted_mask(record, modality)
        decoy = self.truth.distractor_mask(record, modality) if name == "ct" else np.zeros_like(lesion)
        total = max(float(weight.sum()), 1e-300)
        return {
            "method": method,
            "modality": name,
            "density": float(weight[lesion].sum() / total / lesion.mean()),
            "decoy": float(weight[decoy].sum() / total / decoy.mean()) if decoy.any() else 0.0,
            "hit": bool(lesion.flat[weight.argmax()]),
            "chance": float(lesion.mean()),
        }


def _answers(explainable: Any, inputs: Sequence[np.ndarray]) -> np.ndarray:
    import torch

    with torch.no_grad():
        return np.asarray(explainable.function(tuple(torch.from_numpy(np.asarray(x)) for x in inputs)), np.float64)


def _edges(image: np.ndarray) -> np.ndarray:
    return np.asarray(
        np.sqrt(sum(sobel(np.asarray(image[0], np.float64), axis) ** 2 for axis in range(image.ndim - 1)))
    )[None]


def first(names: Sequence[str], values: Sequence[float], true: Sequence[str]) -> float:
    """Share of the first places that the true ones hold."""
    order = np.argsort(-np.asarray(values), kind="stable")[: len(true)]
    return float(np.mean([names[place] in true for place in order]))


def _mean(found: Sequence[Mapping[str, Any]], method: str, modality: str, what: str) -> float:
    each = [p[what] for one in found for p in one["places"] if (p["method"], p["modality"]) == (method, modality)]
    return float(np.mean(each)) if each else float("nan")


def figures(asked: Sequence[Any], found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The figures by name."""
    del asked
    ours = _mean(found, METHODS[0], "ct", "density")
    return {
        "ct_share_over_area": ours,
        "ct_over_untrained": ours / _mean(found, "untrained network", "ct", "density"),
        "ct_over_edge_map": ours / _mean(found, "edges", "ct", "density"),
        "ct_lesion_over_distractor": ours / _mean(found, METHODS[0], "ct", "decoy"),
        "eeg_planted_channels_first": min(
            first(o["channel_names"], o["channels"][METHODS[0]], o["planted"]) for o in found
        ),
        "ehr_true_columns_first": min(first(o["column_names"], o["columns"], o["true"]) for o in found),
        "complete_share": float(np.mean([holds for o in found for holds in o["complete"]])),
        "shares_max_error": max(error for o in found for error in o["errors"]),
    }


def rows(asked: Sequence[Any], found: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The table: methods and what they are held against, by modality."""
    del asked
    table = [["method", "CT: lesion", "second lesion", "pointing", "X-ray: opacity", "pointing", "EEG: first four"]]
    table.append(["---"] * len(table[0]))
    for method in METHODS:
        numbers = [_mean(found, method, *of) for of in (("ct", "density"), ("ct", "decoy"), ("ct", "hit"))]
        numbers += [_mean(found, method, *of) for of in (("xray", "density"), ("xray", "hit"))]
        ranked = [
            first(o["channel_names"], o["channels"][method], o["planted"]) for o in found if method in o["channels"]
        ]
        texts = [f"{number:.1f}" if k not in (2, 4) else f"{number:.2f}" for k, number in enumerate(numbers)]
        table.append([method, *texts, f"{4 * np.mean(ranked):.1f}" if ranked else ""])
    hits = [f"{_mean(found, METHODS[0], name, 'chance'):.3f}" for name in IMAGES]
    table.append(["chance", "1", "1", hits[0], "1", hits[1], "0.8"])
    table += [[]]
    for one in found:
        order = np.argsort(-np.asarray(one["columns"]))[:6]
        table.append(["columns", *(f"{one['column_names'][k]} {one['columns'][k]:.2f}" for k in order)])
        best = np.argsort(-np.asarray(one["channels"][METHODS[0]]))[:6]
        table.append(["channels", *(f"{one['channel_names'][k]} {one['channels'][METHODS[0]][k]:.2f}" for k in best)])
    return table
