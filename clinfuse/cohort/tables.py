"""The tables of an export, each read once for each way in which it is said to be written."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from clinfuse.cohort.contract import TablesSection
from clinfuse.cohort.declarations import Written
from clinfuse.cohort.notes import Notes
from clinfuse.errors import ClinfuseError, DataError
from clinfuse.io.cells import nearest_name
from clinfuse.io.dialect import Dialect
from clinfuse.io.exported_tables import exported_table
from clinfuse.io.files import leads_inside, outside
from clinfuse.io.guard import shared_guard
from clinfuse.io.times import read_times

# Two letters at least, so that a Windows drive is none.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|file:", re.IGNORECASE)

_CAP_OFF = "tables read in a process whose memory this system cannot limit; its time is limited all the same."


def dialect_of(tables: TablesSection, section: Written | None = None) -> Dialect:
    """How one table is written: as `section` says, and as ``[tables]`` says where it says nothing."""
    said = {key: getattr(section, key) for key in Dialect.__dataclass_fields__} if section is not None else {}
    return Dialect(**{**tables.model_dump(), **{key: value for key, value in said.items() if value is not None}})


def inside(root: Path, name: str | Path) -> Path:
    """A path below the cohort folder.

    Parameters
    ----------
    root : Path
        The cohort folder, resolved.
    name : str or Path
        As ``cohort.toml`` or a path column writes it.

    Returns
    -------
    Path
        `root` and the rest; links inside the folder are kept as they are written.

    Raises
    ------
    DataError
        ``FILE_OUTSIDE`` where the path leads out of the folder, ``LINK_OUTSIDE`` where a link on it does;
        ``FILE_URL`` where it is an address: nothing is ever fetched.
    """
    if _ADDRESS.match(str(name)):
        raise DataError(
            "FILE_URL",
            place="a file of the export",
            rule="paths of files inside the cohort folder",
            found="an address",
            remedy="Copy the file into the folder and write its path.",
        )
    path = Path(os.path.normpath(root / name))
    if path.is_relative_to(root) and not leads_inside(root, path):
        raise outside()
    if not path.is_relative_to(root):
        raise DataError(
            "FILE_OUTSIDE",
            place="a file of the export",
            rule="files inside the cohort folder",
            found="a path that leads out of it",
            remedy="Copy the file into the folder.",
        )
    return path


@final
class TableBook:
    """Tables by the name ``cohort.toml`` gives them.

    Parameters
    ----------
    root : Path
        The cohort folder, resolved.
    tables : TablesSection
        How they are written unless a section says otherwise.
    notes : Notes, optional
        Where it is told what had to become missing.
    """

    def __init__(self, root: Path, tables: TablesSection, notes: Notes | None = None) -> None:
        self._root = root
        self._tables = tables
        self._notes = notes or Notes()
        self._told: set[tuple[str, str]] = set()
        self._read: dict[tuple[str, Dialect], pd.DataFrame] = {}

    def dialect(self, section: Written | None) -> Dialect:
        """How the table of a section is written."""
        return dialect_of(self._tables, section)

    def open(self, name: str, section: Written | None, place: str) -> pd.DataFrame:
        """A table, every cell as text, missing ones empty.

        Raises
        ------
        DataError
            ``TABLE_ABSENT``, or what the reader says, with `place` in front.
        """
        key = (name, self.dialect(section))
        if key not in self._read:
            try:
                file = inside(self._root, name)
                if not file.is_file():
                    raise DataError(
                        "TABLE_ABSENT",
                        place="table",
                        rule="a file of the name that cohort.toml gives, counted from its folder",
                        found="none",
                        remedy="Correct the name.",
                    )
                self._read[key] = exported_table(file, key[1])
                self._notes.tell("CAP_OFF", "tables", int(not shared_guard().start()), _CAP_OFF)
            except ClinfuseError as error:
                raise error.at(place) from None
        return self._read[key]

    def same(self, one: str, other: str) -> bool:
        """Whether two names, links followed, are one file.

        Raises
        ------
        DataError
            ``FILE_OUTSIDE``.
        """
        return inside(self._root, one).resolve() == inside(self._root, other).resolve()

    def times(self, table: pd.DataFrame, column: str, section: Written | None, place: str) -> np.ndarray:
        """A column of dates and times, datetime64[s], NaT where empty; dates that cannot be are told and are NaT.

        Raises
        ------
        DataError
            What the reader says of dates it cannot read, with `place` in front.
        """
        try:
            read = read_times(table[column], self.dialect(section))
        except ClinfuseError as error:
            raise error.at(place) from None
        if (place, column) not in self._told:
            self._told.add((place, column))
            text = f"dates of column {column} cannot be and are treated as missing."
            self._notes.tell("EHR_DATE", place.removeprefix("modalities."), read.impossible, text)
        return read.values


def require(table: pd.DataFrame, columns: Sequence[tuple[str, str | None]]) -> None:
    """Check that a table has the columns that its section names.

    Parameters
    ----------
    table : DataFrame
    columns : sequence of (str, str or None)
        Key of ``cohort.toml`` and the column it names; None is no column.

    Raises
    ------
    DataError
        ``COLUMN_ABSENT``. Only the declared name is repeated: the first row of a file without a header is data.
    """
    for place, column in columns:
        if column is not None and column not in table.columns:
            near = nearest_name(column, table.columns)
            raise DataError(
                "COLUMN_ABSENT",
                place=place,
                rule=f"a column named '{column}'",
                found="none of this name among the columns of the table",
                remedy=f"Did you mean '{near}'?" if near else "Correct the name; upper and lower case matter.",
            )


def lines_of(table: pd.DataFrame, rows: Sequence[int]) -> str:
    """Where rows of a table stand in its file, as a text editor or Excel counts.

    Examples
    --------
    >>> lines_of(pd.DataFrame({"a": ["1", "2", "3"]}, index=pd.Index([2, 3, 7], name="line")), [0, 2])
    'Line 2, 7'
    """
    places = ", ".join(str(place) for place in table.index[list(rows)])
    return f"{str(table.index.name or 'row').capitalize()} {places}"
