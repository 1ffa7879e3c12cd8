"""Files of every kind with a word of its own in each place that can hold text about a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

# One tag for each value representation that holds text, and those in which hospitals write about people.
TEXT_TAGS = ("RetrieveAETitle", "ScanOptions", "InstitutionName", "PatientComments", "PatientName", "AccessionNumber")
TEXT_TAGS += ("InstitutionAddress", "StrainDescription", "RetrieveURL", "TextValue")
PERSON_TAGS = ("OtherPatientIDs", "PatientAddress", "PatientBirthName", "PatientTelephoneNumbers", "AdmissionID")
PERSON_TAGS += ("ReferringPhysicianName", "OperatorsName", "PerformingPhysicianName", "StationName", "StudyID")
PERSON_TAGS += ("StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments", "DeviceSerialNumber")
PERSON_TAGS += (
    "MedicalRecordLocator",
    "RequestingPhysician",
    "AdditionalPatientHistory",
    "Occupation",
    "FrameComments",
)
PERSON_TAGS += ("ContrastBolusAgent", "ConvolutionKernel", "ManufacturerModelName", "EthnicGroup", "CountryOfResidence")
_UIDS = "1.2.826.0.1.3680043.10"


class Marks:
    """Words that occur nowhere else, by the place they were planted in: the same place has the same word."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        return self.words.setdefault(place, f"ZQKV{len(self.words):03d}X")

    def uid(self, place: str) -> str:
        """A word of digits, for a UID."""
        return self.words.setdefault(place, f"77{len(self.words):03d}90817263")


def mark_dataset(data: Dataset, kind: str, record: int, mark: Marks) -> None:
    """Plant a word in every text of a header: nested, private, in overlays and behind the image too."""
    for keyword in (*TEXT_TAGS, *PERSON_TAGS):
        # Texts differ from one patient to the next: what a whole department writes alike is not about a person.
        setattr(data, keyword, f"{mark(f'{kind} {keyword}')}{record:02d}")
    inner, innermost = Dataset(), Dataset()
    innermost.PersonName = mark(f"{kind} nested twice")
    inner.ScheduledProcedureStepDescription = mark(f"{kind} nested")
    inner.PersonIdentificationCodeSequence = [innermost]
    data.RequestAttributesSequence = [inner]
    block = data.private_block(0x0011, mark(f"{kind} private creator"), create=True)
    block.add_new(1, "LO", mark(f"{kind} private text"))
    block.add_new(2, "UN", mark(f"{kind} private bytes").encode())
    data.add_new(0x60000010, "US", data.Rows)
    data.add_new(0x60000011, "US", data.Columns)
    data.add_new(0x60000022, "LO", mark(f"{kind} overlay description"))
    data.add_new(0x60001500, "LO", mark(f"{kind} overlay label"))
    data.add_new(0xFFFCFFFC, "OB", mark(f"{kind} padding").encode())


def save_dataset(file: Path, data: Dataset, kind: str, mark: Marks) -> None:
    """Write a data set with words in the preamble and in the file-meta group."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    meta.SourceApplicationEntityTitle = mark(f"{kind} source application entity")
    meta.PrivateInformationCreatorUID = f"{_UIDS}.{mark.uid(f'{kind} private information')}"
    meta.PrivateInformation = mark(f"{kind} file-meta bytes").encode() + b"\0"
    data.file_meta, data.preamble = meta, mark(f"{kind} preamble").encode().ljust(128, b"\0")
    file.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(file, enforce_file_format=True)


def image_dataset(kind: str, patient: str, record: int, mark: Marks, pixels: np.ndarray) -> Dataset:
    """A grey image and whose it is."""
    data = Dataset()
    data.SOPClassUID = CTImageStorage if kind == "ct" else DigitalXRayImageStorageForPresentation
    study = f"{_UIDS}.{mark.uid(f'{kind} study UID')}.{record}"
    data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID = study, f"{study}.1", f"{study}.1.1"
    data.Modality, data.PatientID = ("CT" if kind == "ct" else "DX"), patient
    data.BurnedInAnnotation, data.ImageType = "NO", ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelSpacing = 15, [1.0, 1.0]
    data.PixelData = pixels.astype("<u2").tobytes()
    data["PixelData"].VR = "OW"
    return data


def write_ct(folder: Path, patient: str, record: int, mark: Marks) -> None:
    draw = np.random.default_rng(record)
    for k in range(4):
        data = image_dataset("ct", patient, record, mark, draw.integers(900, 1200, (8, 8)))
        data.SOPInstanceUID = f"{data.SeriesInstanceUID}.{k}"
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, k], [1, 0, 0, 0, 1, 0]
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType, data.SliceThickness = 1, -1024, "HU", 1
        data.InstanceNumber = k
        mark_dataset(data, "ct", record, mark)
        save_dataset(folder / f"{mark('ct file name')}{k}", data, "ct", mark)


def write_film(file: Path, patient: str, record: int, mark: Marks) -> None:
    pixels = np.random.default_rng(record).integers(0, 4000, (16, 16))
    data = image_dataset("film", patient, record, mark, pixels)
    mark_dataset(data, "film", record, mark)
    save_dataset(file, data, "film", mark)


def write_scan(file: Path, record: int, mark: Marks) -> None:
    array = np.random.default_rng(record).integers(0, 200, (8, 8, 8)).astype(np.int16)
    made = nib.Nifti1Image(array, np.eye(4))
    for name in ("descrip", "intent_name", "aux_file", "db_name"):
        made.header[name] = mark(f"nifti {name}")
    made.header.extensions.append(nib.nifti1.Nifti1Extension("comment", mark("nifti extension").encode()))
    file.parent.mkdir(parents=True, exist_ok=True)
    made.to_filename(file)


def write_recording(file: Path, record: int, mark: Marks) -> None:
    """EDF+ of 4 s, with words in every text of its header and in an annotation."""
    labels = ["EEG Cz", "EEG C3", mark("edf label of another channel"), "EDF Annotations"]
    samples = [32, 32, 32, 30]
    patient = f"{mark('edf patient code')} F 02-AUG-1951 {mark('edf patient name')}"
    recorded = f"Startdate 02-MAR-2022 {mark('edf administration')} {mark('edf technician')} {mark('edf equipment')}"
    head = ["0".ljust(8), patient.ljust(80), recorded.ljust(80), "02.03.22", "09.30.00", f"{256 * 5:<8}"]
    head += ["EDF+C".ljust(44), f"{4:<8}", f"{1:<8}", f"{4:<4}"]
    columns: Sequence[tuple[Sequence[object], int]] = [
        (labels, 16),
        ([mark("edf transducer")] * 4, 80),
        (["uV", "uV", "uV", ""], 8),
        ([-3276.8] * 3 + [-1], 8),
        ([3276.7] * 3 + [1], 8),
        ([-32768] * 4, 8),
        ([32767] * 4, 8),
        ([mark("edf prefilter")] * 4, 80),
        (samples, 8),
        ([mark("edf reserved")] * 4, 32),
    ]
    text = "".join(head) + "".join(str(one).ljust(width) for ones, width in columns for one in ones)
    draw, body = np.random.default_rng(record), b""
    for second in range(4):
        body += draw.integers(-400, 400, 96).astype("<i2").tobytes()
        body += f"+{second}\x14\x14\0+{second}\x14{mark('edf annotation')}\x14\0".encode().ljust(60, b"\0")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode("ascii") + body)
