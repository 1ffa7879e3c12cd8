"""How many data records an EDF file holds, where its header and its size do not agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from clinfuse.io.policies import EegPolicy
from clinfuse.io.refusals import refuse_recording
from clinfuse.io.values import Remark

_UNKNOWN = -1


@final
@dataclass(frozen=True)
class RecordCount:
    """What is known about the length of a file.

    Parameters
    ----------
    declared : int
        Data records the header declares; -1 while a recorder is still writing.
    body : int
        Bytes behind the header.
    record : int
        Bytes of one data record.
    seconds : float
        Length of one data record, s.
    """

    declared: int
    body: int
    record: int
    seconds: float


@final
@dataclass(frozen=True)
class Counted:
    """How many data records are read, and what has to be said about it."""

    records: int
    remarks: tuple[Remark, ...] = ()


def record_count(given: RecordCount, policy: EegPolicy) -> Counted:
    """The whole data records of a file.

    A recorder that was switched off leaves -1 as their number: the size says how many there are. Less than one record
    missing or left over at the end is dropped. More missing is refused unless the user accepts it; more than declared
    is always refused, since nothing says which of the two is the recording.

    Parameters
    ----------
    given : RecordCount
    policy : EegPolicy
        ``truncated = "keep"`` accepts a file that was cut.

    Raises
    ------
    DataError
        ``EDF_LENGTH``.

    Examples
    --------
    >>> record_count(RecordCount(declared=-1, body=200, record=20, seconds=1.0), EegPolicy()).records
    10
    """
    whole, rest = divmod(given.body, given.record)
    missing = given.declared - whole
    if whole < 1 or (given.declared < 1 and given.declared != _UNKNOWN):
        refuse_recording("EDF_LENGTH", "at least one whole data record", "none")
    remarks = []
    if given.declared == _UNKNOWN:
        text = "The recorder did not close the file; the number of data records is taken from its size."
        remarks.append(Remark("EDF_RECORDS", text))
    elif missing < 0:
        refuse_recording(
            "EDF_LENGTH",
            "as many data records as the header declares",
            f"{-missing} more",
            "Nothing says which of the two is right: export the recording again from the recorder.",
        )
    elif missing > 1 or (missing == 1 and not rest):
        if policy.truncated != "keep":
            refuse_recording(
                "EDF_LENGTH",
                "as many data records as the header declares",
                f"{missing} fewer",
                'The recording was cut: export it again, or write `truncated = "keep"` in this modality to use what '
                "is there.",
            )
        lost = missing * given.seconds
        remarks.append(Remark("EDF_TRUNCATED", f"The file ends {lost:g} s before the recording it declares."))
    if rest:
        text = f"An incomplete data record at the end is dropped; up to {given.seconds:g} s of the recording are lost."
        remarks.append(Remark("EDF_CUT", text))
    return Counted(whole, tuple(remarks))
