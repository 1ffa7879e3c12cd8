"""What a section says of its images reaches the reader: format, answers, and whether a page may show them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.shown import withheld
from clinfuse.errors import ConfigError

TABLE = "ID,Y\n" + "".join(f"{row},{row % 2}\n" for row in range(4))
CONTRACT = """
[records]
table = "records.csv"
patient_id = "ID"

[label]
column = "Y"
positive = ["1"]

[modalities.image]
"""
Folder = Callable[[str], Path]


@pytest.fixture
def described(tmp_path: Path) -> Folder:
    """A folder of four patients with the given section."""

    def write(section: str) -> Path:
        (tmp_path / "records.csv").write_text(TABLE)
        (tmp_path / "cohort.toml").write_text(CONTRACT + section)
        return tmp_path

    return write


def write_film(file: Path, row: int, burned_in: str | None, view: str = "PA") -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = dataset.SeriesInstanceUID = dataset.StudyInstanceUID = f"1.2.3.{row}"
    dataset.ViewPosition = view
    dataset.Modality, dataset.PatientID = "DX", str(row)
    dataset.Rows = dataset.Columns = 8
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    if burned_in is not None:
        dataset.BurnedInAnnotation = burned_in
    dataset.PixelData = np.random.default_rng(row).integers(0, 256, 64).astype(np.uint8).tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.save_as(file, enforce_file_format=True)


def test_a_page_shows_only_what_the_file_or_the_user_says_it_may(described: Folder) -> None:
    section = 'kind = "xray"\nfiles = "{patient_id}.dcm"\nsize = [8, 8]\n'
    folder = described(section)
    for row, said in enumerate(("NO", "YES", None, "NO")):
        write_film(folder / f"{row}.dcm", row, said)
    cohort = Cohort.from_folder(folder)
    told = [withheld(cohort.ledger.entries, "image", key) for key in cohort.keys]
    assert [bool(text) for text in told] == [False, True, True, False]
    assert told[1].startswith("Text is burned into the picture")
    assert told[2].startswith("Nothing says that no text is burned into the picture")
    assert all('`burned_in = "show"`' in text for text in told[1:3])
    described(section + 'burned_in = "show"\n')
    cohort = Cohort.from_folder(folder)
    assert not any(withheld(cohort.ledger.entries, "image", key) for key in cohort.keys)


def test_films_of_several_projections_are_noted_and_audited(described: Folder) -> None:
    folder = described('kind = "xray"\nfiles = "{patient_id}.dcm"\nsize = [8, 8]\n')
    for row, view in enumerate(("AP", "PA", "PA", "LL")):
        write_film(folder / f"{row}.dcm", row, "NO", view)
    cohort = Cohort.from_folder(folder)
    noted = {entry.code: entry.text for entry in cohort.ledger.entries if entry.note}
    assert noted["XRAY_VIEWS"].startswith("The films are of several projections: 1 AP, 2 PA.")
    assert cohort.ledger.refused == {"XRAY_VIEW": 1}
    np.testing.assert_array_equal(cohort.properties("image")["view"][:3], [0.0, 1.0, 1.0])
    write_film(folder / "0.dcm", 0, "NO", "PA")
    assert "XRAY_VIEWS" not in {entry.code for entry in Cohort.from_folder(folder).ledger.entries}


def test_films_may_be_pictures_where_the_section_says_so(described: Folder) -> None:
    folder = described('kind = "xray"\nfiles = "{patient_id}.png"\nformat = "png"\nsize = [8, 8]\n')
    grey = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    for row in range(4):
        Image.fromarray(grey[row]).save(folder / f"{row}.png")
    cohort = Cohort.from_folder(folder)
    assert cohort.present.all()
    np.testing.assert_allclose(cohort.arrays("image")[:, 0], grey / 255, atol=1e-6)


def test_a_ct_may_be_one_nifti_file_where_the_section_says_so(described: Folder) -> None:
    folder = described(
        'kind = "ct"\nfiles = "{patient_id}.nii.gz"\nformat = "nifti"\norientation = "RAS"\nsize = [4, 4, 4]\n'
        "spacing_mm = 1.0\n"
    )
    hu = np.random.default_rng(0).integers(-1000, 1000, (4, 4, 4, 4)).astype(np.int16)
    for row in range(4):
        image = nib.Nifti1Image(hu[row], None)
        image.set_sform(None, code=0)
        image.set_qform(None, code=0)
        nib.save(image, folder / f"{row}.nii.gz")
    cohort = Cohort.from_folder(folder)
    np.testing.assert_array_equal(cohort.arrays("image")[:, 0], hu)
    assert cohort.modality("image").unit == "HU"
    assert {entry.code for entry in cohort.ledger.entries} == {"NIFTI_ORIENTATION"}


@pytest.mark.parametrize(
    ("section", "rule"),
    [
        ('kind = "xray"\nfolder = "x"\nformat = "png"', "files or column"),
        ('kind = "xray"\nfiles = "{patient_id}.png"\nformat = "png"\nview = ["PA"]', "only for DICOM files"),
        ('kind = "xray"\nfiles = "{patient_id}.dcm"\nturned = "apply"', "turned only beside"),
        ('kind = "xray"\nfiles = "{patient_id}.dcm"\nview = ["frontal"]', "one of AP, PA"),
        ('kind = "xray"\nfiles = "{patient_id}.dcm"\nbody_part = ["Chest"]', "one of ABDOMEN"),
        ('kind = "ct"\nfolder = "x"\nformat = "nifti"', "files or column"),
        ('kind = "ct"\nfolder = "x"\ntime_point = 0', 'only beside format = "nifti"'),
        ('kind = "mr"\nfiles = "{patient_id}.nii"\norientation = "RRS"', "one letter for each"),
        ('kind = "mr"\nfiles = "{patient_id}.nii"\nform = "best"', "sform"),
    ],
)
def test_answers_that_fit_no_question_are_refused(described: Folder, section: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=rf"CONFIG_VALUE.*{rule}"):
        Cohort.from_folder(described(section))
