"""``cohort.toml``, checked: how an export is written, who is in it, what is predicted and where each source lies.

Keys that a first look at a ``cohort.toml`` may not show:

``[records]``: ``attributes`` (subgroup columns by name); ``split`` (a column with the words train and test, or a table
of ``column``, ``train`` and ``test`` with other words).
``[label]``: ``negative`` (anything else is then unknown), ``name`` of the finding, ``classes`` (a list of values, or
patterns by name) in place of ``positive``, ``columns`` for several labels, ``unlabelled`` (``"exclude"`` or
``"keep"``), ``is`` (the system whose numbers the id column holds).
Modalities: ``is`` as above; ``mirror``; ct, mr and mask ``spacing_mm`` as one number or three; ct and xray may leave
``series`` out; eeg ``rate_hz``; ehr ``inputs`` (which declared columns are used; default: all known before).
``same_time`` (two values of one quantity at one time: ``"mean"``, ``"min"``, ``"max"``, ``"missing"``); ``date_only``
(what has a date without a clock time counts if any time of its day lies in the window: ``"accept"``).
Columns: ``censored`` (what ``<5`` means: ``"limit"``, ``"missing"``), ``text`` (cells that are no number:
``"missing"``), ``unlisted`` (levels that are not declared: ``"other"``, ``"missing"``), ``units`` (factors from other
units to ``unit``), ``codes``, ``known``.
Any section with a table: ``delimiter``, ``decimal``, ``encoding``, ``dates``, ``missing``, ``header``, ``sheet``,
``time_zone``, for that table alone; all but ``sheet`` in ``[tables]`` for every table.
Patterns in ``files``: ``*`` and ``?`` within one name, ``**/`` for any folders, a final ``/`` for all below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, final

from pydantic import Field, PositiveInt, field_validator, model_validator

from clinfuse.cohort.declarations import SOURCES, AnySource, EhrSource, Name, Names, WindowPair, Words, Written
from clinfuse.cohort.modality import KINDS
from clinfuse.cohort.split_section import SplitColumn
from clinfuse.cohort.strict import Strict, checked, nearest, not_built, read_toml
from clinfuse.cohort.windows import Window
from clinfuse.errors import ConfigError

FILE_NAME = "cohort.toml"


class TablesSection(Strict):
    """``[tables]``: how this hospital writes its files."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    encoding: Name = "utf-8"
    dates: str = ""
    missing: Words = ("",)
    header: Literal["ask", "first row", "none"] = "ask"
    time_zone: str = ""


class IdsSection(Written):
    """``[ids]``: which numbers other systems use for the same person."""

    table: Name
    patient_id: Name
    systems: dict[str, Name]


class RecordsSection(Written):
    """``[records]``: one row is one prediction, one patient at one time."""

    table: Name
    patient_id: Name
    record_id: Name | None = None
    index_time: Name | None = None
    site: Name | None = None
    per_patient: Literal["all", "first", "last"] = "all"
    attributes: dict[Name, Name] = Field(default_factory=dict)
    split: SplitColumn | None = None

    @model_validator(mode="after")
    def _dated(self) -> RecordsSection:
        if self.per_patient != "all" and self.index_time is None:
            message = "per_patient first or last only beside index_time"
            raise ValueError(message)
        return self


class LabelSection(Written):
    """``[label]``: what is predicted."""

    table: Name | None = None
    record_id: Name | None = None
    patient_id: Name | None = None
    system: Name | None = Field(default=None, alias="is")
    column: Name | None = None
    columns: Names | None = None
    positive: Names | None = None
    negative: Names | None = None
    classes: Names | dict[Name, Names] | None = None
    name: Name | None = None
    time: Name | None = None
    window: WindowPair | None = None
    no_row: Literal["negative", "exclude"] | None = None
    follow_up: Name | None = None
    unlabelled: Literal["exclude", "keep"] = "exclude"

    @model_validator(mode="after")
    def _whole(self) -> LabelSection:
        for broken, message in self._rules():
            if broken:
                raise ValueError(message)
        if self.window is not None:
            Window.written(*self.window)
        return self

    def _rules(self) -> tuple[tuple[bool, str], ...]:
        dated = self.time is not None and self.window is not None
        return (
            ((self.column is None) == (self.columns is None), "column, or columns for several labels, not both"),
            (self.positive is not None and self.classes is not None, "positive (the finding), or classes, not both"),
            (self.columns is not None and self.classes is not None, "positive, not classes, beside columns"),
            (self.negative is not None and self.positive is None, "negative only beside positive"),
            (
                self.name is not None and (self.positive is None or self.columns is not None),
                "name only for one finding",
            ),
            (self.patient_id is not None and self.record_id is not None, "patient_id or record_id, not both"),
            ((self.time is None) != (self.window is None), "time and window together"),
            (self.follow_up is not None and not dated, "follow_up only beside time and window"),
            (self.no_row == "negative" and self.classes is not None, "no_row negative only beside positive"),
            (self.classes is not None and len(self.classes) < 2, "two classes at least"),
        )

    @property
    def span(self) -> Window | None:
        """The declared window, parsed."""
        return None if self.window is None else Window.written(*self.window)


class WidthSection(Strict):
    """Digits of each number, kept apart because its keys are the names of the systems."""

    width: dict[Name, PositiveInt] = Field(default_factory=dict)

    @field_validator("width", mode="before")
    @classmethod
    def _table(cls, value: Any) -> Any:
        return {"patient_id": value} if isinstance(value, int) else value


@final
@dataclass(frozen=True)
class Contract:
    """All of one ``cohort.toml``.

    Parameters
    ----------
    tables : TablesSection
    ids : IdsSection or None
        None where one number is used everywhere.
    width : dict of str to int
        Digits to which the numbers of a system are filled up with zeros, by system.
    records : RecordsSection
    label : LabelSection or None
        None where nothing is known yet, as for a prediction.
    modalities : dict of str to AnySource
        In the order of the file.
    """

    tables: TablesSection
    ids: IdsSection | None
    width: dict[str, int]
    records: RecordsSection
    label: LabelSection | None
    modalities: dict[str, AnySource]

    @property
    def systems(self) -> dict[str, str]:
        """Column of the id map for each other system."""
        return {} if self.ids is None else self.ids.systems


def read_contract(file: Path) -> Contract:
    """What a ``cohort.toml`` says, checked as a whole before any table is opened.

    Parameters
    ----------
    file : Path
        The file, or the folder that holds it.

    Returns
    -------
    Contract

    Raises
    ------
    ConfigError
        ``CONFIG_ABSENT``, ``CONFIG_SYNTAX``, ``CONFIG_KEY`` (unknown key, with the nearest known one),
        ``CONFIG_MISSING``, ``CONFIG_VALUE``, ``CONFIG_NOT_BUILT``, ``CONFIG_SYSTEM``, ``WINDOW_NO_INDEX``,
        ``LEAK_AFTER``, ``LEAK_LABEL``.
    """
    return parse_contract(read_toml(file / FILE_NAME if file.is_dir() else file))


def parse_contract(values: Mapping[str, Any]) -> Contract:
    """The same as :func:`read_contract` for values that were read already.

    Examples
    --------
    >>> contract = parse_contract({
    ...     "records": {"table": "visits.csv", "patient_id": "PID"},
    ...     "label": {"column": "ICD10", "positive": ["G40.*"]},
    ...     "modalities": {"history": {"kind": "ehr", "table": "visits.csv", "columns": {"AGE": "number"}}},
    ... })
    >>> contract.modalities["history"].used
    ('AGE',)
    """
    known = ["tables", "ids", "records", "label", "modalities"]
    for key in values:
        if key not in known:
            near = nearest(key, known)
            remedy = f"Did you mean '{near}'?" if near else f"Known here: {', '.join(known)}."
            raise ConfigError("CONFIG_KEY", place=key, rule="a known section", found="an unknown one", remedy=remedy)
    if "records" not in values:
        _refuse("CONFIG_MISSING", "records", "the section [records]", "nothing", "Add the section.")
    ids, width = _ids(values.get("ids"))
    contract = Contract(
        tables=checked(TablesSection, values.get("tables", {}), "tables"),
        ids=ids,
        width=width,
        records=checked(RecordsSection, values["records"], "records"),
        label=checked(LabelSection, values["label"], "label") if "label" in values else None,
        modalities=_modalities(values.get("modalities", {})),
    )
    _check_times(contract)
    _check_systems(contract)
    for name, source in contract.modalities.items():
        if isinstance(source, EhrSource):
            _check_inputs(name, source, contract)
    return contract


def _refuse(code: str, place: str, rule: str, found: str, remedy: str) -> None:
    raise ConfigError(code, place=place, rule=rule, found=found, remedy=remedy)


def _ids(values: Any) -> tuple[IdsSection | None, dict[str, int]]:
    if values is None:
        return None, {}
    if not isinstance(values, Mapping):
        _refuse("CONFIG_VALUE", "ids", "a section", "something else", "Write [ids].")
    width = checked(WidthSection, {"width": values["width"]} if "width" in values else {}, "ids").width
    own = {"table", "patient_id", *Written.model_fields}
    systems = {key: value for key, value in values.items() if key not in own and key != "width"}
    if not systems and not own & set(values):
        return None, width
    section = {key: value for key, value in values.items() if key in own}
    return checked(IdsSection, {**section, "systems": systems}, "ids"), width


def _modalities(values: Any) -> dict[str, AnySource]:
    if not isinstance(values, Mapping) or not values:
        _refuse("CONFIG_MISSING", "modalities", "at least one section [modalities.NAME]", "none", "Add a section.")
    return {name: _modality(name, said) for name, said in values.items()}


def _modality(name: str, values: Any) -> AnySource:
    place = f"modalities.{name}"
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) is None:
        _refuse("CONFIG_VALUE", "modalities", "names of letters, digits, _ and -", "another name", "Rename it.")
    kind = values.get("kind") if isinstance(values, Mapping) else None
    if kind is None:
        _refuse("CONFIG_MISSING", f"{place}.kind", "this key written", "nothing", 'Add a line such as kind = "ct".')
    if not isinstance(kind, str) or kind not in SOURCES:
        near = nearest(str(kind), list(KINDS))
        remedy = f"Did you mean '{near}'?" if near else "Choose one of these."
        _refuse("CONFIG_VALUE", f"{place}.kind", f"one of {', '.join(KINDS)}", "another kind", remedy)
    if values.get("several") == "all":
        not_built(f"{place}.several", "use all of several files of one record")
    return checked(SOURCES[str(kind)], values, place)


def _check_times(contract: Contract) -> None:
    """A window counts from the index time, so there has to be one."""
    if contract.records.index_time is not None:
        return
    needing = [f"modalities.{name}.window" for name, source in contract.modalities.items() if source.window]
    for name, source in contract.modalities.items():
        if not isinstance(source, EhrSource) and source.several == "nearest":
            needing.append(f"modalities.{name}.several")
        if isinstance(source, EhrSource) and any("time since last" in (c.take or ()) for c in source.columns.values()):
            needing.append(f"modalities.{name}.columns")
    if contract.label is not None and contract.label.window is not None:
        needing.append("label.window")
    for place in needing:
        remedy = 'Add index_time = "COLUMN" to [records], or remove this line.'
        _refuse("WINDOW_NO_INDEX", place, "an index time to count from", "none", remedy)


def _check_systems(contract: Contract) -> None:
    known = ["patient_id", "record_id", *contract.systems]
    said = [(f"modalities.{name}.is", source.system) for name, source in contract.modalities.items()]
    for name, source in contract.modalities.items():
        if not isinstance(source, EhrSource):
            said.append((f"modalities.{name}.id.is", source.id.system if source.id else None))
            said += [(f"modalities.{name}.files", hole) for hole in re.findall(r"\{([^{}]*)\}", source.files or "")]
    said.append(("label.is", contract.label.system if contract.label else None))
    said += [("ids.width", system) for system in contract.width]
    for place, system in said:
        if system is not None and system not in known:
            near = nearest(system, known)
            remedy = f"Did you mean '{near}'?" if near else "Declare the system in [ids]."
            _refuse("CONFIG_SYSTEM", place, f"one of {', '.join(known)}", "another name", remedy)


def _id_columns(contract: Contract) -> set[str]:
    """Every column that any section names as the number of a person or a record."""
    owners = [contract.records, contract.label, *contract.modalities.values()]
    found = {getattr(owner, part, None) for owner in owners for part in ("patient_id", "record_id")}
    if contract.ids is not None:
        found |= {contract.ids.patient_id, *contract.ids.systems.values()}
    return {column for column in found if isinstance(column, str) and column}


def _check_inputs(name: str, source: EhrSource, contract: Contract) -> None:
    place = f"modalities.{name}"
    for column in source.inputs or ():
        if column not in source.columns:
            near = nearest(column, list(source.columns))
            remedy = f"Did you mean '{near}'?" if near else "Declare the column."
            _refuse("CONFIG_VALUE", f"{place}.inputs", "declared columns", "an undeclared one", remedy)
    for column in source.used:
        if source.columns[column].known == "after":
            remedy = "Take the column out of inputs; no statistic can tell it from an honest one."
            rule = "inputs known before the outcome"
            _refuse("LEAK_AFTER", f"{place}.columns.{column}", rule, 'a column declared known = "after"', remedy)
    for column in _id_columns(contract).intersection(source.used if source.long is None else ()):
        rule = "inputs that name nobody"
        _refuse("LEAK_ID", f"{place}.columns.{column}", rule, "a column of ids", "Take the column out.")
    if not source.used:
        _refuse("CONFIG_VALUE", f"{place}.columns", "at least one input", "none known before the outcome", "Add one.")
    label = contract.label
    if label is not None and source.long is None and source.table == (label.table or contract.records.table):
        outcome = {label.column, label.time, label.follow_up, *(label.columns or ())}
        for column in source.used:
            if column in outcome:
                remedy = 'Remove the column, or declare it known = "after".'
                _refuse("LEAK_LABEL", f"{place}.columns.{column}", "inputs that are not the label", "the label", remedy)
