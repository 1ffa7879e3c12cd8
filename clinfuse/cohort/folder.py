"""From a hospital export, as it is, to records and the files and rows that belong to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clinfuse.cohort.candidates import find_candidates
from clinfuse.cohort.choose import choose
from clinfuse.cohort.contract import FILE_NAME, Contract, read_contract
from clinfuse.cohort.declarations import EhrSource
from clinfuse.cohort.declare import modality_of
from clinfuse.cohort.ehr_tables import read_rows
from clinfuse.cohort.found_series import Search
from clinfuse.cohort.keys import open_private, private_folder, write_keys
from clinfuse.cohort.ledger import Ledger
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.notes import Notes
from clinfuse.cohort.outcome import Outcome, read_outcome
from clinfuse.cohort.records import Export, FileSources, RecordTable, TableSources
from clinfuse.cohort.tables import TableBook
from clinfuse.cohort.visits import Visits, attributes_of, read_visits, sides_of
from clinfuse.errors import DataError
from clinfuse.io.policies import POLICIES


def read_export(folder_or_toml: Path, *, private: Path | None = None, strict: bool = False) -> Export:
    """The records of an export, what each modality is, and which files and rows belong to whom.

    Ids are joined exactly, as text. Nothing is opened that is not needed for joining: tables, DICOM headers, and the
    headers of recordings where times matter.

    Parameters
    ----------
    folder_or_toml : Path
        ``cohort.toml``, or the folder that holds it.
    private : Path, optional
        Folder for the secret and the list of keys; default ``private`` beside ``cohort.toml``.
    strict : bool
        Stop at the first refused file or damaged record instead of noting it.

    Returns
    -------
    Export
        Records in the order of the records table; input records = used + excluded.

    Raises
    ------
    ConfigError
        What ``cohort.toml`` may not say, see :func:`clinfuse.cohort.contract.read_contract`.
    DataError
        What a table does not say, see the modules that read them; ``RECORDS_NONE`` if every record is left out.
    StorageError
        ``PRIVATE_WRITE`` where no keys can be kept.
    """
    given = Path(folder_or_toml)
    file = given / FILE_NAME if given.is_dir() else given
    contract = read_contract(file)
    folder = file.parent.resolve()
    ring = open_private(folder, private)
    notes = Notes(strict=strict)
    book = TableBook(folder, contract.tables, notes)
    visits = read_visits(contract, book, ring, notes)
    outcome = read_outcome(contract, visits, book, notes)
    visits = visits.without(outcome.left_out)
    if not visits.kept.any():
        raise _nobody(notes)
    modalities: list[Modality] = []
    sources: dict[str, FileSources | TableSources] = {}
    for name in contract.modalities:
        modality, sources[name] = _source(name, contract, folder, visits, book, notes)
        modalities.append(modality)
    ledger = Ledger(visits.records_in, int(visits.kept.sum()), notes.entries, notes.matches)
    if ledger.records_excluded != sum(ledger.excluded.values()):
        raise DataError(
            "LEDGER",
            place="ledger",
            rule="input records = used + excluded",
            found=f"{ledger.records_in}, {ledger.records_used} and {sum(ledger.excluded.values())}",
            remedy="Please report this with the version of clinfuse.",
        )
    records = _records(contract, visits, outcome, book)
    write_keys(private_folder(folder, private), _key_rows(records, sources))
    return Export(folder, records, tuple(modalities), sources, ledger)


def _source(
    name: str, contract: Contract, folder: Path, visits: Visits, book: TableBook, notes: Notes
) -> tuple[Modality, FileSources | TableSources]:
    source = contract.modalities[name]
    if isinstance(source, EhrSource):
        rows = read_rows(name, contract, visits, book, notes)
        return modality_of(name, source, rows.columns), TableSources(rows.values[visits.kept])
    search = Search(name, source, source.kind, contract, folder, visits, book, notes)
    chosen = choose(search, find_candidates(search))
    files = tuple(files for files, kept in zip(chosen, visits.kept, strict=True) if kept)
    return modality_of(name, source), FileSources(files, POLICIES[source.kind].of(source))


def _records(contract: Contract, visits: Visits, outcome: Outcome, book: TableBook) -> RecordTable:
    section, kept = contract.records, visits.kept
    nowhere = np.full(len(visits), "", dtype=object)
    sites = nowhere if section.site is None else visits.table[section.site].to_numpy(dtype=object)
    attributes = attributes_of(visits, section, book.dialect(section).decimal)
    return RecordTable(
        record_ids=visits.record_ids[kept].astype(str),
        patient_ids=visits.patient_ids[kept].astype(str),
        keys=np.array(visits.keys)[kept],
        patient_keys=np.array(visits.patient_keys)[kept],
        labels=outcome.labels[kept],
        classes=outcome.classes,
        task=outcome.task,
        sites=sites[kept].astype(str),
        times=visits.times[kept],
        splits=sides_of(visits, section)[kept].astype(str),
        attributes=attributes[kept].reset_index(drop=True),
    )


def _key_rows(records: RecordTable, sources: dict[str, FileSources | TableSources]) -> list[dict[str, str]]:
    """One line for each record with its files, one for each patient with the records."""
    lines = []
    patients: dict[str, tuple[str, list[str]]] = {}
    for row in range(len(records)):
        record, patient = str(records.record_ids[row]), str(records.patient_ids[row])
        files = [
            path.as_posix() for each in sources.values() if isinstance(each, FileSources) for path in each.files[row]
        ]
        lines.append({"key": str(records.keys[row]), "patient": patient, "record": record, "files": ";".join(files)})
        patients.setdefault(str(records.patient_keys[row]), (patient, []))[1].append(record)
    for key, (patient, written) in patients.items():
        lines.append({"key": key, "patient": patient, "record": ";".join(sorted(written)), "files": ""})
    return lines


def _nobody(notes: Notes) -> DataError:
    counts = Ledger(0, 0, notes.entries).excluded
    return DataError(
        "RECORDS_NONE",
        place="records",
        rule="at least one record that can be used",
        found=", ".join(f"{count} {code}" for code, count in counts.items()) or "none",
        remedy="Check the columns that [records] and [label] name.",
    )
