"""A first ``cohort.toml`` from what a survey saw: every line is an open decision, none is made.

A line that begins with ``#`` and a letter is a possible setting: remove the ``#`` where it is right. A line that begins
with ``# `` is a remark.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import final

from clinfuse.cohort.contract import IdsSection, TablesSection
from clinfuse.cohort.survey import Meeting, Survey
from clinfuse.cohort.survey_files import DicomFacts, FileFacts, Place
from clinfuse.cohort.survey_tables import ColumnFacts, TableFacts, answers_of

_WIDTH = 110
_SHOWN = 20
_KINDS = {"CT": "ct", "MR": "mr", "CR": "xray", "DX": "xray", "MG": "xray"}
_TAKEN = {"record_id", *IdsSection.model_fields, "width"}
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@final
class _Lines:
    """The draft as it grows."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def remark(self, text: str) -> None:
        self.lines += textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")

    def section(self, name: str, remark: str) -> None:
        self.lines += ["", f"#[{name}]"]
        self.remark(remark)

    def when(self, text: str) -> None:
        self.lines += ["#", f"# --- {text} ---"]

    def choices(self, key: str, values: Iterable[str], why: str = "") -> None:
        for value in values:
            self.lines.append(f"#{key} = {value}" + (f"   # {why}" if why else ""))

    def text(self, key: str, values: Iterable[str], why: str = "") -> None:
        self.choices(key, [_quoted(value) for value in values], why)


def write_draft(found: Survey) -> str:
    """Text of a draft ``cohort.toml``.

    Parameters
    ----------
    found : Survey

    Returns
    -------
    str
        TOML in which every line is a comment; whoever knows the export removes ``#`` where a line is right.

    Examples
    --------
    >>> import tomllib
    >>> tomllib.loads(write_draft(Survey((), (), (), (), {}, 0)))
    {}
    """
    out = _Lines()
    out.remark("A draft of cohort.toml, written by clinfuse scan. Nothing is decided.")
    out.remark(
        "Remove the # where it stands right before a word or a bracket and the line is right; of several lines with "
        "one key keep one. Lines that begin with '# ' are remarks. Save the file as cohort.toml in the export's "
        "folder, then run clinfuse check on it."
    )
    systems = _systems(found)
    _tables(out, found)
    _ids(out, found, systems)
    _records(out, found)
    _label(out, found)
    names: set[str] = set()
    for facts in found.dicom:
        _dicom(out, found, facts, systems, names)
    for files in found.files:
        _files(out, found, files, systems, names)
    for table in found.tables:
        _modality(out, found, table, names)
    return "\n".join(out.lines) + "\n"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _named(text: str, taken: set[str]) -> str:
    """A name for a section or a system, made of letters, digits and _, and not yet taken."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_") or "source"
    plain = plain if plain[0].isalpha() else f"source_{plain}"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    taken.add(name)
    return name


def _shared(groups: Sequence[Sequence[str]]) -> list[str]:
    """What all groups that say anything have in common, in the order of the first."""
    told = [group for group in groups if group]
    return [one for one in (told[0] if told else ()) if all(one in group for group in told)]


def _tables(out: _Lines, found: Survey) -> None:
    if not found.tables:
        return
    out.section("tables", "how the tables are written; any section with a table may say otherwise for its own")
    cells = [column for table in found.tables for column in table.columns]
    numbers = [column for column in cells if column.kind == "number" or column.numbers]
    ways: dict[str, list[Sequence[str]]] = {
        "delimiter": [[table.delimiter] for table in found.tables if table.delimiter],
        "decimal": [column.decimals for column in numbers],
        "encoding": [table.encodings for table in found.tables],
        "dates": [column.dates for column in cells if column.kind == "date"],
    }
    for key, groups in ways.items():
        every = list(dict.fromkeys(one for group in groups for one in group))
        shared = _shared(groups)
        default = TablesSection.model_fields[key].default
        if every and (shared or every) != [default]:
            out.text(key, shared or every, "" if shared else "not all tables: say it in the section of the others")
    tokens = sorted({token for column in cells for token in column.missing} - {""})
    if tokens:
        out.remark("met where a number or a date belongs:")
        out.choices("missing", [_list(["", *tokens])])


def _table(out: _Lines, table: TableFacts, why: str = "") -> None:
    out.text("table", [table.file], why)
    if table.sheet:
        out.choices("sheet", [str(table.sheet)])
    if not table.headed:
        out.text("header", ["none"], "the first row looks like data, not like names; its columns are called 1, 2, ...")


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(value) for value in values) + "]"


def _systems(found: Survey) -> dict[tuple[str, str], str]:
    """A name for every column of ids in a table that has several, by (table, column)."""
    names: dict[tuple[str, str], str] = {}
    taken = set(_TAKEN)
    for table in found.tables:
        columns = table.of_kind("id")
        if len(columns) > 1:
            names |= {(table.name, column.name): _named(column.name, taken) for column in columns}
    return names


def _ids(out: _Lines, found: Survey, systems: dict[tuple[str, str], str]) -> None:
    widths = {meeting.width for meeting in found.meetings if meeting.width}
    if not systems and not widths:
        return
    out.section("ids", "needed where other systems use other numbers for the same person, or drop leading zeros")
    for table in found.tables:
        columns = table.of_kind("id")
        if len(columns) < 2:
            continue
        out.when(f"if {table.name} says which numbers belong together")
        _table(out, table)
        out.text("patient_id", [column.name for column in columns])
        for column in columns:
            out.text(systems[table.name, column.name], [column.name])
    if widths:
        out.when("whichever it is")
    for width in sorted(widths):
        pairs = [meeting for meeting in found.meetings if meeting.width == width]
        out.remark(
            "with leading zeros more ids meet: "
            + "; ".join(f"{_said(m.one)} and {_said(m.other)}, {m.padded} instead of {m.both}" for m in pairs[:4])
        )
        out.choices("width", [f"{{ patient_id = {width} }}"])


def _met(meeting: Meeting) -> str:
    return f"{meeting.both} meet" if meeting.both else f"with leading zeros {meeting.padded} meet"


def _said(place: tuple[str, str]) -> str:
    return f"{place[1]} of {place[0]}" if "{}" not in place[1] else place[1].replace("{}", "{id}")


def _records(out: _Lines, found: Survey) -> None:
    out.section("records", "one row is one prediction: one patient at one time")
    for table in found.tables:
        ids = table.of_kind("id")
        if not ids:
            continue
        out.when(f"if a row of {table.name} is a record ({table.rows} rows)")
        _table(out, table)
        out.text("patient_id", [column.name for column in sorted(ids, key=lambda column: column.unique)])
        out.text("record_id", [column.name for column in ids if column.unique])
        out.text("index_time", [column.name for column in table.of_kind("date")], "nothing later may be used as input")
        out.text("site", [column.name for column in table.of_kind("category")])
        words = [column for column in table.columns if column.kind in ("category", "yes/no", "number")]
        if words and not table.long:
            out.remark("subgroups to report:")
            for column in words[:_SHOWN]:
                out.choices(f"attributes.{_key(column.name)}", [_quoted(column.name)])
    if any(table.of_kind("date") for table in found.tables):
        out.when("whichever it is")
        out.text("per_patient", ["all", "first", "last"])


def _label(out: _Lines, found: Survey) -> None:
    out.section("label", "what is predicted; positive is required and never guessed")
    for table in found.tables:
        columns = table.of_kind("category", "yes/no")
        if not columns or table.long:
            continue
        out.when(f"if {table.name} says it")
        _table(out, table, "may be left out if it is the table of the records")
        for column in table.of_kind("id"):
            out.text("record_id", [column.name])
            out.text("patient_id", [column.name])
        for column in columns:
            out.text("column", [column.name])
            values = [*column.stems, *column.levels][:_SHOWN]
            rest = column.distinct - len(column.levels)
            out.choices("positive", [_list([value]) for value in values], f"of {column.name}")
            if rest > 0:
                out.remark(f"{rest} values of {column.name} occur less than five times and are not written here")
        out.text("time", [column.name for column in table.of_kind("date")])
    dated = [column.name for table in found.tables for column in table.of_kind("date")]
    out.when("whichever it is")
    if dated:
        out.choices("window", ['["0 d", "365 d"]'], "counted from index_time, beside time")
        out.text("follow_up", dict.fromkeys(dated), "negatives seen for less than the window are left out")
    out.text("no_row", ["negative", "exclude"], "what it means that a record has no row")


def _whose(out: _Lines, found: Survey, places: Sequence[Place], systems: dict[tuple[str, str], str]) -> None:
    """Ways to say whose a file is: those that meet some id first, each with what it meets."""
    ranked = sorted(places, key=lambda place: -max([m.both for _, m in found.meetings_of(place)], default=0))
    for place in ranked:
        met = [(other, meeting) for other, meeting in found.meetings_of(place) if meeting.both]
        tables = [(other, meeting) for other, meeting in met if other[0] in {table.name for table in found.tables}]
        if not tables:
            out.remark(f"{_said((place.source, place.part))}: {len(place.values)} ids, none of them in a table")
        for (source, column), meeting in tables[:4]:
            why = f"{meeting.both} of {len(place.values)} meet {column} of {source}"
            for system in dict.fromkeys(["patient_id", "record_id", systems.get((source, column), "patient_id")]):
                if place.way == "header":
                    out.choices("id", [f'{{ header = "{place.part}", is = "{system}" }}'], why)
                else:
                    out.text("files", [place.part.replace("{}", f"{{{system}}}")], why)


def _dicom(out: _Lines, found: Survey, facts: DicomFacts, systems: dict[tuple[str, str], str], names: set[str]) -> None:
    kind = _KINDS.get(facts.modality)
    count = sum(one.series for one in facts.series)
    if kind is None:
        out.lines.append("")
        out.remark(f"{count} series of modality {facts.modality} are not read from DICOM; write them as NIfTI to use.")
        return
    out.section(f"modalities.{_named(kind, names)}", f"{count} series, {facts.modality}")
    out.text("kind", [kind])
    if kind == "mr":
        out.text("format", ["dicom"])
        out.remark("every sequence that counts is a modality of its own: repeat the section, with another series")
    out.remark("by a field of the header, whatever the files are called:")
    out.text("folder", [facts.folder])
    _whose(out, found, [place for place in facts.places if place.way == "header"], systems)
    out.remark("or by the name of a file or folder, in place of folder and id:")
    _whose(out, found, [place for place in facts.places if place.way == "name"], systems)
    _timed(out, '["-7 d", "0 d"]')
    for one in facts.series[:_SHOWN] if len(facts.series) > 1 else ():
        wanted = [f"description = {_quoted(_glob(one.description))}"] if one.description else []
        if kind != "xray":
            low, high = one.thickness_mm
            wanted += [f"thickness_mm = [{low:g}, {high + 0.01:g}]"] if low == low else []
            wanted.append(f"contrast = {str(one.contrast).lower()}")
        why = f"{one.series} series of {one.patients} patients" + (f", kernel {one.kernel}" if one.kernel else "")
        if wanted:
            out.choices("series", [f"{{ {', '.join(wanted)} }}"], why)
    out.text("several", ["nearest", "first", "last", "most slices"], "where a record has several")
    if kind == "ct":
        out.choices("window_hu", ["[-1000, 1000]", "[-160, 240]", "[0, 80]"], "wide, soft tissue, brain")
    if kind != "xray":
        out.choices("spacing_mm", ["2.0"])
        out.choices("size", ["[96, 96, 96]"])
    else:
        out.choices("size", ["[224, 224]"])


def _glob(description: str) -> str:
    """A description as a pattern that only itself meets."""
    return re.sub(r"([\[*?])", r"[\1]", description)


def _timed(out: _Lines, window: str) -> None:
    out.choices("window", [window], "counted from index_time; leave it out where nothing is dated")


def _files(out: _Lines, found: Survey, facts: FileFacts, systems: dict[tuple[str, str], str], names: set[str]) -> None:
    recording = bool(facts.seconds)
    name = _named("eeg" if recording else facts.folder if facts.folder != "." else "image", names)
    out.section(f"modalities.{name}", f"{facts.files} files {facts.suffix}, {facts.dated} of them dated")
    kinds = ["eeg"] if recording else ["mr", "mask", "ct"] if facts.suffix.startswith(".nii") else ["xray"]
    out.text("kind", kinds)
    if not recording:
        formats = {".nii": "nifti", ".nii.gz": "nifti", ".png": "png", ".tif": "tiff", ".tiff": "tiff"}
        out.text("format", [formats.get(facts.suffix, "jpeg")], "for kind ct and xray")
    _whose(out, found, facts.places, systems)
    if not recording:
        return
    _timed(out, '["-30 d", "0 d"]')
    out.text("several", ["nearest", "first", "last"], "where a record has several")
    out.text("channels", ["10-20"], f"all 19 in {facts.ten_twenty} of {facts.files} recordings; or a list of names")
    out.text("reference", ["average", "as recorded"])
    shortest = max(1, int(min(10, facts.seconds[0])))
    why = f"recordings last {facts.seconds[0]:g} to {facts.seconds[1]:g} s"
    out.choices("segments", [f"{{ seconds = {shortest}, count = 6 }}"], why)


def _modality(out: _Lines, found: Survey, table: TableFacts, names: set[str]) -> None:
    inputs = [column for column in table.columns if column.kind in ("number", "category", "yes/no")]
    ids = table.of_kind("id")
    if not ids or not (inputs or table.long):
        return
    out.section(f"modalities.{_named(table.file.rpartition('.')[0], names)}", f"{table.rows} rows")
    out.text("kind", ["ehr"])
    _table(out, table)
    for column in ids:
        met = [f"{_met(meeting)} {_said(other)}" for other, meeting in found.meetings_of((table.name, column.name))][:3]
        out.text("patient_id", [column.name], ", ".join(met))
        out.text("record_id", [column.name])
    out.text("time", [column.name for column in table.of_kind("date")])
    _timed(out, '["-48 h", "0 h"]')
    out.remark('only what was known before the outcome; for every other column write known = "after"')
    if not table.long:
        for column in inputs:
            _column(out, column, column.name, [])
        return
    (long,) = table.long
    out.when("if a row is one measurement")
    unit = f", unit = {_quoted(long.unit)}" if long.unit else ""
    out.choices("long", [f"{{ code = {_quoted(long.code)}, value = {_quoted(long.value)}{unit} }}"])
    taken: set[str] = set()
    for one in long.codes:
        more = [f"unit = {_quoted(one.units[0])}"] if len(one.units) == 1 else []
        if len(one.units) > 1:
            out.remark(f"{len(one.units)} units beside the next code: {', '.join(one.units[:4])}")
        _column(out, one.values, _named(one.code, taken), [*more, 'take = ["last"]', f"codes = {_list([one.code])}"])


def _column(out: _Lines, facts: ColumnFacts, name: str, more: list[str]) -> None:
    key = f"columns.{_key(name)}"
    if facts.bounds:
        out.remark(f"{facts.bounds} cells of the next column are bounds such as <5; the last key says what they mean")
        more = [*more, 'censored = "limit"']
    if facts.kind == "yes/no":
        yes, no = answers_of(facts.levels) or ("", "")
        out.choices(key, [f'{{ kind = "yes/no", yes = {_list([yes])}, no = {_list([no])}{_more(more)} }}'])
    if facts.kind in ("category", "yes/no") and facts.distinct:
        out.choices(key, [f'{{ kind = "category"{_more(more)} }}'])
    if facts.kind == "number" or (facts.decimals and facts.kind == "yes/no"):
        out.choices(key, [f'{{ kind = "number"{_more(more)} }}'])


def _more(more: Sequence[str]) -> str:
    return "".join(f", {part}" for part in more)
