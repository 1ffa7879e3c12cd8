"""Which pictures of a record no page may show: those into which a name may be burned."""

from __future__ import annotations

from collections.abc import Iterable

from clinfuse.cohort.ledger import Entry

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
