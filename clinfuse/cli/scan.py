"""`clinfuse scan`: what lies in an export that nobody has described yet, and a draft of its ``cohort.toml``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clinfuse.cli import summary
from clinfuse.cli.screen import WIDTH, Screen
from clinfuse.cohort.draft import write_draft
from clinfuse.cohort.survey import Meeting, Survey, survey
from clinfuse.cohort.survey_files import DicomFacts, FileFacts
from clinfuse.cohort.survey_tables import ColumnFacts, TableFacts
from clinfuse.errors import StorageError
from clinfuse.report.html import write_text

DRAFT_NAME = "cohort.draft.toml"
REFUSED = 1
_MOST_MEETINGS = 25
_MOST_COLUMNS = 40


def run_scan(export: Path, out: Path | None, *, screen: Screen) -> int:
    """Survey an export, write a draft of ``cohort.toml``, show both; 1 where files could not be read.

    Raises
    ------
    DataError
        ``SURVEY_FOLDER``, ``SURVEY_EMPTY``.
    StorageError
        ``DRAFT_EXISTS``, ``DRAFT_WRITE``, ``REPORT_WRITE``.
    """
    file = _place(export, out)
    found = survey(export)
    write_text(file, write_draft(found))
    screen.show("\n".join(scan_lines(found, export, file)), {**facts_of(found), "draft": str(file)})
    return REFUSED if found.refused else 0


def _place(export: Path, out: Path | None) -> Path:
    """Where the draft goes; never over a file that is there, as somebody may have worked on it."""
    file = (out / DRAFT_NAME if out.is_dir() else out) if out is not None else export / DRAFT_NAME
    if file.exists():
        raise StorageError(
            "DRAFT_EXISTS",
            place="draft",
            rule="a file that is not there yet",
            found="one that is",
            remedy="Name another file with --out, or remove the old draft.",
        )
    if file.parent.is_dir() and not os.access(file.parent, os.W_OK):
        raise StorageError(
            "DRAFT_WRITE",
            place="draft",
            rule="a folder that can be written to",
            found="one that cannot",
            remedy="Name a file elsewhere with --out.",
        )
    return file


def scan_lines(found: Survey, export: Path, draft: Path) -> list[str]:
    """The screen of a survey; names of columns and words of headers that several patients share, no id, no date."""
    series = sum(one.series for facts in found.dicom for one in facts.series)
    files = sum(facts.files for facts in found.files)
    told = f"{len(found.tables)} tables, {series} DICOM series, {files} recordings and other images"
    blocks = [
        summary.block("EXPORT", f"{summary.shown(export)}   {told}"),
        _series_lines(found.dicom),
        _file_lines(found.files),
        *(_table_lines(table) for table in found.tables),
        _meeting_lines(found.meetings),
        _refused_lines(found),
        summary.pairs("DRAFT", [(summary.shown(draft), "every line is an open question; none is answered")]),
        summary.pairs(
            "NEXT",
            [
                ("remove the # before what is right", "and save it as cohort.toml in the export"),
                (f"clinfuse check {summary.shown(export)}", "says what then meets, and what does not"),
            ],
        ),
        [summary.RESEARCH_ONLY],
    ]
    return [line for block in blocks if block for line in (*block, "")]


def _series_lines(found: Sequence[DicomFacts]) -> list[str]:
    if not found:
        return []
    lines = [
        f"{'IMAGES':<10}{'FOLDER':<18}{'SERIES':>6}{'PATIENTS':>10}{'DATED':>7}{'FILES':>10}  {'MM':<11}DESCRIPTION"
    ]
    for facts in found:
        for one in facts.series[:_MOST_COLUMNS]:
            low, high = one.thickness_mm
            thick = "" if low != low else f"{low:g}" if low == high else f"{low:g} to {high:g}"
            said = [one.description or "(said of one patient or none)", one.kernel, "contrast" if one.contrast else ""]
            line = f"{summary.cut(facts.modality, 9):<10}{summary.cut(facts.folder, 17):<18}{one.series:>6}"
            line += f"{one.patients:>10}{one.dated:>7}{_span(one.slices):>10}  {thick:<11}"
            lines.append(summary.plain(summary.cut(line + ", ".join(part for part in said if part), WIDTH)))
    return lines


def _file_lines(found: Sequence[FileFacts]) -> list[str]:
    lines = []
    for facts in found:
        said = f"{facts.files} files {facts.suffix} in {facts.folder}"
        if facts.seconds:
            said += f"; {facts.dated} dated; {_span(facts.seconds)} s; {_span(facts.rates_hz)} Hz; "
            said += f"{_span(facts.channels)} channels, the 10-20 system in {facts.ten_twenty}"
        lines += summary.block("SIGNALS" if facts.seconds else "FILES", said)
    return lines


def _table_lines(table: TableFacts) -> list[str]:
    delimiter = {"\t": "tab", "": "typed cells"}.get(table.delimiter, f"'{table.delimiter}'")
    encodings = f", {table.encodings[0]}" if table.encodings else ""
    lines = summary.block("TABLE", f"{table.name}   {table.rows} rows   {delimiter}{encodings}")
    if not table.headed:
        lines += summary.block(
            "", 'The first row looks like data, not like names; columns are numbered (header = "none").'
        )
    rows = [(summary.cut(column.name, 24), _column_words(column)) for column in table.columns[:_MOST_COLUMNS]]
    lines += [summary.plain(f"{'':<10}{name:<26}{said}")[:WIDTH] for name, said in rows]
    if len(table.columns) > _MOST_COLUMNS:
        lines += summary.block("", f"and {len(table.columns) - _MOST_COLUMNS} more columns")
    if table.long:
        (long,) = table.long
        lines += summary.block("", f"may be one measurement per row: {len(long.codes)} codes in {long.code}")
    return lines


def _column_words(column: ColumnFacts) -> str:
    said = [column.kind, f"{column.distinct} different" + (", each once" if column.unique else "")]
    said += [f"{column.empty} without"] if column.empty else []
    said += [" or ".join(column.dates)] if column.dates else []
    if column.decimals and len(column.decimals) == 1:
        said.append(f"decimal {column.decimals[0]}")
    said += [f"missing {' '.join(column.missing)}"] if column.missing else []
    said += [f"{column.bounds} bounds such as <5"] if column.bounds else []
    return "   ".join(said)


def _meeting_lines(found: Sequence[Meeting]) -> list[str]:
    """Pairs that share an id, and the places that share none with any other."""
    shared = [meeting for meeting in found if meeting.padded]
    lines: list[str] = []
    for meeting in shared[:_MOST_MEETINGS]:
        zeros = f" ({meeting.padded} with leading zeros: width = {meeting.width})" if meeting.width else ""
        counts = f"{meeting.both} of {meeting.ids[0]} and {meeting.ids[1]}{zeros}"
        lines += summary.block(
            "IDS MEET" if not lines else "", f"{counts}   {_said(meeting.one)}  -  {_said(meeting.other)}"
        )
    if len(shared) > _MOST_MEETINGS:
        lines += summary.block("", f"and {len(shared) - _MOST_MEETINGS} more pairs; --json has all {len(found)}")
    met = {source for meeting in shared for source in (meeting.one[0], meeting.other[0])}
    alone = sorted({source for meeting in found for source in (meeting.one[0], meeting.other[0])} - met)
    for source in alone:
        lines += summary.block("" if lines else "IDS MEET", f"none of {source}: it cannot be joined as it is")
    return lines


def _said(place: tuple[str, str]) -> str:
    return place[1].replace("{}", "{id}") if "{}" in place[1] else f"{place[0]} {place[1]}"


def _refused_lines(found: Survey) -> list[str]:
    counts = [f"{code} {count}" for code, count in found.refused.items()]
    lines = summary.block("REFUSED", "files that cannot be read: " + ", ".join(counts)) if counts else []
    if found.left:
        lines += summary.block("" if lines else "REFUSED", f"{found.left} further tables were not looked at")
    return lines


def _span(ends: Sequence[float]) -> str:
    if not ends:
        return ""
    return f"{ends[0]:g}" if ends[0] == ends[-1] else f"{ends[0]:g}-{ends[-1]:g}"


def facts_of(found: Survey) -> dict[str, Any]:
    """A survey as JSON values; without any id."""
    return {
        "dicom": [
            {"modality": facts.modality, "folder": facts.folder, "series": [asdict(one) for one in facts.series]}
            for facts in found.dicom
        ],
        "files": [
            {
                name: getattr(facts, name)
                for name in ("suffix", "folder", "files", "dated", "seconds", "rates_hz", "channels", "ten_twenty")
            }
            for facts in found.files
        ],
        "tables": [asdict(table) for table in found.tables],
        "meetings": [asdict(meeting) for meeting in found.meetings],
        "refused": found.refused,
        "tables_left": found.left,
    }
