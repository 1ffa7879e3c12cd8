"""What models said about records they had not seen: one long table that everything after training reads."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clinfuse.errors import DataError, StorageError

_TEXT = ("model", "record", "patient", "site", "withheld")
_COUNTS = ("repeat", "fold")
_ARRAYS = ("y_true", "logits", "probabilities", "present")
_TASKS = ("binary", "multiclass", "multilabel")
_SUM = 1e-9


@final
@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """Held-out predictions, one row for each model, repeat, record and set of withheld modalities.

    Parameters
    ----------
    model : ndarray of str, (rows,)
    repeat, fold : ndarray of int64, (rows,)
        Within a repeat every patient is in one fold.
    record, patient : ndarray of str, (rows,)
        Keys (``R-…``, ``P-…``), never ids.
    site : ndarray of str, (rows,)
        Empty text where unknown.
    withheld : ndarray of str, (rows,)
        Modalities kept from the model although present, joined by ``"+"``; empty text where none.
    y_true : ndarray of int64, (rows,) or (rows, labels)
        Index into ``classes``, or 0/1 per label if multilabel; -1 where unknown.
    logits : ndarray of float64, (rows, classes)
        Finite. Rank metrics read these.
    probabilities : ndarray of float64, (rows, classes)
        Rows sum to 1 unless multilabel.
    present : ndarray of bool, (rows, modalities)
        What the record has, before anything is withheld.
    classes : tuple of str
        The positive class last; names of the labels if multilabel.
    task : {"binary", "multiclass", "multilabel"}
    modalities : tuple of str
        Of the cohort, in its order.

    Raises
    ------
    DataError
        ``PREDICTIONS_SHAPE``, ``PREDICTIONS_TASK``, ``PREDICTIONS_NAN``, ``PREDICTIONS_RANGE``, ``PREDICTIONS_SUM``,
        ``PREDICTIONS_LABEL``, ``PREDICTIONS_TWICE``, ``PREDICTIONS_STRADDLE``.

    Examples
    --------
    >>> import numpy as np
    >>> text = np.array
    >>> one = Predictions(text(["late"]), text([0]), text([0]), text(["R-1"]), text(["P-1"]), text([""]), text([""]),
    ...     text([1]), np.zeros((1, 2)), np.full((1, 2), 0.5), np.ones((1, 1), bool),
    ...     classes=("benign", "malignant"), task="binary", modalities=("ct",))
    >>> len(one), one.models
    (1, ('late',))
    """

    model: np.ndarray
    repeat: np.ndarray
    fold: np.ndarray
    record: np.ndarray
    patient: np.ndarray
    site: np.ndarray
    withheld: np.ndarray
    y_true: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    present: np.ndarray
    classes: tuple[str, ...]
    task: str
    modalities: tuple[str, ...]

    def __post_init__(self) -> None:
        kinds: dict[str, Any] = dict.fromkeys(_TEXT, np.str_) | dict.fromkeys((*_COUNTS, "y_true"), np.int64)
        kinds |= {"logits": np.float64, "probabilities": np.float64, "present": np.bool_}
        for name, kind in kinds.items():
            array = np.array(getattr(self, name), dtype=kind)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "modalities", tuple(self.modalities))
        self._check_shapes()
        self._check_numbers()
        self._check_rows()

    def _check_shapes(self) -> None:
        n, k, m = len(self.model), len(self.classes), len(self.modalities)
        if self.task not in _TASKS:
            _refuse("PREDICTIONS_TASK", f"the task must be one of {', '.join(_TASKS)}", "another word")
        shapes = dict.fromkeys((*_TEXT, *_COUNTS), (n,)) | dict.fromkeys(("logits", "probabilities"), (n, k))
        shapes |= {"present": (n, m), "y_true": (n, k) if self.task == "multilabel" else (n,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                _refuse("PREDICTIONS_SHAPE", f"{name} must have shape {shape}", f"{getattr(self, name).shape}")

    def _check_numbers(self) -> None:
        if not (np.isfinite(self.logits).all() and np.isfinite(self.probabilities).all()):
            _refuse("PREDICTIONS_NAN", "logits and probabilities must be finite", "a number that is not")
        if ((self.probabilities < 0) | (self.probabilities > 1)).any():
            _refuse("PREDICTIONS_RANGE", "probabilities must lie within 0 and 1", "one outside")
        if self.task != "multilabel" and (np.abs(self.probabilities.sum(1) - 1) > _SUM).any():
            _refuse("PREDICTIONS_SUM", "the probabilities of a record must sum to 1", "another sum")
        highest = 1 if self.task == "multilabel" else len(self.classes) - 1
        if self.y_true.size and (self.y_true.min() < -1 or self.y_true.max() > highest):
            _refuse("PREDICTIONS_LABEL", f"labels must lie within -1 and {highest}", "one outside")

    def _check_rows(self) -> None:
        names = ("model", "repeat", "withheld", "record")
        if pd.DataFrame({name: getattr(self, name) for name in names}).duplicated().any():
            _refuse("PREDICTIONS_TWICE", "a record has one row per model, repeat and withheld set", "a second row")
        places = pd.DataFrame({name: getattr(self, name) for name in ("repeat", "patient", "fold")}).drop_duplicates()
        if places.duplicated(["repeat", "patient"]).any():
            _refuse("PREDICTIONS_STRADDLE", "within a repeat a patient is in one fold", "a patient in two")

    def __len__(self) -> int:
        return len(self.model)

    def __repr__(self) -> str:
        shown = ", ".join(self.models)
        return f"Predictions({len(self)} rows of {len(np.unique(self.record))} records; models: {shown})"

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models in the order of their first row."""
        return tuple(str(name) for name in dict.fromkeys(self.model.tolist()))

    @property
    def repeats(self) -> tuple[int, ...]:
        """Numbers of the repeats, ascending."""
        return tuple(int(number) for number in np.unique(self.repeat))

    @property
    def used(self) -> np.ndarray:
        """What the model could see: present and not withheld, bool (rows, modalities)."""
        kept = np.ones_like(self.present)
        for text in np.unique(self.withheld):
            columns = [self.modalities.index(name) for name in str(text).split("+") if name]
            kept[np.ix_(self.withheld == text, columns)] = False
        return self.present & kept

    @property
    def scores(self) -> np.ndarray:
        """What rank metrics read, float64: (rows,) log odds of the positive class if binary, else the logits."""
        return self.logits[:, 1] - self.logits[:, 0] if self.task == "binary" else self.logits

    @property
    def abstain(self) -> np.ndarray:
        """Rows without any modality the model may use, bool (rows,): what they say is the training prevalence."""
        return np.asarray(~self.used.any(1))

    def rows(self, keep: np.ndarray) -> Predictions:
        """Give the rows of a mask or an index array, in that order."""
        return replace(self, **{name: getattr(self, name)[keep] for name in (*_TEXT, *_COUNTS, *_ARRAYS)})

    def select(
        self, *, model: str | None = None, withheld: str | None = None, repeat: int | None = None
    ) -> Predictions:
        """Give the rows of one model, one withheld set (``""``: nothing withheld), one repeat, or several of these.

        Raises
        ------
        DataError
            ``PREDICTIONS_NONE``: no such row.
        """
        keep = np.ones(len(self), dtype=bool)
        for name, wanted in (("model", model), ("withheld", withheld), ("repeat", repeat)):
            if wanted is not None:
                keep &= getattr(self, name) == wanted
        if not keep.any():
            _refuse("PREDICTIONS_NONE", "the selection must leave rows", "none")
        return self.rows(keep)

    @classmethod
    def concat(cls, parts: Sequence[Predictions]) -> Predictions:
        """Give the rows of several tables of one cohort, in order.

        Raises
        ------
        DataError
            ``PREDICTIONS_MIXED``: other classes, task or modalities; and whatever the joined rows violate.
        """
        if not parts or len({(part.classes, part.task, part.modalities) for part in parts}) != 1:
            _refuse("PREDICTIONS_MIXED", "all parts must be of one cohort", "different classes or modalities, or none")
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_TEXT, *_COUNTS, *_ARRAYS)
        }
        return replace(parts[0], **joined)

    def frame(self) -> pd.DataFrame:
        """Give one row per prediction and one column per number, for reading and plotting."""
        columns: dict[str, Any] = {name: getattr(self, name) for name in ("model", *_COUNTS, *_TEXT[1:])}
        if self.task == "multilabel":
            columns |= {f"y_true {name}": self.y_true[:, i] for i, name in enumerate(self.classes)}
        else:
            columns["y_true"] = self.y_true
        for kind, word in (("logits", "logit"), ("probabilities", "probability")):
            columns |= {f"{word} {name}": getattr(self, kind)[:, i] for i, name in enumerate(self.classes)}
        columns |= {f"present {name}": self.present[:, i] for i, name in enumerate(self.modalities)}
        return pd.DataFrame(columns)

    def to_parquet(self, file: Path | str) -> Path:
        """Write the table, byte for byte the same whenever its content is the same, and give its path.

        Raises
        ------
        StorageError
            ``PREDICTIONS_WRITE``.
        """
        file = Path(file)
        table = pa.Table.from_pydict({name: self._column(name) for name in (*_TEXT, *_COUNTS, *_ARRAYS)})
        about = {"classes": self.classes, "task": self.task, "modalities": self.modalities, "format": 1}
        table = table.replace_schema_metadata({"clinfuse": json.dumps(about, ensure_ascii=True)})
        unfinished = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            pq.write_table(table, unfinished, compression="snappy")
            unfinished.replace(file)
        except (OSError, pa.ArrowException):
            unfinished.unlink(missing_ok=True)
            raise _storage("PREDICTIONS_WRITE", "must be writable", "a failed write") from None
        return file

    def _column(self, name: str) -> pa.Array:
        array = getattr(self, name)
        if array.ndim == 1:
            return pa.array(array.tolist(), pa.string()) if name in _TEXT else pa.array(array)
        offsets = np.arange(len(array) + 1, dtype=np.int32) * array.shape[1]
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(array).ravel()))

    @classmethod
    def from_parquet(cls, file: Path | str) -> Predictions:
        """Read what `to_parquet` wrote, bit for bit.

        Raises
        ------
        StorageError
            ``PREDICTIONS_READ``: missing, damaged, or not written by clinfuse.
        """
        try:
            table = pq.read_table(Path(file), partitioning=None)
            about = json.loads(table.schema.metadata[b"clinfuse"])
            columns: dict[str, Any] = {
                field.name: _array(table[field.name], len(table), field.name)
                for field in fields(cls)
                if field.name in (*_TEXT, *_COUNTS, *_ARRAYS)
            }
            columns |= {name: about[name] for name in ("classes", "modalities", "task")}
            return cls(**columns)
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            raise _storage("PREDICTIONS_READ", "must be a table of predictions", "something else") from None


def _array(column: pa.ChunkedArray, rows: int, name: str) -> np.ndarray:
    if name in _TEXT:
        return np.array(column.to_pylist(), dtype=np.str_)
    whole = column.combine_chunks()
    if pa.types.is_list(whole.type):
        return whole.flatten().to_numpy(zero_copy_only=False).reshape(rows, -1)
    return whole.to_numpy(zero_copy_only=False)


def _refuse(code: str, rule: str, found: str) -> None:
    raise DataError(code, place="predictions", rule=rule, found=found, remedy="Predict the records again.")


def _storage(code: str, rule: str, found: str) -> StorageError:
    return StorageError(code, place="predictions file", rule=rule, found=found, remedy="Check the disk, then rerun.")
