"""Tables as hospitals may write them: ids that look like numbers, odd delimiters, words for nothing."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from hypothesis import strategies as st

from clinfuse.io.dialect import Dialect

_ODD_IDS = ("00123", "NA", "None", "1E5", "2-3", "9007199254740993", "1.0", "True", "=1+1", "é-7", "null", "0")
WORDS = ("-", "n.b.", "?", "NULL", "k.A.")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1")
ids = st.one_of(
    st.sampled_from(_ODD_IDS),
    st.from_regex(r"[0-9]{1,12}", fullmatch=True),
    st.from_regex(r"[A-Za-z]{1,3}[-/ ]?[0-9]{1,6}", fullmatch=True),
)


@dataclass(frozen=True)
class Written:
    """The bytes of a table, how it says it is written, and what has to come back."""

    data: bytes
    dialect: Dialect
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@st.composite
def tables(draw: st.DrawFn) -> Written:
    """A table of ids, numbers in a unit and remarks, in any dialect that can hold them."""
    delimiter = draw(st.sampled_from(",;\t|"))
    decimal = draw(st.sampled_from(".,"))
    encoding = draw(st.sampled_from(ENCODINGS))
    missing = tuple(draw(st.lists(st.sampled_from(WORDS), unique=True)))
    number = st.decimals(0, 999, places=1, allow_nan=False).map(lambda value: str(value).replace(".", decimal))
    remark = st.text(st.sampled_from("aZ09 ;,|'\"\n\tü("), max_size=6).map(str.strip)
    cell = st.one_of(number, st.sampled_from(("", *missing)))
    body = draw(st.lists(st.tuples(ids, cell, st.sampled_from(("mg/L", "mg/dL", "")), remark), min_size=1, max_size=8))
    rows = [("PID", "CRP", "UNIT", "Größe"), *body]
    out = io.StringIO(newline="")
    quoting = draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    end = draw(st.sampled_from(("\n", "\r\n")))
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(rows)
    dialect = Dialect(delimiter=delimiter, decimal=decimal, encoding=encoding.removesuffix("-sig"), missing=missing)
    nothing = {"", *missing}
    kept = tuple(tuple("" if text in nothing else text for text in row) for row in body)
    return Written(out.getvalue().encode(encoding), dialect, tuple(rows[0]), kept)
