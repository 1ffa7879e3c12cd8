"""Reporting checklists filled from what lies in a run: evidence with its digest, or that there is none."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pandas as pd

from clinfuse.report.artefacts import Artefacts
from clinfuse.report.document import table_document
from clinfuse.report.html import render, write_bytes, write_text
from clinfuse.report.latex import long_tex_text
from clinfuse.report.tables import csv_text, frame_of

CHECKLISTS = ("tripod_ai", "claim")
ASK = "ask: to be written by the authors"
ABSENT = "not available"
_MEANING = (
    "Filled from the files of the run: evidence names the file that answers, with the first 12 digits of its SHA-256, "
    "and says nothing of how well it answers; not available: no file of this run does; ask: only the authors can."
)
_WIDTHS = (0.1, 0.14, 0.34, 0.36)


@final
@dataclass(frozen=True)
class Rule:
    """What counts as evidence: a file of the run, perhaps with what it has to say.

    Parameters
    ----------
    file : str
        A pattern of the file's place in the run.
    key : tuple of str
        That the JSON file has to say something under; empty where its being there is enough.
    word : str
        That stands there, or is among what stands there; empty where anything will do.
    given : tuple of Rule
        That have to hold too.
    """

    file: str
    key: tuple[str, ...] = ()
    word: str = ""
    given: tuple[Rule, ...] = ()

    @classmethod
    def read(cls, text: str) -> Rule:
        """Read a rule as the lists of items write it.

        Examples
        --------
        >>> Rule.read("run.json#config.report=site").key
        ('config', 'report')
        """
        said, _, condition = text.partition(" given ")
        file, _, rest = said.partition("#")
        key, _, word = rest.partition("=")
        return cls(file, tuple(key.split(".")) if key else (), word, (cls.read(condition),) if condition else ())

    def found(self, artefacts: Artefacts) -> str:
        """Give the file that fits, the first by name where several do; empty where none does."""
        files = artefacts.matching(self.file)
        if not files or not all(one.found(artefacts) for one in self.given):
            return ""
        if not self.key:
            return files[0]
        said = artefacts.value(files[0], *self.key)
        if said is None:
            return ""
        return files[0] if not self.word or self.word == said or (self.word in _listed(said)) else ""


@final
@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Parameters
    ----------
    number, section : str
    asks : str
        What it asks, in our own words.
    rules : tuple of Rule
        Empty where only authors can answer.
    """

    number: str
    section: str
    asks: str
    rules: tuple[Rule, ...] = ()

    def status(self, artefacts: Artefacts) -> str:
        """Give the evidence that the run holds, with digests; else that there is none, or whom to ask."""
        if not self.rules:
            return ASK
        found = dict.fromkeys(file for file in (rule.found(artefacts) for rule in self.rules) if file)
        return f"evidence: {'; '.join(artefacts.named(file) for file in found)}" if found else ABSENT


@final
@dataclass(frozen=True)
class Checklist:
    """A published checklist, its items asked in our own words.

    Parameters
    ----------
    title, source : str
    items : tuple of Item
    """

    title: str
    source: str
    items: tuple[Item, ...]

    def table(self, artefacts: Artefacts) -> pd.DataFrame:
        """Give one line for each item: number, section, what is asked, and what the run has to say to it."""
        rows = [(one.number, one.section, one.asks, one.status(artefacts)) for one in self.items]
        return pd.DataFrame(rows, columns=["item", "section", "what is asked", "status"], dtype=str)


def read_checklist(name: str) -> Checklist:
    """Give a checklist that comes with the package; one of ``CHECKLISTS``."""
    with (Path(__file__).parent / "items" / f"{name}.toml").open("rb") as stream:
        said = tomllib.load(stream)
    items = (
        Item(one["number"], one["section"], one["asks"], tuple(Rule.read(text) for text in one.get("evidence", ())))
        for one in said["item"]
    )
    return Checklist(said["title"], said["source"], tuple(items))


def write_checklists(artefacts: Artefacts, folder: Path) -> tuple[Path, ...]:
    """Write every checklist of a run as csv, docx, tex and html.

    Parameters
    ----------
    artefacts : Artefacts
        Of a finished run, everything else written already.
    folder : Path
        Made where it is missing.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    written: list[Path] = []
    for name in CHECKLISTS:
        checklist = read_checklist(name)
        table = checklist.table(artefacts)
        caption = f"{checklist.title}. {_MEANING} {checklist.source}"
        page = render("checklist.html", checklist=checklist, meaning=_MEANING, table=frame_of(table))
        written += [
            write_text(folder / f"{name}.csv", csv_text(table)),
            write_bytes(folder / f"{name}.docx", table_document(table, caption)),
            write_text(folder / f"{name}.tex", long_tex_text(table, _WIDTHS, caption=caption, name=name)),
            write_text(folder / f"{name}.html", page),
        ]
    return tuple(written)


def _listed(said: Any) -> list[Any]:
    return said if isinstance(said, list) else []
