"""cohort.toml is checked as a whole: every key known, every refusal names the key and no value."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from clinfuse.cohort.contract import parse_contract, read_contract
from clinfuse.errors import ConfigError

SECRET = "Mustermann4711"


def contract():
    return copy.deepcopy(
        {
            "records": {"table": "visits.csv", "patient_id": "PATNR", "record_id": "FALLNR", "index_time": "AT"},
            "label": {"column": "ICD10", "positive": ["G40.*"]},
            "modalities": {
                "ct": {"kind": "ct", "files": "ct/{record_id}/"},
                "eeg": {"kind": "eeg", "files": "eeg/{record_id}.edf"},
                "history": {"kind": "ehr", "table": "visits.csv", "columns": {"AGE": "number"}},
            },
        }
    )


def changed(path, value):
    values = contract()
    place = values
    *way, last = path.split("/")
    for key in way:
        place = place.setdefault(key, {})
    place[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "code", "says"),
    [
        ("recrods", {}, "CONFIG_KEY", "'records'"),
        ("records/patient", "X", "CONFIG_KEY", "'patient_id'"),
        ("label/postive", ["1"], "CONFIG_KEY", "'positive'"),
        ("label/positive", 40, "CONFIG_VALUE", "label.positive"),
        ("label/positive", [], "CONFIG_VALUE", "label.positive"),
        ("modalities/ct/windw_hu", [0, 1], "CONFIG_KEY", "'window_hu'"),
        ("modalities/ct/window_hu", [SECRET, 1], "CONFIG_VALUE", "modalities.ct.window_hu"),
        ("modalities/ct/window_hu", [1, 1], "CONFIG_VALUE", "a lower and a higher number"),
        ("modalities/ct/size", [8, 8], "CONFIG_MISSING", "modalities.ct.size"),
        ("modalities/ct/size", [8, 8, 0], "CONFIG_VALUE", "greater than 0"),
        ("modalities/ct/kind", "c t", "CONFIG_VALUE", "'ct'"),
        ("modalities/ct/folder", "CT", "CONFIG_VALUE", "exactly one of folder, files and column"),
        ("modalities/ct/window", ["-7 d", "1 h"], "CONFIG_VALUE", "nothing later may be an input"),
        ("modalities/ct/window", ["0 d", "-7 d"], "CONFIG_VALUE", "the first time"),
        ("modalities/ct/window", ["7 days", "0 d"], "CONFIG_VALUE", "s, min, h, d"),
        ("modalities/ct/several", "all", "CONFIG_NOT_BUILT", "modalities.ct.several"),
        ("records/split", {"colum": "SIDE"}, "CONFIG_MISSING", "records.split.column"),
        ("records/split", {"column": "SIDE", "tests": ["b"]}, "CONFIG_KEY", "'test'"),
        ("records/split", {"column": "SIDE", "train": ["a"], "test": ["a"]}, "CONFIG_VALUE", "each word on one side"),
        ("modalities/eeg/band_hz", [0.5, 40.0], "CONFIG_VALUE", "half of rate_hz"),
        ("modalities/eeg/unit", "uW", "CONFIG_VALUE", "'uV'"),
        ("modalities/eeg/several", "most slices", "CONFIG_VALUE", "DICOM"),
        ("modalities/eeg/channels", ["Cz", "Cz"], "CONFIG_VALUE", "every channel once"),
        ("modalities/eeg/segments", {"second": 1}, "CONFIG_KEY", "'seconds'"),
        ("modalities/eeg/segments", {"count": 1.5}, "CONFIG_VALUE", "modalities.eeg.segments.count"),
        ("modalities/eeg/files", "eeg/{recrod_id}.edf", "CONFIG_SYSTEM", "'record_id'"),
        ("modalities/history/columns/AGE", "numbr", "CONFIG_VALUE", "modalities.history.columns.AGE.kind"),
        ("modalities/history/columns/AGE", {"unti": "a"}, "CONFIG_KEY", "'unit'"),
        ("modalities/history/columns/AGE", {"take": ["last"]}, "CONFIG_VALUE", "only beside"),
        ("modalities/history/columns", {}, "CONFIG_VALUE", "modalities.history.columns"),
        ("modalities/history/inputs", ["AG"], "CONFIG_VALUE", "'AGE'"),
        ("modalities/history/window", ["-1 d", "0 d"], "CONFIG_VALUE", "window only beside time"),
        ("modalities/m", {"kind": "mask", "files": "m/{record_id}.nii", "labels": {"2": "a"}}, "CONFIG_VALUE", "1, 2"),
        ("modalities/a b", {"kind": "ct", "files": "{record_id}/"}, "CONFIG_VALUE", "letters"),
        ("modalities", {}, "CONFIG_MISSING", "modalities"),
        ("ids", {"table": "map.csv"}, "CONFIG_MISSING", "ids.patient_id"),
        ("ids/width", {"pacs": 7}, "CONFIG_SYSTEM", "ids.width"),
        ("label/no_row", "positive", "CONFIG_VALUE", "label.no_row"),
        ("label/follow_up", "SEEN", "CONFIG_VALUE", "follow_up only beside"),
        ("label/classes", ["a", "b"], "CONFIG_VALUE", "positive .* or classes"),
        ("tables/decimal", ";", "CONFIG_VALUE", "tables.decimal"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(path, value, code, says):
    with pytest.raises(ConfigError, match=rf"\[{code}\].*{says}") as refused:
        parse_contract(changed(path, value))
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("path", ["modalities/ct/window", "modalities/eeg/window"])
def test_a_window_needs_an_index_time(path):
    values = changed(path, ["-7 d", "0 d"])
    del values["records"]["index_time"]
    with pytest.raises(ConfigError, match="WINDOW_NO_INDEX"):
        parse_contract(values)


def test_one_word_is_a_list_of_one():
    values = changed("label/positive", "G40.*")
    assert parse_contract(values).label.positive == ("G40.*",)


def test_columns_known_afterwards_are_declared_and_not_used():
    values = changed("modalities/history/columns/SIZE", {"known": "after"})
    assert parse_contract(values).modalities["history"].used == ("AGE",)
    values["modalities"]["history"]["inputs"] = ["AGE", "SIZE"]
    with pytest.raises(ConfigError, match=r"LEAK_AFTER.*modalities.history.columns.SIZE"):
        parse_contract(values)


def test_the_label_is_no_input():
    with pytest.raises(ConfigError, match=r"LEAK_LABEL.*ICD10"):
        parse_contract(changed("modalities/history/columns/ICD10", "category"))


def test_order_of_modalities_and_inputs_is_the_order_of_the_file():
    values = changed("modalities/history/columns", {"B": "number", "A": "number", "C": "number"})
    values["modalities"]["history"]["inputs"] = ["C", "B"]
    read = parse_contract(values)
    assert list(read.modalities) == ["ct", "eeg", "history"]
    assert read.modalities["history"].used == ("B", "C")


def test_syntax_errors_say_where_and_not_what(tmp_path: Path):
    (tmp_path / "cohort.toml").write_text(f'[records]\ntable = {SECRET}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"CONFIG_SYNTAX.*line 2") as refused:
        read_contract(tmp_path)
    assert SECRET not in str(refused.value)


def test_a_folder_without_contract_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="CONFIG_ABSENT"):
        read_contract(tmp_path)


def test_every_documented_key_is_accepted(tmp_path: Path):
    """All keys at once, in the words a hospital would write."""
    (tmp_path / "cohort.toml").write_text(
        """
        [tables]
        delimiter = ";"
        decimal = ","
        encoding = "cp1252"
        dates = "%d.%m.%Y %H:%M"
        missing = ["", "-"]
        [ids]
        table = "map.csv"
        patient_id = "P"
        pacs = "X"
        width = { patient_id = 7, pacs = 3 }
        delimiter = ","
        [records]
        table = "v.csv"
        patient_id = "P"
        record_id = "R"
        index_time = "T"
        site = "S"
        per_patient = "last"
        attributes = { sex = "SEX" }
        [label]
        table = "d.csv"
        patient_id = "P"
        is = "pacs"
        column = "ICD"
        positive = ["G40.*"]
        negative = ["Z*"]
        name = "epilepsy"
        time = "AT"
        window = ["0 min", "365 d"]
        no_row = "exclude"
        follow_up = "SEEN"
        unlabelled = "keep"
        [modalities.ct]
        kind = "ct"
        folder = "CT"
        id = { header = "AccessionNumber", is = "record_id" }
        window = ["-36.5 h", "-30 s"]
        series = { description = "*", thickness_mm = [0, 5.5], contrast = true }
        several = "most slices"
        spacing_mm = [1, 1.5, 2]
        size = [8, 8, 8]
        window_hu = [-40, 120]
        mirror = true
        [modalities.mr]
        kind = "mr"
        column = "MR_PATH"
        [modalities.mask]
        kind = "mask"
        files = "m/{patient_id}.nii.gz"
        labels = { 1 = "kidney", 2 = "tumour" }
        [modalities.film]
        kind = "xray"
        column = "FILE"
        table = "films.csv"
        patient_id = "P"
        time = "T"
        size = [64, 32]
        spacing_mm = 2
        several = "first"
        [modalities.eeg]
        kind = "eeg"
        files = "EEG/**/{pacs}_*.edf"
        channels = ["Cz"]
        reference = "as recorded"
        segments = { seconds = 0.5, count = 3 }
        rate_hz = 128
        [modalities.labs]
        kind = "ehr"
        table = "l.csv"
        decimal = "."
        time = "T"
        long = { code = "C", value = "V", unit = "U" }
        columns.CRP.unit = "mg/L"
        columns.CRP.range = [0, 900]
        columns.CRP.normal = [0, 5]
        columns.CRP.missing = ["?"]
        columns.CRP.censored = "limit"
        columns.CRP.take = ["last", "first", "min", "max", "mean", "slope", "count", "time since last"]
        columns.WARD = { kind = "category", levels = ["a", "b"], codes = ["W"] }
        columns.DIED = { kind = "yes/no", yes = ["1"], no = ["0"], known = "after" }
        """,
        encoding="utf-8",
    )
    read = read_contract(tmp_path)
    assert read.modalities["mask"].names == ("kidney", "tumour")
    assert read.modalities["film"].spacing_mm == (2, 2)
    assert read.modalities["ct"].span.low == -36.5 * 3600
    assert read.modalities["ct"].span.high == -30
    assert read.modalities["labs"].used == ("CRP", "WARD")
    assert read.width == {"patient_id": 7, "pacs": 3}


@pytest.mark.parametrize("column", ["PATNR", "FALLNR", "PACS", "PID"])
def test_a_column_of_ids_is_no_input(column: str) -> None:
    said = {
        "ids": {"table": "map.csv", "patient_id": "PATNR", "pacs": "PACS"},
        "records": {"table": "visits.csv", "patient_id": "PATNR", "record_id": "FALLNR"},
        "label": {"column": "DX", "positive": ["1"]},
        "modalities": {
            "labs": {"kind": "ehr", "table": "labs.csv", "patient_id": "PID", "columns": {column: "category"}}
        },
    }
    with pytest.raises(ConfigError, match=r"LEAK_ID.*labs"):
        parse_contract(said)
