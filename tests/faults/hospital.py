"""A hospital of fourteen patients in three small tables, for faults that only show when tables are joined."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from tests.faults.fault import NAME, NUMBER, Fault

PATIENTS = 14
CONTRACT = """
[tables]
missing = ["", "-"]

[ids]

[records]
table = "visits.csv"
patient_id = "PID"
index_time = "AT"

[label]
column = "Y"
positive = ["yes"]
time = "Y_AT"
window = ["0 d", "30 d"]
follow_up = "SEEN"

[modalities.labs]
kind = "ehr"
table = "labs.csv"
time = "T"
long = { code = "TEST", value = "RESULT", unit = "UNIT" }
columns.CRP = { unit = "mg/L", take = ["last", "mean"] }

[modalities.history]
kind = "ehr"
table = "history.csv"
columns.HEIGHT = { unit = "cm", range = [20, 250] }
columns.SEX = { kind = "category", levels = ["f", "m"] }
columns.SMOKES = { kind = "yes/no" }
"""

Table = list[list[str]]


@dataclass
class Hospital:
    """Tables by name, each a header and rows, and the ``cohort.toml`` that describes them."""

    contract: str = CONTRACT
    tables: dict[str, Table] = field(default_factory=dict)
    delimiter: str = ","
    encoding: str = "utf-8"
    # Type of the ids in the table of the laboratory, if that is a Parquet file.
    ids: pa.DataType | None = None

    def column(self, table: str, name: str) -> int:
        return self.tables[table][0].index(name)

    def put(self, table: str, row: int, name: str, cell: str) -> None:
        """Write one cell; rows count from 0 below the header."""
        self.tables[table][row + 1][self.column(table, name)] = cell

    def each(self, table: str, name: str, change: Callable[[int, str], str]) -> None:
        """Change every cell of a column."""
        at = self.column(table, name)
        for k, row in enumerate(self.tables[table][1:]):
            row[at] = change(k, row[at])

    def write(self, folder: Path) -> Path:
        (folder / "cohort.toml").write_text(self.contract, encoding="utf-8")
        for name, rows in self.tables.items():
            text = "".join(self.delimiter.join(map(_quoted, row)) + "\n" for row in rows)
            (folder / f"{name}.csv").write_text(text, encoding=self.encoding)
        if self.ids is not None:
            self._write_parquet(folder / "labs.parquet", self.ids)
        return folder

    def _write_parquet(self, file: Path, kind: pa.DataType) -> None:
        names, rows = self.tables["labs"][0], self.tables["labs"][1:]
        columns = {name: [row[k] for row in rows] for k, name in enumerate(names)}
        ids = pa.array([int(cell) for cell in columns["PID"]]).cast(kind, safe=False)
        pq.write_table(pa.table({**columns, "PID": ids}), file)


def _quoted(cell: str) -> str:
    return f'"{cell}"' if set(cell) & set(",;") else cell


def hospital(patients: int = PATIENTS) -> Hospital:
    """Nothing is wrong with it."""
    ids = [f"{NUMBER}{k:02d}" for k in range(patients)]
    visits = [["PID", "NAME", "AT", "Y", "Y_AT", "SEEN"]]
    labs = [["PID", "T", "TEST", "RESULT", "UNIT"]]
    history = [["PID", "HEIGHT", "SEX", "SMOKES", "REMARK"]]
    for k, pid in enumerate(ids):
        day = f"2020-05-{k % 14 + 10}"
        visits.append([pid, f"{NAME} {k}", f"{day} 12:00", ("yes", "no")[k % 2], f"{day} 13:00", "2021-05-10 08:00"])
        for hour in (7, 9):
            labs.append([pid, f"{day} {hour:02d}:00", "CRP", f"{k + hour / 4}", "mg/L"])
        history.append([pid, f"{150 + 2 * k}", "fm"[k % 2], ("yes", "no")[k % 3 == 0], f"{NAME} came alone"])
    return Hospital(tables={"visits": visits, "labs": labs, "history": history})


Change = Callable[[Hospital, int], None]


def fault(
    number: str,
    name: str,
    action: Any,
    code: str,
    change: Change,
    *,
    section: str = "",
    strict: bool = False,
    variants: int = 4,
    matched: bool = False,
    look: Callable[[Cohort], tuple[str, ...]] | None = None,
) -> Fault:
    """A fault of an export: `section` is where an accepted line belongs, unless it declares a column."""
    build = partial(_build, change=change)
    read = partial(_read, section=section, strict=strict, matched=matched, look=look)
    return Fault(number, name, action, code, build, read, variants)


def _build(folder: Path, variant: int, *, change: Change) -> Path:
    made = hospital()
    change(made, variant)
    return made.write(folder)


def _read(
    folder: Path,
    line: str,
    *,
    section: str,
    strict: bool,
    matched: bool,
    look: Callable[[Cohort], tuple[str, ...]] | None,
) -> tuple[str, ...]:
    if line:
        file = folder / "cohort.toml"
        file.write_text(with_line(file.read_text(encoding="utf-8"), line, section), encoding="utf-8")
    cohort = Cohort.from_folder(folder, strict=strict)
    if matched and any(match.unmatched for match in cohort.ledger.matches):
        raise DataError("UNMATCHED", place="test", rule="every row joined", found="others", remedy="")
    told = [entry.code for entry in cohort.ledger.entries]
    texts = [entry.text + entry.remedy for entry in cohort.ledger.entries]
    return (*told, *texts, *(look(cohort) if look is not None else ()))


def with_line(contract: str, line: str, section: str) -> str:
    """A ``cohort.toml`` with one line more, in the place of a line that says the same key."""
    key = line.split("=")[0].strip()
    own = re.compile(rf"^{re.escape(key)} = .*$", re.MULTILINE)
    if key.startswith("columns."):
        return own.sub(lambda _: line, contract, count=1)
    before, head, after = contract.partition(f"[{section}]\n")
    body, bracket, rest = after.partition("\n[")
    if own.search(body):
        return before + head + own.sub(lambda _: line, body, count=1) + bracket + rest
    return f"{before}{head}{line}\n{after}"
