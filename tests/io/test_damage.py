"""Bytes changed at random places: every reader answers with a value or an error of its own, and never warns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import edfio
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from clinfuse.errors import DataError
from clinfuse.io.dicom import read_ct, read_xray, scan_dicom
from clinfuse.io.eeg import read_eeg
from clinfuse.io.nifti import read_nifti
from clinfuse.io.tables import read_table

Writer = Callable[..., Path]
STORED = np.arange(24, dtype=np.uint16).reshape(4, 6) + 500
READERS: dict[str, Callable[[Path], object]] = {
    "slice": read_ct,
    "film": read_xray,
    "folder": lambda file: scan_dicom(file.parent),
    "volume.nii": lambda file: read_nifti(file, unit="HU"),
    "labels.nii": lambda file: read_nifti(file, unit="label"),
    "recording.edf": read_eeg,
    "table.parquet": read_table,
    "table.xlsx": read_table,
    "table.csv": read_table,
}


def sound(name: str, file: Path, slice_file: Writer, film_file: Writer) -> bytes:
    if name in ("slice", "folder"):
        slice_file(file, STORED, 0.0)
    elif name == "film":
        film_file(file, STORED, WindowCenter=510, WindowWidth=20)
    elif name.endswith(".nii"):
        nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.int16), np.eye(4)), file)
    elif name.endswith(".edf"):
        edfio.Edf([edfio.EdfSignal(np.arange(512.0), 256, label="EEG Cz", physical_dimension="uV")]).write(file)
    else:
        table = pd.DataFrame({"id": ["00123", "NA"], "value": [1.5, 2.0]})
        writers = {".parquet": table.to_parquet, ".xlsx": table.to_excel, ".csv": table.to_csv}
        writers[file.suffix](file, index=False)
    return file.read_bytes()


@pytest.mark.parametrize("name", READERS)
def test_damage_is_refused_or_harmless(tmp_path: Path, slice_file: Writer, film_file: Writer, name: str) -> None:
    file = tmp_path / name
    whole = sound(name, file, slice_file, film_file)
    rng = np.random.default_rng(sum(name.encode()))
    messages = []
    for _ in range(120):
        damaged = np.frombuffer(whole, dtype=np.uint8).copy()
        places = rng.integers(0, min(len(whole), 2000), size=3)
        damaged[places] = rng.integers(0, 256, size=3)
        file.write_bytes(damaged.tobytes())
        try:
            READERS[name](file)
        except DataError as error:
            messages.append(str(error))
    # A damaged file in a folder is listed, not raised.
    assert bool(messages) == (name != "folder")
    assert not any("00123" in message or str(tmp_path) in message for message in messages)
