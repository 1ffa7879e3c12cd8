"""Families of figures: modules whose tasks are done side by side in processes, for the scripts that print them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from types import ModuleType
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Target = tuple[str, float]


def do(work: tuple[str, Any]) -> Any:
    """Do one task in a process of its own."""
    module, task = work
    return import_module(module).one(task)


def measure(families: Mapping[str, ModuleType], *, quick: bool, workers: int) -> dict[str, tuple[list[Any], list[Any]]]:
    """Give the tasks of every family with what each found; the families share the processes."""
    listed = {name: family.tasks(quick=quick) for name, family in families.items()}
    works = [(families[name].__name__, task) for name, all_of_it in listed.items() for task in all_of_it]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        said = iter(list(pool.map(do, works)))
    return {name: (all_of_it, [next(said) for _ in all_of_it]) for name, all_of_it in listed.items()}


def figure(name: str, value: float, targets: Mapping[str, Target]) -> dict[str, object]:
    """Give a figure, and whether it holds where it has a target."""
    if name not in targets:
        return {"name": name, "value": value, "target": "", "holds": True}
    sign, bound = targets[name]
    holds = value <= bound if sign == "<=" else value >= bound
    return {"name": name, "value": value, "target": f"{sign} {bound}", "holds": bool(holds)}
