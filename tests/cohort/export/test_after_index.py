"""Nothing later than the index time can enter a model, whatever is written in a table."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.cohort.folder import read_export

INDEX = datetime(2020, 5, 10, 12, 0)
CONTRACT = """
[records]
table = "visits.csv"
patient_id = "PID"
index_time = "AT"

[modalities.labs]
kind = "ehr"
table = "labs.csv"
time = "T"
same_time = "mean"
long = { code = "TEST", value = "RESULT" }
{window}
columns.CRP.take = ["last", "first", "min", "max", "mean", "slope", "count", "time since last"]
columns.LOW = { kind = "yes/no", take = ["last", "count"] }
"""
WINDOWS = ("", 'window = ["-2 d", "0 d"]', 'window = ["-30 d", "-6 h"]')
row = st.tuples(
    st.sampled_from("ab"),
    st.integers(-5 * 1440, 5 * 1440),
    st.sampled_from(("CRP", "LOW")),
    st.integers(0, 1),
    st.booleans(),
)


def values(rows: list[tuple[str, int, str, int, bool]], window: str) -> np.ndarray:
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "cohort.toml").write_text(CONTRACT.replace("{window}", window))
        (folder / "visits.csv").write_text(f"PID,AT\na,{INDEX:%Y-%m-%d %H:%M}\nb,{INDEX:%Y-%m-%d %H:%M}\n")
        lines = [
            f"{pid},{INDEX + timedelta(minutes=minutes):{'%Y-%m-%d' if day else '%Y-%m-%d %H:%M'}},{test},{number}"
            for pid, minutes, test, number, day in rows
        ]
        (folder / "labs.csv").write_text("\n".join(["PID,T,TEST,RESULT", *lines, "zz,2020-01-01 08:15,CRP,1"]))
        return read_export(folder).sources["labs"].values


@settings(max_examples=40)
@given(st.lists(row, max_size=12), st.sampled_from(WINDOWS), st.randoms(use_true_random=False))
def test_what_is_later_changes_nothing(rows, window, random):
    def late(one):
        day_of_index = one[4] and (INDEX + timedelta(minutes=one[1])).date() == INDEX.date()
        return one[1] > 0 or day_of_index

    before = [one for one in rows if not late(one)]
    shuffled = list(rows)
    random.shuffle(shuffled)
    np.testing.assert_array_equal(values(shuffled, window), values(before, window))
