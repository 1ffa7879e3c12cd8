"""Small valid inputs to start from, written by code; DICOM also by pydicom's own examples."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import edfio
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from tests.faults.fault import NAME, NUMBER

_LARGEST = 12_000
TABLE_KINDS = (".csv", ".tsv", ".parquet", ".xlsx", ".ndjson", ".json", "sheet")


def dicom_seeds() -> list[bytes]:
    """A CT slice in each native transfer syntax, and what pydicom tests itself with."""
    syntaxes = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    small = sorted(file for file in folder.glob("*.dcm") if file.stat().st_size <= _LARGEST)
    return [*map(_slice, syntaxes), *(file.read_bytes() for file in small)]


def _slice(syntax: UID) -> bytes:
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, "1.2.3.4"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    data.PatientName, data.PatientID, data.Modality = f"{NAME}^Ä", NUMBER, "CT"
    data.AcquisitionDate, data.AcquisitionTime = "20240501", "093000.25"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SeriesDescription, data.ContrastBolusAgent = NAME, "Iomeprol"
    data.SliceThickness, data.InstanceNumber = "1.25", "7"
    data.ImagePositionPatient, data.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    inner = Dataset()
    inner.ReferencedSOPInstanceUID, inner.PersonName = "1.2.9", NAME
    data.RequestAttributesSequence = [inner, Dataset()]
    data.Rows = data.Columns = 4
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelSpacing, data.RescaleSlope, data.RescaleIntercept = [0.5, 0.5], "1", "-1024"
    block = data.private_block(0x0011, NAME, create=True)
    block.add_new(1, "LO", NAME)
    data.PixelData = bytes(32)
    data["PixelData"].VR = "OW"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID, data.file_meta.MediaStorageSOPClassUID = syntax, CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True)
    return out.getvalue()


def edf_seeds() -> list[bytes]:
    """EDF and EDF+ with annotations, and the same header as BDF."""
    cz, ecg = (edfio.EdfSignal(np.arange(16.0), 8, label=name, physical_dimension="uV") for name in ("EEG Cz", "ECG"))
    patient = edfio.Patient(code=NUMBER, name=NAME)
    plain = edfio.Edf([cz, ecg], patient=patient, starttime=datetime(2024, 5, 1, 9, 30).time())
    marked = edfio.Edf([cz], patient=patient, annotations=[edfio.EdfAnnotation(0.5, 0.1, NAME)])
    with TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("a.edf", "b.edf")]
        for made, file in zip((plain, marked), files, strict=True):
            made.write(file)
        written = [file.read_bytes() for file in files]
    return [*written, written[1].replace(b"EDF+C", b"EDF+D"), b"\xffBIOSEMI" + written[0][8:] + bytes(16)]


def table_seeds() -> list[bytes]:
    """One small table in every format; the first byte says which, the second how it is written."""
    return [bytes([kind, way]) + data for kind, way, data in _tables()]


def _tables() -> Iterator[tuple[int, int, bytes]]:
    rows = [("PID", "CRP", "SEX", "AT"), ("00123", "1,5", "f", "01.05.2024"), (NUMBER, "<5", "m", "2024-05-01")]
    for way, sign in enumerate(",;"):
        text = "\n".join(sign.join(f'"{cell}"' if way == 0 else cell for cell in row) for row in rows)
        for encoding in ("utf-8", "cp1252", "utf-16"):
            yield 0, way, text.replace("m", NAME + "ü").encode(encoding)
    yield 1, 0, "\r\n".join("\t".join(row) for row in rows).encode()
    frame = pa.table({"PID": ["1", "2", None], "CRP": [1.5, None, 2.0], "AT": [datetime(2024, 5, 1)] * 3})
    out = pa.BufferOutputStream()
    pq.write_table(frame, out)
    yield 2, 0, out.getvalue().to_pybytes()
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for row in (*rows, (NAME, 1.5, True, datetime(2024, 5, 1))):
        book.active.append(row)
    book.save(stream)
    yield 3, 0, stream.getvalue()
    seen = {"resourceType": "Observation", "id": "o", "subject": {"reference": f"Patient/{NUMBER}"}}
    seen |= {"code": {"coding": [{"code": "1988-5"}]}, "valueQuantity": {"value": 1.5, "unit": "mg/L"}}
    seen |= {"effectiveDateTime": "2024-05-01T09:30:00+02:00", "status": "final"}
    yield 4, 0, (json.dumps(seen) + "\n" + json.dumps(seen)).encode()
    yield 5, 0, json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": seen}]}).encode()
    yield 6, 0, SHEET.encode()


SHEET = f"""<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<dimension ref="A1:B3"/><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>PID</t></is></c>
<c r="B1" t="inlineStr"><is><t>CRP</t></is></c></row><row r="2"><c r="A2" t="n" s="1"><v>123</v></c>
<c r="B2"><v>1.5</v></c></row><row r="3"><c r="A3" t="str"><v>{NAME}</v></c><c r="B3" t="b"><v>1</v></c></row>
</sheetData></worksheet>"""

TOKENS = {
    "dicom": [
        *(bytes.fromhex(word) for word in ("feffdde0", "feff00e0", "feff0de0", "ffffffff", "00000000", "e07f1000")),
        *(vr.encode() for vr in ("SQ", "UN", "OB", "OW", "UT", "PN", "DS", "IS", "US", "FD", "AT", "LO")),
        *(b"DICM", b"\\", b"NaN", b"1e999", b"ISO 2022 IR 149", b"1.2.840.10008.1.2.1.99", bytes.fromhex("08000500")),
    ],
    "edf": [
        b"-1      ",
        b"0       ",
        b"1e9     ",
        b"nan     ",
        b"99999999",
        b"EDF+D",
        b"EDF+C",
        b"EDF Annotations ",
        b"uV      ",
        b"mV      ",
        b"\x14\x14\x00",
        b"+0",
        b"00.00.00",
        b"31.02.24",
        b"24.60.60",
        b"\xff",
        b"Startdate ",
    ],
    "table": [
        b'"',
        b'""',
        b";",
        b",",
        b"\t",
        b"\r\n",
        b"\n\n",
        b"\x00",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"1e400",
        b"NaN",
        b"<5",
        b"=1+1",
        b"null",
        b"[",
        b"{",
        b"}",
        b"]",
        b'"entry":',
        b"<v>",
        b"</c>",
        b's="9"',
        b't="s"',
        b't="e"',
        b't="d"',
        b"A1048577",
        b"XFE1",
        b"PAR1",
        b"PK\x03\x04",
        b"9" * 400,
        b"0001-01-01",
        b"9999-12-31T23:59:60Z",
    ],
}
SEEDS = {"dicom": dicom_seeds, "edf": edf_seeds, "table": table_seeds}
