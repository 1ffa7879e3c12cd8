"""The last screen of a run: plain ASCII, at most 100 columns, in a fixed order."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinfuse.cli.screen import WIDTH

if TYPE_CHECKING:
    from clinfuse.cohort.cohort import Cohort
    from clinfuse.study.outcome import Outcome
    from clinfuse.study.plan import Plan

MARGIN = 10
_ASCII = {
    **{"−": "-", "–": "-", "µ": "u", "μ": "u", "’": "'", "…": "..."},
    **{"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ø": "oe", "Ø": "Oe", "æ": "ae"},
}
_SHORT = 24
RESEARCH_ONLY = "Research use only. Not a medical device."
CEILING_NOTE = (
    '"Best possible" (closed form) and "oracle" (reads the planted signal itself) are known only because this cohort '
    "is synthetic."
)


def last_screen(
    outcome: Outcome, *, title: str, finished: str, cohort_at: Path, next_steps: Sequence[tuple[str, str]]
) -> str:
    """Text of the last screen.

    Parameters
    ----------
    outcome : Outcome
    title, finished : str
        First line, left and right.
    cohort_at : Path
        Where the cohort lies.
    next_steps : sequence of (str, str)
        Commands and what they do.
    """
    comparison = outcome.comparison
    parts = [
        [plain(f"{title:<{WIDTH - len(finished)}}{finished}")],
        cohort_lines(comparison.cohort, cohort_at, shown(outcome.run.ledger)),
        model_lines(outcome.metrics),
        question_lines(comparison),
        noticed_lines(outcome),
        open_lines(outcome),
        pairs("NEXT", next_steps),
    ]
    known = any(row["ceiling"] is not None for row in outcome.metrics)
    parts.append([*(textwrap.wrap(CEILING_NOTE, WIDTH) if known else []), RESEARCH_ONLY])
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def cohort_lines(cohort: Cohort, where: Path, ledger: str = "") -> list[str]:
    """Who is here, what they have, what was refused."""
    records, patients = len(cohort), len(set(cohort.patient_keys))
    place = shown(where)
    first = f"{_count(records, 'record')} of {_count(patients, 'patient')}"
    if cohort.task == "binary":
        events = int((cohort.labels == 1).sum())
        known = int((cohort.labels >= 0).sum())
        first += f", {events} with {cohort.classes[-1]} ({_percent(events, known)})"
    sites = {site for site in cohort.sites if site}
    first += f", {_count(len(sites), 'site')}" if sites else ""
    have = [f"{name} {int(cohort.present[:, k].sum())}" for k, name in enumerate(cohort.names)]
    if len(cohort.names) > 1:
        have.append(f"all {int(cohort.present.all(1).sum())}")
    have.append(f"none {int((~cohort.present.any(1)).sum())}")
    told = [f"{place}   {first}"] if len(place) <= _SHORT else [place, first]
    lines = block("COHORT", *told, "   ".join(have))
    refused = sum(cohort.ledger.refused.values())
    if refused:
        explained = f", each explained in {ledger}" if ledger else ""
        lines += block("", f"refused: {_count(refused, 'file or row', 'files or rows')}{explained}")
    ledger_of = cohort.ledger
    text = f"input {_count(ledger_of.records_in, 'record')} = {ledger_of.records_used} used"
    return [*lines, *block("", f"{text} + {ledger_of.records_excluded} excluded")]


def model_lines(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per model: class of fusion, counts, AUROC beside the best possible, Brier score."""
    by_model: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in metrics:
        by_model.setdefault(str(row["model"]), {})[str(row["metric"])] = row
    known = any(row["ceiling"] is not None for row in metrics)
    best = f"{'BEST POSSIBLE':>15}{'ORACLE':>8}" if known else ""
    lines = [
        f"{'MODEL':<14}{'FUSION (HUANG 2020)':<20}{'RECORDS':>7}{'EVENTS':>8}  "
        f"{'AUROC (95 % CI)':<19}{best}{'BRIER':>7}"
    ]
    for name, rows in by_model.items():
        area, brier = rows["auroc"], rows.get("brier")
        value = f"{area['value']:.2f} ({area['low']:.2f} to {area['high']:.2f})"
        reach = f"{_two(area['ceiling']):>15}{_two(area['oracle']):>8}" if known else ""
        score = "" if brier is None else f"{brier['value']:.3f}"
        counts = f"{area['records']:>7}{'-' if area['events'] is None else area['events']:>8}"
        lines.append(
            plain(f"{cut(name, 13):<14}{cut(str(area['taxonomy']), 19):<20}{counts}  {value:<19}{reach}{score:>7}")
        )
    return lines


def partial_screen(metrics: Sequence[Mapping[str, Any]], finished: int, tasks: int) -> str:
    """What an unfinished run says so far, labelled as such: no answer, no comparison."""
    head = block("PARTIAL", f"{finished} of {tasks} tasks finished. Records of finished folds only; not a result.")
    return "\n".join([*head, "", *model_lines(metrics), "", RESEARCH_ONLY])


def question_lines(comparison: Any) -> list[str]:
    """The question that was declared, the answer, and the records it was made on."""
    lines = block("QUESTION", comparison.question)
    return lines + block("ANSWER", str(comparison.answer)) + block("", comparison.answer.records_text)


def noticed_lines(outcome: Outcome) -> list[str]:
    """What is lost without each modality, and what a careful reader would want to know."""
    lost = [f"{name} {estimate.value:+.2f}" for name, estimate in outcome.robustness.without.items()]
    lines = block("WITHOUT", f"{'   '.join(lost)}   ({outcome.robustness.model}; {_on(outcome)})") if lost else []
    said = [finding.text for finding in outcome.audit.findings] + list(outcome.comparison.notices)
    for number, text in enumerate(said):
        lines += block("NOTICED" if number == 0 else "", text)
    return lines


def _on(outcome: Outcome) -> str:
    row = (outcome.robustness.of("complete") or outcome.robustness.of("all"))[0]
    which = "complete records" if row.population == "complete" else "records"
    return f"AUROC; the same {row.counts.records} {which}"


def open_lines(outcome: Outcome) -> list[str]:
    """Where the files lie."""
    run = outcome.run
    places = [("report", run.report), ("patients", run.patients / "index.html"), ("tables", run.tables)]
    return pairs("OPEN", [(name, shown(path)) for name, path in places if path.exists()])


def plan_lines(plan: Plan, name: str) -> str:
    """What a run will cost, as text."""
    lines = [plain(f"PLAN      {name}: {plan.left} of {plan.tasks} tasks left, {plan.trainings} trainings in all"), ""]
    lines.append(f"{'MODALITY':<16}{'NETWORK':<24}{'MS A RECORD AND PASS':>20}{'MB':>10}")
    lines += [
        plain(f"{cut(key, 15):<16}{cut(one.network, 23):<24}{one.milliseconds:>20.2f}{one.bytes / 1e6:>10.2f}")
        for key, one in plan.timings.items()
    ]
    workers = _count(plan.workers, "process", "processes")
    lines += [
        "",
        f"TIME      about {duration(3600 * plan.hours)} with {workers}",
        f"DISK      about {plan.megabytes:.0f} MB",
    ]
    return "\n".join(lines) + "\n"


def duration(seconds: float) -> str:
    """Give a length of time as people say it.

    Examples
    --------
    >>> duration(232), duration(4.2), duration(7300)
    ('3 min 52 s', '4 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plain(text: str) -> str:
    """Give a text in ASCII: accents fall off, umlauts are spelled out; what is left becomes a question mark.

    Examples
    --------
    >>> plain("−0.03 – µV, Größe, année")
    '-0.03 - uV, Groesse, annee'
    """
    written = unicodedata.normalize("NFKD", "".join(_ASCII.get(sign, sign) for sign in text))
    bare = "".join(sign for sign in written if not unicodedata.combining(sign))
    return bare.encode("ascii", "replace").decode().rstrip()


def folded(text: str) -> list[str]:
    """Give a long line as lines that fit, what follows the first further in.

    Examples
    --------
    >>> [len(line) <= WIDTH for line in folded("  " + "word " * 40)]
    [True, True, True]
    """
    return textwrap.wrap(plain(text), WIDTH, subsequent_indent=" " * 10, drop_whitespace=True) or [""]


def block(head: str, *texts: str) -> list[str]:
    """Wrapped lines with a word in the margin of the first."""
    lines = [line for text in texts for line in textwrap.wrap(plain(text), WIDTH - MARGIN) or [""]]
    return [f"{head if number == 0 else '':<{MARGIN}}{line}".rstrip() for number, line in enumerate(lines)]


def pairs(head: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    """Two columns with a word in the margin of the first line."""
    width = max((len(first) for first, _ in rows), default=0) + 3
    return [
        plain(f"{head if number == 0 else '':<{MARGIN}}{first:<{width}}{second}")
        for number, (first, second) in enumerate(rows)
    ]


def shown(path: Path) -> str:
    """Give a path as short as it can be said from here."""
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_absolute() and path.is_relative_to(here) else path.as_posix()


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _percent(part: int, whole: int) -> str:
    return f"{round(100 * part / whole)} %" if whole else "-"


def _two(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.2f}"


def cut(text: str, width: int) -> str:
    """Give a text that is no wider than a column."""
    return text if len(text) <= width else f"{text[: width - 2]}.."
