"""Bad recordings in the formats that are read through MNE."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.eeg_files import BrainVisionFile, Build, kind, plain_bytes, waves, write_fif, write_set
from tests.faults.fault import NAME


def _brainvision(**cases: Any) -> Build:
    ((name, values),) = cases.items()

    def build(folder: Path, variant: int) -> Path:
        return BrainVisionFile(waves(variant), **{name: values[variant]}).write(folder)

    return build


def _data_elsewhere(folder: Path, variant: int) -> Path:
    (folder / "inside").mkdir()
    file = BrainVisionFile(waves(variant)).write(folder / "inside")
    data = (folder / "inside" / "rest.eeg").rename(folder / f"{NAME}.eeg")
    name = (f"../{NAME}.eeg", str(data), f"..\\{NAME}.eeg", "rest.eeg")[variant]
    if variant == 3:
        (folder / "inside" / "rest.eeg").symlink_to(data)
    return BrainVisionFile(waves(variant), data_file=name, with_data=False).write(file.parent)


def _data_absent(folder: Path, variant: int) -> Path:
    name = (f"{NAME}.eeg", "", "..", "rest.dat")[variant]
    return BrainVisionFile(waves(variant), data_file=name, with_data=False).write(folder)


def _a_part(folder: Path, variant: int) -> Path:
    BrainVisionFile(waves(variant)).write(folder)
    return folder / ("rest.eeg" if variant else "rest.vmrk")


def _without_values(share: float) -> Build:
    def build(folder: Path, variant: int) -> Path:
        microvolt = waves(variant) / 10
        gone = slice(50 * variant, 50 * variant + int(share * microvolt.shape[1]))
        microvolt[variant, gone] = np.nan if variant % 2 else np.inf
        if variant < 2:
            return write_fif(folder / "rest_raw.fif", microvolt)
        return BrainVisionFile(10 * microvolt, binary="IEEE_FLOAT_32").write(folder)

    return build


def _fif_cut(folder: Path, variant: int) -> Path:
    file = write_fif(folder / "rest_raw.fif", waves(variant) / 10)
    file.write_bytes(file.read_bytes()[: (40, 200, 1000, 2000)[variant]])
    return file


def _fif_split(folder: Path, variant: int) -> Path:
    file = write_fif(folder / "rest_raw.fif", waves(variant) / 10)
    name = f"../{NAME}_raw.fif".encode()
    tag = struct.pack(">iiii", 118, 10, len(name), 0) + name
    content = file.read_bytes()
    # Behind the first tag, the id of the file, which is 36 bytes long.
    file.write_bytes(content[:36] + tag + content[36:])
    return file


def _fif_loop(folder: Path, variant: int) -> Path:
    file = write_fif(folder / "rest_raw.fif", waves(variant) / 10)
    content = bytearray(file.read_bytes())
    # The second tag, behind the 36 bytes of the first, is followed by this place.
    content[48:52] = struct.pack(">i", (36, 1, 20, 35)[variant])
    file.write_bytes(content)
    return file


def _fif_gap(folder: Path, variant: int) -> Path:
    said = ("BAD boundary", "EDGE boundary", "boundary", "BAD boundary")[variant]
    return write_fif(folder / "rest_raw.fif", waves(variant) / 10, first=said)


def _set(**said: Any) -> Build:
    def build(folder: Path, variant: int) -> Path:
        return write_set(folder / "rest.set", waves(variant) / 10, **said)

    return build


def _set_elsewhere(folder: Path, variant: int) -> Path:
    (folder / "inside").mkdir()
    (folder / f"{NAME}.fdt").write_bytes((waves(variant) / 10).T.astype("<f4").tobytes())
    name = f"../{NAME}.fdt" if variant % 2 else str(folder / f"{NAME}.fdt")
    return write_set(folder / "inside" / "rest.set", waves(variant) / 10, data=name)


def _set_bomb(folder: Path, variant: int) -> Path:
    claimed = struct.pack("<II", 14, (1 << 31) + 7 * variant) + b"\0" * 4096
    part = zlib.compress(claimed)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    file = folder / "rest.set"
    file.write_bytes(head + struct.pack("<II", 15, len(part)) + part)
    return file


FAULTS = (
    kind(
        "E14",
        "a BrainVision recording of two segments",
        "ASK",
        "EDF_GAPS",
        _brainvision(markers=[("Mk1=New Segment,,1,1,0", f"Mk2=New Segment,,{at},1,0") for at in (2, 300, 400, 500)]),
    ),
    kind("E14", "a FIF recording joined from two", "ASK", "EDF_GAPS", _fif_gap),
    kind("E21", "some samples without a value", "FIX", "EEG_NAN", _without_values(0.006)),
    kind("E21", "many samples without a value", "REJ", "EEG_NAN", _without_values(0.05)),
    kind(
        "E22",
        "BrainVision markers in an encoding of their own",
        "FIX",
        "",
        _brainvision(
            marker_bytes=[
                f"Mk2=Comment,{text},9,1,0\n".encode(code)
                for text, code in (
                    ("Ärger", "latin-1"),
                    ("приступ", "cp1251"),
                    ("приступ", "koi8-r"),
                    ("発作", "shift-jis"),
                )
            ]
        ),
    ),
    kind("E01", "a part of a BrainVision recording alone", "REJ", "EEG_FORMAT", _a_part, 2),
    kind("E01", "samples that are elsewhere", "REJ", "EEG_PARTS", _data_elsewhere),
    kind("E01", "samples that are absent", "REJ", "EEG_PARTS", _data_absent),
    kind("E01", "an EEGLAB data set with its samples elsewhere", "REJ", "EEG_PARTS", _set_elsewhere, 2),
    kind("E01", "an EEGLAB data set as HDF5", "REJ", "EEG_FORMAT", plain_bytes(b"MATLAB 7.3 MAT-file".ljust(999)), 1),
    kind("E30", "an EEGLAB data set that would fill the memory", "REJ", "BOMB", _set_bomb),
    kind("E24", "an EEGLAB data set of epochs", "REJ", "EEG_READ", _set(trials=3), 2),
    kind("E27", "an EEGLAB data set with names in it", "FIX", "", _set(), 2),
    kind("E02", "a FIF recording that was cut", "REJ", "EEG_READ", _fif_cut),
    kind("E02", "a FIF recording whose tags lead back", "REJ", "EEG_READ", _fif_loop),
    kind("E01", "a FIF recording that goes on elsewhere", "REJ", "EEG_PARTS", _fif_split, 2),
)
