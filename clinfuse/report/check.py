"""What `clinfuse check` found, as a page and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit.finding import Audit
from clinfuse.evaluation.quality import Association, columns, patterns, presences
from clinfuse.report.html import interval, number, render, write_text
from clinfuse.report.ledger import Reason, reasons
from clinfuse.report.sheet import Sheet, write_sheets

FORMAT = 1
_NOT_ASKED = "No label is declared, so nothing was held against it."


@final
@dataclass(frozen=True)
class Checked:
    """Everything that was found, before it is written.

    Parameters
    ----------
    cohort : Cohort
    audit : Audit or None
        None where no record has a label.
    hints : mapping of str to str
        For sources that met no record: why, and the line to write.
    """

    cohort: Cohort
    audit: Audit | None
    hints: Mapping[str, str]

    @property
    def reasons(self) -> list[Reason]:
        """What was excluded, refused and noted; that a source met no record is said beside its counts, once."""
        told = [
            one for one in self.cohort.ledger.entries if one.code != "IDS_NONE_MEET" or one.source not in self.hints
        ]
        return reasons(told)


def check_facts(found: Checked) -> dict[str, Any]:
    """What was found, as JSON values: counts, codes, keys, declared names; no id, no date, no single value.

    Parameters
    ----------
    found : Checked

    Returns
    -------
    dict
    """
    cohort, ledger = found.cohort, found.cohort.ledger
    return {
        "format": FORMAT,
        "clinfuse": version("clinfuse"),
        "records": len(cohort),
        "patients": len(set(cohort.patient_keys)),
        "classes": list(cohort.classes),
        "flow": {"in": ledger.records_in, "used": ledger.records_used, "excluded": ledger.excluded},
        "present": {one.name: one.records for one in presences(cohort)},
        "refused": ledger.refused,
        "excluded": ledger.excluded,
        "reasons": [
            {
                **{key: getattr(group.entry, key) for key in ("code", "source", "text", "remedy")},
                "count": group.count,
                "consequence": group.consequence,
            }
            for group in found.reasons
        ],
        "sources": [{**asdict(match), "hint": found.hints.get(match.source, "")} for match in ledger.matches],
        "patterns": [asdict(one) for one in patterns(cohort)],
        "presence": [asdict(one) for one in presences(cohort)],
        "columns": [asdict(one) for one in columns(cohort)],
        "findings": [asdict(one) for one in found.audit.findings] if found.audit else [],
        "measured": dict(found.audit.facts) if found.audit else {},
    }


def write_check(found: Checked, folder: Path | str) -> tuple[Path, tuple[Sheet, ...]]:
    """Write ``check.html``, ``check.json`` and the contact sheets; nothing in the cohort is changed.

    Parameters
    ----------
    found : Checked
    folder : Path or str
        Made where it is missing.

    Returns
    -------
    Path
        Of the page.
    tuple of Sheet

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    where = Path(folder)
    facts = check_facts(found)
    write_text(where / "check.json", json.dumps(_finite(facts), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    sheets = write_sheets(found.cohort, where)
    return write_text(where / "check.html", check_page(found, sheets)), sheets


def check_page(found: Checked, sheets: tuple[Sheet, ...] = ()) -> str:
    """The text of the page."""
    cohort = found.cohort
    groups = found.reasons
    return render(
        "check.html",
        cohort=cohort,
        ledger=cohort.ledger,
        patients=len(set(cohort.patient_keys)),
        binary=cohort.task == "binary",
        positive=int((cohort.labels == 1).sum()) if cohort.task == "binary" else 0,
        excluded=[group for group in groups if group.entry.excluded],
        refused=[group for group in groups if not (group.entry.excluded or group.entry.note)],
        notes=[group for group in groups if group.entry.note],
        findings=() if found.audit is None else found.audit.findings,
        facts=() if found.audit is None else found.audit.facts,
        unasked=_NOT_ASKED if found.audit is None else "",
        hints=found.hints,
        presences=[(one, _told(one.label)) for one in presences(cohort)],
        patterns=patterns(cohort),
        columns=[(one, _told(one.label), _told(one.gap)) for one in columns(cohort)],
        sheets=sheets,
        version=version("clinfuse"),
    )


def _told(one: Association) -> str:
    return "–" if math.isnan(one.value) else f"{number(one.value)} ({interval(one.low, one.high)})"


def _finite(value: Any) -> Any:
    """The same with null in place of NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
