"""Tables of an export, read in the decoding process."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from clinfuse.errors import ClinfuseError
from clinfuse.io.dialect import Dialect
from clinfuse.io.guard import as_data, shared_guard
from clinfuse.io.tables import framed


def exported_table(file: Path, dialect: Dialect) -> pd.DataFrame:
    """What `clinfuse.io.tables.read_table` gives for a file of an export.

    Raises
    ------
    DataError
        As there, and those of `clinfuse.io.guard.Guard.read`.
    StorageError
        ``READ_WORKER``.
    """
    try:
        return framed(shared_guard().read_table(file, dialect))
    except ClinfuseError as error:
        raise as_data(error) from None


def exported_dialect(file: Path) -> tuple[str, tuple[str, ...]]:
    """What `clinfuse.io.likely_dialect.likely_dialect` gives for a file of an export.

    Raises
    ------
    DataError
        As there, and those of `clinfuse.io.guard.Guard.read`.
    StorageError
        ``READ_WORKER``.
    """
    try:
        return shared_guard().likely_dialect(file)
    except ClinfuseError as error:
        raise as_data(error) from None
