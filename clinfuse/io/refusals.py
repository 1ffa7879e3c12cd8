"""The error of a recording that is not what it must be."""

from __future__ import annotations

from typing import NoReturn

from clinfuse.errors import DataError


def refuse_recording(code: str, rule: str, found: str, remedy: str = "Export the recording again.") -> NoReturn:
    """Raise the error of a recording that is not what it must be.

    Raises
    ------
    DataError
        `code`.
    """
    raise DataError(code, place="recording", rule=rule, found=found, remedy=remedy) from None
