"""Models on disk: JSON and safetensors, every file hashed; nothing that could run code when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import StorageError
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.contrastive import DualEncoder
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import HybridFusion, JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.tuned import Tuned
from clinfuse.training.unimodal import Unimodal

_FORMAT = 3  # raised when a stored network would no longer be the one that is built
_CLASSES = {kind.__name__: kind for kind in (EarlyFusion, HybridFusion, JointFusion, LateFusion)}


def save_model(classifier: FusionClassifier, folder: Path) -> None:
    """Write everything a fitted classifier learned: ``model.json``, ``arrays.safetensors`` and ``sha256.json``.

    Parameters
    ----------
    classifier : FusionClassifier
        Fitted.
    folder : Path
        Made if it does not exist.

    Raises
    ------
    StorageError
        ``STORE_LEARNER`` or ``STORE_ENCODER``: a part without a safe form on disk.
    """
    _write(classifier.to_state(), folder)


def save_dual_encoder(encoder: DualEncoder, folder: Path) -> None:
    """Write everything a fitted `DualEncoder` learned, in the form of `save_model`.

    Raises
    ------
    StorageError
        ``STORE_ENCODER``: an encoder brought as a function.
    """
    _write(encoder.to_state(), folder)


def load_dual_encoder(folder: Path) -> DualEncoder:
    """Read an encoder that `save_dual_encoder` wrote; it gives the same bits.

    Raises
    ------
    StorageError
        As `load_model`.
    """
    state = _state(folder)
    if state.get("classifier") != "DualEncoder":
        raise _refusal("STORE_FORMAT", "must be a DualEncoder", "another model")
    try:
        return DualEncoder.from_state(state)
    except (KeyError, TypeError, RuntimeError):
        raise _refusal("STORE_FORMAT", "must hold everything a model of this package has", "less, or more") from None


def _write(learned: Mapping[str, Any], folder: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    state = _take_arrays({"format": _FORMAT, **learned}, arrays)
    folder.mkdir(parents=True, exist_ok=True)
    # Keys stay in their order: the order of modalities is the order of columns.
    contents = {
        "model.json": (json.dumps(state, indent=1, ensure_ascii=False) + "\n").encode(),
        "arrays.safetensors": save(arrays),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    contents["sha256.json"] = (json.dumps(hashes, indent=1, sort_keys=True) + "\n").encode()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def load_model(folder: Path) -> FusionClassifier:
    """Read a classifier that `save_model` wrote; it predicts the same bits.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    FusionClassifier
        Fitted.

    Raises
    ------
    StorageError
        ``STORE_MISSING``, ``STORE_HASH``, ``STORE_FORMAT``.
    """
    state = _state(folder)
    try:
        return _rebuilt(state)
    except (KeyError, TypeError, RuntimeError):
        raise _refusal("STORE_FORMAT", "must hold everything a model of this package has", "less, or more") from None


def _state(folder: Path) -> dict[str, Any]:
    contents = {name: _read(Path(folder) / name) for name in ("sha256.json", "model.json", "arrays.safetensors")}
    try:
        hashes = json.loads(contents.pop("sha256.json"))
    except ValueError:
        hashes = {}
    for name, content in contents.items():
        if not isinstance(hashes, dict) or hashes.get(name) != hashlib.sha256(content).hexdigest():
            raise _refusal("STORE_HASH", f"{name} must be what was written", "other bytes")
    try:
        arrays = load(contents["arrays.safetensors"])
        state = _give_arrays(json.loads(contents["model.json"]), arrays)
    except (SafetensorError, ValueError, KeyError):
        raise _refusal("STORE_FORMAT", "must be a model of this package", "something else") from None
    if state.get("format") != _FORMAT:
        raise _refusal("STORE_FORMAT", f"must have format {_FORMAT}", "another format")
    return cast("dict[str, Any]", state)


def train_final(model: FusionClassifier, cohort: Cohort, folder: Path) -> FusionClassifier:
    """Fit a model on all records of a cohort and store it; gives it back fitted.

    Parameters
    ----------
    model : FusionClassifier
    cohort : Cohort
    folder : Path

    Raises
    ------
    StorageError
        ``STORE_LEARNER`` or ``STORE_ENCODER``.
    """
    fitted = model.fit(cohort)
    save_model(fitted, Path(folder))
    return fitted


def _rebuilt(state: Mapping[str, Any]) -> FusionClassifier:
    if state["classifier"] == "Calibrated":
        calibrated = Calibrated(_rebuilt(state["learned"]["model"]))
        calibrated.restore(state)
        return calibrated
    if state["classifier"] == "Tuned":
        # Chosen settings stand in the classifier itself; what was tried beside them is only a record.
        tuned = Tuned(_rebuilt(state["learned"]["model"]), {}, seed=state["seed"])
        tuned.restore(state)
        return tuned
    options = TrainingOptions(**state["options"])
    common: dict[str, Any] = {"options": options, "seed": state["seed"]}
    if state["classifier"] == "Unimodal":
        model: FusionClassifier = Unimodal(state["modalities"][0], **common)
    elif state["classifier"] in _CLASSES:
        model = _CLASSES[state["classifier"]](**common)
    else:
        raise _refusal("STORE_FORMAT", "must name a classifier of this package", "another name")
    model.restore(state)
    return model


def _take_arrays(value: Any, arrays: dict[str, np.ndarray], path: str = "") -> Any:
    """JSON values with every array replaced by its name in the safetensors file."""
    if isinstance(value, np.ndarray):
        arrays[path] = np.ascontiguousarray(value)
        return {"array": path}
    if isinstance(value, Mapping):
        return {str(key): _take_arrays(part, arrays, f"{path}/{key}") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_take_arrays(part, arrays, f"{path}/{k}") for k, part in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _give_arrays(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return arrays[value["array"]]
        return {key: _give_arrays(part, arrays) for key, part in value.items()}
    return [_give_arrays(part, arrays) for part in value] if isinstance(value, list) else value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise _refusal("STORE_MISSING", f"needs a file {path.name}", "none that can be read") from None


def _refusal(code: str, rule: str, found: str) -> StorageError:
    return StorageError(code, place="stored model", rule=rule, found=found, remedy="Train it again.")
