from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clinfuse.cohort.folder import read_export
from clinfuse.io.dialect import Dialect
from clinfuse.io.fhir import NAMES, read_bundle, read_ndjson
from clinfuse.io.tables import read_table

BERLIN = Dialect(decimal=",", dates="%d.%m.%Y %H:%M", time_zone="Europe/Berlin")


def coded(code: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": code, "display": "Zwetschge"}], "text": "Zwetschge"}


def observation(number: int, **said: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": coded("1988-5"),
        "subject": {"reference": "Patient/007"},
        "effectiveDateTime": "2024-07-01T08:00:00+00:00",
        "note": [{"text": "Zwetschge was tired"}],
        **said,
    }


def lines(*resources: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in resources)


def test_an_observation_is_one_row_with_its_number_as_written() -> None:
    data = lines(observation(1)).replace(b'"note"', b'"valueQuantity": {"value": 1.50, "unit": "mg/L"}, "note"')
    rows, places = read_ndjson(data, BERLIN)
    assert rows == [["Observation", "o1", "007", "01.07.2024 10:00", "1988-5", "1,50", "mg/L"]]
    assert places == [1]
    assert "Zwetschge" not in str(rows)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"valueQuantity": {"value": 5, "comparator": "<", "code": "mg/L", "unit": "x"}}, ["1988-5", "<5", "mg/L"]),
        ({"valueCodeableConcept": coded("LA1")}, ["1988-5", "LA1", ""]),
        ({"valueBoolean": True}, ["1988-5", "true", ""]),
        ({"valueString": "Zwetschge"}, ["1988-5", "", ""]),
        ({"status": "entered-in-error", "valueInteger": 5}, ["entered-in-error", "", ""]),
        ({"code": {"text": "Zwetschge"}, "valueInteger": 5}, ["", "5", ""]),
    ],
)
def test_values_are_codes_and_numbers_never_text(said: dict[str, Any], expected: list[str]) -> None:
    ((*_, code, value, unit),), _ = read_ndjson(lines(observation(1, **said)), Dialect())
    assert [code, value, unit] == expected


def test_components_are_rows_of_their_own() -> None:
    parts = [{"code": coded(code), "valueQuantity": {"value": value}} for code, value in (("sys", 120), ("dia", 80))]
    rows, places = read_ndjson(lines(observation(1), observation(2, component=parts)), Dialect())
    assert [row[4:6] for row in rows] == [["1988-5", ""], ["sys", "120"], ["dia", "80"]]
    assert places == [1, 2, 2]


@pytest.mark.parametrize(
    ("reference", "patient"),
    [
        ("Patient/007", "007"),
        ("Patient/007/_history/2", "007"),
        ("https://x.org/fhir/Patient/a-b.1", "a-b.1"),
        ("urn:uuid:00c8", "00c8"),
        ("Patient?identifier=urn:x|00123", "00123"),
        ("Group/7", ""),
    ],
)
def test_whose_a_resource_is(reference: str, patient: str) -> None:
    rows, _ = read_ndjson(lines(observation(1, subject={"reference": reference})), Dialect())
    assert rows[0][2] == patient


def test_a_bundle_becomes_a_cohort(tmp_path: Path) -> None:
    entries: list[dict[str, Any]] = []
    for k, day in enumerate(("2024-06-30", "2024-07-01", "2024-07-03")):
        made = observation(k, effectiveDateTime=f"{day}T06:30:00+02:00", valueQuantity={"value": k + 1, "code": "mg/L"})
        entries.append({"resource": {**made, "subject": {"reference": "urn:uuid:007"}}})
    entries.append({"resource": {"resourceType": "Patient", "id": "007", "gender": "female", "name": "Zwetschge"}})
    (tmp_path / "labs.json").write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    (tmp_path / "visits.csv").write_text("PID,AT\n007,2024-07-02 08:00\n")
    (tmp_path / "cohort.toml").write_text(
        '[records]\ntable = "visits.csv"\npatient_id = "PID"\nindex_time = "AT"\n'
        '[modalities.labs]\nkind = "ehr"\ntable = "labs.json"\ntime_zone = "Europe/Berlin"\npatient_id = "patient"\n'
        'time = "time"\nlong = { code = "code", value = "value", unit = "unit" }\n'
        'columns.CRP = { unit = "mg/L", codes = "1988-5", take = ["last", "count", "time since last"] }\n'
    )
    export = read_export(tmp_path)
    assert export.sources["labs"].values.tolist() == [[2.0, 2.0, 25.5]]
    table = read_table(tmp_path / "labs.json")
    assert tuple(table.columns) == NAMES
    assert table.iloc[-1].tolist() == ["Patient", "007", "007", "", "gender", "female", ""]
    assert read_bundle((tmp_path / "labs.json").read_bytes(), Dialect())[1] == [1, 2, 3, 4]
