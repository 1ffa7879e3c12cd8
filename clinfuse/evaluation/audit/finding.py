"""What an audit found, and what it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import pandas as pd

Severity = Literal["note", "warning", "stop"]


@final
@dataclass(frozen=True)
class Finding:
    """Something the audit noticed.

    Parameters
    ----------
    code : str
        Stable, e.g. ``"PRESENCE_PREDICTS"``.
    severity : {"note", "warning", "stop"}
        Worth knowing; may explain a good result; no result can be believed before it is explained.
    text : str
        One sentence without any patient's value.
    """

    code: str
    severity: Severity
    text: str


@final
@dataclass(frozen=True)
class Audit:
    """What was looked at, and what was found; made by `audit`.

    Parameters
    ----------
    findings : tuple of Finding
        The most severe first.
    facts : tuple of (str, str)
        What each check measured, found or not.
    """

    findings: tuple[Finding, ...]
    facts: tuple[tuple[str, str], ...]

    @property
    def checks(self) -> int:
        """Number of checks."""
        return len(self.facts)

    @property
    def stops(self) -> bool:
        """Whether a finding forbids to go on."""
        return any(finding.severity == "stop" for finding in self.findings)

    def table(self) -> pd.DataFrame:
        """Give one line per finding, for reading."""
        return pd.DataFrame(
            [(one.severity, one.code, one.text) for one in self.findings], columns=["severity", "code", "text"]
        )

    def __str__(self) -> str:
        lines = [f"Audit: {self.checks} checks, {len(self.findings) or 'nothing'} found."]
        lines += [f"  {one.severity:8}{one.code}: {one.text}" for one in self.findings]
        return "\n".join([*lines, *(f"  measured {name}: {text}" for name, text in self.facts)])

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)
