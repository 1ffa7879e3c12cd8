"""Real tables are read with the rows and columns they are known to have, or refused with a code."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from clinfuse.errors import DataError
from clinfuse.io.dialect import Dialect
from clinfuse.io.ehr import ColumnRule, read_ehr
from clinfuse.io.tables import read_table

DIALECTS = {
    "horse-colic.csv": Dialect(header="none", missing=("", "?")),
    "pima-indians-diabetes.csv": Dialect(header="none"),
    "pbc2.csv": Dialect(missing=("", "NA")),
}
# Rows and columns as pandas 3.1 finds them with the same declaration.
OMOP = {
    "person": (28, 18),
    "measurement": (10040, 23),
    "observation": (8099, 21),
    "condition_occurrence": (470, 16),
    "drug_exposure": (883, 23),
    "visit_occurrence": (1791, 17),
    "concept_relationship": (266588, 6),
    "death": (3, 7),
}


@pytest.fixture(scope="session")
def formats(shared_data: Path) -> Path:
    return shared_data / "formats"


def test_every_listed_table_has_the_stated_rows_and_columns(formats: Path) -> None:
    seen = 0
    with (formats / "MANIFEST.csv").open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            file = formats / line["path"]
            if file.suffix in (".json", ".ndjson") and "fhir" in line["path"]:
                stated, what = line["opened_as"].split()
                assert read_table(file)["id"].nunique() == int(stated), what
                seen += 1
            elif file.suffix == ".csv":
                assert str(read_table(file, DIALECTS.get(file.name)).shape) == line["opened_as"]
                seen += 1
            elif file.suffix == ".names":
                with pytest.raises(DataError, match=r"^\[TABLE_FORMAT\]"):
                    read_table(file)
    assert seen == 17


@pytest.mark.parametrize("name", ["horse-colic.csv", "pima-indians-diabetes.csv"])
def test_tables_without_names_are_a_question(formats: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"\[TABLE_HEADER\].*`header = \"none\"`"):
        read_table(formats / "ehr" / "tables" / name)


def test_question_marks_inside_numbers_are_a_question(formats: Path) -> None:
    table = read_table(formats / "ehr" / "tables" / "horse-colic.csv", Dialect(header="none"))
    with pytest.raises(DataError, match=r"\[EHR_NUMBER\].*60 cells of text\. Write `missing = \[\"\?\"\]`"):
        read_ehr(table, {"4": ColumnRule()})
    found = read_ehr(table, {"4": ColumnRule(missing=("?",), range=(30, 45))})["4"]
    assert (int(found.isna().sum()), float(found.max())) == (60, 40.8)


def test_columns_of_real_patients_become_numbers(formats: Path) -> None:
    table = read_table(formats / "ehr" / "tables" / "support2.csv")
    rules = {
        "age": ColumnRule(range=(18, 110)),
        "sex": ColumnRule("category", levels=("female", "male")),
        "death": ColumnRule("yes/no"),
        "crea": ColumnRule(),
    }
    found = read_ehr(table, rules)
    assert found.shape == (9105, 4)
    assert found["death"].mean() == pytest.approx(6201 / 9105)
    assert int(found["crea"].isna().sum()) == 67
    np.testing.assert_array_equal(found["sex"].unique(), [1.0, 0.0])


@pytest.mark.parametrize(
    ("archive", "suffix"), [("Synthea27Nj_5.4.zip", "csv"), ("Synthea27NjParquet_5.4.zip", "parquet")]
)
def test_a_common_data_model_in_text_and_in_parquet(formats: Path, tmp_path: Path, archive: str, suffix: str) -> None:
    shapes: dict[str, tuple[int, int]] = {}
    refused: list[tuple[str, bool]] = []
    with zipfile.ZipFile(formats / "ehr" / "omop" / archive) as members:
        for member in members.namelist():
            file = tmp_path / Path(member).name
            if member.endswith("/") or file.suffix != f".{suffix}":
                continue
            file.write_bytes(members.read(member))
            try:
                shapes[file.stem.lower()] = read_table(file).shape
            except DataError as error:
                refused.append((error.code, "__MACOSX" in member))
    assert len(shapes) == 17
    # Companion files of macOS, and tables with a header only.
    assert set(refused) == {("TABLE_FORMAT", True), ("TABLE_EMPTY", False)}
    assert {name: shapes[name] for name in OMOP} == OMOP


@pytest.mark.parametrize("name", ["Synthea27Nj_5.4.zip", "Synthea27NjParquet_5.4.zip"])
def test_an_archive_is_no_table_and_the_page_says_so(formats: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"\[TABLE_FORMAT\]"):
        read_table(formats / "ehr" / "omop" / name)
    page = Path(__file__).parents[2] / "docs" / "formats.md"
    assert f"| `ehr/omop/{name}` | `TABLE_FORMAT` |" in page.read_text(encoding="utf-8")
