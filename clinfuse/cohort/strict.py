"""How a settings file is checked: every key known, every refusal names the key and never repeats a value."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from clinfuse.errors import ConfigError

Section = TypeVar("Section", bound="Strict")


class Strict(BaseModel):
    """A section of a settings file: frozen, no unknown key, no silent conversion of text to numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def read_toml(file: Path) -> dict[str, Any]:
    """Contents of a settings file.

    Parameters
    ----------
    file : Path
        UTF-8 text in TOML.

    Returns
    -------
    dict

    Raises
    ------
    ConfigError
        ``CONFIG_ABSENT`` (no such file), ``CONFIG_SYNTAX`` (with line and column).
    """
    place = file.name if file.suffix == ".toml" else "settings file"
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"at line \d+, column \d+|at end of document", str(error))
        found = f"something else {where[0]}" if where else "something else"
    except UnicodeDecodeError:
        found = "another encoding"
    except OSError:
        raise ConfigError(
            "CONFIG_ABSENT",
            place=place,
            rule="a readable file of this name",
            found="none",
            remedy="Name the file, or the folder that holds it.",
        ) from None
    raise ConfigError(
        "CONFIG_SYNTAX", place=place, rule="TOML in UTF-8", found=found, remedy="Correct that line."
    ) from None


def checked(model: type[Section], values: object, place: str, later: Mapping[str, str] | None = None) -> Section:
    """One section, checked against its model.

    Parameters
    ----------
    model : type
        The section's declaration.
    values : object
        What the file says.
    place : str
        Name of the section, for messages.
    later : mapping of str to str, optional
        Keys that are foreseen but not built, with what they will do.

    Returns
    -------
    model
        The frozen section.

    Raises
    ------
    ConfigError
        ``CONFIG_KEY`` (unknown, with the nearest known key), ``CONFIG_MISSING``, ``CONFIG_VALUE``,
        ``CONFIG_NOT_BUILT``.
    """
    for key in sorted(set(values) & set(later or {})) if isinstance(values, Mapping) else ():
        not_built(f"{place}.{key}", (later or {})[key])
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    loc = tuple(map(str, first["loc"]))
    raise _translated(str(first["type"]), str(first["msg"]), loc, place, _keys(model, loc[:-1])) from None


def not_built(place: str, what: str) -> None:
    """Refuse a key that is part of the plan and does nothing yet.

    Raises
    ------
    ConfigError
        ``CONFIG_NOT_BUILT``, always.
    """
    raise ConfigError(
        "CONFIG_NOT_BUILT",
        place=place,
        rule="a setting that this version carries out",
        found=f"one that a later version will ({what})",
        remedy="Remove the line.",
    )


def nearest(key: str, known: list[str]) -> str:
    """The known key that looks most like `key`, empty where none does.

    Examples
    --------
    >>> nearest("recrod_id", ["record_id", "table"])
    'record_id'
    """
    return next(iter(difflib.get_close_matches(key, known, n=1)), "")


def _keys(model: type[BaseModel], loc: tuple[str, ...]) -> list[str]:
    """Keys of the section that `loc` leads to, empty where it leads out of the declared sections."""
    if not loc:
        return [field.alias or name for name, field in model.model_fields.items()]
    said = [field.annotation for name, field in model.model_fields.items() if (field.alias or name) == loc[0]]
    mapping = any(get_origin(kind) is dict for kind in said)
    inner = next((kind for kind in _parts(*said) if issubclass(kind, BaseModel)), None)
    return [] if inner is None else _keys(inner, loc[2:] if mapping else loc[1:])


def _parts(*annotations: Any) -> list[type]:
    """Every class that an annotation is made of."""
    parts: list[type] = []
    for annotation in annotations:
        if get_args(annotation):
            parts += _parts(*get_args(annotation))
        elif isinstance(annotation, type):
            parts.append(annotation)
    return parts


def _translated(kind: str, message: str, loc: tuple[str, ...], place: str, known: list[str]) -> ConfigError:
    where = ".".join((place, *loc)).strip(".")
    if kind == "extra_forbidden":
        near = nearest(loc[-1], known)
        remedy = f"Did you mean '{near}'?" if near else f"Known here: {', '.join(known)}."
        return ConfigError("CONFIG_KEY", place=where, rule="a known key", found="an unknown one", remedy=remedy)
    if kind == "missing":
        return ConfigError(
            "CONFIG_MISSING", place=where, rule="this key written", found="nothing", remedy="Add the line."
        )
    text = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return ConfigError("CONFIG_VALUE", place=where, rule=text, found="something else", remedy="Correct the value.")
