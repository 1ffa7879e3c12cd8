from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

COHORT = """
[records]
table = "records.csv"
patient_id = "patient"
record_id = "record"

[label]
column = "finding"
positive = ["yes"]
negative = ["no"]

[modalities.labs]
kind = "ehr"
table = "labs.csv"
record_id = "record"
columns.crp = { unit = "mg/L" }

[modalities.signs]
kind = "ehr"
table = "signs.csv"
record_id = "record"
columns.pulse = { unit = "1/min" }
"""

STUDY = """
cohort = "cohort"
results = "results"
seed = 3

[question]
primary = ["late", "labs"]

[validation]
folds = 3

[models]
late = { fusion = "late", combine = "mean" }
early = { fusion = "early", kind = "I", learner = "logistic" }

[report]
title = "Two tables"
patients = 2
tables = ["csv"]
"""


def write_cohort(folder: Path, *, records: int = 48) -> Path:
    """Two tables that both know something of the finding; one record lacks one of them."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(7)
    finding = np.tile([0, 1], records // 2)
    ids = [f"V{k:03d}" for k in range(records)]
    table = pd.DataFrame({"patient": [f"MUSTER-{k:03d}" for k in range(records)], "record": ids})
    table.assign(finding=np.where(finding, "yes", "no")).to_csv(folder / "records.csv", index=False)
    crp = pd.DataFrame({"record": ids, "crp": np.round(10 + 8 * finding + draw.normal(0, 5, records), 2)})
    crp[1:].to_csv(folder / "labs.csv", index=False)
    pulse = np.round(80 + 12 * finding + draw.normal(0, 10, records), 1)
    pd.DataFrame({"record": ids, "pulse": pulse}).to_csv(folder / "signs.csv", index=False)
    (folder / "cohort.toml").write_text(COHORT, encoding="utf-8")
    return folder


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    write_cohort(tmp_path / "cohort")
    file = tmp_path / "study.toml"
    file.write_text(STUDY, encoding="utf-8")
    return file
