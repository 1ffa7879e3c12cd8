"""Where the inputs of a cohort lie, and the store that reads them from the files of a folder."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from clinfuse.cohort.cache import Cache, source_key
from clinfuse.cohort.file_facts import made_at, name_facts
from clinfuse.cohort.kinds import DataKind, Value, feature_names, kind_of
from clinfuse.cohort.ledger import Entry, Ledger
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.prepare import check_varies
from clinfuse.cohort.prepared_source import Draft, PreparedSource, Refusal, digest
from clinfuse.cohort.records import Export, FileSources, RecordTable, TableSources
from clinfuse.cohort.shown import mixed_views
from clinfuse.errors import ClinfuseError, ConfigError, DataError
from clinfuse.io.guard import shared_guard
from clinfuse.io.policies import ReaderPolicy
from clinfuse.io.readers import FileValue
from clinfuse.shapes import Presence

Progress = Callable[[str, int, int], None]
_HOPELESS = 5
_LOGGER = logging.getLogger("clinfuse")


def silent(name: str, done: int, records: int) -> None:
    """The progress report that says nothing."""


class Store(ABC):
    """The inputs of every record, one row each; a cohort is a choice of rows.

    Parameters
    ----------
    records : RecordTable
    modalities : tuple of Modality
    """

    ledger: Ledger
    present: Presence

    def __init__(self, records: RecordTable, modalities: tuple[Modality, ...]) -> None:
        self.records = records
        self.modalities = modalities
        self.named = {modality.name: modality for modality in modalities}

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The cohort folder; `DataError` ``COHORT_FOLDER`` where there is none."""

    @abstractmethod
    def array(self, name: str) -> np.ndarray:
        """All prepared inputs, (records, *shape), read-only."""

    @abstractmethod
    def windows(self, name: str) -> np.ndarray:
        """Windows that are covered, bool, (records, windows)."""

    @abstractmethod
    def features(self, name: str) -> np.ndarray:
        """Summary features, float64, (records, features), NaN where absent."""

    @abstractmethod
    def properties(self, name: str) -> pd.DataFrame:
        """What the files say of themselves, one row per record."""

    @abstractmethod
    def digests(self, name: str) -> tuple[str, ...]:
        """One hash per record, empty text where absent."""

    @abstractmethod
    def load(self, name: str, row: int) -> Value:
        """The value of one record in full resolution."""

    @abstractmethod
    def taken(self, rows: np.ndarray) -> tuple[Store, np.ndarray]:
        """What has to be sent to another process for these rows, and where they are in it."""


def row_digests(values: np.ndarray, present: np.ndarray) -> tuple[str, ...]:
    """One hash per row of a table, empty text where absent; the same for every way a NaN can be written."""
    clean = np.where(np.isnan(values), np.nan, values) + 0.0
    return tuple(digest(row) if here else "" for row, here in zip(clean, present, strict=True))


def locked(array: np.ndarray) -> np.ndarray:
    """The array itself, from now on read-only."""
    array.flags.writeable = False
    return array


@final
class FolderStore(Store):
    """The files of a cohort folder, each read and prepared once.

    A file that cannot be used is refused with the code of its error: the modality counts as absent for this record,
    the ledger gets an entry, and the rest goes on.

    Parameters
    ----------
    export : Export
        Who is here and where their files lie.
    path, private : Path
        What the export was read from, and where its keys are, to find both again in another process.
    strict : bool
        Whether the first refused file stops everything.
    progress : callable, (modality, done, records) -> None

    Raises
    ------
    DataError
        ``SOURCE_UNREADABLE`` where a modality has five files or more and every one is refused; the file's own
        error if strict.
    StorageError
        ``CACHE_PLACE``, ``CACHE_WRITE``, ``READ_WORKER``.
    """

    def __init__(
        self,
        export: Export,
        *,
        path: Path,
        private: Path | None = None,
        strict: bool = False,
        retry: bool = True,
        progress: Progress = silent,
    ) -> None:
        super().__init__(export.records, export.modalities)
        self._export, self._path, self._private = export, path, private
        self._tables: dict[str, np.ndarray] = {}
        self._prepared: dict[str, PreparedSource] = {}
        self._digests: dict[str, tuple[str, ...]] = {}
        self._beside: dict[str, pd.DataFrame] = {}
        keys: list[str] = []
        for modality in export.modalities:
            source = export.sources[modality.name]
            if isinstance(source, TableSources):
                values = np.array(source.values, dtype=np.float64)
                self._tables[modality.name] = locked(values)
                self._digests[modality.name] = row_digests(values, np.asarray(~np.isnan(values).all(axis=1)))
                keys.append(digest(values))
            else:
                key = source_key(modality, export.folder, source.files, source.policy)
                keys.append(key)
                cache = Cache(export.folder, retry=retry)
                self._prepared[modality.name] = self._obtained(modality, source, cache, key, strict, progress)
                self._digests[modality.name] = self._prepared[modality.name].digests
        shared_guard().rest()
        self.key = self._identity(keys)
        self.present = locked(np.stack([np.array(self._digests[m.name]) != "" for m in self.modalities], axis=1))
        self.ledger = export.ledger.plus(*(entry for m in self.modalities for entry in self._entries(m.name)))

    def _identity(self, keys: list[str]) -> str:
        found = hashlib.sha256(repr((keys, [repr(modality) for modality in self.modalities])).encode())
        for column in (self.records.record_ids, self.records.patient_ids, self.records.labels):
            found.update(repr(column.tolist()).encode())
        return found.hexdigest()

    def _obtained(
        self, modality: Modality, source: FileSources, cache: Cache, key: str, strict: bool, progress: Progress
    ) -> PreparedSource:
        kind = kind_of(modality)

        def fill(draft: Draft) -> None:
            # Where no process can be started, no file is at fault: better said at once.
            shared_guard().start()
            for row, files in enumerate(source.files):
                if files:
                    self._fill_row(draft, row, kind, modality, strict)
                progress(modality.name, row + 1, len(source.files))

        columns = len(feature_names(modality)[0])
        made = cache.obtain(modality, key, len(source.files), columns, kind.dtype, fill=fill)
        if strict and made.refusals:
            raise self._placed(made.refusals[0].error, modality.name, made.refusals[0].row) from None
        if len(made.refusals) >= _HOPELESS and not any(made.digests):
            raise DataError(
                "SOURCE_UNREADABLE",
                place=f"modality {modality.name}",
                rule="at least one file that can be used",
                found=f"{len(made.refusals)} refused, the first as {made.refusals[0].code}",
                remedy="Correct the files, or remove the modality from cohort.toml.",
            )
        _LOGGER.info("%s: %d inputs, %d refused", modality.name, sum(map(bool, made.digests)), len(made.refusals))
        return made

    def _fill_row(self, draft: Draft, row: int, kind: DataKind, modality: Modality, strict: bool) -> None:
        try:
            value = self._opened(modality, row)
            prepared = kind.prepare(value, modality)
            check_varies(prepared, modality.kind)
        except ClinfuseError as error:
            if strict:
                raise self._placed(error, modality.name, row) from None
            draft.refusals.append(Refusal.of(row, error))
            return
        if prepared.array.shape != modality.shape:
            raise ConfigError(
                "MODALITY_SHAPE",
                place=f"modality {modality.name}",
                rule=f"inputs of shape {modality.shape}",
                found=f"shape {prepared.array.shape}",
                remedy="Correct the size in cohort.toml.",
            )
        draft.remarks += [(row, remark) for remark in (*value.remarks, *prepared.remarks)]
        draft.put(row, prepared.array, prepared.windows, kind.summarise(value, prepared, modality))
        sizes = [(self._export.folder / file).stat().st_size for file in self._files(modality.name, row)]
        draft.facts[row] = {**kind.describe(value), "files": len(sizes), "bytes": sum(sizes)}

    def _placed(self, error: ClinfuseError, name: str, row: int) -> ClinfuseError:
        return error.at(f"modality {name}, record {self.records.keys[row]}")

    def _files(self, name: str, row: int) -> tuple[Path, ...]:
        source = self._export.sources[name]
        return source.files[row] if isinstance(source, FileSources) else ()

    def _entries(self, name: str) -> list[Entry]:
        if name in self._tables:
            return []
        made, keys = self._prepared[name], self.records.keys
        refused = [
            Entry(r.code, name, str(keys[r.row]), f"{r.place}: {r.rule}; found {r.found}.", remedy=r.remedy)
            for r in made.refusals
        ]
        remarked = [Entry(said.code, name, str(keys[row]), said.text, note=True) for row, said in made.remarks]
        short = np.flatnonzero(made.windows.any(axis=1) & ~made.windows.all(axis=1))
        text = "The recording is shorter than the windows taken from others; the missing ones are masked."
        noted = [Entry("EEG_WINDOWS", name, str(keys[row]), text, note=True) for row in short]
        mixed = mixed_views(made.properties)
        if mixed:
            noted.append(Entry("XRAY_VIEWS", name, "", mixed, note=True))
        return [*refused, *remarked, *noted]

    @property
    def folder(self) -> Path:
        """The cohort folder."""
        return self._export.folder

    def array(self, name: str) -> np.ndarray:
        """All prepared inputs, memory-mapped; a health-record table as it is."""
        return self._tables[name] if name in self._tables else self._prepared[name].array

    def windows(self, name: str) -> np.ndarray:
        """Windows that are covered."""
        return self._prepared[name].windows

    def features(self, name: str) -> np.ndarray:
        """Summary features; the columns themselves of a health-record table."""
        return self._tables[name] if name in self._tables else self._prepared[name].features

    def properties(self, name: str) -> pd.DataFrame:
        """What the files say of themselves, their names and the time they were made; none for a health-record table."""
        if name in self._tables:
            return pd.DataFrame(index=range(len(self.records)))
        if name not in self._beside:
            files = [self._files(name, row) for row in range(len(self.records))]
            beside = name_facts(files)
            beside["time made"] = made_at(self.named[name].kind, self.folder, files)
            self._beside[name] = beside
        return self._prepared[name].properties.join(self._beside[name])

    def digests(self, name: str) -> tuple[str, ...]:
        """One hash per record."""
        return self._digests[name]

    def load(self, name: str, row: int) -> Value:
        """The value of one record, read from its files again.

        Raises
        ------
        DataError
            The reader's, or that of `clinfuse.io.guard.Guard.read`.
        StorageError
            ``FILE_UNREADABLE`` where a file cannot be opened.
        """
        modality = self.named[name]
        if name in self._tables:
            return table_row(modality, self._tables[name][row])
        return self._opened(modality, row)

    def _opened(self, modality: Modality, row: int) -> FileValue:
        source = self._export.sources[modality.name]
        policy = source.policy if isinstance(source, FileSources) else ReaderPolicy()
        return opened(modality.kind, [self._export.folder / file for file in self._files(modality.name, row)], policy)

    def taken(self, rows: np.ndarray) -> tuple[Store, np.ndarray]:
        """The whole store: it travels as the place of its folder."""
        return self, rows

    def __reduce__(self) -> tuple[object, ...]:
        return reopened, (self._path, self._private, self.key)


def opened(kind: str, files: list[Path], policy: ReaderPolicy) -> FileValue:
    """What the reader of a kind makes of files, in a process that may hang or end without harm to this one."""
    return shared_guard().read(kind, files, policy)


def table_row(modality: Modality, values: np.ndarray) -> pd.Series:
    """One record's row of a health-record table: float64, one entry per column, NaN where empty."""
    return pd.Series(values.copy(), index=[column.name for column in modality.columns], name=modality.name)


_OPEN: dict[str, FolderStore] = {}
_KEPT_OPEN = 4


def keep_open(store: FolderStore) -> FolderStore:
    """The same store, remembered so that cohorts arriving in this process find it without reading the folder again."""
    _OPEN.pop(store.key, None)
    _OPEN[store.key] = store
    while len(_OPEN) > _KEPT_OPEN:
        _OPEN.pop(next(iter(_OPEN)))
    return store


def open_folder(path: Path, *, private: Path | None, strict: bool, retry: bool, progress: Progress) -> FolderStore:
    """Read an export and everything in it."""
    from clinfuse.cohort.folder import read_export

    export = read_export(path, private=private, strict=strict)
    return keep_open(FolderStore(export, path=path, private=private, strict=strict, retry=retry, progress=progress))


def reopened(path: Path, private: Path | None, key: str) -> FolderStore:
    """The store a cohort was sent from, opened in this process.

    Raises
    ------
    DataError
        ``COHORT_CHANGED`` where the folder no longer holds what it held.
    """
    if key in _OPEN:
        return _OPEN[key]
    store = open_folder(path, private=private, strict=False, retry=False, progress=silent)
    if store.key != key:
        raise DataError(
            "COHORT_CHANGED",
            place="cohort folder",
            rule="the records and files it held when the work began",
            found="other records, files or settings",
            remedy="Open the cohort again and repeat the work.",
        )
    return store
