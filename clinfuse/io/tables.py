"""Tables as text: CSV, TSV, Parquet and Excel, every cell as it was written.

Nothing is guessed: ``00123`` keeps its zeros, ``NA`` may be an id, ``1E5`` is no number here. Conversion is another
step, by declared columns.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from clinfuse.io.dialect import Dialect
from clinfuse.io.table_cells import TextTable, read_cells

__all__ = ["Dialect", "framed", "read_table"]


def read_table(file: Path, dialect: Dialect | None = None) -> pd.DataFrame:
    r"""Every cell of a table as text, without surrounding blanks; missing cells as empty text.

    Numbers, dates and truth values of Parquet and Excel files, which have types, are written the way ``dialect``
    writes them, whole numbers without a decimal point; Excel numbers formatted with leading zeros keep them. Blank
    lines are skipped.

    Parameters
    ----------
    file : Path
        ``.csv`` or ``.txt`` (delimiter as declared), ``.tsv``, ``.parquet``, ``.xlsx``; ``.ndjson`` (FHIR resources
        of one type) and ``.json`` (a FHIR bundle), as the long table of `clinfuse.io.fhir`.
    dialect : Dialect, optional
        Default: comma, point, UTF-8, ISO dates, only empty cells missing.

    Returns
    -------
    DataFrame of str (object)
        Columns named as in the first row, rows in the order of the file. The index, named ``"line"``, is where a
        text editor or Excel shows the row; of a Parquet file it is named ``"row"`` and counts from 1.

    Raises
    ------
    DataError
        ``TABLE_OPEN``, ``TABLE_FORMAT``, ``TABLE_ENCODING``, ``TABLE_DELIMITER``, ``TABLE_EMPTY``, ``TABLE_QUOTES``,
        ``TABLE_NUL``, ``TABLE_LINES``, ``TABLE_CELL``, ``TABLE_COLUMNS``, ``TABLE_HEADER``, ``TABLE_SIZE``,
        ``TABLE_TYPE``, ``TABLE_FORMULA``, ``TABLE_SHEETS``, ``EHR_RAGGED``, ``FHIR_JSON``, ``FHIR_MIXED``,
        ``FHIR_BUNDLE``, ``FHIR_REFERENCE``, ``BOMB``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "labs.csv"
    ...     _ = file.write_text("PID;CRP\n00123;1,5\nNA;-\n", encoding="utf-8")
    ...     read_table(file, Dialect(delimiter=";", decimal=",", missing=("-",))).to_numpy().tolist()
    [['00123', '1,5'], ['NA', '']]
    """
    return framed(read_cells(file, dialect or Dialect()))


def framed(table: TextTable) -> pd.DataFrame:
    """The same cells as `read_table` gives them."""
    index = pd.Index(table.places, name=table.unit)
    return pd.DataFrame(dict(zip(table.names, table.columns, strict=True)), index=index, dtype=object)
