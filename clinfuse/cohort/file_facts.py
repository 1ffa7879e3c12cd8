"""What names and headers of files give away beside their content: for the audit only, never an input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from clinfuse.errors import DataError
from clinfuse.io.headers import exported_recording, exported_time

_FEWEST = 5
_MOST_FOLDERS = 20


def name_facts(files: Sequence[tuple[Path, ...]]) -> pd.DataFrame:
    """What the names of files tell, as numbers: their order, their length, and the folder they lie in.

    Parameters
    ----------
    files : sequence of tuple of Path
        For every record, relative to the cohort folder; empty where absent.

    Returns
    -------
    DataFrame of float64, (records, facts)
        ``order of names``, ``length of names``, and ``folder 1``, ``folder 2``, ... (1 inside, 0 outside) for folders
        that hold five records and leave out five. NaN where absent; no name.

    Examples
    --------
    >>> name_facts([(Path("b.edf"),), (), (Path("a.edf"),)])["order of names"].tolist()
    [1.0, nan, 0.0]
    """
    paths = [each[0].as_posix() if each else "" for each in files]
    rank = {path: float(number) for number, path in enumerate(sorted(set(paths) - {""}))}
    facts = {
        "order of names": [rank.get(path, np.nan) for path in paths],
        "length of names": [float(len(path)) if path else np.nan for path in paths],
    }
    inside = [{folder.as_posix() for folder in each[0].parents} if each else set() for each in files]
    counts = Counter(folder for folders in inside for folder in folders)
    here = sum(map(bool, paths))
    shared = sorted(folder for folder, count in counts.items() if _FEWEST <= count <= here - _FEWEST)[:_MOST_FOLDERS]
    for number, folder in enumerate(shared):
        facts[f"folder {number + 1}"] = [float(folder in own) if own else np.nan for own in inside]
    return pd.DataFrame(facts, dtype=np.float64)


def made_at(kind: str, root: Path, files: Sequence[tuple[Path, ...]]) -> np.ndarray:
    """When each file was made, from its header.

    Parameters
    ----------
    kind : str
    root : Path
        The cohort folder.
    files : sequence of tuple of Path

    Returns
    -------
    ndarray of float64, (records,)
        Seconds since 1970; NaN where absent or unknown.
    """
    return np.array([_made(kind, root / each[0]) if each else np.nan for each in files], dtype=np.float64)


def _made(kind: str, file: Path) -> float:
    try:
        if kind == "eeg":
            time = exported_recording(file).start
        elif kind in ("ct", "mr", "xray"):
            time = exported_time(file)
        else:
            return float("nan")
    except DataError:
        return float("nan")
    return float("nan") if np.isnat(time) else float(time.astype("datetime64[s]").astype(np.int64))
