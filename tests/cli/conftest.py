from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

COHORT = """
[records]
table = "visits.csv"
patient_id = "patient"
record_id = "record"

[label]
column = "finding"
positive = ["yes"]

[modalities.labs]
kind = "ehr"
table = "visits.csv"
columns.crp = { unit = "mg/L" }

[modalities.signs]
kind = "ehr"
table = "visits.csv"
columns.pulse = { unit = "1/min" }
"""

STUDY = """
cohort = "cohort/cohort.toml"
results = "results"

[question]
primary = ["late", "labs"]

[validation]
folds = 2

[models]
late = { fusion = "late", combine = "mean" }

[report]
patients = 1
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    folder = tmp_path / "cohort"
    folder.mkdir()
    draw = np.random.default_rng(5)
    finding = np.tile([0, 1], 20)
    table = {
        "patient": [f"ERIKA-{k:02d}" for k in range(40)],
        "record": [f"V{k:02d}" for k in range(40)],
        "finding": np.where(finding, "yes", "no"),
        "crp": np.round(10 + 6 * finding + draw.normal(0, 6, 40), 2),
        "pulse": np.round(80 + 9 * finding + draw.normal(0, 12, 40), 1),
    }
    pd.DataFrame(table).to_csv(folder / "visits.csv", index=False)
    (folder / "cohort.toml").write_text(COHORT, encoding="utf-8")
    file = tmp_path / "study.toml"
    file.write_text(STUDY, encoding="utf-8")
    return file
