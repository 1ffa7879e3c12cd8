"""A cohort without files: arrays somebody already has, for scripts and studies of embeddings."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.cohort.kinds import Value, feature_names, kind_of
from clinfuse.cohort.ledger import Ledger
from clinfuse.cohort.modality import Column, Modality
from clinfuse.cohort.prepare import Prepared
from clinfuse.cohort.prepared_source import digest
from clinfuse.cohort.records import RecordTable, Task
from clinfuse.cohort.store import Store, locked, row_digests, table_row
from clinfuse.errors import ConfigError, DataError
from clinfuse.shapes import Presence


@final
class ArrayStore(Store):
    """Arrays that are already prepared, held in memory.

    Parameters
    ----------
    records : RecordTable
    modalities : tuple of Modality
    arrays : mapping of str to ndarray, (records, *shape)
        Zeros where absent; health-record tables float64 with NaN.
    present : ndarray of bool, (records, modalities)
    windows : mapping of str to ndarray of bool, (records, windows)
        For every modality but tables.
    """

    def __init__(
        self,
        records: RecordTable,
        modalities: tuple[Modality, ...],
        arrays: Mapping[str, np.ndarray],
        present: Presence,
        windows: Mapping[str, np.ndarray],
    ) -> None:
        super().__init__(records, modalities)
        self._arrays = {name: locked(array) for name, array in arrays.items()}
        self._windows = {name: locked(mask) for name, mask in windows.items()}
        self.present = locked(present)
        self.ledger = Ledger(len(records), len(records))
        self._features: dict[str, np.ndarray] = {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        for array in (*self._arrays.values(), *self._windows.values(), self.present):
            array.flags.writeable = False

    def _here(self, name: str) -> np.ndarray:
        return self.present[:, self.modalities.index(self.named[name])]

    @property
    def folder(self) -> Path:
        """Raises: there is none."""
        raise DataError(
            "COHORT_FOLDER",
            place="cohort",
            rule="a cohort that was read from a folder",
            found="one made from arrays",
            remedy="Use Cohort.from_folder.",
        )

    def array(self, name: str) -> np.ndarray:
        """The array as it was given, zeros where absent."""
        return self._arrays[name]

    def windows(self, name: str) -> np.ndarray:
        """Windows that are covered."""
        return self._windows[name]

    def features(self, name: str) -> np.ndarray:
        """Summary features, computed when they are first asked for."""
        modality = self.named[name]
        if modality.kind == "ehr":
            return self._arrays[name]
        if name not in self._features:
            kind = kind_of(modality)
            found = np.full((len(self.records), len(feature_names(modality)[0])), np.nan)
            for row in np.flatnonzero(self._here(name)):
                prepared = Prepared(self._arrays[name][row], self._windows[name][row])
                value = kind.wrap(prepared.array, prepared.windows, modality) if modality.kind == "mask" else prepared
                found[row] = kind.summarise(value, prepared, modality)
            self._features[name] = locked(found)
        return self._features[name]

    def properties(self, name: str) -> pd.DataFrame:
        """No column: arrays say nothing of the files they came from."""
        return pd.DataFrame(index=range(len(self.records)))

    def digests(self, name: str) -> tuple[str, ...]:
        """One hash per record."""
        if self.named[name].kind == "ehr":
            return row_digests(self._arrays[name], self._here(name))
        rows = zip(self._arrays[name], self._windows[name], self._here(name), strict=True)
        return tuple(digest(np.asarray(array), mask) if here else "" for array, mask, here in rows)

    def load(self, name: str, row: int) -> Value:
        """The array of one record as the value it could have come from."""
        modality = self.named[name]
        if modality.kind == "ehr":
            return table_row(modality, self._arrays[name][row])
        return kind_of(modality).wrap(self._arrays[name][row], self._windows[name][row], modality)

    def taken(self, rows: np.ndarray) -> tuple[Store, np.ndarray]:
        """A store of these rows alone."""
        records = record_rows(self.records, rows)
        arrays = {name: array[rows] for name, array in self._arrays.items()}
        windows = {name: mask[rows] for name, mask in self._windows.items()}
        return ArrayStore(records, self.modalities, arrays, self.present[rows], windows), np.arange(len(rows))


def record_rows(records: RecordTable, rows: np.ndarray) -> RecordTable:
    """These rows of a record table, in this order."""
    return RecordTable(
        record_ids=records.record_ids[rows],
        patient_ids=records.patient_ids[rows],
        keys=records.keys[rows],
        patient_keys=records.patient_keys[rows],
        labels=records.labels[rows],
        classes=records.classes,
        task=records.task,
        sites=records.sites[rows],
        times=records.times[rows],
        splits=records.splits[rows],
        attributes=records.attributes.iloc[rows].reset_index(drop=True),
    )


# --- From what a script has to a store ---


def _fail(code: str, place: str, rule: str, found: str) -> None:
    raise DataError(code, place=place, rule=rule, found=found, remedy="Correct the arguments of Cohort.from_arrays.")


_AXES = {"ct": 4, "mr": 4, "mask": 4, "xray": 3, "eeg": 3, "ehr": 1}
_UNITS = {"ct": "HU", "mr": "arbitrary", "mask": "label", "xray": "grey", "eeg": "µV"}


def described(name: str, kind: str | Modality, array: np.ndarray) -> Modality:
    """The modality of an array of whole cohorts, its shape read off the array; a given one has to fit it."""
    if isinstance(kind, Modality):
        if kind.shape != array.shape[1:]:
            _fail("ARRAY_SHAPE", f"modality {name}", f"inputs of shape {kind.shape}", f"shape {array.shape[1:]}")
        return replace(kind, name=name)
    if kind not in _AXES:
        raise ConfigError(
            "MODALITY_KIND",
            place=f"modality {name}",
            rule=f"a kind out of {', '.join(_AXES)}",
            found="another kind",
            remedy="Correct `kinds`.",
        )
    shape: tuple[int, ...] = array.shape[1:]
    if kind == "ehr":
        columns = tuple(Column(f"{name} {k + 1}") for k in range(shape[0] if shape else 0))
        return Modality(name, "ehr", shape, columns=columns)
    timing = {"rate_hz": 1.0, "seconds": float(shape[-1])} if kind == "eeg" and shape else {}
    return Modality(name, kind, shape, unit=_UNITS[kind], **timing)  # type: ignore[arg-type]


def _with_channel(array: np.ndarray, kind: str | Modality) -> np.ndarray:
    name = kind.kind if isinstance(kind, Modality) else kind
    return array[:, None] if name != "ehr" and array.ndim == _AXES.get(name, 0) else array


def _table(array: np.ndarray, here: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    values = np.array(array, dtype=np.float64)
    if np.isinf(values).any():
        _fail("ARRAY_FINITE", "table", "numbers, or NaN for an empty cell", "infinity")
    filled = np.asarray(~np.isnan(values).all(axis=1))
    present = filled if here is None else filled & here
    values[~present] = np.nan
    return values, present


def _image(modality: Modality, array: np.ndarray, here: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    exact = array.dtype.kind in "biu" or array.dtype == np.float32
    values = np.array(array, dtype=np.uint8 if array.dtype == bool else array.dtype if exact else np.float32, order="C")
    parts = values.reshape(len(values), modality.shape[0] if modality.windowed else 1, -1)
    windows = ~np.isnan(parts).all(axis=2)
    present = windows.any(axis=1) if here is None else windows.any(axis=1) & here
    windows = windows & present[:, None]
    parts[~windows] = 0
    if not np.isfinite(values).all():
        _fail("ARRAY_FINITE", f"modality {modality.name}", "finite numbers in an input", "NaN or infinity")
    return values, present, windows


def _presence(present: Any, names: Sequence[str], records: int) -> dict[str, np.ndarray]:
    if present is None:
        return {}
    columns = present if isinstance(present, Mapping) else dict(zip(names, np.asarray(present).T, strict=False))
    masks = {name: np.asarray(mask) for name, mask in columns.items()}
    if any(name not in names or mask.shape != (records,) or mask.dtype != bool for name, mask in masks.items()):
        _fail(
            "ARRAY_PRESENT", "present", f"bool, ({records}, {len(names)}), or one mask per modality", "something else"
        )
    if not isinstance(present, Mapping) and np.asarray(present).shape != (records, len(names)):
        _fail("ARRAY_PRESENT", "present", f"shape ({records}, {len(names)})", f"shape {np.asarray(present).shape}")
    return masks


def array_store(
    records: RecordTable, arrays: Mapping[str, np.ndarray], kinds: Mapping[str, str | Modality], present: Any
) -> ArrayStore:
    """A store of copies of these arrays; see `Cohort.from_arrays`.

    Raises
    ------
    DataError
        ``ARRAY_LENGTH``, ``ARRAY_SHAPE``, ``ARRAY_FINITE``, ``ARRAY_PRESENT``.
    ConfigError
        ``ARRAY_KINDS``, ``MODALITY_KIND``, ``MODALITY_SHAPE``.
    """
    if not arrays or set(arrays) != set(kinds):
        raise ConfigError(
            "ARRAY_KINDS",
            place="kinds",
            rule="one kind for each array, and at least one array",
            found="other names",
            remedy="Give `arrays` and `kinds` the same names.",
        )
    masks = _presence(present, tuple(arrays), len(records))
    kept: dict[str, np.ndarray] = {}
    windows: dict[str, np.ndarray] = {}
    here: list[np.ndarray] = []
    modalities: list[Modality] = []
    for name, given in arrays.items():
        array = _with_channel(np.asarray(given), kinds[name])
        if len(array) != len(records):
            _fail("ARRAY_LENGTH", f"modality {name}", f"{len(records)} rows, one per label", f"{len(array)}")
        modality = described(name, kinds[name], array)
        if modality.kind == "ehr":
            kept[name], found = _table(array, masks.get(name))
        else:
            kept[name], found, covered = _image(modality, array, masks.get(name))
            windows[name] = covered
        modalities.append(modality)
        here.append(found)
    return ArrayStore(records, tuple(modalities), kept, np.stack(here, axis=1), windows)


def array_records(
    labels: Any,
    record_ids: Sequence[str] | None,
    patient_ids: Sequence[str] | None,
    classes: tuple[str, ...],
    task: Task,
    sites: Sequence[str] | None,
    attributes: pd.DataFrame | None,
) -> RecordTable:
    """The records of a cohort made from arrays; see `Cohort.from_arrays`."""
    known = np.array(labels)
    if known.dtype.kind not in "biu" or known.ndim != (2 if task == "multilabel" else 1):
        _fail("ARRAY_LABELS", "labels", "whole numbers, one row per record", "another type or number of axes")
    n = len(known)
    numbers = [f"R{k + 1:04d}" for k in range(n)]
    ids = np.array([str(name) for name in (numbers if record_ids is None else record_ids)], dtype=object)
    patients = np.array([str(name) for name in (ids if patient_ids is None else patient_ids)], dtype=object)
    return RecordTable(
        record_ids=ids,
        patient_ids=patients,
        keys=_keys("R-", ids),
        patient_keys=_keys("P-", patients),
        labels=known.astype(np.int64),
        classes=classes,
        task=task,
        sites=np.array([""] * n if sites is None else [str(site) for site in sites], dtype=object),
        times=np.full(n, np.datetime64("NaT", "s")),
        splits=np.array([""] * n, dtype=object),
        attributes=pd.DataFrame(index=range(n)) if attributes is None else attributes.reset_index(drop=True),
    )


def _keys(prefix: str, ids: np.ndarray) -> np.ndarray:
    """Keys of ids that no secret protects: arrays in a script have no private folder."""
    texts = [base64.b32encode(hashlib.sha256(f"{prefix}{name}".encode()).digest()).decode()[:10] for name in ids]
    return np.array([prefix + text for text in texts], dtype=object)
