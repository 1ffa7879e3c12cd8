"""Who was trained on and who was tested, by key: saved with a run, so that it can be read back and compared."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import StorageError
from clinfuse.evaluation.folds import Fold, Scheme
from clinfuse.evaluation.running.identity import canonical, digest
from clinfuse.evaluation.subgroups.groups import numbered

FILE_NAME = "splits.json"
_FORMAT = 1
_WHY = {
    "sites": "belong to patients seen at several sites",
    "temporal": "lie after the cut, of patients who came before it",
    "column": "have no side, or are declared for testing while their patient is trained on",
}


@final
@dataclass(frozen=True)
class Part:
    """One fold of one repeat, by key.

    Parameters
    ----------
    repeat, fold : int
    site : str
        The site that is left out, by number, the largest first: ``"site 2"``; empty text where none is.
    train, test : tuple of str
        Keys of records, sorted.
    one_sided : tuple of str
        Outcomes (the positive class; every class or label where there are more) that all or none of the test records
        have. Their rank metrics compare records within a fold, and leave this one out of the mean.
    """

    repeat: int
    fold: int
    site: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    one_sided: tuple[str, ...]

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Part:
        """Take back what was written of a part."""
        texts = {name: tuple(said[name]) for name in ("train", "test", "one_sided")}
        return cls(repeat=int(said["repeat"]), fold=int(said["fold"]), site=str(said["site"]), **texts)


@final
@dataclass(frozen=True)
class Splits:
    """How records were divided in a cross-validation.

    Parameters
    ----------
    scheme : Scheme
    parts : tuple of Part
        In order of repeat and fold.
    untested : tuple of str
        Keys of labelled records that are on no side, sorted; site by site, those that no part tests.
    untested_patients : int

    Examples
    --------
    >>> from clinfuse.evaluation.folds import Scheme
    >>> one = Splits(Scheme(folds=2), (Part(0, 0, "", ("R-A",), ("R-B",), ()),), (), 0)
    >>> len(one.hash), one.notices
    (64, ())
    """

    scheme: Scheme
    parts: tuple[Part, ...]
    untested: tuple[str, ...]
    untested_patients: int

    @classmethod
    def of(cls, cohort: Cohort, scheme: Scheme, folds: Sequence[Fold]) -> Splits:
        """Describe folds that `clinfuse.evaluation.folds.deal` gave of a cohort from `scored`."""
        keys, sites = np.asarray(cohort.keys), np.asarray(cohort.sites).astype(str)
        number = dict(zip(sites.tolist(), numbered(sites).tolist(), strict=True))
        used = np.zeros(len(cohort), dtype=bool)
        parts = []
        for fold in folds:
            used[fold.test] = True
            if scheme.validation != "sites":
                used[fold.train] = True
            train, test = (tuple(sorted(map(str, keys[rows]))) for rows in (fold.train, fold.test))
            site = f"site {number[fold.site]}" if fold.site else ""
            parts.append(Part(fold.repeat, fold.number, site, train, test, _one_sided(cohort, fold.test)))
        patients = len(np.unique(np.asarray(cohort.groups)[~used]))
        return cls(scheme, tuple(parts), tuple(sorted(map(str, keys[~used]))), patients)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of who was trained on and tested in which fold; the order of the records does not enter."""
        return digest(canonical([[part.repeat, part.fold, part.train, part.test] for part in self.parts]))

    @property
    def left_out(self) -> tuple[str, ...]:
        """Sites that every rank metric leaves out of the mean, or that of some class or label."""
        return tuple(dict.fromkeys(part.site for part in self.parts if part.site and part.one_sided))

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader has to know: records on no side, sites with one class."""
        said = []
        if self.untested:
            why = _WHY.get(self.scheme.validation, "are on no side")
            said.append(
                f"{len(self.untested)} records of {self.untested_patients} patients were not tested: they {why}."
            )
        for part in self.parts:
            if part.site and part.one_sided:
                kept = f"its {len(part.test)} records were predicted, but are left out of AUROC and AUPRC"
                said.append(f"{part.site.capitalize()} has one class only ({', '.join(part.one_sided)}): {kept}.")
        return tuple(said)

    def to_json(self, file: Path | str) -> Path:
        """Write the file, whole or not at all, the same bytes for the same splits; give its path.

        Raises
        ------
        StorageError
            ``SPLITS_WRITE``.
        """
        file = Path(file)
        about = {"format": _FORMAT, "hash": self.hash, "left_out_of_the_mean": self.left_out, "notices": self.notices}
        content = canonical({**about, **asdict(self)})
        unfinished = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(content, encoding="ascii", newline="\n")
            unfinished.replace(file)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise _refusal("SPLITS_WRITE", "must be writable", "a failed write") from None
        return file

    @classmethod
    def from_json(cls, file: Path | str) -> Splits:
        """Read what `to_json` wrote.

        Raises
        ------
        StorageError
            ``SPLITS_READ``: missing, of another form, or not what its hash says.
        """
        try:
            said: dict[str, Any] = json.loads(Path(file).read_text(encoding="ascii"))
            parts = tuple(Part.read(part) for part in said["parts"])
            scheme = Scheme(**said["scheme"])
            found = cls(scheme, parts, tuple(said["untested"]), int(said["untested_patients"]))
            sound = said["format"] == _FORMAT and said["hash"] == found.hash
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            sound = False
        if not sound:
            raise _refusal("SPLITS_READ", "must be what a run wrote", "something else")
        return found


def _one_sided(cohort: Cohort, rows: np.ndarray) -> tuple[str, ...]:
    """Outcomes of which these records hold one value only."""
    labels = np.asarray(cohort.labels)[rows]
    classes = tuple(cohort.classes)
    if labels.ndim == 2:
        columns = dict(zip(classes, labels.T, strict=True))
    else:
        named = classes[-1:] if len(classes) == 2 else classes
        columns = {name: np.where(labels < 0, -1, labels == classes.index(name)) for name in named}
    return tuple(name for name, column in columns.items() if len(np.unique(column[column >= 0])) < 2)


def _refusal(code: str, rule: str, found: str) -> StorageError:
    return StorageError(code, place=FILE_NAME, rule=rule, found=found, remedy="Check the disk, then run again.")
