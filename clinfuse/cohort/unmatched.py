"""Why a source met no record at all, and the line that would let it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from clinfuse.cohort.contract import Contract, LabelSection
from clinfuse.cohort.declarations import EhrSource, FileSource
from clinfuse.cohort.ledger import Match
from clinfuse.cohort.survey import Meeting, Survey, survey
from clinfuse.errors import ClinfuseError

_AnySection = EhrSource | FileSource | LabelSection
_OTHER = (
    "None of its ids is an id of the records table or of the id map. Either it holds other patients, or the table that "
    "says which numbers belong together is missing from [ids]; `clinfuse scan` counts every pair."
)


def unmatched(matches: Iterable[Match], contract: Contract, folder: Path) -> dict[str, str]:
    """The likely reason, with the line to write, for every source that met no record.

    Parameters
    ----------
    matches : iterable of Match
        Of a ledger.
    contract : Contract
    folder : Path
        That holds ``cohort.toml``; it is surveyed only where a source met none.

    Returns
    -------
    dict of str to str
        By source; counts and names of columns, never an id.
    """
    empty = [match for match in matches if not match.matched]
    if not empty:
        return {}
    try:
        found = survey(folder)
    except ClinfuseError:
        return {match.source: match.hint or _OTHER for match in empty}
    return {match.source: _reason(match, contract, found) for match in empty}


def _reason(match: Match, contract: Contract, found: Survey) -> str:
    section: _AnySection | None = contract.modalities.get(match.source)
    if section is None:
        section = contract.label
    if section is None:
        return _OTHER
    if not match.unmatched:
        return f"Nothing was found at all: check `{_where(section)[0]}` = what lies in the export, letter by letter."
    known = _known(contract)
    pairs = [
        (own, other, meeting)
        for meeting in found.meetings
        for own, other in ((meeting.one, meeting.other), (meeting.other, meeting.one))
        if meeting.padded and _is_of(own, section, contract) and other in known
    ]
    for own, other, meeting in sorted(pairs, key=lambda pair: (-pair[2].both, -pair[2].padded)):
        return _line(own, known[other], meeting, section, contract)
    return match.hint or _OTHER


def _line(own: tuple[str, str], system: str, meeting: Meeting, section: _AnySection, contract: Contract) -> str:
    if not meeting.both:
        width = f"`width = {{ {system} = {meeting.width or 'DIGITS'} }}`"
        return f"{meeting.padded} of its ids meet once leading zeros are filled up: write {width} in [ids]."
    counted = f"{meeting.both} of its ids are numbers of {system}"
    if isinstance(section, FileSource) and section.folder is not None:
        return f'{counted}: write `id = {{ header = "{own[1]}", is = "{system}" }}`.'
    if isinstance(section, FileSource) and section.files is not None:
        return f'{counted}: write `files = "{own[1].replace("{}", f"{{{system}}}")}"`.'
    key = "record_id" if system == "record_id" else "patient_id"
    more = "" if system in ("patient_id", "record_id") else f' and `is = "{system}"`'
    return f'{counted}: write `{key} = "{own[1]}"`{more} in this section.'


def _known(contract: Contract) -> dict[tuple[str, str], str]:
    """Columns whose ids the cohort knows, with the name of their system."""
    records, ids = contract.records, contract.ids
    known = {}
    if ids is not None:
        known = {(ids.table, column): system for system, column in ids.systems.items()}
        known[ids.table, ids.patient_id] = "patient_id"
    if records.record_id is not None:
        known[records.table, records.record_id] = "record_id"
    known[records.table, records.patient_id] = "patient_id"
    return known


def _where(section: _AnySection) -> tuple[str, str]:
    """The key that says where a source lies, and its value."""
    for key in ("folder", "files", "table"):
        value = getattr(section, key, None)
        if value is not None:
            return key, str(value)
    return "column", ""


def _is_of(place: tuple[str, str], section: _AnySection, contract: Contract) -> bool:
    """Whether a place of ids is part of a source."""
    key, value = _where(section)
    source, part = place
    if key == "folder":
        return "{}" not in part and source.rpartition(" (")[0] in (Path(value).as_posix(), "whole export")
    if key == "files":
        return re.sub(r"\{[^{}]*\}", "{}", value) == part or value.partition("/")[0] == part.partition("/")[0]
    return source == (value or contract.records.table)
