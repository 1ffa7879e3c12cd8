"""What a result depends on, written down so that another run can tell whether it is still the same."""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from clinfuse.errors import ConfigError

_COMPUTING_ROOMS = ("encoders", "fusion", "training")
_PACKAGES = ("clinfuse", "torch", "monai", "numpy", "scipy", "scikit-learn", "lightgbm")


def digest(text: str) -> str:
    """Give the SHA-256 of a text as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(file: Path) -> str:
    """Give the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def canonical(value: Any) -> str:
    """Give JSON text that is the same whenever the value is."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True) + "\n"


def versions() -> dict[str, str]:
    """Give the versions of everything that can change a number, by package; empty text where not installed."""
    return {name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def computing_files(package: Path) -> list[Path]:
    """Give the source files that turn prepared inputs into predictions, folders inside the rooms included."""
    files = [file for room in _COMPUTING_ROOMS for file in sorted((package / room).rglob("*.py"))]
    return [*files, *(package / "evaluation" / "running" / name for name in ("fitting.py", "inside.py"))]


@cache
def computing_code() -> str:
    """Give the SHA-256 of the source files that turn prepared inputs into predictions.

    Reports, commands and intervals are not among them: changing how a result is shown trains nothing again.
    """
    texts = [file.read_bytes().replace(b"\r\n", b"\n") for file in computing_files(Path(__file__).parents[2])]
    return hashlib.sha256(b"".join(hashlib.sha256(text).digest() for text in texts)).hexdigest()


def describe(value: Any) -> Any:
    """Give JSON that names a setting completely: estimators by class and parameters, functions by their source.

    Raises
    ------
    ConfigError
        ``SETTING_UNKNOWN``: a value of which nothing lasting can be said.

    Examples
    --------
    >>> describe((1, "ct", None))
    [1, 'ct', None]
    """
    if value is None or isinstance(value, bool | int | str | float):
        return value if not isinstance(value, float) else repr(value)
    if isinstance(value, np.generic):
        return describe(value.item())
    if isinstance(value, np.ndarray):
        return {
            "array": hashlib.sha256(value.tobytes()).hexdigest(),
            "shape": list(value.shape),
            "type": str(value.dtype),
        }
    if isinstance(value, Mapping):
        return {str(name): describe(value[name]) for name in value}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(canonical(describe(item)) for item in value)
    return _describe_object(value)


def _describe_object(value: Any) -> Any:
    if isinstance(value, type):
        return {"class": _name(value)}
    if is_dataclass(value):
        about = {field.name: describe(getattr(value, field.name)) for field in fields(value)}
        return {"class": _name(type(value)), **about, **_weights(about.get("weights"))}
    if hasattr(value, "get_params"):
        return {"class": _name(type(value)), "parameters": describe(value.get_params(deep=False))}
    if isinstance(value, partial):
        return {"partial": describe(value.func), "given": [describe(value.args), describe(value.keywords)]}
    if callable(value) and hasattr(value, "__qualname__"):
        return {"function": _name(value), "source": digest(_source(value))}
    raise ConfigError(
        "SETTING_UNKNOWN",
        place=f"setting of type {type(value).__name__}",
        rule="a setting must be text, a number, a function, a frozen dataclass or an estimator",
        found="an object of another kind",
        remedy="Give the model a callable that builds it.",
    )


def _weights(file: Any) -> dict[str, str]:
    """Give what a file of weights holds, in place of where it lies: that may change, its content may not."""
    known = isinstance(file, str) and file != "" and Path(file).is_file()
    return {"weights": file_digest(Path(file))} if known else {}


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return "" if code is None else code.co_code.hex() + repr(code.co_names)
