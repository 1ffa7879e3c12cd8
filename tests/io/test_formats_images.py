"""Every real image of the shared files: read with the shape its list states, or refused as docs/formats.md says."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinfuse.errors import DataError
from clinfuse.io.dicom_elements import read_elements
from clinfuse.io.dicom_file import layout, stored_frames, text
from clinfuse.io.nifti import read_nifti
from clinfuse.io.policies import NiftiPolicy, XrayPolicy
from clinfuse.io.radiograph import read_xray

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
MOST = 12
LOSSLESS = (
    *("BigEndianExplicit*2", "DeflatedExplicitVRLittleEndian*99", "JPEG2000LosslessOnly*90", "JPEGLSLossless*80"),
    *("LittleEndianExplicit*1.2.1", "LittleEndianImplicit*1.2", "RLELossless*5"),
)


def not_read() -> dict[str, str]:
    """Paths and codes of the last table of the page."""
    row = re.compile(r"^\| `([^`]+/[^`]+)` \| `([A-Z_]+)` \| .{20,} \|$", re.MULTILINE)
    return dict(row.findall(PAGE.read_text(encoding="utf-8")))


def pixels(file: Path) -> np.ndarray:
    """As stored, (frames, rows, columns)."""
    header = read_elements(file)
    return stored_frames(header, layout(header, frames=int(text(header, "NumberOfFrames") or 1)))


def shape_of(file: Path) -> tuple[int, ...]:
    if "nifti" not in file.parts:
        found = pixels(file).shape
        return found if found[0] > 1 else found[1:]
    moments = nib.load(file).shape[3:]
    if not moments:
        return read_nifti(file, unit="arbitrary").array.shape
    read = [read_nifti(file, unit="arbitrary", policy=NiftiPolicy(time_point=t)).array for t in range(moments[0])]
    return np.stack(read, axis=-1).shape


@pytest.fixture(scope="session")
def formats(shared_data: Path) -> Path:
    return shared_data / "formats"


def test_every_listed_image_has_the_stated_shape_or_stands_on_the_page(formats: Path) -> None:
    refused: dict[str, str] = {}
    seen = 0
    with (formats / "MANIFEST.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["path"].startswith(("dicom/", "nifti/"))]
    for row in rows:
        stated = re.search(r"\([\d, ]+\)", row["opened_as"])
        try:
            shape = shape_of(formats / row["path"])
        except DataError as error:
            refused[row["path"]] = error.code
            continue
        assert stated is not None, row["path"]
        # Axes may have been turned to RAS+.
        assert sorted(shape) == sorted(ast.literal_eval(stated[0])), row["path"]
        seen += 1
    opened = {row["path"] for row in rows if "(" in row["opened_as"]}
    listed = {path: code for path, code in not_read().items() if path.startswith(("dicom/", "nifti/"))}
    assert {path: code for path, code in refused.items() if path in opened} == listed
    assert set(refused.values()) <= {"DCM_CODEC", "DCM_BITS"}
    assert seen + len(refused) == len(rows) == 77


def test_the_page_lists_few_files() -> None:
    assert 1 <= len(not_read()) <= MOST


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_lossless_syntaxes_agree_bit_for_bit(formats: Path, syntax: str) -> None:
    folder = formats / "dicom" / "transfer_syntaxes"
    (file,) = folder.glob(f"CTImage.dcm_{syntax}.dcm")
    np.testing.assert_array_equal(pixels(file), pixels(folder / "CTImage.dcm"))


def test_the_films_are_read_through_their_reader(formats: Path) -> None:
    folder = formats / "dicom" / "cxr"
    shapes = {
        file.name[:4]: read_xray(file, policy=XrayPolicy(derived="accept")).array.shape
        for file in (*folder.glob("1.2.*"), folder / "Fake_MONOHR1.dcm", folder / "dx_image.dcm")
    }
    assert shapes == {"1.2.": (1024, 1024), "Fake": (1024, 1024), "dx_i": (169, 211)}
    with pytest.raises(DataError, match=r"^\[XRAY_KIND\]"):
        read_xray(folder / "seg_image_ct_binary.dcm")
