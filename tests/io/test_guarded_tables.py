"""A table that comes from the decoding process is the one the reader gives, and no table does more than lose itself."""

from __future__ import annotations

import json
import os
import queue
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from clinfuse.errors import ClinfuseError, DataError
from clinfuse.io import process
from clinfuse.io.budget import MOST_CELLS, MOST_COLUMNS, MOST_ROWS
from clinfuse.io.deadlines import SMALL_FILE_S, seconds_for
from clinfuse.io.dialect import Dialect
from clinfuse.io.guard import Guard
from clinfuse.io.likely_dialect import likely_dialect
from clinfuse.io.memory import SharedMemory
from clinfuse.io.process import LostError, Process
from clinfuse.io.table_cells import TextTable, read_cells
from clinfuse.io.table_wire import table_head, table_of
from clinfuse.io.tables import framed, read_table
from tests.faults import ehr_files
from tests.io.table_strategies import Written, tables
from tests.io.test_formats_ehr import DIALECTS
from tests.io.test_guard import HOSTILE, NAME

KINDS = [
    pytest.param(fault, variant, id=f"{fault.name}-{variant}")
    for fault in ehr_files.FAULTS
    for variant in range(min(fault.variants, 2))
]


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    made = Guard()
    yield made
    made.close()


def outcome(read: Callable[[Path, Dialect], TextTable], file: Path, dialect: Dialect) -> pd.DataFrame | ClinfuseError:
    """What a reader gives or raises."""
    try:
        return framed(read(file, dialect))
    except ClinfuseError as error:
        return error


def same(guard: Guard, file: Path, dialect: Dialect | None = None) -> pd.DataFrame | str:
    """What the reader gives, a table or a code; the decoding process sends the same, to the last word of an error."""
    direct, sent = (outcome(read, file, dialect or Dialect()) for read in (read_cells, guard.read_table))
    if isinstance(direct, ClinfuseError):
        assert (type(sent), str(sent)) == (type(direct), str(direct))
        return direct.code
    assert isinstance(sent, pd.DataFrame)
    pd.testing.assert_frame_equal(sent, direct, check_exact=True)
    assert sent.to_numpy().tolist() == direct.to_numpy().tolist()
    assert sent.index.name == direct.index.name
    pd.testing.assert_frame_equal(read_table(file, dialect), direct, check_exact=True)
    return sent


class TestSameAsTheReader:
    @given(written=tables())
    @settings(max_examples=60)
    def test_any_table(self, guard: Guard, written: Written) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.csv").write_bytes(written.data)
            found = same(guard, Path(folder) / "a.csv", written.dialect)
            assert isinstance(found, pd.DataFrame)
            assert [tuple(row) for row in found.to_numpy().tolist()] == list(written.rows)

    @pytest.mark.parametrize(("fault", "variant"), KINDS)
    def test_every_bad_table_and_every_odd_one(
        self, guard: Guard, tmp_path: Path, fault: ehr_files.Fault, variant: int
    ) -> None:
        found = same(guard, fault.build(tmp_path, variant))
        # A question may be open only where something else is declared.
        assert found == fault.code if isinstance(found, str) else fault.action in ("FIX", "ASK")

    def test_cells_with_types(self, guard: Guard, tmp_path: Path) -> None:
        moments = pa.array([0, 86_400_000_000, None], pa.timestamp("us", tz="UTC"))
        columns = {"id": ["00123", "NA", "\0"], "n": [1.5, None, 4711.0], "t": moments, "x": pa.nulls(3)}
        pq.write_table(pa.table(columns), tmp_path / "a.parquet")
        book = openpyxl.Workbook()
        for row in (["id", "value"], ["00123", 0.1 + 0.2], [], ["é\u4eac", True]):
            book.active.append(row)
        book.save(tmp_path / "a.xlsx")
        german = Dialect(decimal=",", dates="%d.%m.%Y %H:%M", time_zone="Europe/Berlin", missing=("NA",), sheet=1)
        for name in ("a.parquet", "a.xlsx"):
            for dialect in (Dialect(), german):
                assert isinstance(same(guard, tmp_path / name, dialect), pd.DataFrame)

    def test_real_files(self, guard: Guard, shared_data: Path) -> None:
        read = 0
        found = sorted((shared_data / "formats" / "ehr").rglob("*"))
        for file in [*found, *sorted(shared_data.glob("*/*.csv")), *sorted(shared_data.glob("*/*.json"))]:
            if file.suffix in (".csv", ".json", ".ndjson"):
                read += isinstance(same(guard, file, DIALECTS.get(file.name, Dialect())), pd.DataFrame)
        assert read >= 17

    def test_how_a_table_seems_to_be_written(self, guard: Guard, tmp_path: Path) -> None:
        for name, data in (
            ("a.csv", "PID;Größe\n1;2,5\n".encode("cp1252")),
            ("b.tsv", b"a\tb\n1\t2\n"),
            ("c.txt", b""),
        ):
            (tmp_path / name).write_bytes(data)
            assert guard.likely_dialect(tmp_path / name) == likely_dialect(tmp_path / name)
        with pytest.raises(DataError, match="TABLE_OPEN"):
            guard.likely_dialect(tmp_path / "absent.csv")

    @pytest.mark.parametrize("where", ["value", "name"])
    def test_half_a_character_is_refused(self, guard: Guard, tmp_path: Path, where: str) -> None:
        said = {"resourceType": "Observation", "id": "\ud83d"}
        (tmp_path / "a.ndjson").write_text(json.dumps(said))
        pair = ("\ud83d,b", "1,2") if where == "name" else ("a,b", "1,\ud83d")
        (tmp_path / "a.csv").write_bytes("\n".join(pair).encode("utf-16-le", "surrogatepass"))
        assert same(guard, tmp_path / "a.ndjson") == "TABLE_ENCODING"
        assert same(guard, tmp_path / "a.csv", Dialect(encoding="utf-16-le")) == "TABLE_ENCODING"
        (tmp_path / "a.csv").write_text("\n".join(pair).replace("\ud83d", "\\ud83d"))
        assert same(guard, tmp_path / "a.csv", Dialect(encoding="unicode_escape")) == "TABLE_ENCODING"


class TestWire:
    def head(self, folder: Path, shared: SharedMemory) -> dict[str, Any]:
        (folder / "a.csv").write_text("a,b\n1,\n1,2\n")
        return table_head(read_cells(folder / "a.csv", Dialect()), shared)

    def test_equal_texts_travel_once(self, tmp_path: Path) -> None:
        with closing(SharedMemory(process._shared_file())) as shared:
            head = self.head(tmp_path, shared)
            assert head["table"] == {"rows": 2, "texts": 3, "letters": 2}
            found = table_of(head, shared)
        assert [column.tolist() for column in found.columns] == [["1", "1"], ["", "2"]]
        assert (found.names, found.places.tolist(), found.unit) == (("a", "b"), [2, 3], "line")

    @pytest.mark.parametrize(
        "lie",
        [
            {"rows": 2**24},
            {"rows": -2},
            {"rows": "2"},
            {"rows": MOST_ROWS + 1},
            {"texts": 5},
            {"texts": 1},
            {"letters": 1},
            {"letters": 2**31 + 1},
        ],
    )
    def test_what_does_not_fit_together_is_no_table(self, tmp_path: Path, lie: dict[str, Any]) -> None:
        with closing(SharedMemory(process._shared_file())) as shared:
            head = self.head(tmp_path, shared)
            with pytest.raises((ValueError, EOFError), match=r"^$"):
                table_of({**head, "table": {**head["table"], **lie}}, shared)

    @pytest.mark.parametrize("names", [MOST_COLUMNS + 1, 3, 1])
    def test_another_number_of_columns_is_no_table(self, tmp_path: Path, names: int) -> None:
        with closing(SharedMemory(process._shared_file())) as shared:
            head = self.head(tmp_path, shared)
            with pytest.raises((ValueError, EOFError), match=r"^"):
                table_of({**head, "names": ["x"] * names}, shared)

    @pytest.mark.parametrize(("place", "value"), [(0, 1), (1, 2**40), (1, -1), (2, 99), (2, -1), (3, 255)])
    def test_numbers_that_lead_out_of_the_memory_are_no_table(self, tmp_path: Path, place: int, value: int) -> None:
        with closing(SharedMemory(process._shared_file())) as shared:
            head = self.head(tmp_path, shared)
            data = shared.read(np.dtype(np.uint8), (2 * 8 + 4 * 8 + 4 * 4 + 2,)).copy()
            # First start of a text, one in the middle, where a cell finds its text, and a letter.
            begin, kind = ((16, "i8"), (24, "i8"), (48, "i4"), (64, "u1"))[place]
            data[begin : begin + np.dtype(kind).itemsize].view(kind)[0] = value
            shared.write(data)
            with pytest.raises(ValueError, match=r"^$|[Oo]ffset|UTF8"):
                table_of(head, shared)

    def test_more_cells_than_pointers_fit_is_refused_before_they_are_made(self, tmp_path: Path) -> None:
        with mock.patch("clinfuse.io.table_cells.MOST_CELLS", 3):
            (tmp_path / "a.csv").write_text("a,b\n1,\n1,2\n")
            with pytest.raises(DataError, match=r"\[TABLE_SIZE\].*at most 3 cells"):
                read_cells(tmp_path / "a.csv", Dialect())
        with closing(SharedMemory(process._shared_file())) as shared:
            head = self.head(tmp_path, shared)
            wide = {"rows": MOST_ROWS, "texts": 3, "letters": 2}
            assert MOST_ROWS * 100 > MOST_CELLS
            with pytest.raises(ValueError, match=r"^$"):
                table_of({**head, "names": ["x"] * 100, "table": wide}, shared)


class TestHostileTables:
    @pytest.mark.parametrize(
        ("says", "name", "seconds", "code"),
        [
            ("hang", "bad.csv", 0.3, "READ_TIMEOUT"),
            ("die", "bad.xlsx", 60, "READ_DIED"),
            ("swell", "bad.parquet", 60, "READ_MEMORY"),
            ("lie", "bad.ndjson", 60, "READ_DIED"),
            ("die", "bad.json", 60, "READ_DIED"),
        ],
    )
    def test_only_that_table_is_lost(
        self, hostile: Guard, tmp_path: Path, name: str, says: str, seconds: float, code: str
    ) -> None:
        (tmp_path / name).write_text(f"{says:8}{NAME}")
        (tmp_path / "good.csv").write_text("a\n00123\n")
        hostile.start()
        hostile._seconds = seconds
        with pytest.raises(DataError, match=rf"^\[{code}\]") as lost:
            hostile.read_table(tmp_path / name, Dialect())
        assert NAME not in str(lost.value)
        hostile._seconds = 60
        assert hostile.read_table(tmp_path / "good.csv", Dialect()).columns[0].tolist() == ["00123"]

    def test_looking_at_one_may_hang_as_well(self, hostile: Guard, tmp_path: Path) -> None:
        (tmp_path / "bad.csv").write_text("hang")
        hostile.start()
        hostile._seconds = 0.3
        with pytest.raises(DataError, match="READ_TIMEOUT"):
            hostile.likely_dialect(tmp_path / "bad.csv")

    def test_memory_is_capped(self, tmp_path: Path) -> None:
        (tmp_path / "long.csv").write_text("a\n" + "1234567\n" * 1_000_000)
        (tmp_path / "short.csv").write_text("a\n1234567\n")
        with closing(Guard(memory_bytes=2**29, seconds=250)) as guard:
            if guard.start():
                # What is written in Python says so, compiled parts may end.
                with pytest.raises(DataError, match=r"READ_(MEMORY|DIED)"):
                    guard.read_table(tmp_path / "long.csv", Dialect())
                assert len(guard.read_table(tmp_path / "short.csv", Dialect()).places) == 1


@pytest.fixture(scope="module")
def hostile() -> Iterator[Guard]:
    made = Guard(program=HOSTILE, seconds=60)
    yield made
    made.close()


class TestBombs:
    def test_a_workbook_is_asked_for_its_size_before_it_is_opened(self, guard: Guard, tmp_path: Path) -> None:
        file = tmp_path / "bomb.xlsx"
        openpyxl.Workbook().save(file)
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/worksheets/sheet2.xml", bytes(2**25))
        with (
            mock.patch("openpyxl.load_workbook", side_effect=AssertionError),
            mock.patch("zipfile.ZipFile.open", side_effect=AssertionError),
            pytest.raises(DataError, match=r"^\[BOMB\]"),
        ):
            read_table(file)
        assert same(guard, file) == "BOMB"

    def test_a_parquet_file_is_asked_for_its_size_before_it_is_read(self, guard: Guard, tmp_path: Path) -> None:
        file = tmp_path / "bomb.parquet"
        pq.write_table(pa.table({"PID": ["1"], "NOTE": ["x" * 2**25]}), file, compression="zstd")
        whole = pq.ParquetFile
        with mock.patch("clinfuse.io.typed_tables.pq.ParquetFile") as opened:
            opened.side_effect = lambda *given, **more: SimpleNamespace(
                metadata=whole(*given, **more).metadata, read=mock.Mock(side_effect=AssertionError)
            )
            with pytest.raises(DataError, match=r"^\[BOMB\]"):
                read_table(file)
            assert opened.called
        assert same(guard, file) == "BOMB"


class TestDeadline:
    def test_a_small_file_that_hangs_costs_less_than_ten_seconds(self, tmp_path: Path) -> None:
        for name in ("a.csv", "a.xlsx", "a.parquet", "a.json", "a.edf", "a.dcm", "a.nii.gz"):
            (tmp_path / name).write_bytes(bytes(20_000))
            # What is left is for ending the process and starting another.
            assert seconds_for([str(tmp_path / name)]) <= 8.5

    def test_time_grows_with_the_size(self, tmp_path: Path) -> None:
        file = tmp_path / "a.dcm"
        file.touch()
        os.truncate(file, 200_000_000)
        assert seconds_for([str(file)]) == pytest.approx(SMALL_FILE_S + 100)
        assert seconds_for([str(file)] * 3) == pytest.approx(SMALL_FILE_S + 300.2)
        assert seconds_for([], small=2) == 2
        # A workbook of 3 MB was seen to take 9 s on an idle machine, a Parquet file of 1 MB 0.2 s.
        for suffix, size, seen in ((".xlsx", 3_100_000, 9.0), (".parquet", 1_250_000, 0.2), (".csv", 3_700_000, 0.5)):
            os.truncate(file, size)
            assert seconds_for([str(file.rename(tmp_path / f"a{suffix}"))]) > SMALL_FILE_S + 3 * seen
            file = (tmp_path / f"a{suffix}").rename(tmp_path / "a.dcm")

    def test_it_is_what_the_process_is_given(self, guard: Guard, tmp_path: Path) -> None:
        (tmp_path / "a.xlsx").write_bytes(bytes(50_000))
        with mock.patch.object(
            guard, "_answers", return_value=[DataError("X", place="", rule="", found="", remedy="")]
        ) as asked:
            with pytest.raises(DataError, match="X"):
                guard.read_table(tmp_path / "a.xlsx", Dialect())
            ((_, (item,)), _) = asked.call_args
            assert item["seconds"] == SMALL_FILE_S + 1
            list(guard.ask("dicom_header", [{"file": "absent"}]))
            assert asked.call_args[0][1][0]["seconds"] == SMALL_FILE_S

    def test_standing_in_line_on_a_busy_machine_does_not_count(self) -> None:
        waited: list[float] = []

        class Lines:
            def get(self, timeout: float) -> bytes:
                waited.append(timeout)
                if len(waited) == 4:
                    return b"{}\n"
                raise queue.Empty

        in_line = iter([1.0, 7.0, 10.0, 10.5])
        asked: Any = SimpleNamespace(_in_line_s=lambda: next(in_line))
        lines: Any = Lines()
        assert Process._line(asked, lines, 8.0) == b"{}\n"
        assert waited == [8.0, 6.0, 3.0, 0.5]

    def test_without_standing_in_line_it_is_late_at_once(self) -> None:
        lines: Any = SimpleNamespace(get=mock.Mock(side_effect=queue.Empty))
        asked: Any = SimpleNamespace(_in_line_s=lambda: 3.0)
        with pytest.raises(LostError, match="late"):
            Process._line(asked, lines, 8.0)
        lines.get.assert_called_once_with(timeout=8.0)

    def test_where_the_system_does_not_say_nothing_is_added(self) -> None:
        asked: Any = SimpleNamespace(_process=SimpleNamespace(pid=-1))
        assert Process._in_line_s(asked) == 0.0
