"""A cohort: records in order, joined by id only, immutable, usable as X in scikit-learn."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, cast, final

import numpy as np
import pandas as pd

from clinfuse.cohort import summary
from clinfuse.cohort.arrays import array_records, array_store
from clinfuse.cohort.columns import RecordColumns, frozen
from clinfuse.cohort.features import SummaryFeatures
from clinfuse.cohort.kinds import Value, feature_names
from clinfuse.cohort.lengths import check_length, targets
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.record import PatientRecord
from clinfuse.cohort.records import Task
from clinfuse.cohort.store import Store, open_folder, silent
from clinfuse.errors import ConfigError, DataError
from clinfuse.shapes import Presence

__all__ = ["Cohort", "PatientRecord"]


def _show(name: str, done: int, records: int) -> None:
    end = "\n" if done == records else ""
    sys.stderr.write(f"\rpreparing {name} {done}/{records}{end}")
    sys.stderr.flush()


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="cohort", rule=rule, found=found, remedy=remedy)


@final
class Cohort(RecordColumns):
    """Records in order, each with what it has of every modality.

    Made by `from_folder` or `from_arrays`, never changed: every choice of rows or modalities is a new cohort on the
    same store. Arrays, presence, labels and ids always have the same rows in the same order.

    Examples
    --------
    >>> import numpy as np
    >>> labs = np.array([[1.0, 5.0], [2.0, np.nan], [np.nan, np.nan]])
    >>> cohort = Cohort.from_arrays({"labs": labs}, labels=[0, 1, 1], kinds={"labs": "ehr"})
    >>> cohort.shape, cohort.present.ravel().tolist(), len(cohort[:2])
    ((3, 1), [True, True, False], 2)
    """

    def __init__(
        self, store: Store, rows: np.ndarray, names: tuple[str, ...], withheld: np.ndarray | None = None
    ) -> None:
        super().__init__(store, rows)
        self._names = tuple(names)
        columns = [[modality.name for modality in store.modalities].index(name) for name in self._names]
        present = store.present[self._rows][:, columns]
        self._withheld = np.zeros_like(present) if withheld is None else np.array(withheld, dtype=bool)
        self._present = frozen(present & ~self._withheld)

    # --- Making one ---

    @classmethod
    def from_folder(
        cls, path: str | Path, *, private: str | Path | None = None, strict: bool = False, progress: bool = False
    ) -> Cohort:
        """Read, join and prepare a hospital export; prepared inputs are kept and found again next time.

        Parameters
        ----------
        path : path
            A folder with ``cohort.toml``, or the file itself.
        private : path, optional
            Where keys and secret are kept; beside ``cohort.toml`` unless said otherwise.
        strict : bool
            Whether the first unreadable file stops everything; else its modality is absent for this record, and
            the ledger says why.
        progress : bool
            Whether to count on the screen.

        Raises
        ------
        ClinfuseError
            What `clinfuse.cohort.folder.read_export` and `clinfuse.cohort.store.FolderStore` raise.
        """
        store = open_folder(
            Path(path).absolute(),
            private=None if private is None else Path(private).absolute(),
            strict=strict,
            retry=True,
            progress=_show if progress else silent,
        )
        return cls(store, np.arange(len(store.records)), tuple(m.name for m in store.modalities))

    @classmethod
    def from_arrays(  # noqa: PLR0913 - what a record is takes this many words, and all but two have defaults
        cls,
        arrays: Mapping[str, np.ndarray],
        *,
        labels: Any,
        kinds: Mapping[str, str | Modality],
        present: Any = None,
        record_ids: Sequence[str] | None = None,
        patient_ids: Sequence[str] | None = None,
        classes: Sequence[str] = ("negative", "positive"),
        task: Task = "binary",
        sites: Sequence[str] | None = None,
        attributes: pd.DataFrame | None = None,
        times: Any = None,
        splits: Sequence[str] | None = None,
    ) -> Cohort:
        """A cohort of arrays that are already prepared; they are copied.

        Parameters
        ----------
        arrays : mapping of str to ndarray, (records, *shape)
            In physical units; NaN throughout an input, a window or a cell is absence. An image or signal without
            its channel or window axis gets one. ``ehr`` becomes float64, other floats float32.
        labels : array of int, (records,) or (records, labels)
            Index into ``classes``, the positive class last; -1 unknown.
        kinds : mapping of str to str or Modality
            For every array its kind, or the whole modality.
        present : ndarray of bool, (records, modalities), or mapping of str to (records,), optional
            What is not present is absent whatever the array holds.
        record_ids, patient_ids : sequence of str, optional
            Numbered, one record per patient, unless given.
        classes : sequence of str
        task : {"binary", "multiclass", "multilabel"}
        sites : sequence of str, optional
        attributes : DataFrame, optional
        times : array of datetime64 or of texts such as ``"2021-03-01"``, (records,), optional
        splits : sequence of str, optional
            ``"train"``, ``"test"`` or empty text.

        Raises
        ------
        DataError
            ``ARRAY_LENGTH``, ``ARRAY_SHAPE``, ``ARRAY_FINITE``, ``ARRAY_PRESENT``, ``ARRAY_LABELS``, and those of
            `RecordTable`.
        ConfigError
            ``ARRAY_KINDS``, ``MODALITY_KIND``, ``MODALITY_SHAPE``.
        """
        records = array_records(labels, record_ids, patient_ids, tuple(classes), task, sites, attributes)
        records = records.dated(times).divided(splits)
        store = array_store(records, arrays, kinds, present)
        return cls(store, np.arange(len(records)), tuple(m.name for m in store.modalities))

    # --- What they have ---

    @property
    def shape(self) -> tuple[int, int]:
        """(records, modalities)."""
        return len(self._rows), len(self._names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities, in order."""
        return self._names

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities, in order."""
        return tuple(self._store.named[name] for name in self._names)

    def modality(self, name: str) -> Modality:
        """The modality of this name; ConfigError ``MODALITY_UNKNOWN`` where there is none."""
        if name not in self._names:
            raise ConfigError(
                "MODALITY_UNKNOWN",
                place="cohort",
                rule=f"a modality out of {', '.join(self._names)}",
                found="another name",
                remedy="Correct the name.",
            )
        return self._store.named[name]

    @property
    def present(self) -> Presence:
        """Which record has which modality, bool, (records, modalities)."""
        return self._present

    def _here(self, name: str) -> np.ndarray:
        return self._present[:, self._names.index(self.modality(name).name)]

    def _chosen(self, stored: np.ndarray, name: str, absent: float) -> np.ndarray:
        here = self._here(name)
        same = len(self._rows) == len(stored) and bool((self._rows == np.arange(len(stored))).all())
        if same and not self._withheld[:, self._names.index(name)].any():
            return frozen(stored)
        chosen = np.asarray(stored[self._rows])
        chosen[~here] = absent
        return frozen(chosen)

    def arrays(self, name: str) -> np.ndarray:
        """Prepared inputs of one modality in physical units, the smallest exact type, read-only.

        Returns
        -------
        ndarray, (records, *shape)
            Memory-mapped where it is the whole folder; zeros where absent. ``ehr``: float64 with NaN.
        """
        return self._chosen(self._store.array(name), name, np.nan if self.modality(name).kind == "ehr" else 0)

    def network_input(self, name: str, rows: Any) -> np.ndarray:
        """Some records as a network sees them: ``(value - centre) / spread`` of the modality, zeros where absent.

        Parameters
        ----------
        name : str
            Any modality but ``ehr``, whose preparation is learned.
        rows : index array or mask
            Positions in this cohort; a position may occur more than once.

        Returns
        -------
        ndarray of float32, (rows, *shape)
        """
        modality = self.modality(name)
        if modality.kind == "ehr":
            raise DataError(
                "NETWORK_INPUT_TABLE",
                place=f"modality {name}",
                rule="a modality that is prepared without learning",
                found="a health-record table",
                remedy="Fit a table preparation on the training records.",
            )
        chosen = np.arange(len(self))[rows]
        stored = self._rows[chosen]
        values = (np.asarray(self._store.array(name)[stored], dtype=np.float32) - modality.centre) / modality.spread
        values[~self._here(name)[chosen]] = 0
        if modality.windowed:
            values[~self._store.windows(name)[stored]] = 0
        return values.astype(np.float32, copy=False)

    def window_mask(self, name: str) -> np.ndarray:
        """Which windows of a signal are covered, bool, (records, windows); False throughout where absent."""
        if not self.modality(name).windowed:
            _refuse("WINDOWS_NONE", "a modality of kind eeg", "another kind", "Ask `modality(name).windowed` first.")
        return self._chosen(self._store.windows(name), name, False)

    def features(self, name: str) -> SummaryFeatures:
        """Named summary features of one modality; of a health-record table its columns."""
        names, units = feature_names(self.modality(name))
        return SummaryFeatures(self._chosen(self._store.features(name), name, np.nan), names, units)

    def properties(self, name: str) -> pd.DataFrame:
        """What the files say of themselves (duration, rate, slices, spacing, bytes): for the audit, never an input."""
        self.modality(name)
        found = self._store.properties(name).iloc[self._rows].reset_index(drop=True)
        return found.where(pd.Series(self._here(name)), np.nan) if len(found.columns) else found

    def load(self, name: str, row: int) -> Value:
        """One record's value in full resolution; `PatientRecord.load` asks whether it is there."""
        self.modality(name)
        return self._store.load(name, int(self._rows[row]))

    # --- Choosing ---

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            key = self._without_columns(key)
        if isinstance(key, str):
            key = self.position(key)
        if isinstance(key, int | np.integer) and not isinstance(key, bool | np.bool_):
            return PatientRecord(self._taken(np.array([self._whole(int(key))])))
        return self._taken(self._positions(key))

    def _without_columns(self, key: tuple[Any, ...]) -> Any:
        if len(key) == 0 or any(part is not Ellipsis and part != slice(None) for part in key[1:]):
            _refuse("COHORT_INDEX", "records alone as index", "columns", "Use `without` to leave a modality out.")
        return key[0]

    def _whole(self, position: int) -> int:
        if not -len(self) <= position < len(self):
            _refuse("COHORT_ROW", f"a position below {len(self)}", "one outside", "Correct the index.")
        return position % len(self)

    def _positions(self, key: Any) -> np.ndarray:
        if isinstance(key, slice):
            return np.arange(len(self))[key]
        wanted = np.asarray(key)
        if wanted.size == 0:
            return np.arange(0)
        if wanted.dtype == bool and wanted.shape == (len(self),):
            return np.flatnonzero(wanted)
        if wanted.dtype.kind in "UOT" and wanted.ndim == 1:
            return np.array([self.position(str(name)) for name in wanted])
        if wanted.dtype.kind not in "iu" or wanted.ndim != 1:
            _refuse("COHORT_INDEX", "a row, rows, a mask of the same length, or ids", "something else", "Correct it.")
        return np.array([self._whole(int(position)) for position in wanted])

    def _taken(self, positions: np.ndarray) -> Cohort:
        if len(np.unique(positions)) != len(positions):
            _refuse("COHORT_ROW_TWICE", "every record at most once", "one chosen twice", "Draw patients, not copies.")
        return Cohort(self._store, self._rows[positions], self._names, self._withheld[positions])

    def __iter__(self) -> Iterator[PatientRecord]:
        return (cast(PatientRecord, self[row]) for row in range(len(self)))

    @cached_property
    def _places(self) -> dict[str, int]:
        by_key = {str(name): row for row, name in enumerate(self.keys)}
        return {**by_key, **{str(name): row for row, name in enumerate(self.record_ids)}}

    def position(self, name: str) -> int:
        """Row of a record by its id or key; DataError ``RECORD_UNKNOWN`` where it is not here."""
        if name not in self._places:
            _refuse("RECORD_UNKNOWN", "the id or key of a record of this cohort", "another", "See `keys`.")
        return self._places[name]

    def without(self, *names: str) -> Cohort:
        """The same records without these modalities."""
        for name in names:
            self.modality(name)
        kept = [column for column, name in enumerate(self._names) if name not in names]
        if not kept:
            _refuse("COHORT_EMPTY", "at least one modality left", "none", "Leave fewer out.")
        return Cohort(self._store, self._rows, tuple(self._names[k] for k in kept), self._withheld[:, kept])

    def withhold(self, present: Presence) -> Cohort:
        """The same records as if only this much of them were present.

        Parameters
        ----------
        present : ndarray of bool, (records, modalities)
            False withholds; True leaves as it is, since nothing can be made present.
        """
        mask = np.asarray(present)
        if mask.dtype != bool or mask.shape != self.shape:
            _refuse("COHORT_WITHHOLD", f"a bool mask of shape {self.shape}", "another type or shape", "Correct it.")
        return Cohort(self._store, self._rows, self._names, self._withheld | ~mask)

    def sorted_by_id(self) -> Cohort:
        """The same records in the order of their ids."""
        return self._taken(np.argsort(self.record_ids.astype(str), kind="stable"))

    # --- Checks and identity ---

    def check_lengths(self) -> None:
        """Refuse a cohort in which the number of windows alone tells the classes apart.

        Raises
        ------
        DataError
            ``LENGTH_LEAK``: AUROC at least 0.75 with a lower 95 % limit above 0.5.
        """
        for modality in self.modalities:
            if modality.windowed:
                counts, here = self.window_mask(modality.name).sum(axis=1), self._here(modality.name)
                for known, positive in targets(self.labels, len(self.classes), self.task == "multilabel"):
                    check_length(modality.name, counts[here & known], positive[here & known])

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the contents: ids, labels, sites, presence and prepared inputs.

        Neither the place of the folder, nor the times of its files, nor the order of the records enters.
        """
        settings = [asdict(m) for m in self.modalities]
        found = hashlib.sha256(json.dumps([self.task, self.classes, settings], sort_keys=True).encode())
        digests = [self._store.digests(name) for name in self._names]
        frame = self.attributes.astype(str)
        for row in np.argsort(self.record_ids.astype(str), kind="stable"):
            inputs = [made[self._rows[row]] if self._present[row, k] else "" for k, made in enumerate(digests)]
            columns = (self.record_ids, self.patient_ids, self.sites, self.times, self.splits)
            texts = [str(column[row]) for column in columns]
            line = [texts, np.asarray(self.labels[row]).tolist(), inputs, frame.iloc[row].tolist()]
            found.update(json.dumps(line).encode())
        return found.hexdigest()

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        _refuse(
            "COHORT_ARRAY",
            "use as a cohort",
            "a request for one array of everything",
            "Use `arrays(name)` for one modality.",
        )

    def __reduce__(self) -> tuple[object, ...]:
        store, rows = self._store.taken(self._rows)
        return Cohort, (store, rows, self._names, self._withheld if self._withheld.any() else None)

    def __repr__(self) -> str:
        return summary.as_text(self)

    def _repr_html_(self) -> str:
        return summary.as_html(self)
