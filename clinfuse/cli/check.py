"""`clinfuse check`: who is in a cohort, what was refused and why, what gives the label away; it changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from clinfuse.cli import summary
from clinfuse.cli.screen import Screen
from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.contract import FILE_NAME, read_contract
from clinfuse.cohort.strict import read_toml
from clinfuse.cohort.unmatched import unmatched
from clinfuse.errors import ConfigError, StorageError
from clinfuse.evaluation.audit.checks import audit
from clinfuse.evaluation.audit.finding import Audit, Finding
from clinfuse.evaluation.sample_size import sized
from clinfuse.report.check import Checked, check_facts, write_check
from clinfuse.report.ledger import Reason
from clinfuse.study.config import Study, load_study
from clinfuse.study.run import refuse_stops
from clinfuse.study.work import narrow_cohort

FOLDER = "check"
REFUSED = 1
FOLDS = 5  # of the models that are trained on labels of others
NAMED = 10  # keys of records that one finding prints


def run_check(
    file: Path,
    out: Path | None,
    *,
    strict: bool,
    matcher: Path | None = None,
    shuffle: bool = False,
    private: Path | None,
    screen: Screen,
) -> int:
    """Read an export, or a study and its export; say and write what was found; 1 where files were refused.

    Raises
    ------
    ClinfuseError
        What reading raises; ``CHECK_PLACE`` where `out` is a file; ``CHECK_SHUFFLE`` where `shuffle` has no study to
        train a model of; ``AUDIT_STOPS`` after everything was written.
    """
    if out is not None and out.exists() and not out.is_dir():
        raise StorageError(
            "CHECK_PLACE", place="--out", rule="a folder", found="a file", remedy="Name a folder, or a new name."
        )
    if shuffle and not _is_study(file):
        raise ConfigError(
            "CHECK_SHUFFLE",
            place="--shuffle",
            rule="a study.toml, whose cheapest model is trained",
            found="a cohort",
            remedy="Give the study's file instead of the cohort's.",
        )
    cohort, where = _opened(file, strict=strict, private=private, screen=screen)
    folder = where if where.is_dir() else where.parent
    toml = where / FILE_NAME if where.is_dir() else where
    hints = unmatched(cohort.ledger.matches, read_contract(toml), folder)
    audited = _audited(cohort)
    if matcher is not None:
        audited = _matched(cohort, audited, matcher)
    if shuffle:
        with screen.progress("training on labels of others"):
            audited = _shuffled(cohort, audited, load_study(file))
    found = Checked(cohort, audited, hints)
    lines = check_lines(found, where)
    written = _written(found, out or folder / FOLDER)
    lines += ["", *written]
    at = summary.shown(out or folder / FOLDER) if written[0] else ""
    facts: dict[str, Any] = {**check_facts(found), "written": at}
    screen.show("\n".join(lines), facts)
    if found.audit is not None:
        refuse_stops(
            found.audit, "Read the findings above; correct cohort.toml, or declare what is known after the outcome."
        )
    return REFUSED if cohort.ledger.refused else 0


def _is_study(file: Path) -> bool:
    return file.suffix == ".toml" and file.name != FILE_NAME and "models" in read_toml(file)


def _opened(file: Path, *, strict: bool, private: Path | None, screen: Screen) -> tuple[Cohort, Path]:
    """The cohort of a folder, of its ``cohort.toml`` or of a study, and where it lies."""
    if not _is_study(file):
        return Cohort.from_folder(file, private=private, strict=strict, progress=screen.live), file
    study = load_study(file)
    cohort = Cohort.from_folder(study.cohort, private=private, strict=strict, progress=screen.live)
    study.check_against({modality.name: modality.kind for modality in cohort.modalities})
    study.build_models(cohort.names)
    return cohort, Path(study.cohort)


def _audited(cohort: Cohort) -> Audit | None:
    """The audit of what anybody has; None where nothing can be held against a label."""
    known = (cohort.labels >= 0).reshape(len(cohort), -1).any(axis=1)
    empty = [name for name, here in zip(cohort.names, cohort.present[known].T, strict=True) if not here.any()]
    if not known.any() or len(empty) == len(cohort.names):
        return None
    asked = cohort.without(*empty) if empty else cohort
    return sized(audit(asked), asked)


def _matched(cohort: Cohort, audited: Audit | None, matcher: Path) -> Audit:
    """The audit with what a matcher says of files that may lie with the wrong patient."""
    from clinfuse.evaluation.matching.study import suspects
    from clinfuse.training.store import load_dual_encoder

    before = audited or Audit((), ())
    findings, facts = list(before.findings), list(before.facts)
    for (first, second), (records, keys) in suspects(cohort, load_dual_encoder(matcher)).items():
        facts.append((f"{first} and {second} of one record", f"{len(keys)} of {records} records disagree"))
        if len(keys):
            named = ", ".join(keys[:NAMED]) + (f" and {len(keys) - NAMED} more" if len(keys) > NAMED else "")
            text = f"{first} and {second} of {len(keys)} of {records} records may be of two patients: {named}."
            findings.append(Finding("MISMATCH_SUSPECTED", "warning", text))
    return Audit(tuple(findings), tuple(facts))


def _shuffled(cohort: Cohort, audited: Audit | None, study: Study) -> Audit:
    """The audit with what the cheapest model of a study reaches on labels that mean nothing."""
    from clinfuse.evaluation.audit.shuffle import label_shuffle
    from clinfuse.study.plan import cheapest_model

    narrowed = narrow_cohort(cohort, study)
    name = cheapest_model(study, {modality.name: modality.kind for modality in narrowed.modalities})
    found = label_shuffle(study.build_models(narrowed.names)[name], narrowed, folds=FOLDS, seed=study.seed)
    before = audited or Audit((), ())
    findings, facts = list(before.findings), [*before.facts, (f"{name} on labels of others", f"AUROC {found.auroc}")]
    if not found.chance:
        text = f"{name} on labels dealt anew among patients: AUROC {found.auroc}, and not 0.5."
        findings.append(Finding("SHUFFLE_NOT_CHANCE", "warning", text))
    return Audit(tuple(findings), tuple(facts))


def _written(found: Checked, folder: Path) -> list[str]:
    """Where the pages lie; a folder that cannot be written to is no reason not to check."""
    above = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(above, os.W_OK):
        told = "The folder of the cohort cannot be written to: name another one with --out to get pages and pictures."
        return summary.block("OPEN", told)
    page, sheets = write_check(found, folder)
    rows = [("all of this", summary.shown(page)), ("as JSON", summary.shown(folder / "check.json"))]
    rows += [(f"pictures: {sheet.title}", summary.shown(folder / sheet.file)) for sheet in sheets]
    return summary.pairs("OPEN", rows)


def check_lines(found: Checked, where: Path) -> list[str]:
    """The screen: who is here, what met nothing, what was refused with what to do, what was noted and found."""
    cohort = found.cohort
    lines = summary.cohort_lines(cohort, where)
    lines += ["", *_source_lines(found)]
    groups = found.reasons
    lines += _reason_lines("EXCLUDED", [group for group in groups if group.entry.excluded])
    lines += _reason_lines("REFUSED", [group for group in groups if not (group.entry.excluded or group.entry.note)])
    lines += _reason_lines("NOTED", [group for group in groups if group.entry.note])
    if found.audit is not None:
        lines += ["", *(part for line in str(found.audit).splitlines() for part in summary.folded(line))]
    return lines


def _reason_lines(head: str, groups: list[Reason]) -> list[str]:
    lines = [""] if groups else []
    for number, group in enumerate(groups):
        one, times = group.entry, f"{group.count} x " if group.count > 1 else ""
        lines += summary.block("" if number else head, f"{one.code} ({one.source}): {times}{one.text}")
        lines += summary.block("", f"TO DO: {one.remedy}") if one.remedy else []
    return lines


def _source_lines(found: Checked) -> list[str]:
    matches = found.cohort.ledger.matches
    if not matches:
        return []
    lines = [f"{'SOURCE':<24}{'MATCHED':>9}{'MET NOBODY':>12}{'TWICE':>8}{'RECORDS WITHOUT':>17}"]
    for match in matches:
        counts = f"{match.matched:>9}{match.unmatched:>12}{match.twice:>8}{match.without:>17}"
        lines.append(summary.plain(f"{summary.cut(match.source, 23):<24}{counts}"))
        if match.source in found.hints:
            lines += summary.block("", f"No match at all. {found.hints[match.source]}")
    return lines
