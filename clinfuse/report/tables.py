"""Tables for a manuscript: csv, docx and tex, the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from clinfuse.report.document import table_document
from clinfuse.report.html import clean, write_bytes, write_text
from clinfuse.report.latex import tex_text
from clinfuse.report.typeset import typeset

FORMS = ("csv", "docx", "tex")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")


@final
@dataclass(frozen=True)
class Frame:
    """A table as a page prints it.

    Parameters
    ----------
    columns : tuple of str
    rows : tuple of tuple of str
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def frame_of(table: pd.DataFrame) -> Frame:
    """Give a table as a page prints it, its named index as the first column; a zero carries no sign.

    Examples
    --------
    >>> frame_of(pd.DataFrame({"change": ["-0.00 (-0.02 to +0.01)"]})).rows
    (('0.00 (−0.02 to +0.01)',),)
    """
    shown = table.reset_index() if table.index.name else table
    rows = tuple(tuple(typeset(cell) for cell in row) for row in shown.itertuples(index=False, name=None))
    return Frame(tuple(str(column) for column in shown.columns), rows)


def write_tables(
    table: pd.DataFrame, folder: Path | str, name: str, *, caption: str = "", forms: Collection[str] = FORMS
) -> tuple[Path, ...]:
    """Write one table as ``name.csv``, ``name.docx`` and ``name.tex``.

    Parameters
    ----------
    table : DataFrame
        Texts are cleaned; numbers stay numbers in the csv and get two decimals elsewhere.
    folder : Path or str
        Made where it is missing.
    name : str
        Of the files, without ending.
    caption : str
        Of the docx and the tex.
    forms : collection of str
        Out of ``"csv"``, ``"docx"`` and ``"tex"``.

    Returns
    -------
    tuple of Path
        csv, docx, tex: those asked for, in this order.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    place = Path(folder)
    written = []
    if "csv" in forms:
        written.append(write_text(place / f"{name}.csv", csv_text(table)))
    if "docx" in forms:
        written.append(write_bytes(place / f"{name}.docx", table_document(table, caption)))
    if "tex" in forms:
        written.append(write_text(place / f"{name}.tex", tex_text(table, caption=caption, name=name)))
    return tuple(written)


def guarded(text: str) -> str:
    """Give a text that no spreadsheet takes for a formula.

    References
    ----------
    CWE-1236; OWASP ASVS 1.2.10.

    Examples
    --------
    >>> guarded("=1+1"), guarded("late")
    ("'=1+1", 'late')
    """
    shown = clean(text)
    risky = text.startswith(_FORMULA) or shown.lstrip().startswith(_FORMULA)
    return f"'{shown}" if risky else shown


def csv_text(table: pd.DataFrame) -> str:
    """Give a table as csv; strings are guarded against formulas, numbers are untouched.

    Examples
    --------
    >>> print(csv_text(pd.DataFrame({"model": ["@late"], "change": [-0.5]})), end="")
    model,change
    '@late,-0.5
    """
    safe = table.map(lambda cell: guarded(cell) if isinstance(cell, str) else cell)
    safe.columns = pd.Index([guarded(str(column)) for column in table.columns])
    return safe.to_csv(index=False, lineterminator="\n")
