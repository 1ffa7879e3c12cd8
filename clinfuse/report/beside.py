"""Further parts of a study page, each left out where it is not given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict


class Beside(TypedDict, total=False):
    """Further parts of a study page.

    Parameters
    ----------
    subgroups : sequence of Subgroups
        Of `clinfuse.subgroups`, for the model of the question.
    methods : sequence of str
        Paragraphs of the methods text; made of the comparison alone where they are not given.
    files : sequence of (str, sequence of (str, str))
        Files beside the page, by heading: the words of a link, and its place relative to the page.
    inside : sequence of (str, DataFrame)
        Tables, each with its caption, of what was learned in inner folds: thresholds, prediction sets; and of visits.
    characteristics : Characteristics
        Of `clinfuse.characteristics`, for the cohort of the comparison.
    """

    characteristics: Any
    inside: Sequence[tuple[str, Any]]
    subgroups: Sequence[Any]
    methods: Sequence[str]
    files: Sequence[tuple[str, Sequence[tuple[str, str]]]]
