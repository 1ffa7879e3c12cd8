"""Word files: the same bytes for the same content, three rules to a table, wide tables on a page turned sideways."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import docx
import pandas as pd
from docx.enum.section import WD_ORIENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from clinfuse.report.html import LONGEST_CAPTION, RESEARCH_ONLY, clean
from clinfuse.report.typeset import typeset

_FIXED = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_WIDEST = 7  # columns of an upright page


def new_document(*, wide: bool = False) -> Any:
    """Give an empty document without a date or a name of this machine.

    Parameters
    ----------
    wide : bool
        Whether its pages lie on their side.
    """
    document = docx.Document()
    properties = document.core_properties
    properties.author, properties.last_modified_by = "clinfuse", "clinfuse"
    properties.created = properties.modified = _FIXED
    properties.revision, properties.comments = 1, RESEARCH_ONLY
    # Once for the whole document: asked of every cell, it would take most of the time.
    document.styles["Normal"].font.size = Pt(9)
    document.styles["Normal"].paragraph_format.space_after = Pt(2)
    section = document.sections[0]
    section.page_width, section.page_height = (Mm(297), Mm(210)) if wide else (Mm(210), Mm(297))
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Mm(18))
    return document


def table_document(table: pd.DataFrame, caption: str) -> bytes:
    """Give the bytes of a document that holds one table under its caption.

    Parameters
    ----------
    table : DataFrame
    caption : str
    """
    document = new_document(wide=len(table.columns) > _WIDEST)
    if caption:
        document.add_paragraph(readable(caption))
    rows = [[typeset(cell) for cell in row] for row in table.itertuples(index=False, name=None)]
    add_table(document, [str(column) for column in table.columns], rows)
    document.add_paragraph(RESEARCH_ONLY)
    return stored(document)


def add_table(document: Any, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Put a table at the end of a document: rules above and below its head and at its end, the head on every page."""
    grid = document.add_table(rows=1 + len(rows), cols=max(len(columns), 1))
    lines = list(grid.rows)
    _fill(lines[0].cells, columns, bold=True)
    for line, row in zip(lines[1:], rows, strict=True):
        _fill(line.cells, row)
    _rule(lines[0], "top", "bottom")
    if rows:
        _rule(lines[-1], "bottom")
    repeat = OxmlElement("w:tblHeader")
    repeat.set(qn("w:val"), "true")
    lines[0]._tr.get_or_add_trPr().append(repeat)
    document.add_paragraph()


def readable(text: str) -> str:
    r"""Give a text without what an XML file may not hold.

    Examples
    --------
    >>> readable("a\x00b\ufffec")
    'abc'
    """
    return "".join(letter for letter in clean(text, LONGEST_CAPTION) if ord(letter) & 0xFFFE != 0xFFFE)


def stored(document: Any) -> bytes:
    """Give the bytes of a document: members in one order, all with one fixed time."""
    buffer = io.BytesIO()
    document.save(buffer)
    return _undated(buffer.getvalue())


def _fill(cells: Sequence[Any], texts: Sequence[str], *, bold: bool = False) -> None:
    for cell, text in zip(cells, texts, strict=False):
        run = cell.paragraphs[0].add_run(readable(text))
        if bold:
            run.bold = True


def _rule(row: Any, *sides: str) -> None:
    for cell in row.cells:
        borders = OxmlElement("w:tcBorders")
        for side in sides:
            line = OxmlElement(f"w:{side}")
            for name, value in (("val", "single"), ("sz", "6"), ("space", "0"), ("color", "000000")):
                line.set(qn(f"w:{name}"), value)
            borders.append(line)
        cell._tc.get_or_add_tcPr().append(borders)


def _undated(archive: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            member = zipfile.ZipInfo(name, _FIXED.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            new.writestr(member, old.read(name))
    return buffer.getvalue()
