from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.contract import parse_contract
from clinfuse.cohort.declarations import ColumnDeclaration
from clinfuse.cohort.draft import write_draft
from clinfuse.cohort.survey import Survey, survey
from clinfuse.cohort.survey_tables import survey_tables
from clinfuse.errors import ConfigError, DataError
from clinfuse.io import guard
from clinfuse.io.guard import Guard
from clinfuse.synthetic.folder import write_cohort
from clinfuse.synthetic.settings import preset
from clinfuse.synthetic.tidy import grid_lines
from tests.io.test_guard import HOSTILE

CASES = {"ids": "if id_map.csv", "records": "if a row of visits.csv", "label": "if diagnoses.csv"}
CHOSEN = {
    "records": ['patient_id = "PATNR"', 'site = "CLINIC"', 'attributes.AGE = "AGE"', 'attributes.SEX = "SEX"'],
    "label": ['column = "ICD10"', 'follow_up = "LAST_SEEN"', 'no_row = "negative"'],
    "modalities.ct": ['folder = "CT_EXPORT"', 'id = { header = "PatientID", is = "pacs_id" }'],
    "modalities.xray": ['folder = "RX_EXPORT"', 'id = { header = "PatientID", is = "pacs_id" }'],
    "modalities.eeg": ['files = "EEG/{eeg_no}_*.edf"', "segments = { seconds = 2, count = 3 }"],
}
UNWANTED = {
    *(("label", "patient_id"), ("modalities.labs", "record_id")),
    *(("modalities.ct", "files"), ("modalities.xray", "files"), ("modalities.xray", "series")),
}
SETTINGS = preset("small", records=36, seed=5, messy=True, excluded=3, damaged_files=2)
# Sizes are a matter of taste, not of the export: those of the shipped file.
GRIDS = {f"modalities.{name}": lines for name, lines in grid_lines(SETTINGS).items()}


def settings_in(draft: str) -> list[tuple[str, str, str]]:
    """Every possible setting: section, the case it belongs to, the line without its # and its remark."""
    section = case = ""
    found = []
    for line in draft.splitlines():
        if match := re.fullmatch(r"# --- (.*) ---", line):
            case = match[1]
        elif match := re.fullmatch(r"#\[(.+)\]", line):
            section, case = match[1], ""
        elif re.match(r"#[A-Za-z]", line):
            found.append((section, case, re.sub(r" {3}# .*$", "", line[1:])))
    return found


def uncommented(draft: str, pick: Callable[[str, str, str], bool]) -> str:
    """The draft without the # before the first picked line of every key."""
    sections: dict[str, dict[str, str]] = {}
    for section, case, line in settings_in(draft):
        if pick(section, case, line):
            sections.setdefault(section, {}).setdefault(line.partition(" = ")[0], line)
    return "\n".join(f"[{name}]\n" + "\n".join(lines.values()) + "\n" for name, lines in sections.items())


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A messy export without the answers that only a synthetic one carries."""
    folder = tmp_path_factory.mktemp("export") / "messy"
    write_cohort(folder, SETTINGS)
    shutil.rmtree(folder / "truth")
    return folder


@pytest.fixture(scope="module")
def found(export: Path) -> Survey:
    return survey(export)


def right(section: str, case: str, line: str) -> bool:
    """What somebody who knows this hospital would uncomment."""
    key = line.partition(" = ")[0]
    chosen = CHOSEN.get(section, [])
    if section in ("modalities.diagnoses", "modalities.id_map", "modalities.visits"):
        return False
    if line in chosen:
        return True
    if key in {one.partition(" = ")[0] for one in chosen} or f"\n{key} = " in "\n" + GRIDS.get(section, ""):
        return False
    if key == "series":
        return "contrast = true" in line
    if key == "positive":
        return line == 'positive = ["G40.*"]'
    if key.startswith("attributes") or (section, key) in UNWANTED:
        return False
    return section not in CASES or case.startswith((CASES[section], "whichever"))


def test_the_right_lines_give_the_cohort_that_the_shipped_file_gives(
    export: Path, found: Survey, tmp_path: Path
) -> None:
    text = uncommented(write_draft(found), right)
    for section, lines in GRIDS.items():
        text = text.replace(f"[{section}]\n", f"[{section}]\n{lines}")
    parse_contract(tomllib.loads(text))
    copy = tmp_path / "export"
    shutil.copytree(export, copy, ignore=shutil.ignore_patterns("cohort.toml", ".clinfuse*"))
    (copy / "cohort.toml").write_text(text, encoding="utf-8")
    shipped, drafted = Cohort.from_folder(export), Cohort.from_folder(copy)
    for column in ("record_ids", "patient_ids", "keys", "labels", "sites", "times"):
        assert np.array_equal(getattr(shipped, column), getattr(drafted, column)), column
    assert shipped.attributes.to_numpy().tolist() == drafted.attributes.to_numpy().tolist()
    assert set(shipped.names) == set(drafted.names)
    for name in ("ct", "xray", "eeg"):
        assert np.array_equal(shipped.arrays(name), drafted.arrays(name)), name
    assert np.array_equal(
        shipped.present[:, shipped.names.index("labs")], drafted.present[:, drafted.names.index("labs")]
    )
    theirs = {
        one.name.split()[0]: row
        for one, row in zip(drafted.modality("labs").columns, drafted.arrays("labs").T, strict=True)
    }
    ours = {
        one.name.split()[0]: row
        for one, row in zip(shipped.modality("labs").columns, shipped.arrays("labs").T, strict=True)
    }
    for code, name in {"crp": "crp", "lak": "lactate", "na": "sodium", "raucher": "smoker", "alter": "age"}.items():
        assert np.array_equal(theirs[code], ours[name], equal_nan=True), code
    assert len(ours) == len(theirs)
    assert shipped.ledger.records_in == drafted.ledger.records_in
    assert shipped.ledger.excluded == drafted.ledger.excluded


def test_a_draft_decides_nothing_and_the_first_line_of_every_key_is_toml(found: Survey) -> None:
    draft = write_draft(found)
    assert tomllib.loads(draft) == {}
    with pytest.raises(ConfigError, match="CONFIG_MISSING"):
        parse_contract(tomllib.loads(draft))
    assert tomllib.loads(uncommented(draft, lambda section, case, line: True))


def test_neither_draft_nor_survey_repeats_an_id_or_a_date(export: Path, found: Survey) -> None:
    secrets = set()
    for name, columns in {"visits.csv": ["FALLNR", "PATNR", "VISIT_AT"], "id_map.csv": ["PACS_ID", "EEG_NO"]}.items():
        table = pd.read_csv(export / name, sep=";", dtype=str, encoding="cp1252")
        secrets |= {cell for column in columns for cell in table[column].dropna() if len(cell) > 4}
    text = write_draft(found) + repr(found)
    assert len(secrets) > 100
    assert [secret for secret in secrets if secret in text] == []


def test_leading_zeros_that_one_system_drops_are_seen(found: Survey) -> None:
    meeting = next(m for m in found.meetings if {m.one, m.other} == {("visits.csv", "PATNR"), ("labs.csv", "PID")})
    assert meeting.both == 0
    assert meeting.padded > 25
    assert meeting.width == 7
    assert "#width = { patient_id = 7 }" in write_draft(found)


def test_every_pair_of_sources_is_counted(found: Survey) -> None:
    pairs = {frozenset((m.one[0], m.other[0])) for m in found.meetings}
    sources = {source for m in found.meetings for source in (m.one[0], m.other[0])}
    assert sources == {
        *("visits.csv", "id_map.csv", "diagnoses.csv", "labs.csv", "EEG", "CT_EXPORT (CT)", "RX_EXPORT (CR)")
    }
    assert len(pairs) == len(sources) * (len(sources) - 1) // 2


def test_bad_files_are_counted_by_code_and_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("PATNR,AGE\n0012,50\n0013,61\n", encoding="utf-8")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2,3\n", encoding="utf-8")
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04nonsense")
    (tmp_path / "table.parquet").write_bytes(b"PAR1nonsense")
    (tmp_path / "night.edf").write_bytes(b"0       " + b"x" * 300)
    (tmp_path / "slice.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "pipe.edf")
    found = survey(tmp_path)
    assert found.refused["TABLE_FORMAT"] == 2
    assert {"TABLE_EMPTY", "EHR_RAGGED", "DCM_TRUNCATED"} < set(found.refused)
    assert found.refused["FILE_KIND"] == 2
    assert any(code.startswith("EDF") for code in found.refused)
    assert [table.file for table in found.tables] == ["visits.csv"]


@pytest.mark.parametrize(("written", "left"), [(59, 0), (60, 0), (63, 3)])
def test_tables_beyond_the_first_sixty_are_counted(tmp_path: Path, written: int, left: int) -> None:
    for number in range(written):
        (tmp_path / f"t{number:02d}.csv").write_text("PATNR,AGE\n0012,50\n0013,61\n", encoding="utf-8")
    found = survey(tmp_path)
    assert (len(found.tables), found.left) == (written - left, left)


def test_a_folder_without_anything_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SURVEY_EMPTY"):
        survey(tmp_path)
    with pytest.raises(DataError, match="SURVEY_FOLDER"):
        survey(tmp_path / "nothing")


def test_a_table_without_names_shows_none_of_its_cells(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("0012345,Zwetschgenknoedel,61\n0012346,Meier,44\n", encoding="utf-8")
    (table,) = (one.facts for one in survey_tables(tmp_path, tmp_path / "t.csv"))
    assert not table.headed
    assert [column.name for column in table.columns] == ["1", "2", "3"]
    assert '#header = "none"' in write_draft(survey(tmp_path))
    assert "Zwetschgenknoedel" not in repr(table)


def test_words_of_one_patient_are_never_shown(tmp_path: Path) -> None:
    rows = "\n".join(f"{k:04d};{'Zwetschgenknoedel' if k == 7 else 'ruhig'}" for k in range(30))
    (tmp_path / "t.csv").write_text(f"PATNR;NOTE\n{rows}\n", encoding="utf-8")
    found = survey(tmp_path)
    assert found.tables[0].columns[1].levels == ("ruhig",)
    assert "Zwetschgenknoedel" not in repr(found) + write_draft(found)


def test_a_workbook_is_surveyed_like_any_table(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [("PATNR", "AGE"), *((f"{k:05d}", 40 + k) for k in range(9))]:
        book.active.append(row)
    book.save(tmp_path / "visits.xlsx")
    (table,) = survey(tmp_path).tables
    assert [column.kind for column in table.columns] == ["id", "number"]
    book.copy_worksheet(book.active)
    book.save(tmp_path / "visits.xlsx")
    found = survey(tmp_path)
    assert [table.name for table in found.tables] == ["visits.xlsx, sheet 1", "visits.xlsx, sheet 2"]
    assert "#sheet = 2" in write_draft(found)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    dates=st.sampled_from(["%Y-%m-%d", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S"]),
    encoding=st.sampled_from(["utf-8", "cp1252"]),
    token=st.sampled_from(["", "-", "n.b.", "NA"]),
    rows=st.integers(6, 30),
)
def test_how_a_table_is_written_is_among_the_answers(
    tmp_path: Path, delimiter: str, decimal: str, dates: str, encoding: str, token: str, rows: int
) -> None:
    times = pd.Timestamp("2020-01-13 08:30") + pd.to_timedelta(np.arange(rows) * 31, unit="h")
    numbers = [f"{1.25 + 0.5 * k}".replace(".", decimal) for k in range(rows)]
    cells = zip([f"00{k:03d}" for k in range(rows)], numbers, times.strftime(dates), ["Süd"] * rows, strict=True)
    quoted = [delimiter.join(f'"{cell}"' for cell in row) for row in cells]
    quoted[2] = delimiter.join(['"00002"', f'"{token}"', f'"{token}"', '"Süd"'])
    text = "\n".join([delimiter.join(["PATNR", "CRP", "WHEN", "SITE"]), *quoted, ""])
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    (table,) = (one.facts for one in survey_tables(tmp_path, tmp_path / "t.csv"))
    assert table.delimiter == delimiter
    assert encoding in table.encodings
    person, number, when, site = table.columns
    assert (person.kind, number.kind, when.kind, site.kind) == ("id", "number", "date", "category")
    assert decimal in number.decimals
    assert dates in when.dates
    assert number.missing == when.missing == ((token,) if token else ())


def test_limits_of_measurement_get_the_key_that_a_contract_knows(tmp_path):
    rows = "".join(f"P{k},{'<5' if k % 3 else k}\n" for k in range(12))
    (tmp_path / "labs.csv").write_text("PID,CRP\n" + rows)
    assert 'censored = "limit"' in write_draft(survey(tmp_path))
    assert ColumnDeclaration(censored="limit").censored == "limit"


def test_mr_series_get_a_section_that_reads_them(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("PATNR,Y\n0012,yes\n0013,no\n0014,yes\n", encoding="utf-8")
    for number, person in enumerate(("0012", "0013", "0014")):
        for sequence in ("T1", "FLAIR"):
            write_mr(tmp_path / "MR", person, f"{number}{sequence}", sequence)
    draft = write_draft(survey(tmp_path))
    assert "#[modalities.mr]" in draft
    assert "# every sequence that counts is a modality of its own" in draft

    def pick(section: str, case: str, line: str) -> bool:
        key = line.partition(" = ")[0]
        if section == "modalities.mr":
            wanted = ("kind", "format", "folder", "spacing_mm", "size")
            return key in wanted or (key == "id" and "patient_id" in line) or (key == "series" and "FLAIR" in line)
        return section == "records" and line in ('table = "visits.csv"', 'patient_id = "PATNR"')

    text = uncommented(draft, pick) + '[label]\ncolumn = "Y"\npositive = ["yes"]\n'
    text = text.replace("size = [96, 96, 96]", "size = [6, 6, 6]")
    (tmp_path / "cohort.toml").write_text(text, encoding="utf-8")
    cohort = Cohort.from_folder(tmp_path)
    assert (cohort.names, cohort.modality("mr").kind) == (("mr",), "mr")
    assert cohort.present.tolist() == [[True], [True], [True]]


def write_mr(folder: Path, person: str, series: str, description: str) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    folder.mkdir(exist_ok=True)
    for k in range(4):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = MRImageStorage
        number = "".join(str(ord(letter)) for letter in series)
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = f"1.2.{number}.{k + 1}"
        image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.{int(person)}", f"1.2.{number}"
        image.PatientID, image.Modality, image.SeriesDescription = person, "MR", description
        image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 2 * k], [1, 0, 0, 0, 1, 0]
        image.SliceThickness, image.PixelSpacing, image.InstanceNumber = 2, [1, 1], k + 1
        image.Rows = image.Columns = 8
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        noise = np.random.default_rng(k).integers(0, 900, (8, 8))
        image.PixelData = noise.astype(np.uint16).tobytes()
        image.save_as(folder / f"{series}_{k}.dcm", enforce_file_format=True)


@pytest.mark.parametrize(
    ("word", "seconds", "code"), [("hang", 0.5, "READ_TIMEOUT"), ("die", 60, "READ_DIED"), ("swell", 60, "READ_MEMORY")]
)
def test_a_table_that_harms_its_reader_is_counted_and_the_others_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, seconds: float, code: str
) -> None:
    for name in ("a.csv", "c.csv"):
        (tmp_path / name).write_text("PATNR;AGE\n0012;50\n0013;61\n")
    for name in ("b.csv", "b.xlsx", "b.parquet"):
        (tmp_path / name).write_text(f"{word:8}")
    made = Guard(program=HOSTILE, seconds=60)
    made.start()
    monkeypatch.setattr(made, "_seconds", seconds)
    monkeypatch.setattr(guard, "_SHARED", {os.getpid(): made})
    found = survey(tmp_path)
    made.close()
    # Each is first asked whether it is a DICOM image, and these readers do the same to that question.
    assert found.refused == {code: 6}
    assert [table.file for table in found.tables] == ["a.csv", "c.csv"]
