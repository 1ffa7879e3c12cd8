"""Tables for a manuscript: csv, docx and tex, the same bytes for the same numbers."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import final

import docx
import pandas as pd

from clinfuse.report.html import RESEARCH_ONLY, clean, number, write_bytes, write_text
from clinfuse.report.reading import true_minus

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")
_ZERO = re.compile(r"(?<![\d.])[+−](0\.0+)(?!\d)")
_FIXED = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
}


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
    rows = tuple(
        tuple(_ZERO.sub(r"\1", true_minus(printed(cell))) for cell in row)
        for row in shown.itertuples(index=False, name=None)
    )
    return Frame(tuple(str(column) for column in shown.columns), rows)


def write_tables(table: pd.DataFrame, folder: Path | str, name: str, *, caption: str = "") -> tuple[Path, ...]:
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

    Returns
    -------
    tuple of Path
        csv, docx, tex.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    place = Path(folder)
    return (
        write_text(place / f"{name}.csv", csv_text(table)),
        write_bytes(place / f"{name}.docx", _docx_bytes(table, caption)),
        write_text(place / f"{name}.tex", tex_text(table, caption=caption)),
    )


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


def printed(cell: object) -> str:
    """Give a cell as a reader sees it.

    Examples
    --------
    >>> printed(-0.123), printed(240), printed("late"), printed(float("nan"))
    ('−0.12', '240', 'late', '–')
    """
    if isinstance(cell, float):
        return number(cell)
    return clean(str(cell))


def tex_text(table: pd.DataFrame, *, caption: str = "") -> str:
    r"""Give a table as LaTeX with the rules of booktabs.

    Examples
    --------
    >>> r"5\%" in tex_text(pd.DataFrame({"share": ["5%"]}))
    True
    """
    head = " & ".join(_tex(str(column)) for column in table.columns)
    body = "\n".join(" & ".join(_tex(printed(cell)) for cell in row) + r" \\" for row in _rows(table))
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{_tex(caption)}}}\n\\begin{{tabular}}{{{'l' * len(table.columns)}}}\n\\toprule\n"
        f"{head} \\\\\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def _rows(table: pd.DataFrame) -> list[tuple[object, ...]]:
    return list(table.itertuples(index=False, name=None))


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in clean(text))


def _docx_bytes(table: pd.DataFrame, caption: str) -> bytes:
    document = docx.Document()
    properties = document.core_properties
    properties.author, properties.last_modified_by = "clinfuse", "clinfuse"
    properties.created = properties.modified = _FIXED
    properties.revision, properties.comments = 1, RESEARCH_ONLY
    if caption:
        document.add_paragraph(clean(caption))
    grid = document.add_table(rows=1, cols=max(len(table.columns), 1))
    for cell, column in zip(grid.rows[0].cells, table.columns, strict=False):
        cell.paragraphs[0].add_run(clean(str(column))).bold = True
    for row in _rows(table):
        for cell, value in zip(grid.add_row().cells, row, strict=True):
            cell.text = printed(value)
    document.add_paragraph(RESEARCH_ONLY)
    buffer = io.BytesIO()
    document.save(buffer)
    return _undated(buffer.getvalue())


def _undated(archive: bytes) -> bytes:
    """Write a zip archive again with one fixed time for every member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            member = zipfile.ZipInfo(name, _FIXED.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            new.writestr(member, old.read(name))
    return buffer.getvalue()
