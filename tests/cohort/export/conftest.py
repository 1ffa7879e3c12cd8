"""A small export as a hospital writes it: other names, other numbers, two visits, labels elsewhere, decoys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

CONTRACT = """
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
attributes = { sex = "SEX", age = "AGE" }

[label]
table = "diagnoses.csv"
record_id = "CASE_NO"
column = "ICD10"
positive = ["G40.*"]
time = "CODED_AT"
window = ["0 d", "365 d"]
no_row = "negative"
follow_up = "LAST_SEEN"

[modalities.ct]
kind = "ct"
folder = "CT_EXPORT"
id = { header = "PatientID", is = "pacs" }
window = ["-7 d", "0 d"]
series = { description = "*head*", thickness_mm = [0.5, 3.0], contrast = false }
several = "nearest"
spacing_mm = 2.0
size = [8, 8, 4]
window_hu = [-40, 120]

[modalities.eeg]
kind = "eeg"
files = "EEG/{eeg_lab}_*.edf"
window = ["-30 d", "0 d"]
several = "nearest"
channels = ["Cz", "Pz"]
segments = { seconds = 1, count = 2 }

[modalities.labs]
kind = "ehr"
table = "labs.csv"
patient_id = "PID"
time = "TAKEN_AT"
long = { code = "TEST", value = "RESULT", unit = "UNIT" }
window = ["-48 h", "0 h"]
columns.CRP = { unit = "mg/L", take = ["last", "max"], normal = [0, 5] }
columns.sodium = { unit = "mmol/L", take = ["last"], codes = ["NA", "Natrium"] }

[modalities.history]
kind = "ehr"
table = "visits.csv"
columns.AGE = "number"
columns.SEX = "category"
columns.ALCOHOL = { kind = "yes/no", yes = ["ja", "1"], no = ["nein", "0"] }
"""

TABLES = {
    "id_map.csv": (
        "PATNR;PACS_ID;EEG_NO",
        "0000001;PX1;E1",
        "0000002;PX2;E2",
        "0000003;PX3;E3",
        "0000009;PX9;E9",
    ),
    # Patient 1 comes twice; 4711 has neither image nor recording; the last visit has no index time.
    "visits.csv": (
        "FALLNR;PATNR;VISIT_AT;CLINIC;AGE;SEX;ALCOHOL;LAST_SEEN",
        "A1;0000001;10.03.2020 12:00;Süd;61,5;weiblich;ja;10.03.2023 00:00",
        "A2;0000001;10.06.2020 12:00;Süd;61,7;weiblich;nein;10.03.2023 00:00",
        "B1;2;01.04.2020 08:00;Nord;40;männlich;-;10.03.2023 00:00",
        "C1;0000003;01.05.2020 08:00;Nord;33;männlich;0;01.07.2020 00:00",
        "D1;0004711;01.05.2020 08:00;Nord;n.b.;weiblich;1;10.03.2023 00:00",
        "E1;0000005;n.b.;Nord;50;weiblich;1;10.03.2023 00:00",
    ),
    # A1 is found within the year, B1 only before and after it, D1 has another finding.
    "diagnoses.csv": (
        "CASE_NO;ICD10;CODED_AT",
        "A1;G40.2;20.03.2020 00:00",
        "A1;I10.0;20.03.2020 00:00",
        "B1;G40.1;01.01.2020 00:00",
        "B1;G40.1;01.01.2022 00:00",
        "D1;I10.0;02.05.2020 00:00",
        "ZZ;G40.9;02.05.2020 00:00",
    ),
    # The laboratory drops leading zeros; for A1 10 h is last, 30 h highest, the others too early, too late, other unit.
    "labs.csv": (
        "PID;TAKEN_AT;TEST;RESULT;UNIT",
        "1;10.03.2020 02:00;CRP;3,5;mg/L",
        "1;09.03.2020 06:00;CRP;12;mg/L",
        "1;07.03.2020 06:00;CRP;99;mg/L",
        "1;10.03.2020 12:30;CRP;88;mg/L",
        "1;10.03.2020 11:00;CRP;0,7;mg/dL",
        "1;10.03.2020 12:00;NA;140;mmol/L",
        "0000001;10.06.2020 11:00;Natrium;138;mmol/L",
        "4711;01.05.2020 08:00;CRP;7;mg/L",
        "12345;01.05.2020 08:00;CRP;1;mg/L",
        "2;;CRP;2;mg/L",
    ),
}


def write_ct(
    folder: Path,
    patient_id: str,
    made: datetime,
    *,
    description: str = "Head native",
    thickness_mm: float = 2.0,
    slices: int = 3,
    series: int = 1,
) -> None:
    """Write one CT series of 4 x 4 pixels under names that say nothing."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    folder.mkdir(parents=True, exist_ok=True)
    for position in range(slices):
        uid = f"1.2.3.{series}.{made:%Y%m%d%H%M}"
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = CTImageStorage
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = f"{uid}.{position + 1}"
        image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.3.{made:%Y%m%d%H%M}", uid
        image.PatientID, image.Modality, image.SeriesDescription = patient_id, "CT", description
        image.AcquisitionDate, image.AcquisitionTime = f"{made:%Y%m%d}", f"{made:%H%M%S}"
        image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 2 * position], [1, 0, 0, 0, 1, 0]
        image.SliceThickness, image.PixelSpacing, image.InstanceNumber = thickness_mm, [1, 1], position + 1
        image.Rows = image.Columns = 4
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.RescaleSlope, image.RescaleIntercept = 1, -1024
        image.PixelData = np.zeros((4, 4), dtype=np.int16).tobytes()
        image.save_as(folder / f"{series}_{7 * position % 5}{position}", enforce_file_format=True)


def write_edf(file: Path, made: datetime) -> None:
    """Write 4 s of two channels."""
    import edfio

    file.parent.mkdir(parents=True, exist_ok=True)
    wave = np.sin(np.arange(256) / 5.0) * 20
    signals = [edfio.EdfSignal(wave, 64, label=f"EEG {name}", physical_dimension="uV") for name in ("Cz", "Pz")]
    edfio.Edf(signals, starttime=made.time(), recording=edfio.Recording(startdate=made.date())).write(file)


def write_table(file: Path, lines: Sequence[str]) -> None:
    """Write a table as this hospital does."""
    file.write_text("\r\n".join(lines) + "\r\n", encoding="cp1252", newline="")


def write_tables(folder: Path, tables: dict[str, Sequence[str]], contract: str) -> Path:
    """Write a ``cohort.toml`` and tables."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cohort.toml").write_text(contract, encoding="utf-8")
    for name, lines in tables.items():
        write_table(folder / name, lines)
    return folder


def write_export(
    folder: Path, contract: str = CONTRACT, order: Callable[[list[str]], list[str]] = list, scans: str = "CT_EXPORT"
) -> Path:
    """Write the whole export; `order` may put the rows of every table in another order."""
    write_tables(folder, {name: [lines[0], *order(list(lines[1:]))] for name, lines in TABLES.items()}, contract)
    top = folder / scans
    write_ct(top / "x9", "PX1", datetime(2020, 3, 9, 9, 0))
    write_ct(top / "x9", "PX1", datetime(2020, 3, 9, 9, 0), description="Scout", slices=1, series=2)
    write_ct(top / "q" / "4", "PX1", datetime(2020, 3, 5, 9, 0))
    write_ct(top / "q" / "5", "PX1", datetime(2020, 3, 10, 15, 0))
    write_ct(top / "q" / "6", "PX2", datetime(2020, 3, 30, 9, 0), thickness_mm=5.0)
    write_ct(top / "q" / "7", "STRANGER", datetime(2020, 3, 30, 9, 0))
    write_edf(folder / "EEG" / "E1_night.edf", datetime(2020, 3, 1, 20, 0))
    write_edf(folder / "EEG" / "E1_day.edf", datetime(2020, 3, 8, 9, 0))
    write_edf(folder / "EEG" / "E2_day.edf", datetime(2020, 4, 2, 9, 0))
    write_edf(folder / "EEG" / "E77_day.edf", datetime(2020, 4, 2, 9, 0))
    return folder


class Hospital:
    """What the tests may write with."""

    contract = CONTRACT
    tables = TABLES
    write = staticmethod(write_export)
    write_tables = staticmethod(write_tables)
    write_ct = staticmethod(write_ct)
    write_edf = staticmethod(write_edf)


@pytest.fixture(scope="session")
def hospital() -> type[Hospital]:
    """Writers of exports, for tests that change something first."""
    return Hospital


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """The export, in the order in which it is written above."""
    return write_export(tmp_path / "export")
