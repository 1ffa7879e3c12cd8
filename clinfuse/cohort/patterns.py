"""File-name patterns that hold an id, such as ``EEG/{eeg_lab}_*.edf``: exact, or refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from clinfuse.errors import ConfigError

_PARTS = re.compile(r"\{([^{}]*)\}|(\*\*/)|(\*)|(\?)|([^{}*?]+)|([{}])")


@final
@dataclass(frozen=True, eq=False)
class FilePattern:
    """A pattern, taken apart.

    Parameters
    ----------
    start : str
        Folder below which every matching file lies, empty for the cohort folder itself.
    regex : Pattern
        Of the whole path below the cohort folder, with ``/`` between folders.
    holes : tuple of (str, str)
        System of each id, and the characters that no id there may hold: those around a hole beside which anything
        may stand, as ``A_1`` could not be told from ``A`` and ``1``.
    """

    start: str
    regex: re.Pattern[str]
    holes: tuple[tuple[str, str], ...]

    def ids(self, path: str) -> tuple[str, ...]:
        """The id in each hole, in their order; empty where the path does not match."""
        found = self.regex.fullmatch(path)
        return () if found is None else found.groups()


def file_pattern(text: str, place: str) -> FilePattern:
    """Take a pattern apart.

    Parameters
    ----------
    text : str
        ``{system}`` is an id, ``*`` anything within one name, ``?`` one character, ``**/`` any folders; a final
        ``/`` stands for every file below that folder.
    place : str
        For messages.

    Returns
    -------
    FilePattern

    Raises
    ------
    ConfigError
        ``FILES_PATTERN`` where no id can be read from the name, or not without guessing.

    Examples
    --------
    >>> file_pattern("EEG/{eeg_lab}_*.edf", "modalities.eeg.files").ids("EEG/E7_night.edf")
    ('E7',)
    """
    if text.endswith("/"):
        text += "**/*"
    parts = [match.groups() for match in _PARTS.finditer(text)]
    if any(part[5] for part in parts) or not any(part[0] for part in parts) or text.startswith("/") or ".." in text:
        _refuse(place, "an id in braces, such as {record_id}, below the cohort folder", "none, or a broken one")
    regex, holes = "", []
    for index, (hole, folders, star, single, literal, _) in enumerate(parts):
        if hole is not None:
            banned = _banned(parts, index, place)
            holes.append((hole, banned))
            regex += f"([^/{re.escape(banned)}]+)"
        elif folders:
            regex += "(?:.*/)?"
        else:
            regex += "[^/]*" if star else "[^/]" if single else re.escape(literal)
    start = re.split(r"[{*?]", text, maxsplit=1)[0].rpartition("/")[0]
    return FilePattern(start, re.compile(regex), tuple(holes))


def _banned(parts: Sequence[tuple[str | None, ...]], index: int, place: str) -> str:
    """Characters next to a hole that an id may not hold, because something variable stands in the same name."""
    before, after = _same_name(parts[:index][::-1], backwards=True), _same_name(parts[index + 1 :], backwards=False)
    banned = ""
    for literal, variable in (before, after):
        if variable and not literal:
            _refuse(place, "a character between an id and anything that varies", "none")
        if variable:
            banned += literal
    return banned


def _same_name(parts: Sequence[tuple[str | None, ...]], *, backwards: bool) -> tuple[str, bool]:
    """The character next to a hole within one name, and whether something variable stands beyond it."""
    literal = ""
    for hole, folders, star, single, text, _ in parts:
        if hole is not None or star or single:
            return literal, True
        if folders:
            return literal, False
        piece = str(text)
        literal = literal or (piece[-1] if backwards else piece[0])
        if "/" in piece:
            return ("" if literal == "/" else literal), False
    return literal, False


def _refuse(place: str, rule: str, found: str) -> None:
    raise ConfigError("FILES_PATTERN", place=place, rule=rule, found=found, remedy="Correct the pattern.")
