"""The commands; whatever is heavy is imported inside them, so that help is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from clinfuse.cli.screen import Screen

app = typer.Typer(
    name="clinfuse",
    help="Does combining imaging, EEG and health records diagnose better than the best single source?",
    epilog="Research use only. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no text.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Private = Annotated[
    Path | None, typer.Option("--private", help="Where keys.csv and secret lie, if not beside cohort.toml.")
]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Processes at work; 0 takes two, or one per core.")]
Yes = Annotated[bool, typer.Option("--yes", help="Answer every question with yes, also where the audit says stop.")]
Run = Annotated[Path, typer.Argument(help="Results folder of a study.")]


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option("--out", help="Folder for cohort and results; else demo.")] = None,
    nothing_to_gain: Annotated[bool, typer.Option("--nothing-to-gain", help="The answer must not be Yes.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    records: Annotated[int, typer.Option("--records", min=20, help="Records of the cohort.")] = 320,
    workers: Workers = 0,
    *,
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a synthetic cohort as real files and run a whole study on it."""
    from clinfuse.cli.commands import run_demo

    screen = Screen(quiet, as_json)
    run_demo(out, nothing_to_gain=nothing_to_gain, seed=seed, records=records, workers=workers, screen=screen, yes=yes)


@app.command()
def scan(
    export: Annotated[Path, typer.Argument(help="A folder as it came from the hospital's systems.")],
    out: Annotated[Path | None, typer.Option("--out", help="The draft; else cohort.draft.toml in the folder.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Look at an export nobody has described yet, and draft its cohort.toml; nothing is decided."""
    from clinfuse.cli.scan import run_scan

    raise typer.Exit(run_scan(export, out, screen=Screen(quiet, as_json)))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A cohort.toml, its folder, or a study.toml.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for pages; else check in the cohort's.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be read.")] = False,
    matcher: Annotated[Path | None, typer.Option("--matcher", help="Folder of a matcher: looks for swaps.")] = None,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Train the study's cheapest model on others' labels.")
    ] = False,
    private: Private = None,
    *,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say and write who is in an export, what each record has, what was refused, and what leaks."""
    from clinfuse.cli.check import run_check

    screen = Screen(quiet, as_json)
    more: dict[str, Any] = {"strict": strict, "matcher": matcher, "shuffle": shuffle, "private": private}
    raise typer.Exit(run_check(file, out, screen=screen, **more))


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="A study.toml.")],
    plan: Annotated[bool, typer.Option("--plan", help="Time a step of each network; estimate hours, disk.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="2 epochs, 2 folds, a folder of its own; watermarked.")
    ] = False,
    yes: Yes = False,
    workers: Workers = 0,
    engine: Annotated[str, typer.Option("--engine", help="local, or dask: a cluster.")] = "local",
    address: Annotated[str, typer.Option("--address", help="Of a Dask scheduler that runs.")] = "",
    *,
    private: Private = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run a study, or go on with it where it was stopped."""
    from clinfuse.cli.commands import run_study
    from clinfuse.study.engines.engine import Engine

    screen = Screen(quiet, as_json)
    chosen = Engine(cast(Any, engine), workers, address)
    raise typer.Exit(run_study(study, plan=plan, short=quick, yes=yes, engine=chosen, private=private, screen=screen))


@app.command()
def slurm(
    study: Annotated[Path, typer.Argument(help="A study.toml.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the scripts.")] = Path("slurm"),
    sbatch: Annotated[list[str] | None, typer.Option("--sbatch", help="A line for Slurm, as --mem=16G.")] = None,
    yes: Yes = False,
    private: Private = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Start a run whose folds a Slurm cluster trains, and write the scripts for it; nothing is trained here."""
    from clinfuse.cli.commands import run_slurm

    run_slurm(study, out, sbatch or [], yes=yes, private=private, screen=Screen(quiet, as_json))


@app.command()
def fold(
    run: Run,
    fold: Annotated[list[str] | None, typer.Option("--fold", help="REPEAT-FOLD; by default all that are left.")] = None,
    yes: Yes = False,
    private: Private = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train what is left of one fold of a run, or of all folds that nobody else works on."""
    from clinfuse.cli.commands import run_fold

    run_fold(run, fold or [], yes=yes, private=private, screen=Screen(quiet, as_json))


@app.command()
def report(run: Run, private: Private = None, quiet: Quiet = False, as_json: Json = False) -> None:
    """Write tables and reports of a run anew, or say how far it is; nothing is trained."""
    from clinfuse.cli.commands import run_report

    raise typer.Exit(run_report(run, private=private, screen=Screen(quiet, as_json)))


@app.command()
def explain(
    run: Run,
    record: Annotated[list[str] | None, typer.Option("--record", help="Key or id of a record; repeatable.")] = None,
    records: Annotated[Path | None, typer.Option("--records", help="File with a key or id on each line.")] = None,
    pick: Annotated[str, typer.Option("--pick", help="tp=5,fp=5,fn=5,tn=5 or disagree=20.")] = "",
    model: Annotated[str, typer.Option("--model", help="A model of the study; by default the declared one.")] = "",
    *,
    blind: Annotated[bool, typer.Option("--blind", help="Keep outcomes back until they are clicked.")] = False,
    private: Private = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a page for each record: why the model that never saw this patient said so."""
    from clinfuse.cli.explain import Asked, run_explain

    asked = Asked(tuple(record or ()), records, pick, blind)
    run_explain(run, asked, model=model, private=private, screen=Screen(quiet, as_json))


@app.command()
def robustness(
    run: Run,
    model: Annotated[str, typer.Option("--model", help="A model of the study; by default the declared one.")] = "",
    regret: Annotated[bool, typer.Option("--regret", help="Also train on every set of sources alone.")] = False,
    damage: Annotated[bool, typer.Option("--damage", help="Also spoil inputs: parts lost, noise, shifts.")] = False,
    *,
    yes: Yes = False,
    private: Private = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say what is left of a model when sources are missing, on held-out records; only --regret trains."""
    from clinfuse.cli.robustness import Further, run_robustness

    screen = Screen(quiet, as_json)
    further = Further(regret=regret, damage=damage, yes=yes)
    run_robustness(run, model=model, further=further, private=private, screen=screen)


@app.command()
def who(
    key: Annotated[str, typer.Argument(help="R-... or P-...")],
    cohort: Annotated[Path, typer.Option("--cohort", help="Folder of the cohort.")] = Path(),
    private: Private = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say which patient, record and files a key stands for."""
    from clinfuse.cli.person import run_who

    run_who(key, cohort, private=private, screen=Screen(quiet, as_json))
