"""How much one file may become in memory, asked before it does: a small file can claim, or be, a very large one."""

from __future__ import annotations

from clinfuse.errors import DataError

# A 20,000-slice CT of 512 x 512 has 10 GB; one modality of one patient does not need more than a tenth of it.
MOST_BYTES = 2 * 2**30
# Ordinary images compress tenfold, long runs of air a hundredfold.
MOST_RATIO = 200
# Beyond these a table is no longer read as a whole: a wide pivot, or the raw stream of a monitor.
MOST_COLUMNS = 4096
MOST_ROWS = 20_000_000
# A pointer each.
MOST_CELLS = MOST_BYTES // 8


def check_size(place: str, size: int, stored: int = 0) -> None:
    """Refuse what would become too large.

    Parameters
    ----------
    place : str
        Kind of file, for the message.
    size : int
        Bytes it will have once it is read, as its header says.
    stored : int
        Bytes it has on disk where it is compressed; 0 where it is not.

    Raises
    ------
    DataError
        ``BOMB``.

    Examples
    --------
    >>> check_size("NIfTI image", 512 * 512 * 200 * 2)
    """
    too_much = size > MOST_BYTES
    if too_much or (stored and size > MOST_RATIO * stored and size > 2**24):
        limit = f"at most {MOST_BYTES >> 20} MB" if too_much else f"at most {MOST_RATIO} times its size on disk"
        raise DataError(
            "BOMB",
            place=place,
            rule=f"{limit} once it is read",
            found="more",
            remedy="Check what wrote it. Export an image at a lower resolution, "
            "or a table with the patients and columns of the study only.",
        )
