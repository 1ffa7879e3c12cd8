"""Which records of a run are explained together: named, listed in a file, or picked by a rule that is printed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.evaluation.calls import Threshold, called
from clinfuse.evaluation.compare import Comparison
from clinfuse.training.seeds import generator

GROUPS = {"tp": "called and with it", "fp": "called and without it", "fn": "missed", "tn": "rightly not called"}
_PART = re.compile(r"(tp|fp|fn|tn|disagree)=([1-9][0-9]{0,4})")
_LONGEST = 10_000


@final
@dataclass(frozen=True)
class Batch:
    """Records that are explained together.

    Parameters
    ----------
    keys : tuple of str
        Keys or ids, in the order of the pages; sorted where the order would tell the outcome.
    name : str
        Of their folder: the same for the same rule; empty for the pages of the study itself.
    rule : str
        In words, how they were chosen.
    groups : mapping of str to str
        By key, which part of the rule chose it.
    blind : bool
        Whether pages keep the outcome back until it is asked for.
    """

    keys: tuple[str, ...]
    name: str = ""
    rule: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    blind: bool = False


def listed(file: Path, cohort: Cohort, *, blind: bool = False) -> Batch:
    """Give the records that a text file names, one key or id a line; empty lines and those that begin with # are none.

    Raises
    ------
    ConfigError
        ``EXPLAIN_RECORDS``: a file that cannot be read, names nobody or too many.
    DataError
        ``RECORD_UNKNOWN``.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        _refuse("EXPLAIN_RECORDS", "--records", "a text file in UTF-8", "none that can be read")
    named = tuple(dict.fromkeys(line.strip() for line in lines if line.strip() and not line.startswith("#")))
    if not 0 < len(named) <= _LONGEST:
        _refuse("EXPLAIN_RECORDS", "--records", f"1 to {_LONGEST} records, one a line", f"{len(named)}")
    # The folder is named after keys: a name made of ids could be guessed back.
    keys = tuple(cohort[one].key for one in named)
    name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:8]
    return Batch(keys, _folder(f"listed-{name}", blind), f"the {len(keys)} records of a list", blind=blind)


def parsed(text: str) -> dict[str, int]:
    """Give how many of each group ``tp=5,fp=5,fn=5,tn=5`` or ``disagree=20`` asks for.

    Raises
    ------
    ConfigError
        ``EXPLAIN_PICK``.

    Examples
    --------
    >>> parsed("tp=5, fn=2")
    {'tp': 5, 'fn': 2}
    """
    found = [_PART.fullmatch(part.strip()) for part in text.split(",")]
    wanted = {one[1]: int(one[2]) for one in found if one}
    if len(wanted) != len(found) or ("disagree" in wanted and len(wanted) > 1):
        _refuse("EXPLAIN_PICK", "--pick", "tp=5,fp=5,fn=5,tn=5, or some of these, or disagree=20", "something else")
    return wanted


def picked(
    comparison: Comparison, model: str, text: str, *, threshold: Threshold = 0.5, seed: int = 0, blind: bool = False
) -> Batch:
    """Give records picked by a rule, from the first repeat of the held-out records whose outcome is known.

    ``tp``, ``fp``, ``fn`` and ``tn`` are drawn among those that the model calls or not, rightly or not; the draw does
    not depend on how many are asked for of another group. ``disagree`` are those whose probability differs most between
    the fused models of the study, or between all of them where only one fuses.

    Raises
    ------
    ConfigError
        ``EXPLAIN_PICK``.
    """
    wanted = parsed(text)
    if "disagree" in wanted:
        keys, among = _disputed(comparison, wanted["disagree"])
        rule = f"the {len(keys)} records on which {', '.join(among)} differ most in probability"
        return Batch(_order(keys, blind), _folder(f"disagree{wanted['disagree']}", blind), rule, blind=blind)
    groups = _drawn(comparison, model, wanted, threshold, seed)
    counts = [f"{sum(one == GROUPS[name] for one in groups.values())} {GROUPS[name]}" for name in wanted]
    rule = f"drawn at random with seed {seed} among the records that {model} judged: {', '.join(counts)}"
    name = "-".join(f"{name}{count}" for name, count in wanted.items())
    return Batch(_order(tuple(groups), blind), _folder(f"{name}-seed{seed}", blind), rule, groups, blind)


def _drawn(
    comparison: Comparison, model: str, wanted: Mapping[str, int], threshold: Threshold, seed: int
) -> dict[str, str]:
    held = comparison[model].predictions.select(repeat=0)
    held = held.rows(np.flatnonzero(np.asarray(held.y_true) >= 0))
    event, yes = np.asarray(held.y_true) == 1, called(held, threshold)
    rows = {"tp": event & yes, "fp": ~event & yes, "fn": event & ~yes, "tn": ~event & ~yes}
    found: dict[str, str] = {}
    for name, count in wanted.items():
        keys = np.sort(held.record[rows[name]])
        order = generator(seed, "explain", name).permutation(len(keys))
        found |= {str(key): GROUPS[name] for key in keys[order[:count]]}
    return found


def _disputed(comparison: Comparison, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    fused = [name for name, one in comparison.models.items() if one.multimodal]
    among = tuple(fused if len(fused) > 1 else comparison.models)
    said: dict[str, list[float]] = {}
    for name in among:
        held = comparison[name].predictions.select(repeat=0)
        for key, probability in zip(held.record.tolist(), held.probabilities[:, -1].tolist(), strict=True):
            said.setdefault(key, []).append(probability)
    order = sorted(said, key=lambda key: (min(said[key]) - max(said[key]), key))
    return tuple(order[:count]), among


def _order(keys: tuple[str, ...], blind: bool) -> tuple[str, ...]:
    return tuple(sorted(keys)) if blind else keys


def _folder(name: str, blind: bool) -> str:
    return f"{name}-blind" if blind else name


def _refuse(code: str, place: str, rule: str, found: str) -> NoReturn:
    raise ConfigError(code, place=place, rule=rule, found=found, remedy="Correct it; clinfuse explain -h shows how.")
