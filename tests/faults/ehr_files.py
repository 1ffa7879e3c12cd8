"""Tables that a reader must not guess at: text, Excel and Parquet files, each read alone."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import tomllib
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from clinfuse.errors import DataError
from clinfuse.io.tables import Dialect, read_table
from tests.faults.fault import NAME, NUMBER, Fault

IDS = (
    ("00123", "00124", "0004711", "0"),
    ("NA", "None", "null", "nan"),
    ("1E5", "2-3", "9007199254740993", "3/4"),
)
Make = Callable[[int], list[list[str]]]


def read(path: Path, line: str, **said: object) -> tuple[str, ...]:
    """Read one table; a column COPY, where there is one, proves that ids came through as they were written."""
    table = read_table(path, Dialect(**{**said, **tomllib.loads(line)}))
    if "COPY" in table.columns and any(f"x{one}" != two for one, two in zip(table["PID"], table["COPY"], strict=True)):
        raise DataError("CHANGED", place="test", rule="ids as written", found="others", remedy="")
    return ()


def people(variant: int) -> list[list[str]]:
    """A plain table of three columns about somebody who must not be named, longer with every variant."""
    rows = [["PID", "NAME", "CRP"]]
    return rows + [[f"{NUMBER}{k}", f"{NAME} {k}", f"{k}.5"] for k in range(3 + 4 * variant)]


def text(rows: list[list[str]], delimiter: str = ",", end: str = "\n") -> str:
    """The table as a program without quotes writes it."""
    return "".join(delimiter.join(row) + end for row in rows)


def put(folder: Path, data: bytes | str, name: str = "people.csv") -> Path:
    """Write one file."""
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder / name


def with_ids(folder: Path, variant: int, *, which: int) -> Path:
    ids = [*IDS[which], f"{NUMBER}{variant}"]
    return put(folder, text([["PID", "COPY"], *([one, f"x{one}"] for one in ids)]))


def changed(folder: Path, variant: int, *, how: str) -> Path:
    """A table that lost its shape in one row, or in all of them."""
    rows = people(variant)
    at = 1 + variant
    if how == "every":
        rows[1:] = [[*row, ""] for row in rows[1:]]
    elif how == "long":
        rows[at] = [*rows[at], NAME]
    elif how == "short":
        rows[at] = rows[at][:1]
    elif how == "quote":
        rows[at][1] = '"' + rows[at][1]
    elif how == "nul":
        rows[at][0] += "\0"
    elif how == "cell":
        rows[at][1] = NAME * 20_000
    elif how == "name":
        rows[0][variant % 2 + 1] = rows[0][0]
    elif how == "no names":
        rows = [[row[0], row[2]] for row in rows[1:]]
    return put(folder, text(rows, end="\r" if how == "lines" else "\n"))


def encoded(folder: Path, variant: int, *, how: str) -> Path:
    rows = people(variant)
    rows[1 + variant][1] += " Müller-Lüdenscheidt ß"
    return put(
        folder, ("\ufeff" if how.endswith("+") else "").encode(how.rstrip("+")) + text(rows).encode(how.rstrip("+"))
    )


def divided(folder: Path, variant: int, *, comma: bool) -> Path:
    rows = people(variant)
    return put(
        folder, text([[cell.replace(".", ",") if comma else cell for cell in row] for row in rows], delimiter=";")
    )


def wide(folder: Path, variant: int) -> Path:
    columns = 4097 + 1000 * variant
    return put(folder, text([[f"c{k}" for k in range(columns)], ["1"] * columns]))


def holes(folder: Path, variant: int) -> Path:
    """A file of many gigabytes that takes no room on the disk."""
    with (folder / "people.csv").open("wb") as file:
        file.write(text(people(variant)).encode())
        file.truncate((variant + 2) * 2**31)
    return folder / "people.csv"


def parquet(folder: Path, variant: int, *, how: str) -> Path:
    rows = people(variant)
    columns = {name: [row[k] for row in rows[1:]] for k, name in enumerate(rows[0])}
    file = folder / "people.parquet"
    if how == "rows":
        columns = {f"c{k}": pa.nulls(20_000_001) for k in range(variant + 1)}
    elif how == "bomb":
        columns = {"PID": [NUMBER], "NOTE": [NAME * (2**21 << variant)]}
    elif how == "nested":
        nested = ([[1, 2]], [{"a": NAME}], [NAME.encode()], [dt.timedelta(hours=1)])
        columns = {"PID": [NUMBER], "X": nested[variant % 4]}
    pq.write_table(pa.table(columns), file, compression="zstd")
    data = bytearray(file.read_bytes())
    if how == "cut":
        data = data[: len(data) * (variant + 1) // 6]
    elif how == "zero":
        data[4:-8] = bytes(len(data) - 12)
    elif how == "flipped":
        # The last bytes describe everything before them.
        data[-20 - 7 * variant] ^= 0xFF
        data[-8:-4] = (2**31 - 1 - variant).to_bytes(4, "little")
    file.write_bytes(bytes(data))
    return file


CELLS: dict[str, tuple[object, ...]] = {
    "formula": ("=1+1", "=SUM(A1:A2)", "=cmd|'/C calc'!A0", "=HYPERLINK(A1)"),
    "error": ("#DIV/0!", "#N/A", "#REF!", "#VALUE!"),
    "time": (dt.time(9, 30), dt.time(0, 0), dt.timedelta(hours=30), dt.time(23, 59)),
    "digits": (10**15, 2**53 + 1, -(10**16), 1.5e15),
}


def workbook(folder: Path, variant: int, *, how: str) -> Path:
    book = openpyxl.Workbook()
    for row in people(variant):
        book.active.append(row)
    if how in CELLS:
        book.active.cell(row=2 + variant, column=3).value = CELLS[how][variant]
    elif how == "sheets":
        for k in range(variant + 1):
            book.create_sheet(f"{NAME} {k}").append(["PID"])
    elif how == "right":
        book.active.cell(row=2 + variant, column=9).value = NAME
    file = folder / "people.xlsx"
    book.save(file)
    if how == "macro":
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("xl/vbaProject.bin", NAME)
    elif how == "bomb":
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/media/image.bin", bytes(2**25 << variant))
    return file


def far_away(folder: Path, variant: int, *, row: int) -> Path:
    """A workbook whose last row says that it stands somewhere else."""
    file = workbook(folder, variant, how="plain")
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    last = f'<row r="{len(people(variant))}"'.encode()
    members[sheet] = members[sheet].replace(last, f'<row r="{row + variant}"'.encode())
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file


DISGUISES: tuple[bytes, ...] = (
    pickle.dumps({"PID": NUMBER, "NAME": NAME}),
    f"<!DOCTYPE html><html><body>{NAME}</body></html>".encode(),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + NAME.encode(),
    b"PK\x03\x04" + NAME.encode(),
    b"PAR1" + NAME.encode(),
    b"%PDF-1.4 " + NAME.encode(),
    b"\x1f\x8b\x08" + NAME.encode(),
    b"\x00\x05\x16\x07" + NAME.encode(),
)


def disguised(folder: Path, variant: int) -> Path:
    return put(folder, DISGUISES[variant])


def resources(folder: Path, variant: int, *, how: str) -> Path:
    """A bulk export of observations that goes wrong in one line."""
    said = {"resourceType": "Observation", "subject": {"reference": f"Patient/{NUMBER}"}, "note": NAME}
    lines = [json.dumps({**said, "id": str(k)}).encode() for k in range(6)]
    at = variant + 1
    if how == "mixed":
        other = ("Patient", "Condition", "Bundle", NAME)[variant]
        lines[at] = lines[at].replace(b"Observation", other.encode())
    elif how == "bytes":
        lines[at] += b"\xff\xfe"
    elif how == "contained":
        lines[at] = lines[at].replace(b"Patient/", b"#")
    elif how == "long":
        lines[at] = json.dumps({**said, "note": NAME * 2**20}).encode()
    elif how == "json":
        lines[at] = (b"{", b"[1]", b'{"a": NaN}', b'{"id": ' + NUMBER.encode() + b"]")[variant]
    elif how == "deep":
        lines[at] = b'{"a":' + b"[" * 100_000 * at
    return put(folder, b"\n".join(lines), "people.ndjson")


def no_bundle(folder: Path, variant: int) -> Path:
    entries = ([], [{"resource": NAME}], NAME, [NUMBER])[variant]
    kind = "List" if variant == 0 else "Bundle"
    return put(folder, json.dumps({"resourceType": kind, "entry": entries}), "people.json")


def as_written(
    number: str, name: str, code: str, build: Callable[..., Path], variants: int = 4, **how: object
) -> Fault:
    return Fault(number, name, "FIX" if not code else "FAIL", code, partial(build, **how), read, variants)


def asked(
    number: str, name: str, code: str, build: Callable[..., Path], said: dict[str, object], **how: object
) -> Fault:
    return Fault(number, name, "ASK", code, partial(build, **how), partial(read, **said))


FAULTS = (
    as_written("H01", "ids with leading zeros", "", with_ids, which=0),
    as_written("H02", "ids that are words for nothing", "", with_ids, which=1),
    as_written("H03", "ids that look like numbers or dates", "", with_ids, which=2),
    as_written("H08", "one cell too many in every row", "EHR_RAGGED", changed, how="every"),
    as_written("H09", "one row with a cell too many", "EHR_RAGGED", changed, how="long"),
    as_written("H09", "one row cut short", "EHR_RAGGED", changed, how="short"),
    as_written("H10", "a quote that is never closed", "TABLE_QUOTES", changed, how="quote"),
    as_written("H10", "a NUL character in an id", "TABLE_NUL", changed, how="nul"),
    as_written("H10", "lines that end in a carriage return alone", "TABLE_LINES", changed, how="lines"),
    as_written("H11", "UTF-8 with a byte-order mark", "", encoded, how="utf-8+"),
    as_written("H11", "UTF-16 with a byte-order mark", "", encoded, how="utf-16-le+"),
    asked("H11", "UTF-16 without a byte-order mark", "TABLE_ENCODING", encoded, {}, how="utf-16-le"),
    asked("H11", "Windows text read as UTF-8", "TABLE_ENCODING", encoded, {}, how="cp1252"),
    asked("H11", "UTF-8 read as Windows text", "TABLE_ENCODING", encoded, {"encoding": "cp1252"}, how="utf-8"),
    asked("H12", "semicolons where commas are declared", "TABLE_DELIMITER", divided, {}, comma=False),
    asked("H12", "semicolons and decimal commas", "EHR_RAGGED", divided, {}, comma=True),
    as_written("H25", "two columns of one name", "TABLE_COLUMNS", changed, how="name"),
    as_written("H26", "a table without any text", "TABLE_EMPTY", lambda folder, variant: put(folder, "\n" * variant)),
    as_written(
        "H26",
        "a header and nothing below",
        "TABLE_EMPTY",
        lambda folder, variant: put(folder, "PID,NAME" + "\n" * variant),
    ),
    asked("H26", "no header at all", "TABLE_HEADER", changed, {}, how="no names"),
    as_written("H27", "thousands of columns", "TABLE_SIZE", wide),
    as_written("H27", "a file of many gigabytes", "BOMB", holes),
    as_written("H27", "a cell as long as a book", "TABLE_CELL", changed, how="cell"),
    as_written("H27", "a Parquet file that claims too many rows", "TABLE_SIZE", parquet, 2, how="rows"),
    as_written("H32", "a Parquet file cut short", "TABLE_FORMAT", parquet, how="cut"),
    as_written("H32", "a Parquet file of zeros", "TABLE_FORMAT", parquet, how="zero"),
    as_written("H32", "a Parquet file with flipped bits", "TABLE_FORMAT", parquet, how="flipped"),
    as_written("H32", "a Parquet file that swells", "BOMB", parquet, 2, how="bomb"),
    as_written("H32", "a Parquet file with lists or structures", "TABLE_TYPE", parquet, how="nested"),
    as_written("H33", "something else named .csv", "TABLE_FORMAT", disguised, len(DISGUISES)),
    as_written("H27", "a workbook with rows without end", "TABLE_SIZE", far_away, 2, row=10**12),
    as_written("H27", "a workbook with a row far below the others", "", far_away, 2, row=1_040_000),
    as_written("H33", "a workbook with macros", "TABLE_FORMAT", workbook, how="macro"),
    as_written("H33", "a workbook that swells", "BOMB", workbook, 2, how="bomb"),
    as_written("H31", "a workbook with formulas", "TABLE_FORMULA", workbook, how="formula"),
    as_written("H19", "a time of day where Excel had day 0", "TABLE_TYPE", workbook, how="time"),
    as_written("H03", "a workbook with ids that Excel has rounded", "TABLE_TYPE", workbook, how="digits"),
    as_written("H33", "a workbook with an error in a cell", "TABLE_TYPE", workbook, how="error"),
    as_written("H09", "a workbook with a cell beside the table", "EHR_RAGGED", workbook, how="right"),
    as_written("H35", "resources of several types in one file", "FHIR_MIXED", resources, how="mixed"),
    as_written("H35", "resources in another encoding", "TABLE_ENCODING", resources, how="bytes"),
    as_written("H35", "references to contained resources", "FHIR_REFERENCE", resources, how="contained"),
    as_written("H35", "a resource as long as a book", "TABLE_CELL", resources, 2, how="long"),
    as_written("H35", "a line that is no JSON object", "FHIR_JSON", resources, how="json"),
    as_written("H35", "a resource nested too deeply", "FHIR_JSON", resources, how="deep"),
    as_written("H35", "JSON that is no bundle", "FHIR_BUNDLE", no_bundle),
    asked("H26", "a workbook of several sheets", "TABLE_SHEETS", workbook, {}, how="sheets"),
)
