"""Turn the KiTS19 download into a cohort folder: expert label maps of kidney and tumour, and the clinical records.

Source: a folder with ``case_00000/segmentation.nii.gz`` ... and ``kits.json``. One record per patient; the finding is
a tumour of stage T3 or T4. The label maps are drawn by experts: what is learned from them proves volumes and plumbing,
not image diagnosis.

    python pipelines/prepare_kits19.py SOURCE TARGET
    clinfuse run configs/kits19.toml
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Known before the operation. Every other column was written down after it, or is the stage in disguise.
NUMBERS = {"age_at_nephrectomy": "a", "body_mass_index": "kg/m2", "pack_years": "", "last_preop_egfr.value": "mL/min"}
CATEGORIES = ("gender", "smoking_history", "alcohol_use")
FLAGS = "comorbidities."
WORDS = ("not_applicable", "none")  # written where a number does not exist
STAGES = ("3", "4")

HEAD = """\
# KiTS19: expert label maps (kind "mask", not CT images) and clinical records; one record per patient.

[records]
table      = "kits.csv"
patient_id = "case_id"

[label]
table      = "kits.csv"
patient_id = "case_id"
column     = "stage"
positive   = ["T3-T4"]

[modalities.organs]
kind       = "mask"
files      = "masks/{patient_id}.nii.gz"
labels     = { 1 = "kidney", 2 = "tumour" }
size       = [48, 36, 48]
spacing_mm = 8.0                 # coarse for the network; volumes are taken from the files as they are

[modalities.history]
kind       = "ehr"
table      = "kits.csv"
patient_id = "case_id"
"""


def flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give a nested record as one level: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``."""
    result: dict[str, Any] = {}
    for name, value in record.items():
        inner = flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
        result.update(inner)
    return result


def written(value: Any) -> str:
    """Give a cell as text: yes and no for flags, 90 for ">=90" (above it the laboratory gives no number)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "90" if value == ">=90" else str(value)


def declaration(name: str, cells: list[str]) -> str:
    """Give the line of cohort.toml that declares one column."""
    filled = sorted({cell for cell in cells if cell})
    before = name in NUMBERS or name in CATEGORIES or name.startswith(FLAGS)
    known = 'known = "before"' if before else 'known = "after"'
    if set(filled) <= {"yes", "no"}:
        kind = 'kind = "yes/no", yes = ["yes"], no = ["no"]'
    elif name not in CATEGORIES and all(_number(cell) for cell in filled if cell not in WORDS):
        unit = f', unit = "{NUMBERS[name]}"' if NUMBERS.get(name) else ""
        missing = ", missing = [" + ", ".join(f'"{word}"' for word in ("", *WORDS)) + "]"
        kind = f'kind = "number"{unit}{missing}'
    else:
        levels = ", ".join(f'"{level}"' for level in filled)
        kind = f'kind = "category", levels = [{levels}]'
    return f'columns."{name}" = {{ {kind}, {known} }}\n'


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def prepare(source: Path, target: Path, *, patients: int = 0) -> Path:
    """Write the cohort folder and give the path of its cohort.toml; ``patients`` keeps only the first so many."""
    records = json.loads((source / "kits.json").read_text(encoding="utf-8"))
    rows = [{name: written(value) for name, value in flat(record).items()} for record in records]
    rows = [row for row in rows if (source / row["case_id"] / "segmentation.nii.gz").exists()]
    rows = rows[:patients] if patients else rows
    (target / "masks").mkdir(parents=True, exist_ok=True)
    for row in rows:
        _place(source / row["case_id"] / "segmentation.nii.gz", target / "masks" / f"{row['case_id']}.nii.gz")
    names = [name for name in rows[0] if name != "case_id"]
    columns = "".join(declaration(name, [row[name] for row in rows]) for name in names)
    used = [name for name in names if name in NUMBERS or name in CATEGORIES or name.startswith(FLAGS)]
    inputs = "inputs = [\n" + "".join(f'  "{name}",\n' for name in used) + "]\n"
    (target / "cohort.toml").write_text(HEAD + inputs + columns, encoding="utf-8")
    with (target / "kits.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["case_id", "stage", *names])
        table.writeheader()
        for row in rows:
            table.writerow({**row, "stage": "T3-T4" if row["pathology_t_stage"] in STAGES else "T0-T2"})
    return target / "cohort.toml"


def _place(source: Path, target: Path) -> None:
    """Put a file into the cohort folder without a second copy where the file system allows it."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, nargs="?", default=Path("../shared/data/kits19"))
    parser.add_argument("target", type=Path, nargs="?", default=Path("cohorts/kits19"))
    parser.add_argument("--patients", type=int, default=0, help="only the first so many")
    arguments = parser.parse_args()
    print(prepare(arguments.source, arguments.target, patients=arguments.patients))
