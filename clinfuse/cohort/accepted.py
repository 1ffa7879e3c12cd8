"""The line of ``cohort.toml`` that accepts what a column was refused for, with all that the column declares already."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from clinfuse.cohort.declarations import ColumnDeclaration
from clinfuse.errors import ClinfuseError

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SETTING = re.compile(r"`([a-z_]+ = [^`]*)`")
_ADDED = ("missing", "units")


def column_line(name: str, said: ColumnDeclaration, changes: Mapping[str, Any]) -> str:
    """One line of TOML that declares a column as before, with changes.

    Examples
    --------
    >>> column_line("CRP", ColumnDeclaration(unit="mg/L", take=("last",)), {"censored": "limit"})
    'columns.CRP = { unit = "mg/L", take = ["last"], censored = "limit" }'
    """
    settings = {**said.model_dump(exclude_unset=True), **changes}
    for key in _ADDED:
        before = getattr(said, key)
        if key in changes and before:
            settings[key] = {**before, **changes[key]} if key == "units" else [*before, *changes[key]]
    inside = ", ".join(f"{key} = {_toml(value)}" for key, value in settings.items() if value is not None)
    return f"columns.{_key(name)} = {{ {inside} }}"


def with_lines(error: ClinfuseError, name: str, said: ColumnDeclaration, section: str) -> ClinfuseError:
    """The same error whose remedy prints whole lines for the settings of a column that it names.

    Parameters
    ----------
    error : ClinfuseError
    name : str
        Of the column.
    said : ColumnDeclaration
    section : str
        Where the line belongs, e.g. ``"modalities.labs"``.
    """

    def whole(found: re.Match[str]) -> str:
        try:
            changes = tomllib.loads(f"x = {{ {found[1]} }}")["x"]
        except tomllib.TOMLDecodeError:
            return found[0]
        if not set(changes) <= set(ColumnDeclaration.model_fields):
            return found[0]
        return f"`{column_line(name, said, changes)}` under [{section}]"

    remedy = _SETTING.sub(whole, error.remedy)
    return type(error)(error.code, place=error.place, rule=error.rule, found=error.found, remedy=remedy)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    # TOML escapes as JSON does, and one character more.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)
