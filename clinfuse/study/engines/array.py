"""A run as an array of Slurm jobs: scripts that fit a fold each, and one that reports."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import final

from clinfuse.study.engines.worker import Worker
from clinfuse.study.folder import write_whole

_HEAD = "#!/bin/sh\n"


@final
@dataclass(frozen=True)
class Scripts:
    """The scripts of an array.

    Parameters
    ----------
    folds : Path
        The array: one task per fold.
    report : Path
        Writes the report once every fold is done.
    submit : Path
        Hands both to Slurm, the second after the first.
    """

    folds: Path
    report: Path
    submit: Path


def write_array(worker: Worker, names: list[str], out: Path, *, options: list[str]) -> Scripts:
    """Write the scripts with which a Slurm cluster fits the folds of a run.

    A task that is killed or runs out of time is handed in again as it is: what it finished is kept, and several at
    work on one run do not disturb each other.

    Parameters
    ----------
    worker : Worker
    names : list of str
        Folds that are left, ``REPEAT-FOLD``.
    out : Path
        Folder for the scripts.
    options : list of str
        Lines for Slurm, such as ``--partition=cpu`` or ``--mem=16G``, for every task of the array.

    Returns
    -------
    Scripts
    """
    scripts = Scripts(out / "folds.sh", out / "report.sh", out / "submit.sh")
    asked = [f"--array=0-{len(names) - 1}", f"--cpus-per-task={worker.threads}", *options]
    lines = "".join(f"#SBATCH {one}\n" for one in ["--job-name=clinfuse", *asked])
    threads = "".join(
        f"export {name}={worker.threads}\n" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    )
    chosen = f'set -- {shlex.join(names)}\nshift "$SLURM_ARRAY_TASK_ID"\n'
    command = shlex.join(["clinfuse", *worker.arguments()])
    private = ["--private", worker.private] if worker.private else []
    texts = {
        scripts.folds: f'{_HEAD}{lines}{threads}{chosen}exec {command} --fold "$1"\n',
        scripts.report: f"{_HEAD}#SBATCH --job-name=clinfuse-report\n"
        f"exec {shlex.join(['clinfuse', 'report', worker.run, *private])}\n",
        scripts.submit: f"{_HEAD}# The report waits until every fold is done; hand the array in again if one was not.\n"
        f'here=$(dirname "$0")\narray=$(sbatch --parsable "$here/folds.sh")\n'
        'sbatch --dependency=afterok:"$array" "$here/report.sh"\n',
    }
    out.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        write_whole(file, text.encode())
        file.chmod(0o755)
    return scripts
