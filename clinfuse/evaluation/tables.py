"""A comparison as tables for reading: every model, and apart from them the comparisons nobody had declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from clinfuse.evaluation.answer import Difference
from clinfuse.evaluation.scores import Counts, MetricRow


def model_table(
    rows: Sequence[MetricRow],
    differences: Mapping[str, Difference],
    about: Counts,
    *,
    declared: str,
    rival: str,
) -> pd.DataFrame:
    """Give one line per model in the order of the rows; p stands beside the declared model alone.

    Parameters
    ----------
    rows : sequence of MetricRow
    differences : mapping of str to Difference
        By the names of the fusions.
    about : Counts
        Of the declared model's records.
    declared, rival : str
        The fusion that was declared, and what it is held against.
    """
    by_model: dict[str, dict[str, MetricRow]] = {}
    for row in rows:
        by_model.setdefault(row.model, {})[row.metric] = row
    lines = {}
    for name, metrics in by_model.items():
        first = next(iter(metrics.values()))
        line: dict[str, object] = {
            "fusion": first.taxonomy,
            "records": first.records,
            "patients": first.patients,
            "events": "-" if first.events is None else first.events,
            "prevalence": "-" if first.events is None else f"{first.events / first.records:.2f}",
            "AUROC (95 % CI)": str(metrics["auroc"].estimate) if "auroc" in metrics else "-",
        }
        if "auroc" in metrics and np.isfinite(metrics["auroc"].ceiling):
            best = metrics["auroc"]
            line |= {"best possible": f"{best.ceiling:.2f}", "oracle": f"{best.oracle:.2f}"}
        line |= {"AUPRC": _number(metrics, "auprc", 2), "Brier": _number(metrics, "brier", 3)}
        line[f"against {rival}"] = str(differences[name]) if name in differences else ""
        lines[name] = line | {"p": written(differences[name].p) if name == declared else ""}
    table = pd.DataFrame.from_dict(lines, orient="index").fillna("")
    table.index.name = "model"
    table.columns.name = f"records: {about}" if about.events is None else f"events: {about.positive}"
    return table


def appendix_table(differences: Mapping[str, Difference], p: Mapping[str, float], *, declared: str) -> pd.DataFrame:
    """Give one line for every fusion that was not declared beforehand, in the order given; empty where there is none.

    Parameters
    ----------
    differences : mapping of str to Difference
        By the names of the fusions.
    p : mapping of str to float
        Adjusted among the others by Holm.
    declared : str
    """
    columns = ["against", "records", "difference", "p"]
    lines = {
        name: [one.second, one.counts.records, str(one), written(p[name])]
        for name, one in differences.items()
        if name != declared
    }
    table = pd.DataFrame.from_dict(lines, orient="index", columns=columns)
    table.index.name = "model"
    table.columns.name = "not declared beforehand, p adjusted by Holm"
    return table


def choice_table(
    inner: Mapping[str, Mapping[tuple[int, int], float]], chosen: Mapping[str, Mapping[tuple[int, int], str]]
) -> pd.DataFrame:
    """Give one line for each side of the question and each fold: what was chosen, and the numbers it was chosen by.

    Parameters
    ----------
    inner : mapping of str to mapping of (int, int) to float
        Mean AUROC in inner folds by model, then by repeat and fold.
    chosen : mapping of str to mapping of (int, int) to str
        What was chosen, by side, then by repeat and fold.
    """
    lines = [
        {"side": side, "repeat": place[0], "fold": place[1], "chosen": name}
        | {f"{model}, inner AUROC": f"{areas[place]:.3f}" for model, areas in inner.items() if place in areas}
        for side, places in chosen.items()
        for place, name in places.items()
    ]
    return pd.DataFrame(lines)


def written(p: float) -> str:
    """Give p as it is printed.

    Examples
    --------
    >>> written(0.0004), written(0.0319)
    ('< 0.001', '0.032')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _number(metrics: Mapping[str, MetricRow], name: str, digits: int) -> str:
    return f"{metrics[name].value:.{digits}f}" if name in metrics else "-"
