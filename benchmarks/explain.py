"""What explaining records costs beside the passes through the networks that it needs.

    python benchmarks/explain.py            # some minutes
    python benchmarks/explain.py --quick    # small inputs: to see that it runs
    python benchmarks/explain.py --json

`record_vs_needed_passes`: shares, integrated gradients and the checks of one record, over a plain Captum loop through
the same networks with the same steps, modalities and baselines, and one encoding. Both are medians of at least 5, timed
in turn. `hundred_vs_one`: a hundred records at once over one alone, with a thread for each core. A joint fusion of a
volume, a signal and a table, trained for one epoch on made-up numbers: what it says does not matter here.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

from shared.families import THREADS, show

TARGETS: dict[str, tuple[str, float]] = {"record_vs_needed_passes": ("<=", 1.2), "hundred_vs_one": ("<=", 60.0)}
RUNS, STEPS, AT_ONCE = 5, 64, 16


def made(quick: bool):
    """Give a cohort with inputs of the size of a rendered one, and a fusion fitted on it."""
    import numpy as np

    import clinfuse as cf

    draw, n = np.random.default_rng(0), 24 if quick else 100
    ct, eeg = ((1, 16, 16, 8), (2, 4, 64)) if quick else ((1, 32, 32, 16), (10, 8, 256))
    labels = np.arange(n) % 2
    arrays = {
        "ct": draw.normal(size=(n, *ct)).astype(np.float32),
        "eeg": draw.normal(size=(n, *eeg)).astype(np.float32),
        "labs": draw.normal(size=(n, 6)) + labels[:, None],
    }
    cohort = cf.Cohort.from_arrays(arrays, labels=labels, kinds={"ct": "ct", "eeg": "eeg", "labs": "ehr"})
    return cohort, cf.JointFusion(options=cf.TrainingOptions(epochs=1)).fit(cohort)


def plain(model, record, rounds: list[int]) -> Callable[[], None]:
    """Give the same passes without this package's explanations: Captum on the networks themselves, inputs at hand."""
    import torch
    from captum.attr import IntegratedGradients

    from clinfuse.explain.baselines import baseline, chosen_baselines

    taken, network = model.explainable(record.cohort), model.network_
    names = list(taken.order)
    chosen = chosen_baselines({}, {name: record.cohort.modality(name) for name in names})
    inputs = tuple(torch.from_numpy(taken.inputs[name].copy()) for name in names)
    starts = tuple(
        torch.from_numpy(baseline(chosen[name], record.cohort.modality(name), taken, seed=0)) for name in names
    )
    masks = {name: torch.tensor(record.cohort.window_mask(name)) for name in names if name == "eeg"}
    nothing = torch.zeros(0, dtype=torch.bool)

    def forward(*given):
        z = [
            network.embed(name, x, masks[name].expand(len(x), -1) if name in masks else nothing).double()
            for name, x in zip(names, given, strict=True)
        ]
        logits = model.decider_.decision(z, torch.ones(len(given[0]), len(names), dtype=torch.bool))
        return logits[:, 1] - logits[:, 0]

    def passes() -> None:
        with torch.no_grad():
            for side in (inputs, inputs, starts):  # one encoding, and both ends of the path
                forward(*side)
        for steps in rounds:
            IntegratedGradients(forward).attribute(
                inputs, baselines=starts, n_steps=steps, method="gausslegendre", internal_batch_size=AT_ONCE
            )

    return passes


def timed(work: Callable[[], object]) -> float:
    """Give the seconds that something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured(quick: bool) -> dict[str, float]:
    """Give the two figures."""
    import torch

    from clinfuse.explain.attribution import attribute, attribute_many

    torch.set_num_threads(1)
    cohort, model = made(quick)
    records = [cohort[k] for k in range(len(cohort))]
    first = attribute(model, records[0], steps=STEPS)
    rounds = [STEPS]
    while rounds[-1] < first.steps:
        rounds.append(min(2 * rounds[-1], first.steps))
    needed = plain(model, records[0], rounds)
    needed()
    pairs = [(timed(lambda: attribute(model, records[0], steps=STEPS)), timed(needed)) for _ in range(RUNS)]
    ratio = median(ours for ours, _ in pairs) / median(theirs for _, theirs in pairs)
    wanted = (records * -(-100 // len(records)))[:100]
    one = median(timed(lambda r=r: attribute(model, r, steps=STEPS)) for r in wanted[:: 100 // (2 * RUNS)])
    all_of_them = timed(lambda: attribute_many(model, wanted, workers=os.cpu_count() or 1, steps=STEPS))
    return {"record_vs_needed_passes": ratio, "hundred_vs_one": all_of_them / one}


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    show(measured(given.quick), TARGETS, as_json=given.json)


if __name__ == "__main__":
    # Before numpy is imported: one record is one thread.
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    main()
