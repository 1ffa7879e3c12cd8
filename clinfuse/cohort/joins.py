"""Exact joins on text: which records an id of any system belongs to."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import final

import numpy as np
import pandas as pd

from clinfuse.cohort.contract import Contract
from clinfuse.cohort.ledger import Match
from clinfuse.cohort.notes import Notes
from clinfuse.cohort.tables import TableBook, require
from clinfuse.errors import DataError

# What a program writes in place of a letter that it cannot read: two people may become one by it.
_LOST = "\ufffd"
RECORD = "record_id"
PATIENT = "patient_id"


def plain(written: str) -> str:
    r"""An id as it is compared: compatibility forms of characters made one, surrounding blanks removed.

    Examples
    --------
    >>> plain("４７１１\u00a0")
    '4711'
    """
    return unicodedata.normalize("NFKC", written).strip()


def plain_ids(column: Iterable[str], width: int | None, place: str) -> np.ndarray:
    """A column of ids as they are compared.

    Parameters
    ----------
    column : iterable of str
    width : int or None
        Digits to which a number is filled up with zeros; only where ``cohort.toml`` says so.
    place : str
        For the message.

    Returns
    -------
    ndarray of str (object)

    Raises
    ------
    DataError
        ``ID_COLLISION`` if two different written ids become one, other than by the declared zeros; ``ID_DAMAGED``
        if letters of an id were lost before the table was written.
    """
    written = list(column)
    lost = sum(_LOST in text for text in written)
    if lost:
        raise DataError(
            "ID_DAMAGED",
            place=place,
            rule="ids as their system writes them",
            found=f"{lost} in which an earlier program put a mark for a letter it could not read",
            remedy="Export the table again in the encoding that it was made in.",
        )
    forms = {text: plain(text) for text in set(written)}
    if len(set(forms.values())) != len(forms):
        raise DataError(
            "ID_COLLISION",
            place=place,
            rule="ids that differ in more than blanks and the form of their characters",
            found=f"{len(forms) - len(set(forms.values()))} that do not",
            remedy="Correct these ids: they may or may not be the same person.",
        )
    return np.array([padded(forms[text], width) for text in written], dtype=object)


def padded(text: str, width: int | None) -> str:
    """A number filled up with zeros to `width` digits; anything else as it is.

    Examples
    --------
    >>> padded("4711", 7), padded("A1", 7), padded("4711", None)
    ('0004711', 'A1', '4711')
    """
    return text.zfill(width) if width is not None and text.isascii() and text.isdigit() else text


@final
class Joins:
    """Positions of records by record id, patient id or the number of another system.

    Parameters
    ----------
    record_ids, patient_ids : sequence of str
        One each per record, as compared.
    systems : mapping of str to (mapping of str to str)
        For each other system, patient id by its number.
    width : mapping of str to int
        Digits by system.

    Examples
    --------
    >>> joins = Joins(["v1", "v2"], ["007", "007"], {"pacs": {"A": "007"}}, {"patient_id": 3})
    >>> joins.records("pacs", "A"), joins.records("patient_id", "7"), joins.records("record_id", "v3")
    ((0, 1), (0, 1), ())
    """

    def __init__(
        self,
        record_ids: Sequence[str],
        patient_ids: Sequence[str],
        systems: Mapping[str, Mapping[str, str]],
        width: Mapping[str, int],
    ) -> None:
        self.count = len(record_ids)
        self.width = dict(width)
        self._by_record = {written: (row,) for row, written in enumerate(record_ids)}
        self._by_patient: dict[str, tuple[int, ...]] = {}
        for row, written in enumerate(patient_ids):
            self._by_patient[written] = (*self._by_patient.get(written, ()), row)
        self._systems = systems

    def records(self, system: str, written: str) -> tuple[int, ...]:
        """Positions of the records that a number of a system belongs to, none where it is unknown or empty."""
        number = padded(plain(written), self.width.get(system))
        if not number:
            return ()
        if system == RECORD:
            return self._by_record.get(number, ())
        if system == PATIENT:
            return self._by_patient.get(number, ())
        return self._by_patient.get(self._systems[system].get(number, ""), ())

    def numbers(self, system: str) -> tuple[str, ...]:
        """Every number of a system that belongs to a record."""
        if system == RECORD:
            return tuple(self._by_record)
        if system == PATIENT:
            return tuple(self._by_patient)
        return tuple(number for number, patient in self._systems[system].items() if patient in self._by_patient)

    def hint(self, system: str, numbers: Iterable[str]) -> str:
        """What would let numbers of a source meet the records when they do not; empty where nothing is seen that would.

        Parameters
        ----------
        system : str
            The system they were taken for.
        numbers : iterable of str
            As written; none of them is repeated.

        Examples
        --------
        >>> Joins(["v1", "v2"], ["007", "008"], {}, {}).hint("patient_id", ["7", "8"])
        'They would meet with `width = { patient_id = 3 }` in [ids].'
        """
        written = {plain(number) for number in numbers} - {""}
        for other in (RECORD, PATIENT, *self._systems):
            if other != system and any(self.records(other, number) for number in written):
                return f'They would meet as numbers of another system: `is = "{other}"` in this section.'
        known = self.numbers(system)
        width, _ = self.zeros_lost(system, written)
        if width:
            return f"They would meet with `width = {{ {system} = {width} }}` in [ids]."
        bare_known = {number.lstrip("0") for number in known} - {""}
        if bare_known & {number.removesuffix(".0").lstrip("0") for number in written if number.endswith(".0")}:
            return "They would meet without the .0 behind them: a program took them for numbers; export them as text."
        if bare_known & {number.lstrip("0") for number in written}:
            return "They would meet if leading zeros were the same; write all ids with the same number of digits."
        if {number.casefold() for number in known} & {number.casefold() for number in written}:
            return "They would meet if upper and lower case were the same in both tables."
        return ""

    def zeros_lost(self, system: str, numbers: Iterable[str]) -> tuple[int, int]:
        """To how many digits numbers would have to be filled up with zeros, and how many would meet a record then.

        Examples
        --------
        >>> Joins(["v1", "v2"], ["007", "008"], {}, {}).zeros_lost("patient_id", ["7", "008", "x", "9"])
        (3, 1)
        """
        known = set(self.numbers(system))
        digits = {len(number) for number in known if number.isascii() and number.isdigit()}
        if len(digits) != 1:
            return 0, 0
        width = max(digits)
        lost = sum(number not in known and padded(number, width) in known for number in numbers)
        return (width, lost) if lost else (0, 0)

    def match(self, source: str, found: Sequence[tuple[int, ...]]) -> Match:
        """How the items of a source met the records.

        Parameters
        ----------
        source : str
        found : sequence of tuple of int
            For each item the records it belongs to.
        """
        met = {row for rows in found for row in rows}
        return Match(
            source=source,
            matched=sum(len(rows) > 0 for rows in found),
            unmatched=sum(len(rows) == 0 for rows in found),
            twice=sum(len(rows) > 1 for rows in found),
            without=self.count - len(met),
        )


def read_systems(contract: Contract, book: TableBook, notes: Notes) -> dict[str, dict[str, str]]:
    """The id map: for each other system, patient id by its number.

    A number that the map gives to two patients belongs to nobody and is noted.

    Raises
    ------
    DataError
        ``COLUMN_ABSENT``, ``ID_COLLISION``, or ``ID_AMBIGUOUS`` if reading is strict.
    """
    ids = contract.ids
    if ids is None:
        return {}
    table = book.open(ids.table, ids, "[ids] table")
    named = [("[ids] patient_id", ids.patient_id), *((f"[ids] {key}", column) for key, column in ids.systems.items())]
    require(table, named)
    patients = plain_ids(table[ids.patient_id], contract.width.get(PATIENT), "[ids] patient_id")
    return {
        system: _system(
            system, plain_ids(table[column], contract.width.get(system), f"[ids] {system}"), patients, notes
        )
        for system, column in ids.systems.items()
    }


def _system(system: str, numbers: np.ndarray, patients: np.ndarray, notes: Notes) -> dict[str, str]:
    pairs = pd.DataFrame({"number": numbers, "patient": patients}).drop_duplicates()
    pairs = pairs[(pairs["number"] != "") & (pairs["patient"] != "")]
    shared = pairs["number"].duplicated(keep=False)
    for _ in range(pairs.loc[shared, "number"].nunique()):
        text = "A number of this system stands beside two patients in the id map and is used for neither."
        notes.refuse("ID_AMBIGUOUS", f"ids {system}", text)
    single = pairs[~shared]
    return dict(zip(single["number"], single["patient"], strict=True))
