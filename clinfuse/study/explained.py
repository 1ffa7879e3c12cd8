"""Pages of records of a finished run: which ones, and their writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clinfuse.errors import ConfigError
from clinfuse.evaluation.compare import Comparison
from clinfuse.explain.attribution import attribute
from clinfuse.report.patient import read_page, write_patient_index, write_patient_report
from clinfuse.study.about import about_record, known_of
from clinfuse.study.batch import Batch
from clinfuse.study.work import Work


def explain_records(
    work: Work, comparison: Comparison, batch: Batch | Sequence[str], *, model: str, listed: bool = True
) -> tuple[Path, ...]:
    """Write a page for each record, and the list of them; other batches and models than the study's own lie apart.

    Parameters
    ----------
    work : Work
    comparison : Comparison
        Of the finished run.
    batch : Batch, or sequence of str
        Keys or ids of records.
    model : str
        The model to explain.
    listed : bool
        Whether these are the records that the list is to name.

    Returns
    -------
    tuple of Path
        The pages, in the order of the batch.

    Raises
    ------
    ConfigError
        ``EXPLAIN_TASK``: of more than two classes.
    ClinfuseError
        What `attribute` raises; DataError ``RECORD_UNKNOWN``.
    """
    if work.cohort.task != "binary":
        raise ConfigError(
            "EXPLAIN_TASK",
            place="pages of records",
            rule="one finding, whose risk a page tells",
            found=f"a {work.cohort.task} task",
            remedy="Ask clinfuse.attribute for a class of one record, or declare one class as `positive`.",
        )
    asked = batch if isinstance(batch, Batch) else Batch(tuple(batch))
    apart = [name for name in (model if model != work.study.primary else "", asked.name) if name]
    folder = work.run.patients.joinpath(*apart)
    known = known_of(work, comparison[model])
    records = [work.cohort[str(key)] for key in asked.keys]
    pages = []
    for record in records:
        attribution = attribute(comparison[model], record, seed=work.study.seed)
        about = about_record(known, record, depth=1 + len(apart))
        about = replace(about, blind=asked.blind, group=asked.groups.get(record.key, ""))
        pages.append(write_patient_report(attribution, folder / f"{attribution.record}.html", about=about))
    if listed:
        contents = [read_page(page.with_suffix(".json")) for page in pages]
        write_patient_index(contents, folder / "index.html", rule=asked.rule)
    return tuple(pages)


def picks(comparison: Comparison, study: Any) -> tuple[str, ...]:
    """Keys of a few records worth a look: surest and right, surest and wrong, least sure, something missing."""
    held = comparison[study.primary].predictions.select(repeat=0)
    known = np.asarray(held.y_true) >= 0
    held = held.rows(np.flatnonzero(known))
    sure = np.abs(held.logits[:, -1] - held.logits[:, 0])
    right = held.logits.argmax(1) == held.y_true
    event = held.y_true == len(held.classes) - 1
    whole = held.present.all(1)
    groups = (
        (right & event & whole, -sure),
        (~right, -sure),
        (~whole, sure),
        (right & ~event & whole, -sure),
        (np.ones(len(held), dtype=bool), sure),
    )
    found: dict[str, None] = {}
    rank = 0
    while len(found) < min(study.report.patients, len(held)):
        for chosen, order in groups:
            rows = np.flatnonzero(chosen)
            rows = rows[np.lexsort((held.record[rows], order[rows]))]
            if rank < len(rows) and len(found) < study.report.patients:
                found.setdefault(str(held.record[rows[rank]]), None)
        rank += 1
    return tuple(found)
