"""Families of figures: modules whose tasks are done side by side in processes, for the scripts that print them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Target = tuple[str, float]


def do(work: tuple[str, Any, str]) -> Any:
    """Do one task in a process of its own, or read what an earlier run of the same code kept of it."""
    module, task, kept = work
    if not kept:
        return import_module(module).one(task)
    file = Path(kept)
    if not file.exists():
        # JSON gives every float back bit for bit; arrays become lists.
        written = json.dumps(import_module(module).one(task), default=lambda value: value.tolist())
        half = file.with_suffix(f".{os.getpid()}")
        half.write_text(written, encoding="utf-8")
        half.replace(file)
    return json.loads(file.read_text(encoding="utf-8"))


def measure(
    families: Mapping[str, ModuleType], *, quick: bool, workers: int, keep: str = ""
) -> dict[str, tuple[list[Any], list[Any]]]:
    """Give the tasks of every family with what each found; the families share the processes.

    Where a folder to keep it in is named, what is found of a task is written there at once, and a run that was stopped
    goes on where it was. A change of any line of the package or of the benchmarks asks for everything anew.
    """
    listed = {name: family.tasks(quick=quick) for name, family in families.items()}
    works = [
        (families[name].__name__, task, _kept(keep, name, task))
        for name, all_of_it in listed.items()
        for task in all_of_it
    ]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        said = iter(list(pool.map(do, works)))
    return {name: (all_of_it, [next(said) for _ in all_of_it]) for name, all_of_it in listed.items()}


def _kept(folder: str, family: str, task: Any) -> str:
    """The file of a task, whose name changes with the code that computes it."""
    if not folder:
        return ""
    Path(folder).mkdir(parents=True, exist_ok=True)
    asked = hashlib.sha256(f"{_code()} {family} {task!r}".encode()).hexdigest()[:20]
    return str(Path(folder) / f"{family}-{asked}.json")


@cache
def _code() -> str:
    here = Path(__file__).parents[1]
    files = [*sorted((here.parent / "clinfuse").rglob("*.py")), *sorted(here.rglob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def figure(name: str, value: float, targets: Mapping[str, Target]) -> dict[str, object]:
    """Give a figure, and whether it holds where it has a target."""
    if name not in targets:
        return {"name": name, "value": value, "target": "", "holds": True}
    sign, bound = targets[name]
    holds = value <= bound if sign == "<=" else value >= bound
    return {"name": name, "value": value, "target": f"{sign} {bound}", "holds": bool(holds)}


def show(values: Mapping[str, float], targets: Mapping[str, Target], *, as_json: bool) -> None:
    """Print figures with their targets and which of them are missed, or all of it as JSON."""
    figures = [figure(name, value, targets) for name, value in values.items()]
    if as_json:
        print(json.dumps(figures))
        return
    for one in figures:
        print(f"{one['name']:46} {one['value']:8.4f}   {one['target']!s:8} {'' if one['holds'] else 'MISSED'}")
