"""What the commands do, once their arguments are read; everything heavy may be imported here."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from clinfuse.cli import summary
from clinfuse.cli.screen import Screen, ask
from clinfuse.study.config import load_study
from clinfuse.study.engines.array import write_array
from clinfuse.study.engines.engine import Engine
from clinfuse.study.engines.worker import worker_of
from clinfuse.study.folder import RunFolder, write_whole
from clinfuse.study.outcome import Outcome, finish, partial_metrics
from clinfuse.study.plan import plan_run
from clinfuse.study.run import begin, carry_out, prepare, quick
from clinfuse.study.work import Work, open_work
from clinfuse.synthetic.make import make_cohort

REFUSED = 1


def run_demo(
    given: Path | None,
    *,
    nothing_to_gain: bool,
    seed: int,
    records: int,
    workers: int,
    screen: Screen,
    size: str = "",
    yes: bool = False,
) -> None:
    """Write the synthetic cohort, run the study of demo.toml on it, show the last screen."""
    began = time.monotonic()
    out = given or Path("demo/nothing-to-gain" if nothing_to_gain else "demo")
    screen.note("writing a synthetic cohort as DICOM, EDF and CSV files")
    name = size or ("nothing-to-gain" if nothing_to_gain else "demo")
    make_cohort(name, records=records, seed=seed, out=out / "cohort", progress=screen.live)
    text = files("clinfuse.study").joinpath("demo.toml").read_text(encoding="utf-8")
    file = out / "study.toml"
    write_whole(file, text.replace("\nseed    = 0\n", f"\nseed    = {seed}\n").encode())
    work = prepare(load_study(file))
    with screen.progress("training") as advance:
        outcome = carry_out(work, engine=Engine(workers=workers), agreed=yes, advance=advance, say=screen.note)
    cores = os.cpu_count() or 1
    results = shlex.quote((out / "results").as_posix())
    steps = [
        (f"clinfuse explain {results} --record KEY", "why the model said so, for any record"),
        ("clinfuse check YOUR/cohort.toml", "reads your own files, says what is wrong"),
        ("clinfuse run YOUR/study.toml", "your own question"),
    ]
    if not nothing_to_gain:
        steps.append(("clinfuse demo --nothing-to-gain", "the same, where the answer must not be Yes"))
    took = summary.duration(time.monotonic() - began)
    shown = summary.last_screen(
        outcome,
        title="clinfuse demo",
        finished=f"done in {took} on {cores} cores",
        cohort_at=out / "cohort",
        next_steps=steps,
    )
    screen.show(shown, facts_of(outcome))


def run_study(
    file: Path, *, plan: bool, short: bool, yes: bool, engine: Engine, private: Path | None, screen: Screen
) -> int:
    """Run a study, or only say what it will cost; 1 where files were refused."""
    began = time.monotonic()
    study = quick(load_study(file)) if short else load_study(file)
    work = prepare(study, private=private, progress=screen.live)
    if plan:
        cost = plan_run(work, workers=engine.count)
        facts = {
            "hours": cost.hours,
            "trainings": cost.trainings,
            "left": cost.left,
            "tasks": cost.tasks,
            "megabytes": cost.megabytes,
            "workers": cost.workers,
        }
        screen.show(summary.plan_lines(cost, file.name), facts)
        if screen.quiet or screen.as_json:
            return 0
        question = "This takes more than an hour. Start it?" if cost.long else "Start it?"
        if not ask(question, yes=yes):
            return 0
    with screen.progress("training") as advance:
        outcome = carry_out(work, engine=engine, private=private, agreed=yes, advance=advance, say=screen.note)
    took = summary.duration(time.monotonic() - began)
    shown = summary.last_screen(
        outcome,
        title=f"clinfuse run {file.name}" + (" --quick: not a result" if short else ""),
        finished=f"done in {took}",
        cohort_at=Path(study.cohort),
        next_steps=_next(work),
    )
    screen.show(shown, facts_of(outcome))
    return REFUSED if work.cohort.ledger.refused else 0


def run_fold(run: Path, names: Sequence[str], *, yes: bool, private: Path | None, screen: Screen) -> None:
    """Fit what is left of some folds, or of all that nobody else works on."""
    work = opened(run, private)
    work.run.note("fold", names=list(names))
    done = []
    with screen.progress("training") as advance:
        for fold, model in work.do(names, agreed=yes):
            done.append(f"{fold}/{model}")
            advance(work.finished, len(work.tasks))
    screen.show(f"done: {len(done)} tasks; {work.finished} of {len(work.tasks)} finished", {"done": done})


def run_slurm(
    file: Path, out: Path, options: Sequence[str], *, yes: bool, private: Path | None, screen: Screen
) -> None:
    """Start a run and write the scripts with which a Slurm cluster fits its folds."""
    work = prepare(load_study(file), private=private, progress=screen.live)
    begin(work, agreed=yes)
    left = [job.fold.name for job in work.jobs if any(task.state() != "done" for task in job.tasks.values())]
    if not left:
        screen.show("nothing is left to train: clinfuse report writes the pages", {"folds": []})
        return
    worker = worker_of(work.run.path, work.study.options().threads, private=private, agreed=yes)
    scripts = write_array(worker, left, out, options=list(options))
    lines = [f"{len(left)} folds, a task each", "", f"sh {shlex.quote(scripts.submit.as_posix())}"]
    screen.show("\n".join(lines), {"folds": left, "submit": scripts.submit.as_posix()})


def run_report(run: Path, *, private: Path | None, screen: Screen) -> int:
    """Write tables and pages of a finished run anew; of an unfinished one, only say how far it is."""
    work = opened(run, private)
    if 0 < work.finished < len(work.tasks):
        rows = partial_metrics(work)
        facts = {"partial": True, "finished": work.finished, "tasks": len(work.tasks), "metrics": rows}
        screen.show(summary.partial_screen(rows, work.finished, len(work.tasks)), facts)
        return 0
    outcome = finish(work)
    shown = summary.last_screen(
        outcome, title="clinfuse report", finished="", cohort_at=Path(work.study.cohort), next_steps=_next(work)
    )
    screen.show(shown, facts_of(outcome))
    return REFUSED if work.cohort.ledger.refused else 0


def facts_of(outcome: Outcome) -> dict[str, Any]:
    """The outcome of a run as JSON values."""
    answer = outcome.comparison.answer
    return {
        "answer": {
            "verdict": answer.verdict,
            "text": answer.text,
            "difference": answer.difference.value,
            "low": answer.difference.low,
            "high": answer.difference.high,
            "p": answer.difference.p,
        },
        "metrics": outcome.metrics,
        "without": {name: one.value for name, one in outcome.robustness.without.items()},
        "findings": [one.code for one in outcome.audit.findings],
        "report": summary.shown(outcome.run.report),
    }


def opened(run: Path, private: Path | None) -> Work:
    """The work of a run that was started."""
    folder = RunFolder(Path(os.path.abspath(run)))  # noqa: PTH100  (resolve() would follow links out of the run)
    return open_work(folder.study(), folder, private=private)


def _next(work: Work) -> list[tuple[str, str]]:
    run = shlex.quote(summary.shown(work.run.path))
    return [
        (f"clinfuse explain {run} --record KEY", "why the model said so, for any record"),
        (f"clinfuse robustness {run} --model NAME", "another model, sources withheld"),
    ]
