"""What could make a result too good to be true, looked for before anything is trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.audit import content, questions
from clinfuse.evaluation.audit.columns import columns
from clinfuse.evaluation.audit.family import family_p
from clinfuse.evaluation.audit.finding import Audit, Finding
from clinfuse.evaluation.audit.labels import answers
from clinfuse.evaluation.audit.procedure import Procedure, audit_procedure
from clinfuse.evaluation.audit.questions import Asked, Question
from clinfuse.evaluation.folds import scored

CHANCE = 0.005
_Looked = tuple[str, list[Finding]]
_ASKED: dict[str, Callable[[Cohort, int], Asked]] = {
    "presence alone": questions.presence,
    "properties of files": questions.files,
    "order of the records": questions.order,
    "empty cells": questions.empty_cells,
    "prevalence by site": questions.sites,
}
_LOOKED: dict[str, Callable[[Cohort, int], _Looked]] = {
    "largest single column": columns,
    "same content under two patients": content.duplicates,
    "images alike under two patients": content.images_alike,
    "recordings that go on in another": content.continued,
}


def audit(cohort: Cohort, *, model: Procedure | None = None, seed: int = 0) -> Audit:
    """Look for leaks and confounding that cross-validation cannot see.

    Nothing looked at here but the table columns may enter a model: presence, properties of files, their order.
    What has no business with the label is asked about in one family: labels are dealt anew among patients, and a
    finding needs both a share of draws below 0.005 for all questions together and a size that matters, so that of 200
    cohorts in which nothing is wrong at most one or two raise an alarm. A column that was recorded after the outcome
    cannot be told from an honest one by any statistic: declare it.

    Parameters
    ----------
    cohort : Cohort
    model : FusionClassifier, or callable, Cohort -> FusionClassifier, optional
        Whether records that were held out reach what it learns is found out beside, by fitting it four times on two
        thirds of the patients: see `clinfuse.evaluation.audit.procedure.audit_procedure`.
    seed : int
        Of the folds in which presence is scored and records are held out, and of the draws.

    Returns
    -------
    Audit

    Raises
    ------
    DataError
        ``LABELS_NONE``, ``SOURCE_EMPTY``; with a model what `audit_procedure` raises.

    References
    ----------
    As of `clinfuse.evaluation.audit.family.family_p`.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> labels = np.tile([0, 1], 30)
    >>> cohort = Cohort.from_arrays({"labs": labels[:, None] * 1.0}, labels=labels, kinds={"labs": "ehr"})
    >>> [one.code for one in audit(cohort).findings]
    ['COLUMN_IS_LABEL']
    """
    found: list[Finding] = []
    try:
        records = scored(cohort)
    except DataError as error:
        if error.code != "LENGTH_LEAK":
            raise
        found.append(Finding("LENGTH_LEAK", "stop", f"{error.place}: {error.found}."))
        records = cohort[_labelled(cohort)].sorted_by_id()
    facts, family = [], list[Question]()
    for name, ask in _ASKED.items():
        text, more = ask(records, seed)
        facts.append((name, text))
        family += more
    found += surely(family, records, seed)
    for name, look in _LOOKED.items():
        text, said = look(records, seed)
        facts.append((name, text))
        found += said
    if model is not None and not any(one.code == "LENGTH_LEAK" for one in found):
        procedure = audit_procedure(model, cohort, seed=seed)
        found += procedure.findings
        facts += procedure.facts
    severities = ("stop", "warning", "note")
    return Audit(tuple(sorted(found, key=lambda one: severities.index(one.severity))), tuple(facts))


def surely(family: list[Question], cohort: Cohort, seed: int) -> list[Finding]:
    """What is told of a family of questions: only what is beyond chance for all of them together."""
    if not any(one.told for one in family):
        return []
    chances = family_p([one.values for one in family], answers(cohort), cohort.groups, seed=seed)
    return [told for one, p in zip(family, chances, strict=True) if p < CHANCE for told in one.told]


def _labelled(cohort: Cohort) -> np.ndarray:
    labels = np.asarray(cohort.labels)
    return np.flatnonzero(labels >= 0 if labels.ndim == 1 else (labels >= 0).any(1))
