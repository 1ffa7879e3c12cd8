"""Series whose files do not belong together, and many slices in one file: D24 to D31, D37, D53."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clinfuse.cohort.folder import read_export
from tests.faults.dicom_enhanced import enhanced
from tests.faults.dicom_files import NUMBER, Values, beside, count_of, every, one, pixels, series, slice_values, whole
from tests.faults.dicom_reading import fault, read_cohort

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def _extra(*choices: Values, copies: tuple[int, ...] = (1, 2, 3, 4)) -> Callable[[Path, int], Path]:
    """A good series and a few more slices that say something else."""

    def write(folder: Path, variant: int) -> None:
        for k in range(copies[variant % len(copies)]):
            said = choices[variant % len(choices)]
            values = slice_values(variant, k) | said
            values["SOPInstanceUID"] = f"1.2.{NUMBER}.9.{k}"
            (folder / f"extra{k}.dcm").write_bytes(whole(values))

    return beside(write)


def _twice(folder: Path, variant: int) -> None:
    k = variant % count_of(variant)
    said = slice_values(variant, k, SOPInstanceUID=f"1.2.{NUMBER}.8", InstanceNumber="77")
    (folder / "again.dcm").write_bytes(whole(said))


def _same_place(folder: Path, variant: int) -> None:
    other = pixels(variant, 50)
    (folder / "other.dcm").write_bytes(whole(slice_values(variant, variant, stored=other)))


CONTRACT = """
[records]
table = "visits.csv"
patient_id = "P"
record_id = "V"

[label]
table = "visits.csv"
column = "Y"
positive = "1"

[modalities.ct]
kind = "ct"
files = "scans/{record_id}/"
"""


def _cohort(*patients: tuple[str, str]) -> Callable[[Path, int], Path]:
    """A cohort whose CT lie in a folder for each record, with the PatientID that their headers say."""

    def build(folder: Path, variant: int) -> Path:
        (folder / "cohort.toml").write_text(CONTRACT)
        (folder / "visits.csv").write_text(f"V,P,Y\nv1,{NUMBER},1\nv2,b,0\nv3,c,1\n")
        for number, (record, patient) in enumerate(patients):
            uid = f"1.2.{NUMBER}.{number}"
            said = {"PatientID": patient, "SeriesInstanceUID": uid, "StudyInstanceUID": uid}
            scans = folder / "scans" / record / str(number)
            scans.parent.mkdir(parents=True, exist_ok=True)
            series(scans, variant, edit=lambda k, count, said=said: said)  # type: ignore[misc]
        return folder

    return build


def _cut_among_two(folder: Path, variant: int) -> Path:
    """The series of two patients in one folder, one slice of one of them cut so that nobody knows whose it is."""
    (folder / "cohort.toml").write_text(CONTRACT.replace('files = "scans/{record_id}/"', 'folder = "scans"'))
    (folder / "visits.csv").write_text(f"V,P,Y\nv1,{NUMBER},1\nv2,b,0\n")
    scans = folder / "scans"
    scans.mkdir()
    for patient in (NUMBER, "b"):
        said = {"PatientID": patient, "SeriesInstanceUID": f"1.2.{len(patient)}", "StudyInstanceUID": "1.2.3"}
        series(folder / patient, variant, edit=lambda k, count, said=said: said)  # type: ignore[misc]
        for file in (folder / patient).iterdir():
            file.rename(scans / f"{patient}_{file.name}")
    first = next(file for file in sorted(scans.iterdir()) if file.name.startswith(NUMBER))
    first.write_bytes(first.read_bytes()[: 300 + 100 * variant])
    return folder


def _read_noted(path: Path, line: str) -> tuple[str, ...]:
    return tuple(entry.code for entry in read_export(path).ledger.entries)


COMPANY = (
    fault(
        "D05",
        "a cut slice that may be one of two patients",
        "FLAG",
        "SERIES_INCOMPLETE",
        _cut_among_two,
        read=_read_noted,
    ),
    fault(
        "D25",
        "two patients in the folder of a record",
        "FAIL",
        "PATIENT_MIX",
        _cohort(("v1", NUMBER), ("v1", "someone else"), ("v2", "b")),
        read=read_cohort,
    ),
    fault(
        "D26",
        "the folder of a record holds another patient of the cohort",
        "REJ",
        "ID_MISMATCH",
        _cohort(("v1", NUMBER), ("v2", NUMBER), ("v3", "c")),
        read=read_cohort,
    ),
    fault(
        "D24",
        "two series in one folder",
        "ASK",
        "CT_SERIES",
        _extra({"SeriesInstanceUID": "1.2.3"}, {"SeriesInstanceUID": None}),
    ),
    fault(
        "D24",
        "two stacks in one series",
        "ASK",
        "CT_MIXED",
        _extra(
            {"ImageOrientationPatient": "0\\1\\0\\-1\\0\\0"},
            {"PixelSpacing": "0.9\\0.9"},
            {"Rows": 2, "Columns": 2, "PixelData": bytes(8)},
            {"ImageOrientationPatient": "1\\0\\0\\0\\0.9848\\0.1736"},
        ),
    ),
    fault(
        "D24",
        "two series of one length",
        "REJ",
        "CT_SERIES",
        lambda folder, variant: series(
            folder, variant, edit=lambda k, count: {"SeriesInstanceUID": f"1.{k % 2}"} if k < count // 2 * 2 else {}
        ),
    ),
    fault(
        "D25",
        "two patients in one series",
        "REJ",
        "CT_PATIENT_MIX",
        one({"PatientID": "another"}, {"PatientID": None}, {"PatientID": NUMBER + "0"}, {"PatientID": "-"}),
    ),
    fault("D27", "a slice twice", "FIX", "CT_DUPLICATE", beside(_twice)),
    fault("D27", "two different slices at one place", "REJ", "CT_DUPLICATE", beside(_same_place)),
    fault(
        "D31",
        "localizers that say so",
        "FLAG",
        "CT_LOCALIZER",
        _extra({"ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}, {"ImageType": "DERIVED\\PRIMARY\\LOCALIZER\\X"}),
    ),
    fault(
        "D31",
        "localizers that do not",
        "FLAG",
        "CT_LOCALIZER",
        _extra(
            {"ImageOrientationPatient": "0\\1\\0\\0\\0\\-1"},
            {"ImageOrientationPatient": "1\\0\\0\\0\\0\\-1", "Rows": 2, "Columns": 2, "PixelData": bytes(8)},
            copies=(1, 2),
        ),
    ),
    fault(
        "D53",
        "screenshots in a series",
        "FIX",
        "CT_DERIVED",
        _extra({"SOPClassUID": CAPTURE}, {"SOPClassUID": CAPTURE + ".4"}),
    ),
    fault(
        "D53",
        "computed images in a series",
        "FIX",
        "CT_DERIVED",
        _extra(
            {"ImageType": "DERIVED\\SECONDARY\\AXIAL"},
            {"ImageType": "DERIVED\\PRIMARY\\MPR"},
            {"ImageType": "derived\\secondary"},
            {"ImageType": "DERIVED\\PRIMARY\\PROJECTION IMAGE"},
        ),
    ),
    fault(
        "D53",
        "nothing but computed images",
        "ASK",
        "CT_DERIVED",
        every(
            {"ImageType": "DERIVED\\SECONDARY\\AXIAL"},
            {"ImageType": "DERIVED\\PRIMARY\\MPR"},
            {"ImageType": "ORIGINAL\\SECONDARY"},
            {"ImageType": "DERIVED\\PRIMARY\\MIP"},
        ),
    ),
    fault("D53", "nothing but screenshots", "REJ", "CT_EMPTY", every({"SOPClassUID": CAPTURE})),
    fault(
        "D53",
        "an image of another kind",
        "REJ",
        "CT_KIND",
        one(
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"},
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"},
            {"SOPClassUID": f"1.2.{NUMBER}"},
            {"PhotometricInterpretation": "MONOCHROME1"},
        ),
    ),
)

ENHANCED = (
    fault("D37", "many slices in one file, in any order", "FIX", "", enhanced(order=(lambda k: k, lambda k: 40 - k))),
    fault("D37", "all groups for each frame", "FIX", "", enhanced(own=True)),
    fault(
        "D37",
        "two stacks in one file",
        "ASK",
        "CT_MIXED",
        enhanced(
            edit=(
                lambda k, count: {"FrameContentSequence": [{"StackID": "2"}]} if k > count - 3 else {},
                lambda k, count: (
                    {"PlaneOrientationSequence": [{"ImageOrientationPatient": "0\\1\\0\\-1\\0\\0"}]} if k < 2 else {}
                ),
                lambda k, count: {"PixelMeasuresSequence": [{"PixelSpacing": "1\\1"}]} if k == 0 else {},
            )
        ),
        variants=3,
    ),
    fault(
        "D37",
        "a frame without a place, a direction or a pixel size",
        "REJ",
        "CT_GEOMETRY",
        enhanced(
            edit=(
                lambda k, count: {"PlanePositionSequence": None} if k == 1 else {},
                lambda k, count: {"PlaneOrientationSequence": [{"ImageOrientationPatient": ""}]} if k == 2 else {},
                lambda k, count: {"PixelMeasuresSequence": [{"PixelSpacing": ""}]} if k == 0 else {},
                lambda k, count: {"PixelMeasuresSequence": [{"PixelSpacing": "0\\0"}]} if k == 0 else {},
            )
        ),
    ),
    fault(
        "D37",
        "a frame without rescaling",
        "REJ",
        "CT_RESCALE",
        enhanced(
            edit=(
                lambda k, count: {"PixelValueTransformationSequence": [{"RescaleSlope": "1"}]},
                lambda k, count: {
                    "PixelValueTransformationSequence": [
                        {"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "OD"}
                    ]
                },
            )
        ),
    ),
    fault(
        "D37",
        "fewer groups than frames",
        "REJ",
        "DCM_FRAMES",
        enhanced(
            PerFrameFunctionalGroupsSequence=([], None, [{}, {}], [{}] * 40),
        ),
    ),
    fault(
        "D11",
        "a number of frames that is none",
        "REJ",
        "DCM_FRAMES",
        enhanced(NumberOfFrames=("0", "-5", "2147483648", "1.5")),
    ),
)

FAULTS = (*COMPANY, *ENHANCED)
