"""What a run knows about one of its records beside the explanation: all of it optional, all of it finished numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from clinfuse.explain.values import Check
from clinfuse.report.record.page import Classes, Range, Threshold


@final
@dataclass(frozen=True, eq=False)
class About:
    """What a run knows about one of its records.

    Parameters
    ----------
    run : tuple of (str, str)
        Facts of the run: its id, the hash of its data, whom the model was trained on.
    range : Range, optional
    threshold : Threshold, optional
    classes : Classes, optional
    outcome : str
        Class that was found, empty where it is not known.
    refused : mapping of str to str
        Why a modality was refused, by its name.
    subsets : tuple of (frozenset of str, float)
        Probability of the positive class for every set of present modalities.
    unusual : tuple of str
        Sentences on inputs beyond those of the training patients.
    checks : tuple of Check
        Of the run, not of this record.
    model_card : str
        Its place relative to the page.
    blind : bool
        Whether the outcome is kept back until the reader asks for it.
    group : str
        Which part of a rule picked the record; kept back with the outcome.
    record : PatientRecord, optional
        To draw on the original images; without it the prepared ones are drawn on.
    """

    run: tuple[tuple[str, str], ...] = ()
    range: Range | None = None
    threshold: Threshold | None = None
    classes: Classes | None = None
    outcome: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    subsets: tuple[tuple[frozenset[str], float], ...] = ()
    unusual: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    model_card: str = ""
    blind: bool = False
    group: str = ""
    record: Any = None


NOTHING = About()
