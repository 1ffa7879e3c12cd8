"""The methods text of a report: sentences about what was done, filled with what is known of the run."""

from __future__ import annotations

from collections.abc import Sequence

HUANG = (
    "Huang S-C, Pareek A, Seyyedi S, Banerjee I, Lungren MP. Fusion of medical imaging and electronic health "
    "records using deep learning: a systematic review and implementation guidelines. npj Digital Medicine 2020;3:136. "
    "doi:10.1038/s41746-020-00341-z"
)
_DIVIDED = {
    "folds": "by {rounds}{folds}-fold cross-validation by patient, stratified by outcome",
    "holdout": "on 15 % of the patients, drawn once and stratified by outcome",
    "sites": "by leaving out each of {folds} sites in turn",
    "temporal": "on patients who first came after those trained on",
    "column": "on the records that were declared for testing beforehand",
}


def methods_text(
    *,
    models: Sequence[tuple[str, str]],
    modalities: Sequence[tuple[str, str]],
    folds: int,
    repeats: int,
    seed: str,
    task: str,
    validation: str = "folds",
) -> tuple[str, ...]:
    """Give the paragraphs of the methods text.

    Parameters
    ----------
    models : sequence of (name, taxonomy)
    modalities : sequence of (name, kind)
    folds, repeats : int
    seed : str
        Empty where it is not known.
    task : str
    validation : {"folds", "holdout", "sites", "temporal", "column"}

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> text = methods_text(models=[("late", "late, stacked")], modalities=[("ct", "ct")], folds=5, repeats=1,
    ...     seed="0", task="binary")
    >>> text[0][:42]
    'One prediction is made for each record: on'
    """
    sources = ", ".join(f"{name} ({kind})" for name, kind in modalities)
    named = "; ".join(f"{name} ({taxonomy})" for name, taxonomy in models)
    rounds = f"{repeats} times repeated " if repeats > 1 else ""
    drawn = f" (seed {seed})" if seed else ""
    return (
        "One prediction is made for each record: one patient at one index time. Sources were joined by exact id; a "
        "source without a usable file counts as missing and is never filled in by hand. "
        f"Sources: {sources}. The task is {task}.",
        f"Models, named after Huang et al. (2020): {named}. Everything that is learned, preparation of tables and "
        "fills for missing sources included, was learned inside the training records of each fold.",
        f"Performance was estimated {_DIVIDED[validation].format(rounds=rounds, folds=folds)}; no patient is on both "
        f"sides of any division{drawn}. All numbers are from held-out records. Intervals are 95 % bootstrap "
        "intervals that draw patients, not records, corrected for folds that share training patients (Nadeau and "
        "Bengio 2003, doi:10.1023/A:1024068626366). In the table of models a single source is scored on the records "
        "that have it; where it is held against a fusion, it answers with its training prevalence for the others, so "
        "that both are judged on the same records.",
        HUANG,
    )
