"""What there is to say of the films of a cohort: which no page may show, and whether they are of one projection."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from clinfuse.cohort.ledger import Entry
from clinfuse.io.policies import VIEW_TERMS

# The remark of the reader of radiographs.
WITHHELD = "XRAY_TEXT"


def withheld(entries: Iterable[Entry], modality: str, key: str) -> str:
    """Why a picture is not to be shown, in words; empty where it may be.

    Parameters
    ----------
    entries : iterable of Entry
        Of a cohort's ledger, after the modality was prepared.
    modality : str
    key : str
        Of the record.

    Examples
    --------
    >>> entry = Entry("XRAY_TEXT", "xray", "R-AAAAAAAAAA", "Text is burned in.", note=True)
    >>> withheld([entry], "xray", "R-AAAAAAAAAA"), withheld([entry], "xray", "R-BBBBBBBBBB")
    ('Text is burned in.', '')
    """
    found = (e.text for e in entries if e.code == WITHHELD and e.source == modality and e.key == key)
    return next(found, "")


def mixed_views(properties: pd.DataFrame) -> str:
    """One sentence where the films of a modality are of several projections; empty where they are not.

    Parameters
    ----------
    properties : DataFrame
        Of the files of a modality, one row per record; ``view`` is a position in `VIEW_TERMS`.

    Examples
    --------
    >>> mixed_views(pd.DataFrame({"view": [0.0, 1.0, 1.0, float("nan")]}))
    'The films are of several projections: 1 AP, 2 PA. A line such as `view = ["PA"]` keeps one.'
    """
    if "view" not in properties:
        return ""
    counts = properties["view"].dropna().astype(int).value_counts().sort_index()
    if len(counts) < 2:
        return ""
    found = ", ".join(
        f"{count} {VIEW_TERMS[view]}" for view, count in zip(counts.index.tolist(), counts.tolist(), strict=True)
    )
    return f'The films are of several projections: {found}. A line such as `view = ["PA"]` keeps one.'
