"""The tables of an export, each read once for each way in which it is said to be written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from clinfuse.cohort.contract import TablesSection
from clinfuse.cohort.declarations import Written
from clinfuse.errors import ClinfuseError, DataError
from clinfuse.io.dialect import Dialect
from clinfuse.io.ehr import parse_times
from clinfuse.io.tables import read_table


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
        ``FILE_OUTSIDE`` where the path, or a link on it, leads out of the folder.
    """
    path = Path(os.path.normpath(root / name))
    try:
        target = path.resolve()
    except (OSError, RuntimeError, ValueError):
        target = Path("/")
    if not (target.is_relative_to(root) and path.is_relative_to(root)):
        raise DataError(
            "FILE_OUTSIDE",
            place="a file of the export",
            rule="files inside the cohort folder",
            found="a path or link that leads out of it",
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
    """

    def __init__(self, root: Path, tables: TablesSection) -> None:
        self._root = root
        self._tables = tables
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
                self._read[key] = read_table(file, key[1])
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
        """A column of dates and times, datetime64[s], NaT where empty.

        Raises
        ------
        DataError
            What the reader says of dates it cannot read, with `place` in front.
        """
        try:
            return parse_times(table[column], self.dialect(section))
        except ClinfuseError as error:
            raise error.at(place) from None


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
            raise DataError(
                "COLUMN_ABSENT",
                place=place,
                rule=f"a column named '{column}'",
                found="none of this name among the columns of the table",
                remedy="Correct the name; upper and lower case matter.",
            )
