"""Start a study, or go on with it where it was."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.audit.checks import audit
from clinfuse.evaluation.audit.finding import Audit
from clinfuse.evaluation.sample_size import sized
from clinfuse.study.config import Study
from clinfuse.study.engines.engine import Engine
from clinfuse.study.engines.pool import Advance
from clinfuse.study.folder import RunFolder, describe, settle
from clinfuse.study.outcome import Outcome, finish, one_way
from clinfuse.study.work import Work, open_work

QUICK_EPOCHS, QUICK_FOLDS, QUICK_TRIES = 2, 2, 2


def quick(study: Study) -> Study:
    """The same study with so little training that it only shows whether everything runs; in a folder of its own.

    Examples
    --------
    >>> from clinfuse.study.config import parse_study
    >>> short = quick(parse_study({"cohort": "c", "results": "r", "models": {"late": {"fusion": "late"}}}))
    >>> short.results, short.training.epochs
    ('r-quick', 2)
    """
    return study.model_copy(
        update={
            "results": f"{study.results}-quick",
            "validation": study.validation.model_copy(
                update={"folds": QUICK_FOLDS, "repeats": 1, "inner_folds": QUICK_FOLDS}
            ),
            "training": study.training.model_copy(update={"epochs": QUICK_EPOCHS}),
            "search": study.search.model_copy(update={"tries": QUICK_TRIES}),
            "report": study.report.model_copy(
                update={"title": f"QUICK RUN, NOT A RESULT. {study.report.title}".strip(), "patients": 1}
            ),
        }
    )


def prepare(study: Study, *, private: Path | None = None, progress: bool = False) -> Work:
    """Open what a study is about, and list what there is to fit."""
    return open_work(study, RunFolder(Path(study.results)), private=private, progress=progress)


def carry_out(
    work: Work,
    *,
    engine: Engine = Engine(),
    private: Path | None = None,
    agreed: bool = False,
    advance: Advance = lambda done, total: None,
    say: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Fit what is left of a study and write its results.

    Parameters
    ----------
    work : Work
        From `prepare`.
    engine : Engine
        Who fits the folds; the results are the same bits for every engine and any number of workers.
    private : Path, optional
        Where keys and secret lie, if not beside ``cohort.toml``.
    agreed : bool
        Whether finished tasks of other inputs may be done again, and whether to train where the audit says stop.
    advance : callable
        Told the number of finished tasks and of all tasks.
    say : callable
        Told what is going on.

    Returns
    -------
    Outcome

    Raises
    ------
    ConfigError
        ``RUN_CHANGED``.
    DataError
        ``AUDIT_STOPS``, ``REFUSED_MANY``, ``SOURCE_EMPTY``, before anything is trained.
    ClinfuseError
        What fitting, evaluating and writing raise.
    """
    found = begin(work, agreed=agreed)
    work.run.note("started", engine=engine.name, workers=engine.count, finished=work.finished, tasks=len(work.tasks))
    engine.run(work, private=private, agreed=agreed, advance=advance)
    say("evaluating, explaining and writing the report")
    outcome = finish(work, found)
    work.run.note("finished")
    return outcome


def begin(work: Work, *, agreed: bool = False) -> Audit:
    """Write ``run.json``, so that anybody may fit folds of the run; give what the audit found.

    Parameters
    ----------
    work : Work
    agreed : bool
        As for `carry_out`, which raises the same before anything is trained.
    """
    refuse_damage(work.cohort, work.study.missing.max_refused)
    with one_way(work):
        found = sized(audit(work.cohort), work.cohort)
    if not agreed:
        refuse_stops(found, "Look at them with clinfuse check; correct cohort.toml, or repeat with --yes.")
    described = describe(work.study, work.run, work.cohort.fingerprint)
    settle(work.run, described, touched=work.touched, agreed=agreed, finished=work.finished + work.touched)
    return found


def refuse_damage(cohort: Cohort, most: float) -> None:
    """Refuse to train where too large a share of the files was refused.

    Parameters
    ----------
    cohort : Cohort
    most : float
        Share of the files of all modalities together that may have been refused.

    Raises
    ------
    DataError
        ``REFUSED_MANY`` with the line that accepts the share found.
    """
    files = [modality.name for modality in cohort.modalities if modality.kind != "ehr"]
    entries = [one for one in cohort.ledger.entries if one.source in files and not (one.excluded or one.note)]
    refused = Counter(one.code for one in entries)
    used = int(cohort.present[:, [cohort.names.index(name) for name in files]].sum())
    share = refused.total() / max(1, refused.total() + used)
    if share > most:
        accepted = math.ceil(100 * share) / 100
        raise DataError(
            "REFUSED_MANY",
            place="files",
            rule=f"at most {most:.0%} of the files refused".replace("%", " %"),
            found=f"{refused.total()} of {refused.total() + used}: "
            + ", ".join(f"{code} {count}" for code, count in refused.most_common()),
            remedy=f"See them with clinfuse check; or write `max_refused = {accepted:g}` in [missing] of the study.",
        )


def refuse_stops(found: Audit, remedy: str) -> None:
    """Refuse to go on where the audit found what no result can be believed with.

    Parameters
    ----------
    found : Audit
    remedy : str

    Raises
    ------
    DataError
        ``AUDIT_STOPS``, naming the codes of the findings.
    """
    if found.stops:
        raise DataError(
            "AUDIT_STOPS",
            place="audit",
            rule="nothing that alone tells the classes apart",
            found=", ".join(one.code for one in found.findings if one.severity == "stop"),
            remedy=remedy,
        )
