"""What a bad input is: how it is made, what has to become of it, and how it is read.

Every module beside this one holds a tuple ``FAULTS``. The numbers are those of the project's list of situations
(D DICOM, N NIfTI, E EEG, H tables, S studies).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Planted wherever a file can say who it is about; no message may repeat it.
NAME = "Zwetschgenknoedel"
NUMBER = "90817263"


@dataclass(frozen=True)
class Fault:
    """One kind of bad input.

    Parameters
    ----------
    number : str
        Of the situation, e.g. ``"D05"``; several kinds may show one situation.
    name : str
        One line, unique.
    action : str
        What is expected: ``REJ`` the file is refused, ``FAIL`` the work stops before training, ``FIX`` it is put
        right, ``FLAG`` it is kept and noted, ``ASK`` it is refused until the user decides.
    code : str
        Of the error, or of the remark or ledger entry; empty for a repair that is not worth a note.
    build : callable, (empty folder, variant) -> Path
        Writes the input and gives what the reader is asked to read.
    read : callable, (path, accepted line or "") -> tuple of str
        Reads it the way a cohort does and gives the codes of what was noted; raises what the reader raises.
    variants : int
        How many different files of the kind are made.
    """

    number: str
    name: str
    action: Literal["REJ", "FAIL", "FIX", "FLAG", "ASK"]
    code: str
    build: Callable[[Path, int], Path]
    read: Callable[[Path, str], tuple[str, ...]]
    variants: int = 4
