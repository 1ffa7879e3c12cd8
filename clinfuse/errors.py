"""Errors a hospital researcher can act on: a stable code, a place, a rule, what was found, what to do.

No text built here may hold a patient's value, name or path: places are modality names, keys, columns and positions.
"""

from __future__ import annotations

from typing import ClassVar


class ClinfuseError(Exception):
    """What every error of clinfuse is.

    Parameters
    ----------
    code : str
        Stable, upper case with underscores, e.g. ``"CT_SPACING"``; scripts may rely on it.
    place : str
        Where: modality, key, column, slice or row position; never a value, name or path of a patient.
    rule : str
        What has to hold.
    found : str
        What was found instead; never a value.
    remedy : str
        What the reader of the message can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, *, place: str, rule: str, found: str, remedy: str) -> None:
        super().__init__(code, place, rule, found, remedy)
        self.code = code
        self.place = place
        self.rule = rule
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        return f"[{self.code}] {self.place}: {self.rule}; found {self.found}. {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.place, self.rule, self.found, self.remedy)

    def at(self, place: str) -> ClinfuseError:
        """The same error with the place it was raised for put in front: context is added once, at the edge."""
        return type(self)(
            self.code, place=f"{place}, {self.place}", rule=self.rule, found=self.found, remedy=self.remedy
        )


def _rebuild(kind: type[ClinfuseError], *parts: str) -> ClinfuseError:
    code, place, rule, found, remedy = parts
    return kind(code, place=place, rule=rule, found=found, remedy=remedy)


class DataError(ClinfuseError, ValueError):
    """A file or table does not say what it must say."""

    exit_code = 2


class ConfigError(ClinfuseError, ValueError):
    """A setting, an argument or a key of ``cohort.toml`` or ``study.toml`` is not usable."""

    exit_code = 2


class StorageError(ClinfuseError, OSError):
    """A file of a run could not be read or written, or is not what was written."""

    exit_code = 3

    def __str__(self) -> str:
        return ClinfuseError.__str__(self)


class LockedError(ClinfuseError, RuntimeError):
    """Another process works on the same fold of the same run."""

    exit_code = 4


class TrainingError(ClinfuseError, RuntimeError):
    """A model could not be fitted, or does not reproduce what it said before."""

    exit_code = 5


class DataWarning(UserWarning):
    """Something about the data that a careful reader would want to know before believing a number."""
