"""FHIR resources as one long table: whose, when, which code, what value; names, addresses and notes are never read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NoReturn

from clinfuse.errors import DataError
from clinfuse.io.dialect import Dialect

NAMES = ("resource", "id", "patient", "time", "code", "value", "unit")
# A single resource is a few kilobytes; one with an embedded document is no measurement.
_LONGEST_LINE = 2**24
_CODES = ("code", "medicationCodeableConcept", "vaccineCode", "type")
_TIMES = (
    *("effectiveDateTime", "effectiveInstant", "effectivePeriod", "occurrenceDateTime", "performedDateTime"),
    *("performedPeriod", "onsetDateTime", "onsetPeriod", "authoredOn", "period", "recordedDate", "date", "issued"),
)
_PLAIN_VALUES = ("valueInteger", "valueBoolean", "valueDateTime")
_OF_PATIENT = ("gender", "birthDate", "deceasedBoolean", "deceasedDateTime")
_WRONG = "entered-in-error"
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}.*")

Resource = Mapping[str, Any]


def read_ndjson(data: bytes, dialect: Dialect) -> tuple[list[list[str]], list[int]]:
    """Rows of a bulk export, one resource per line, and the line each comes from.

    Returns
    -------
    list of list of str
        One row for each resource, for each component of an observation, and for each fact of a patient (gender, birth
        date, death); see `NAMES` for the columns. What was entered in error has this as its code, and no value.
    list of int

    Raises
    ------
    DataError
        ``FHIR_JSON``, ``FHIR_MIXED``, ``FHIR_REFERENCE``, ``TABLE_ENCODING``, ``TABLE_CELL``.

    Examples
    --------
    >>> line = b'{"resourceType": "Patient", "id": "007", "gender": "male"}'
    >>> read_ndjson(line, Dialect())
    ([['Patient', '007', '007', '', 'gender', 'male', '']], [1])
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    first = ""
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        if len(line) > _LONGEST_LINE:
            _refuse("TABLE_CELL", number, f"lines of at most {_LONGEST_LINE >> 20} MiB", "a longer one")
        resource = _parsed(line, number)
        kind = _text(resource.get("resourceType"))
        first = first or kind
        if not kind or kind != first:
            _refuse("FHIR_MIXED", number, "resources of one type in one file, as bulk exports have", "another type")
        for row in _rows(resource, dialect, number):
            rows.append(row)
            lines.append(number)
    return rows, lines


def read_bundle(data: bytes, dialect: Dialect) -> tuple[list[list[str]], list[int]]:
    """Rows of the resources of a bundle, and the position of each resource in it, from 1; else as `read_ndjson`.

    Raises
    ------
    DataError
        ``FHIR_JSON``, ``FHIR_BUNDLE``, ``FHIR_REFERENCE``, ``TABLE_ENCODING``.
    """
    bundle = _parsed(data, 1)
    entries = bundle.get("entry")
    if bundle.get("resourceType") != "Bundle" or not isinstance(entries, list):
        _refuse("FHIR_BUNDLE", 1, "a FHIR bundle with a list of entries", "other JSON")
    rows: list[list[str]] = []
    places: list[int] = []
    for number, entry in enumerate(entries, start=1):
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if not isinstance(resource, Mapping):
            _refuse("FHIR_BUNDLE", number, "a resource in every entry", "none", what="entry")
        for row in _rows(resource, dialect, number):
            rows.append(row)
            places.append(number)
    return rows, places


def _parsed(data: bytes, number: int) -> Resource:
    found = "something else"
    try:
        # Numbers stay as they are written: 1.50 is not 1.5, and no id becomes a float.
        value = json.loads(data.decode("utf-8-sig"), parse_float=str, parse_int=str, parse_constant=_no_constant)
        if isinstance(value, Mapping):
            return value
    except UnicodeDecodeError as error:
        line = number + data.count(b"\n", 0, error.start)
        _refuse("TABLE_ENCODING", line, "text in UTF-8", "other bytes")
    except RecursionError:
        found = "JSON nested too deeply"
    except json.JSONDecodeError as error:
        number += error.lineno - 1
    except ValueError:
        found = "a number that JSON does not have"
    _refuse("FHIR_JSON", number, "a JSON object", found)


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def _rows(resource: Resource, dialect: Dialect, number: int) -> Iterator[list[str]]:
    kind, own = _text(resource.get("resourceType")), _text(resource.get("id"))
    if kind == "Patient":
        facts = [fact for fact in _OF_PATIENT if fact in resource]
        for fact in facts or [""]:
            yield [kind, own, own, "", fact, _written(_text(resource.get(fact)), dialect), ""]
        return
    head = [kind, own, _patient(resource, number), _time(resource, dialect)]
    if _WRONG in (_text(resource.get("status")), _coding(resource.get("verificationStatus"))):
        yield [*head, _WRONG, "", ""]
        return
    parts = resource.get("component")
    for part in [resource, *(parts if isinstance(parts, list) else [])]:
        if isinstance(part, Mapping) and (part is not resource or not parts or _value(part, dialect)[0]):
            yield [*head, next(filter(None, (_coding(part.get(key)) for key in _CODES)), ""), *_value(part, dialect)]


def _patient(resource: Resource, number: int) -> str:
    """Id of the patient a resource is about, empty where it is about none."""
    said = resource.get("subject", resource.get("patient"))
    reference = _text(said.get("reference")) if isinstance(said, Mapping) else ""
    if reference.startswith("#"):
        found = "one to a resource contained in this one"
        _refuse("FHIR_REFERENCE", number, "a reference to a patient of the export", found, what="resource")
    if reference.startswith("urn:uuid:"):
        return reference.removeprefix("urn:uuid:")
    found_id = re.search(r"(?:^|/)Patient(?:/([^/|?#]+)|\?identifier=[^|]*\|(.+))", reference)
    return (found_id[1] or found_id[2]) if found_id else ""


def _time(resource: Resource, dialect: Dialect) -> str:
    for key in _TIMES:
        said = resource.get(key)
        text = _text(said.get("start") if isinstance(said, Mapping) else said)
        if text:
            return _written(text, dialect)
    return ""


def _written(text: str, dialect: Dialect) -> str:
    """A moment as the tables of this hospital write it, anything else as it is."""
    try:
        return dialect.written(datetime.fromisoformat(text)) if _INSTANT.fullmatch(text) else text
    except ValueError:
        return text


def _value(part: Resource, dialect: Dialect) -> tuple[str, str]:
    quantity = part.get("valueQuantity")
    if isinstance(quantity, Mapping):
        number = _text(quantity.get("comparator")) + _text(quantity.get("value"))
        return number.replace(".", dialect.decimal), _text(quantity.get("code")) or _text(quantity.get("unit"))
    coded = _coding(part.get("valueCodeableConcept"))
    plain = next((_text(part[key]) for key in _PLAIN_VALUES if key in part), "")
    return coded or _written(plain, dialect), ""


def _coding(concept: Any) -> str:
    """The first code of a concept, empty where it has none; its display text may say anything and is not read."""
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    if isinstance(codings, list) and codings and isinstance(codings[0], Mapping):
        return _text(codings[0].get("code"))
    return ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else ""


def _refuse(code: str, number: int, rule: str, found: str, what: str = "line") -> NoReturn:
    remedy = "Export the resources again."
    raise DataError(code, place=f"table, {what} {number}", rule=rule, found=found, remedy=remedy) from None
