"""How a table travels from the process that decodes: every different text once, and where it stands.

Numbers and the bytes of the texts lie in the shared memory one behind the other, and nothing in them is compressed, so
that what arrives can be no larger than what was looked at. Names are in the line of JSON.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from clinfuse.io.budget import MOST_BYTES, MOST_CELLS, MOST_COLUMNS, MOST_ROWS
from clinfuse.io.memory import SharedMemory
from clinfuse.io.table_cells import TextTable

_NUMBERS: tuple[np.dtype[Any], ...] = (np.dtype(np.int64), np.dtype(np.int64), np.dtype(np.int32))


def table_head(table: TextTable, shared: SharedMemory) -> dict[str, Any]:
    """A table as JSON, its cells written to the shared memory."""
    columns = [pa.array(column, pa.large_string()) for column in table.columns]
    coded = pa.concat_arrays(columns).dictionary_encode()
    texts = coded.dictionary
    _, offsets, written = texts.buffers()
    starts = np.frombuffer(offsets, np.int64, len(texts) + 1)
    letters = np.frombuffer(written, np.uint8, int(starts[-1])) if starts[-1] else np.zeros(0, np.uint8)
    parts = (table.places, starts, coded.indices.to_numpy(), letters)
    shared.write(np.concatenate([np.ascontiguousarray(part).view(np.uint8) for part in parts]))
    sizes = {"rows": len(table.places), "texts": len(texts), "letters": len(letters)}
    return {"table": sizes, "names": list(table.names), "unit": table.unit}


def table_of(head: dict[str, Any], shared: SharedMemory) -> TextTable:
    """The table that `table_head` described, in memory of its own.

    Raises
    ------
    EOFError
        Where the shared memory does not hold it.
    ValueError
        Where it is larger than a table may be, or where what lies there is no such table.
    """
    rows, texts, letters = (_count(head["table"][name]) for name in ("rows", "texts", "letters"))
    columns = len(head["names"])
    cells = rows * columns
    if rows > MOST_ROWS or columns > MOST_COLUMNS or letters > MOST_BYTES or texts > cells or cells > MOST_CELLS:
        raise ValueError
    counts = (rows, texts + 1, cells)
    ends = [*accumulate((n * kind.itemsize for n, kind in zip(counts, _NUMBERS, strict=True)), initial=0)]
    # The other process could still write there: what is checked has to be what is used.
    data = shared.read(np.dtype(np.uint8), (ends[-1] + letters,)).copy()
    cut = [data[begin:end] for begin, end in pairwise(ends)]
    places, starts, codes = (part.view(kind) for part, kind in zip(cut, _NUMBERS, strict=True))
    if starts[0] != 0 or starts[-1] != letters or (codes.size and not 0 <= codes.min() <= codes.max() < texts):
        raise ValueError
    found = pa.LargeStringArray.from_buffers(texts, pa.py_buffer(starts), pa.py_buffer(data[ends[-1] :]))
    found.validate(full=True)
    filled = found.to_numpy(zero_copy_only=False)[codes].reshape(columns, rows)
    return TextTable(tuple(map(str, head["names"])), tuple(filled), places, "row" if head["unit"] == "row" else "line")


def _count(said: Any) -> int:
    if not isinstance(said, int) or said < 0:
        raise ValueError
    return said
