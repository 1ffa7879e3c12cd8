"""A date without a time of day is the whole of its day: beside clock times, and where a window cuts the day."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.cohort.folder import read_export
from clinfuse.cohort.windows import Window, place
from clinfuse.errors import ConfigError, DataError

VISITS = ("V,P,T,Y", "1,a,2024-05-10 12:00,1", "2,b,2024-05-10 12:00,0", "3,c,2024-05-10,0")
HEAD = """
[records]
table = "visits.csv"
patient_id = "P"
record_id = "V"
index_time = "T"

[label]
column = "Y"
positive = ["1"]

[modalities.m]
"""
LABS = 'kind = "ehr"\ntable = "labs.csv"\ntime = "AT"\n'
CT = 'kind = "ct"\nfiles = "ct/{record_id}/"\n'


def read(hospital, folder, modality, *rows, strict=False):
    hospital.write_tables(folder, {"visits.csv": VISITS, "labs.csv": rows}, HEAD + modality)
    return read_export(folder, strict=strict)


def notes(export):
    noted = [entry for entry in export.ledger.entries if entry.note and entry.code not in ("EHR_CONSTANT", "EHR_EMPTY")]
    return {entry.code: int(entry.text.split()[0]) for entry in noted}


def without_clock(folder):
    for file in folder.iterdir():
        image = pydicom.dcmread(file)
        del image.AcquisitionTime
        image.save_as(file)


def test_a_day_among_clock_times_is_one_time_with_them(hospital, tmp_path):
    rows = ("V,CRP,AT", "1,7,2024-05-08", "1,5,2024-05-08 09:00", "1,9,2024-05-08 17:00", "2,3,2024-05-08 09:00")
    columns = 'columns.CRP = { take = ["last", "slope", "time since last", "count"] }\n'
    export = read(hospital, tmp_path / "a", LABS + columns, *rows)
    np.testing.assert_array_equal(export.sources["m"].values[0], [np.nan, np.nan, np.nan, 0])
    np.testing.assert_array_equal(export.sources["m"].values[1], [3, np.nan, 51, 1])
    assert notes(export) == {"DAY_UNORDERED": 3}
    assert export.ledger.refused == {"SAME_TIME": 1}
    export = read(hospital, tmp_path / "b", LABS + 'same_time = "mean"\n' + columns, *rows)
    # From the day's midnight to noon two days later: the time of the day itself, whatever stands beside it.
    np.testing.assert_array_equal(export.sources["m"].values[0], [7, np.nan, 60, 1])
    with pytest.raises(DataError, match=r"SAME_TIME.*`same_time = \"mean\"`"):
        read_export(tmp_path / "a", strict=True)


def test_the_order_within_a_day_never_matters_where_nothing_tells_it(hospital, tmp_path):
    found = []
    for name, hours in (("a", ("06:00", "18:00")), ("b", ("18:00", "06:00"))):
        rows = (
            "V,CRP,AT",
            f"1,5,2024-05-08 {hours[0]}",
            f"1,9,2024-05-08 {hours[1]}",
            "1,7,2024-05-08",
            "1,1,2024-05-07",
        )
        columns = 'same_time = "mean"\ncolumns.CRP = { take = ["last", "slope", "time since last"] }\n'
        found.append(read(hospital, tmp_path / name, LABS + columns, *rows).sources["m"].values[0])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], [7, 6, 60])


def test_a_day_among_clock_times_of_another_column_or_what_needs_no_order_changes_nothing(hospital, tmp_path):
    rows = ("V,CRP,HB,AT", "1,5,,2024-05-08 09:00", "1,9,,2024-05-08 17:00", "1,,13,2024-05-08")
    columns = 'columns.CRP = { take = ["last", "time since last"] }\ncolumns.HB = { take = ["last"] }\n'
    export = read(hospital, tmp_path / "a", LABS + columns, *rows)
    np.testing.assert_array_equal(export.sources["m"].values[0], [9, 43, 13])
    assert notes(export) == {}
    rows = ("V,CRP,AT", "1,5,2024-05-08 09:00", "1,9,2024-05-08")
    export = read(hospital, tmp_path / "b", LABS + 'columns.CRP = { take = ["min", "max", "mean", "count"] }\n', *rows)
    np.testing.assert_array_equal(export.sources["m"].values[0], [5, 9, 7, 2])
    assert notes(export) == {}


def test_values_of_a_day_that_the_window_cuts_are_a_question(hospital, tmp_path):
    rows = ("V,CRP,AT", "1,5,2024-05-08", "1,7,2024-05-09", "1,8,2024-05-10", "2,3,2024-05-08 11:59", "2,4,2024-05-07")
    source = LABS + 'window = ["-48 h", "0 h"]\ncolumns.CRP = { take = ["first", "count"] }\n'
    export = read(hospital, tmp_path / "a", source, *rows)
    np.testing.assert_array_equal(export.sources["m"].values[:2], [[7, 1], [np.nan] * 2])
    assert notes(export) == {"SAME_DAY": 1, "TIME_UNKNOWN": 1}
    assert '`date_only = "accept"`' in next(e.text for e in export.ledger.entries if e.code == "TIME_UNKNOWN")
    export = read(hospital, tmp_path / "b", source.replace("columns", 'date_only = "accept"\ncolumns'), *rows)
    np.testing.assert_array_equal(export.sources["m"].values[:2], [[5, 2], [np.nan] * 2])
    assert notes(export) == {"SAME_DAY": 1}


def test_a_window_in_days_counts_calendar_days_for_days(hospital, tmp_path):
    rows = ("V,CRP,AT", "1,5,2024-05-08", "1,6,2024-05-07", "2,3,2024-05-08 11:59", "2,4,2024-05-08 12:00")
    source = LABS + 'window = ["-2 d", "0 d"]\ncolumns.CRP = { take = ["first", "count"] }\n'
    export = read(hospital, tmp_path, source, *rows)
    np.testing.assert_array_equal(export.sources["m"].values[:2], [[5, 1], [4, 1]])
    assert notes(export) == {}


@pytest.mark.parametrize("kind", ["header", "column"])
def test_a_file_of_a_day_that_the_window_cuts_is_a_question(hospital, tmp_path, kind):
    for number, day in (("1", 9), ("2", 8), ("3", 9)):
        hospital.write_ct(tmp_path / "ct" / number, "x", datetime(2024, 5, day, 20))
        without_clock(tmp_path / "ct" / number)
    rows = ("V,FILE,AT", "1,ct/1,2024-05-09", "2,ct/2,2024-05-08", "3,ct/3,2024-05-09")
    source = CT if kind == "header" else 'kind = "ct"\ntable = "labs.csv"\ncolumn = "FILE"\ntime = "AT"\n'
    source += 'window = ["-24 h", "0 h"]\n'
    export = read(hospital, tmp_path, source, *rows)
    assert [len(files) for files in export.sources["m"].files] == [0, 0, 3]
    assert export.ledger.refused == {"TIME_UNKNOWN": 1}
    assert notes(export) == {"OUTSIDE_WINDOW": 1}
    with pytest.raises(DataError, match=r"TIME_UNKNOWN.*`date_only = \"accept\"`"):
        read_export(tmp_path, strict=True)
    export = read(hospital, tmp_path, source + 'date_only = "accept"\n', *rows)
    assert [len(files) for files in export.sources["m"].files] == [3, 0, 3]
    assert (export.ledger.refused, notes(export)) == ({}, {"OUTSIDE_WINDOW": 1})


def test_what_may_be_later_than_the_index_time_is_accepted_by_no_line(hospital, tmp_path):
    hospital.write_ct(tmp_path / "ct" / "1", "x", datetime(2024, 5, 10, 8))
    without_clock(tmp_path / "ct" / "1")
    for window in ('window = ["-48 h", "0 h"]', 'window = ["-2 d", "0 d"]', 'window = ["-48 h", "-6 h"]'):
        export = read(hospital, tmp_path, f'{CT}{window}\ndate_only = "accept"\n', "V")
        assert export.sources["m"].files[0] == ()
        assert notes(export) == {"SAME_DAY": 1}
    with pytest.raises(ConfigError, match="date_only only beside window"):
        read(hospital, tmp_path, f'{CT}date_only = "accept"\n', "V")


@pytest.mark.parametrize("how", ["first", "last", "nearest"])
def test_the_order_of_files_of_one_day_is_not_made_up(hospital, tmp_path, how):
    for number, (hour, slices) in enumerate([(8, 3), (20, 3), (0, 3)], start=1):
        hospital.write_ct(
            tmp_path / "ct" / "1" / str(number), "x", datetime(2024, 5, 8, hour), slices=slices, series=number
        )
    clocked = read(hospital, tmp_path, f'{CT}several = "{how}"\n', "V")
    assert len(clocked.sources["m"].files[0]) == 3
    without_clock(tmp_path / "ct" / "1" / "3")
    export = read(hospital, tmp_path, f'{CT}several = "{how}"\n', "V")
    assert export.sources["m"].files[0] == ()
    assert export.ledger.refused == {"SEVERAL_TIE": 1}


@pytest.mark.parametrize(
    ("how", "slices", "told"), [("nearest", (2, 4), 1), ("most slices", (4, 4), 1), ("last", (2, 2), 0)]
)
def test_files_that_are_equal_by_the_declared_choice_are_told(hospital, tmp_path, how, slices, told):
    for number, size in enumerate(slices, start=1):
        hour = 8 + number * (how == "most slices")
        hospital.write_ct(tmp_path / "ct" / "1", "x", datetime(2024, 5, 8, hour), slices=size, series=number)
    export = read(hospital, tmp_path, f'{CT}several = "{how}"\n', "V")
    assert notes(export) == ({"SEVERAL_EQUAL": 1} if told else {})
    assert export.ledger.refused == ({} if told else {"SEVERAL_TIE": 1})
    assert {file.name[:2] for file in export.sources["m"].files[0]} == ({"2_"} if told else set())


def test_repeats_without_a_time_count_once_as_dated_ones_do(hospital, tmp_path):
    rows = ("V,CODE,VALUE,AT", "1,CRP,5,2024-05-08 09:00", "1,CRP,5,2024-05-08 09:00", "1,CRP,9,2024-05-08 10:00")
    source = 'kind = "ehr"\ntable = "labs.csv"\nlong = { code = "CODE", value = "VALUE" }\n'
    columns = 'columns.CRP = { take = ["count", "mean"] }\n'
    for name, time in (("a", 'time = "AT"\n'), ("b", "")):
        export = read(hospital, tmp_path / name, source + time + columns, *rows)
        np.testing.assert_array_equal(export.sources["m"].values[0], [2, 7])
        assert notes(export)["ROWS_REPEATED"] == 1


@settings(max_examples=60, deadline=None)
@given(
    days=st.integers(-4, 1),
    index=st.integers(0, 24 * 60 - 1),
    low=st.integers(-100, -1),
    length=st.integers(0, 100),
)
def test_a_day_is_inside_where_all_its_times_are_and_a_question_where_some_are(days, index, low, length):
    """Brute force over the minutes of the day, for windows in hours."""
    window = Window.written(f"{low} h", f"{min(0, low + length)} h")
    noon = np.datetime64("2024-05-10", "s") + np.timedelta64(60 * index, "s")
    day = np.array([np.datetime64("2024-05-10", "s") + np.timedelta64(86400 * days, "s")])
    moments = day + np.append(np.arange(0, 86400, 60), 86399).astype("timedelta64[s]")
    clocked = place(moments, np.ones(len(moments), bool), noon, index_days=False, window=window)
    placed = place(day, np.zeros(1, bool), noon, index_days=False, window=window)
    accepted = place(day, np.zeros(1, bool), noon, index_days=False, window=window, accept=True)
    assert bool(placed.inside[0]) == bool(clocked.inside.all() and days != 0)
    assert bool(placed.undecided[0]) == bool(clocked.inside.any() and not clocked.inside.all() and days != 0)
    assert bool(placed.same_day[0]) == bool(clocked.inside.any() and days == 0)
    assert bool(accepted.inside[0]) == bool(clocked.inside.any() and days != 0)
