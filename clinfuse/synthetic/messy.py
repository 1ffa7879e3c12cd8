"""The tables and the ``cohort.toml`` of a hospital export: other names, other numbers, other decimals, more rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from clinfuse.synthetic.draws import generator
from clinfuse.synthetic.latent import Latents
from clinfuse.synthetic.layout import Layout
from clinfuse.synthetic.render_labs import WARDS, age_of, columns_of, lab_table, sex_of
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings
from clinfuse.synthetic.tidy import column_line, grid_lines

_WARDS = ("Innere", "Neurologie", "Chirurgie")
_WORDS = {**dict(zip(WARDS, _WARDS, strict=True)), "yes": "ja", "no": "nein"}
_SEX = {"f": "weiblich", "m": "männlich"}
_CLINICS = ("Süd", "Nord", "Ost", "West")
_FINDINGS = ("G40.1", "G40.2", "G40.9")
_OTHERS = ("I10.00", "E11.90", "M54.5")


def write_messy_tables(folder: Path, settings: SyntheticSettings, latents: Latents, layout: Layout) -> None:
    """Write ``cohort.toml``, ``visits.csv``, ``id_map.csv``, ``diagnoses.csv`` and a long ``labs.csv``.

    Parameters
    ----------
    folder : Path
        Exists.
    settings : SyntheticSettings
    latents : Latents
    layout : Layout
    """
    tables = {
        "visits.csv": _visits(settings, latents, layout),
        "id_map.csv": _id_map(settings, layout),
        "diagnoses.csv": _diagnoses(settings, latents, layout),
        "labs.csv": _labs(settings, latents, layout),
    }
    for name, table in tables.items():
        table.to_csv(folder / name, index=False, sep=";", encoding="cp1252", lineterminator="\r\n")
    (folder / "cohort.toml").write_text(_contract(settings), encoding="utf-8", newline="\n")


def _written(time: np.datetime64, *, days: float = 0, hours: float = 0) -> str:
    moment = pd.Timestamp(time) + pd.Timedelta(days=days, hours=hours)
    return str(moment.strftime("%d.%m.%Y %H:%M"))


def _visits(settings: SyntheticSettings, latents: Latents, layout: Layout) -> pd.DataFrame:
    visits = pd.DataFrame(
        {
            "FALLNR": layout.record_ids,
            "PATNR": layout.patient_ids,
            "VISIT_AT": [_written(time) for time in layout.times],
            "CLINIC": [_CLINICS[number % len(_CLINICS)] + str(number) for number in latents.sites],
            "AGE": age_of(latents),
            "SEX": [_SEX[sex] for sex in sex_of(latents)],
            "LAST_SEEN": [_written(time, days=800) for time in layout.times],
        }
    )
    first = len(visits)
    extra = pd.DataFrame(
        {
            "FALLNR": [f"{300000 + 7 * (first + k)}" for k in range(settings.excluded)],
            "PATNR": [f"{9000000 + k:07d}" for k in range(settings.excluded)],
            "VISIT_AT": "n.b.",
            "CLINIC": _CLINICS[0] + "0",
            "AGE": 60,
            "SEX": _SEX["f"],
            "LAST_SEEN": "",
        }
    )
    return pd.concat([visits, extra], ignore_index=True)


def _id_map(settings: SyntheticSettings, layout: Layout) -> pd.DataFrame:
    known = pd.DataFrame({"PATNR": layout.patient_ids, "PACS_ID": layout.pacs_ids, "EEG_NO": layout.eeg_ids})
    known = known.drop_duplicates()
    order = generator(settings.seed, "id map").permutation(len(known))
    strangers = pd.DataFrame({"PATNR": ["8000001"], "PACS_ID": ["X0"], "EEG_NO": ["E1"]})
    return pd.concat([known.iloc[order], strangers], ignore_index=True)


def _diagnoses(settings: SyntheticSettings, latents: Latents, layout: Layout) -> pd.DataFrame:
    rows = []
    for row, label in enumerate(latents.labels):
        draw = generator(settings.seed, "diagnosis", row)
        if label:
            rows.append((layout.record_ids[row], draw.choice(_FINDINGS), _written(layout.times[row], days=9)))
        if draw.random() < 0.6:
            rows.append((layout.record_ids[row], draw.choice(_OTHERS), _written(layout.times[row], days=1)))
    order = generator(settings.seed, "diagnoses").permutation(len(rows))
    return pd.DataFrame([rows[k] for k in order], columns=["CASE_NO", "ICD10", "CODED_AT"])


def _labs(settings: SyntheticSettings, latents: Latents, layout: Layout) -> pd.DataFrame:
    table = lab_table(settings, latents)
    values = {name: table[name].tolist() for name in table.columns}
    present = latents.present[:, MODALITIES.index("labs")]
    rows = []
    for row in range(len(latents)):
        patient = str(int(layout.patient_ids[row]))  # this laboratory drops the leading zeros
        made = layout.made(row, "labs")
        for column in columns_of(settings):
            value = values[column.name][row]
            if present[row] and value is not None:
                rows.append((patient, _written(made), column.code, _text(value), column.unit))
        # Taken too early, superseded, and taken after the index time: none of these may be read.
        decoys = [(made, -10 * 24.0), (layout.times[row], 5.0)]
        if present[row] and values["crp"][row] is not None:
            decoys.append((made, -12.0))
        rows += [(patient, _written(time, hours=hours), "CRP", "77,7", "mg/L") for time, hours in decoys]
    order = generator(settings.seed, "labs order").permutation(len(rows))
    return pd.DataFrame([rows[k] for k in order], columns=["PID", "TAKEN_AT", "TEST", "RESULT", "UNIT"])


def _text(value: object) -> str:
    return _WORDS[value] if isinstance(value, str) else f"{value}".replace(".", ",")


_HEAD = """# A synthetic cohort as a hospital exports it. Nothing is renamed or moved.

[tables]
delimiter = ";"
decimal = ","
encoding = "cp1252"
dates = "%d.%m.%Y %H:%M"
missing = ["", "-", "n.b."]

[ids]
table = "id_map.csv"
patient_id = "PATNR"
pacs = "PACS_ID"
eeg_lab = "EEG_NO"
width = { patient_id = 7 }

[records]
table = "visits.csv"
patient_id = "PATNR"
record_id = "FALLNR"
index_time = "VISIT_AT"
site = "CLINIC"
per_patient = "all"
attributes = { age = "AGE", sex = "SEX" }

[label]
table = "diagnoses.csv"
record_id = "CASE_NO"
column = "ICD10"
positive = ["G40.*"]
time = "CODED_AT"
window = ["0 d", "365 d"]
no_row = "negative"
follow_up = "LAST_SEEN"

"""


def _contract(settings: SyntheticSettings) -> str:
    grids = grid_lines(settings)
    columns = "".join(
        f"columns.{column.name} = "
        + column_line(column, _WARDS, "ja", "nein", take='["last"]', codes=f'["{column.code}"]')
        + "\n"
        for column in columns_of(settings)
    )
    return (
        _HEAD
        + f"""[modalities.ct]
kind = "ct"
folder = "CT_EXPORT"
id = {{ header = "PatientID", is = "pacs" }}
window = ["-7 d", "0 d"]
series = {{ description = "*venous*", thickness_mm = [0.5, 30.0], contrast = true }}
several = "nearest"
{grids["ct"]}
[modalities.xray]
kind = "xray"
folder = "RX_EXPORT"
id = {{ header = "PatientID", is = "pacs" }}
window = ["-7 d", "0 d"]
several = "nearest"
{grids["xray"]}
[modalities.eeg]
kind = "eeg"
files = "EEG/{{eeg_lab}}_*.edf"
window = ["-30 d", "0 d"]
several = "nearest"
{grids["eeg"]}
[modalities.labs]
kind = "ehr"
table = "labs.csv"
patient_id = "PID"
time = "TAKEN_AT"
long = {{ code = "TEST", value = "RESULT", unit = "UNIT" }}
window = ["-48 h", "0 h"]
{columns}"""
    )
