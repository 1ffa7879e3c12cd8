from __future__ import annotations

import codecs
import datetime as dt
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinfuse.errors import ConfigError, DataError
from clinfuse.io.tables import Dialect, read_table

IDS = ["00123", "NA", "1E5", "null", "9007199254740993", "2-3", "nan", "True", "1.0", "Ä-7"]
GERMAN = Dialect(delimiter=";", decimal=",", encoding="cp1252", dates="%d.%m.%Y", missing=("", "-", "n.b."))


def rows(file: Path, dialect: Dialect | None = None) -> list[list[str]]:
    table = read_table(file, dialect)
    return [list(table.columns), *table.to_numpy().tolist()]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "xlsx"])
def test_ids_survive_as_written(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"PID": IDS, "x": ["1"] * len(IDS)})
    file = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(file)
    elif suffix == "xlsx":
        frame.to_excel(file, index=False)
    else:
        frame.to_csv(file, index=False, sep="\t" if suffix == "tsv" else ",", encoding="utf-8")
    table = read_table(file)
    assert table["PID"].tolist() == IDS
    assert all(isinstance(cell, str) for cell in table.to_numpy().ravel())


CELLS = st.text(alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_whatever_pandas_writes_as_text_comes_back(
    tmp_path: Path, cells: list[tuple[str, str]], delimiter: str
) -> None:
    frame = pd.DataFrame(cells, columns=["id", "note"])
    frame.to_csv(tmp_path / "a.csv", index=False, sep=delimiter, quoting=1, lineterminator="\n", encoding="utf-8")
    table = read_table(tmp_path / "a.csv", Dialect(delimiter=delimiter))
    assert table.to_numpy().tolist() == [[cell.strip() for cell in row] for row in cells]


def test_a_hospital_dialect_is_read(tmp_path: Path) -> None:
    text = 'PATNR;CRP;Größe\r\n0004711;1,5;"a;b"\r\n0004712;n.b.; - \r\n\r\n'
    (tmp_path / "a.csv").write_bytes(text.encode("cp1252"))
    assert rows(tmp_path / "a.csv", GERMAN) == [
        ["PATNR", "CRP", "Größe"],
        ["0004711", "1,5", "a;b"],
        ["0004712", "", ""],
    ]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
)
def test_a_byte_order_mark_wins_over_the_declared_encoding(tmp_path: Path, mark: bytes, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes(mark + "PID,n\nÄ,1\n".encode(encoding))
    assert rows(tmp_path / "a.csv", Dialect(encoding="cp1252")) == [["PID", "n"], ["Ä", "1"]]


@pytest.mark.parametrize(
    ("code", "content", "found"),
    [
        ("EHR_RAGGED", "a,b\n1,2\n\n3\n", r"1 cells in line 4, 2 in the header \(1 of 2 rows do not fit\)"),
        ("EHR_RAGGED", "pid;crp\n1;1,5\n", r"`delimiter = \";\"`"),
        ("EHR_RAGGED", "a,b\n1,2,3\n", r"3 cells in line 2"),
        ("TABLE_COLUMNS", "a,b,a\n1,2,3\n", r"columns 1 and 3"),
        ("TABLE_DELIMITER", "a;b\n1;2\n", r"`delimiter = \";\"`"),
        ("TABLE_EMPTY", "", r"an empty file"),
        ("TABLE_EMPTY", "a,b\n", r"no row"),
        ("TABLE_QUOTES", 'a,b\n1,"2\n3,4\n', r"line 2"),
        ("TABLE_QUOTES", 'a,b\n"1\n2",3\n4,"5"6\n', r"line 4"),
        ("TABLE_CELL", "a,b\n1," + "x" * 140_000 + "\n", r"line 2"),
        ("TABLE_LINES", "a,b\r1,2\r", r"line 1"),
        ("TABLE_HEADER", "1,85,66\n8,183,64\n", r"header = \"none\""),
        ("TABLE_NUL", "a,b\n1,2\n3,\0\n", r"line 3"),
        ("TABLE_ENCODING", "a,b\n1,\xfc\n", r"line 2"),
        ("TABLE_FORMAT", "PK\x03\x04 a workbook", r"a workbook or an archive under that name"),
        ("TABLE_FORMAT", "\r\n <!DOCTYPE html><table>", r"a web page under that name"),
    ],
)
def test_a_table_that_would_have_to_be_guessed_is_refused(tmp_path: Path, code: str, content: str, found: str) -> None:
    (tmp_path / "a.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=rf"\[{code}\].*{found}"):
        read_table(tmp_path / "a.csv")


def test_a_table_without_header_row_does_not_show_its_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("4711,4711,a\n1,2,b\n")
    for code, dialect in (("TABLE_HEADER", Dialect()), ("TABLE_COLUMNS", Dialect(header="first row"))):
        with pytest.raises(DataError, match=rf"\[{code}\]") as caught:
            read_table(tmp_path / "a.csv", dialect)
        assert "4711" not in str(caught.value)
    assert rows(tmp_path / "a.csv", Dialect(header="none")) == [["1", "2", "3"], ["4711", "4711", "a"], ["1", "2", "b"]]


def test_rows_are_counted_as_an_editor_counts_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'a,b\n\n1,"two\nlines"\n3,4\n')
    table = read_table(tmp_path / "a.csv")
    assert (table.index.name, table.index.tolist()) == ("line", [3, 5])
    file = workbook(tmp_path / "a.xlsx", ["a"], ["1"], [None], ["2"])
    assert read_table(file).index.tolist() == [2, 4]
    pq.write_table(pa.table({"a": ["x", "y"]}), tmp_path / "a.parquet")
    assert (read_table(tmp_path / "a.parquet").index.name, len(read_table(tmp_path / "a.parquet"))) == ("row", 2)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_text_without_a_mark_is_recognised_and_read_when_declared(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("PID,n\n007,1\n".encode(encoding))
    with pytest.raises(DataError, match=rf"\[TABLE_ENCODING\].*`encoding = \"{encoding}\"`"):
        read_table(tmp_path / "a.csv")
    assert rows(tmp_path / "a.csv", Dialect(encoding=encoding))[1] == ["007", "1"]


def test_utf_8_read_as_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("PID,n\nMüller,1\n".encode())
    with pytest.raises(DataError, match=r"\[TABLE_ENCODING\].*`encoding = \"utf-8\"`"):
        read_table(tmp_path / "a.csv", Dialect(encoding="cp1252"))


def test_a_workbook_with_broken_styles_is_refused_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = workbook(tmp_path / "a.xlsx", ["a"], ["1"])
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["xl/styles.xml"] = members["xl/styles.xml"].replace(b'name="Normal" xfId="0"', b'name="Normal" xfId="9"')
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(DataError, match=r"\[TABLE_FORMAT\]"):
        read_table(file)
    assert capsys.readouterr() == ("", "")


def test_sheets_are_chosen_by_name_or_number(tmp_path: Path) -> None:
    file = workbook(tmp_path / "a.xlsx", ["a"], ["1"], sheets=2)
    with pytest.raises(DataError, match=r"\[TABLE_SHEETS\].*2 sheets\. Write `sheet = 1`"):
        read_table(file)
    assert rows(file, Dialect(sheet=1)) == rows(file, Dialect(sheet="Sheet")) == [["a"], ["1"]]
    for wanted in (3, "other"):
        with pytest.raises(DataError, match=r"\[TABLE_SHEETS\].*the declared sheet"):
            read_table(file, Dialect(sheet=wanted))


def test_what_a_parquet_file_claims_is_checked_before_it_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.nulls(20_000_001)}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"\[TABLE_SIZE\]"):
        read_table(tmp_path / "a.parquet")
    pq.write_table(pa.table({"a": ["x" * 2**25, None]}), tmp_path / "a.parquet", compression="zstd")
    with pytest.raises(DataError, match=r"\[BOMB\]"):
        read_table(tmp_path / "a.parquet")
    pq.write_table(pa.table({"a": ["x" * 200_000] * 3}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"\[TABLE_CELL\].*column 'a'"):
        read_table(tmp_path / "a.parquet")


def test_a_table_beyond_what_can_be_held_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(DataError, match=r"\[BOMB\]"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text(",".join(f"c{k}" for k in range(5000)) + "\n" + "1," * 4999 + "1\n")
    with pytest.raises(DataError, match=r"\[TABLE_SIZE\].*4,096 columns"):
        read_table(tmp_path / "b.csv")


def test_typed_parquet_columns_are_written_in_the_dialect(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([123, None]),
            "float id": pa.array([123.0, None]),
            "value": pa.array([1.5, float("nan")]),
            "small": pa.array([1e-7, 0.1]),
            "yes": pa.array([True, None]),
            "level": pa.array(["m", None]).dictionary_encode(),
            "day": pa.array([dt.date(2024, 5, 1), None]),
            "moment": pa.array([dt.datetime(2024, 5, 1, 9, 30), None], pa.timestamp("ns")),
            "exact": pa.array([Decimal("2.50"), None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = read_table(tmp_path / "a.parquet", GERMAN).to_numpy().tolist()
    assert first == ["123", "123", "1,5", "1e-07", "True", "m", "01.05.2024", "01.05.2024", "2,50"]
    assert second == ["", "", "", "0,1", "", "", "", "", ""]
    first, _ = read_table(tmp_path / "a.parquet").to_numpy().tolist()
    assert first[6:8] == ["2024-05-01", "2024-05-01 09:30:00"]


def test_moments_with_a_zone_keep_their_offset_until_a_zone_is_declared(tmp_path: Path) -> None:
    moments = pa.array([dt.datetime(2024, 7, 1, 8, tzinfo=dt.UTC), None], pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"t": moments}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet")["t"].tolist() == ["2024-07-01 08:00:00+00:00", ""]
    there = Dialect(time_zone="Europe/Berlin", dates="%d.%m.%Y %H:%M")
    assert read_table(tmp_path / "a.parquet", there)["t"].tolist() == ["01.07.2024 10:00", ""]


def test_types_that_have_no_text_are_refused(tmp_path: Path) -> None:
    for column in (pa.array([[1]]), pa.array([{"x": 1}]), pa.array([b"x"])):
        pq.write_table(pa.table({"a": column}), tmp_path / "a.parquet")
        with pytest.raises(DataError, match=r"\[TABLE_TYPE\].*column 'a'"):
            read_table(tmp_path / "a.parquet")


def test_a_damaged_parquet_or_excel_file_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["1", "2"]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    for name in ("a.parquet", "a.xlsx"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        with pytest.raises(DataError, match=r"\[TABLE_FORMAT\]"):
            read_table(tmp_path / name)


def workbook(file: Path, *lines: list[object], formats: dict[str, str] | None = None, sheets: int = 1) -> Path:
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    for cell, style in (formats or {}).items():
        book.active[cell].number_format = style
    for _ in range(sheets - 1):
        book.create_sheet()
    book.save(file)
    return file


def test_excel_cells_are_written_in_the_dialect(tmp_path: Path) -> None:
    line = [123, 123, 1.5, 7.0, True, dt.datetime(2024, 5, 1), "00123", None]
    header = list("ABCDEFGH")
    file = workbook(tmp_path / "a.xlsx", header, line, [None] * 8, formats={"B2": "00000"})
    assert rows(file, GERMAN)[1:] == [["123", "00123", "1,5", "7", "True", "01.05.2024", "00123", ""]]
    assert rows(file)[1][2] == "1.5"


@pytest.mark.parametrize(
    ("code", "lines", "sheets"),
    [
        ("TABLE_FORMULA", [["a"], ["=1+1"]], 1),
        ("TABLE_SHEETS", [["a"], ["1"]], 2),
        ("TABLE_TYPE", [["a"], [dt.time(9, 30)]], 1),
        ("EHR_RAGGED", [["a"], ["1", "2"]], 1),
        ("TABLE_EMPTY", [["a"]], 1),
        ("TABLE_EMPTY", [], 1),
    ],
)
def test_a_workbook_that_would_have_to_be_guessed_is_refused(
    tmp_path: Path, code: str, lines: list[list[object]], sheets: int
) -> None:
    with pytest.raises(DataError, match=rf"\[{code}\]"):
        read_table(workbook(tmp_path / "a.xlsx", *lines, sheets=sheets))


def test_other_formats_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xls").write_bytes(b"x")
    with pytest.raises(DataError, match=r"\[TABLE_FORMAT\]"):
        read_table(tmp_path / "a.xls")
    with pytest.raises(DataError, match=r"\[TABLE_OPEN\]"):
        read_table(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        ("TABLES_DELIMITER", {"delimiter": ";;"}),
        ("TABLES_DELIMITER", {"delimiter": '"'}),
        ("TABLES_DECIMAL", {"decimal": "'"}),
        ("TABLES_ENCODING", {"encoding": "klingon"}),
        ("TABLES_HEADER", {"header": "second row"}),
        ("TABLES_DATES", {"dates": "DD.MM.YYYY"}),
        ("TABLES_DATES", {"dates": "%d.%m.%Q"}),
        ("TABLES_DATES", {"dates": "%d.%m.%"}),
        ("TABLES_DATES", {"dates": "%d.%m.%Y %I:%M"}),
        ("TABLES_ZONE", {"time_zone": "Europe/Atlantis"}),
        ("TABLES_ZONE", {"time_zone": "../etc/passwd"}),
    ],
)
def test_a_dialect_is_valid_once_constructed(code: str, settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=rf"\[{code}\]"):
        Dialect(**settings)  # type: ignore[arg-type]


def test_a_real_table_agrees_with_pandas(shared_data: Path) -> None:
    file = shared_data / "formats" / "ehr" / "tables" / "support2.csv"
    table = read_table(file)
    expected = pd.read_csv(file, dtype=str, keep_default_na=False)
    assert table.shape == (9105, 48)
    np.testing.assert_array_equal(table.to_numpy(), np.char.strip(expected.to_numpy().astype(str)))
