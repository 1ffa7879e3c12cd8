"""Look-up tables against the formula of the standard: entry = clip(value - first, 0, count - 1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from clinfuse.errors import DataError
from clinfuse.io.dicom import read_xray

Writer = Callable[..., Path]
UNSIGNED = np.random.default_rng(0).integers(0, 4096, (8, 9)).astype(np.uint16)
SIGNED = (UNSIGNED.astype(int) - 2048).astype(np.int16)
WIDE = np.linspace(-32768, 32767, 60).reshape(6, 10).astype(np.int16)
CURVED = (np.sqrt(np.arange(4096)) * 63).astype(int)
TO_BYTES = np.arange(4096) // 16
ALL = np.arange(65536)[::-1]


def table(entries: np.ndarray, first: int, depth: int, data: bytes | None = None) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 65536, first, depth])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes() if data is None else data)
    return Sequence([item])


def looked_up(values: np.ndarray, entries: np.ndarray, first: int) -> np.ndarray:
    found = entries[np.clip(values.astype(np.int64) - first, 0, len(entries) - 1)].astype(float)
    return (found - entries.min()) / (entries.max() - entries.min())


VOI = {
    "12 bits to 16": (UNSIGNED, CURVED, 0, 16, {}),
    "12 bits to 12": (UNSIGNED, CURVED, 0, 12, {}),
    "12 bits to 8, where an index in 8 bits would begin anew": (UNSIGNED, TO_BYTES, 0, 8, {}),
    "every 16-bit number": (UNSIGNED * 16, ALL, 0, 16, {}),
    "signed": (SIGNED, CURVED, -2048, 12, {}),
    "a table that falls": (SIGNED, CURVED[::-1], -2048, 12, {}),
    "the first and the last entry for what lies beside the table": (UNSIGNED, CURVED[1000:3000], 1000, 12, {}),
    "rescaled to more than 16 bits": (UNSIGNED, CURVED, 0, 12, {"RescaleSlope": 40, "RescaleIntercept": 0}),
    "rescaled below zero": (UNSIGNED, CURVED, -1024, 12, {"RescaleSlope": 1, "RescaleIntercept": -1024}),
}


@pytest.mark.parametrize("how", VOI)
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_values_of_interest_are_looked_up(tmp_path: Path, film_file: Writer, how: str, photometric: str) -> None:
    stored, entries, first, depth, tags = VOI[how]
    tags = tags | {"VOILUTSequence": table(entries, first, depth), "PhotometricInterpretation": photometric}
    found = read_xray(film_file(tmp_path / "a", stored, **tags)).array
    values = stored.astype(float) * tags.get("RescaleSlope", 1) + tags.get("RescaleIntercept", 0)
    wanted = looked_up(values, entries, first)
    np.testing.assert_allclose(found, wanted if photometric == "MONOCHROME2" else 1 - wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("stored", "entries", "first", "depth"),
    [
        (SIGNED, CURVED, -2048, 16),
        (WIDE, ALL, -32768, 16),
        (WIDE, ALL[:40000], -32768, 16),
        (UNSIGNED, CURVED, 0, 12),
        (UNSIGNED.astype(np.uint8), ALL[:300], 0, 16),
    ],
    ids=["signed", "every signed number", "more entries than a signed number", "12 bits", "bytes"],
)
def test_modalities_are_looked_up(
    tmp_path: Path, film_file: Writer, stored: np.ndarray, entries: np.ndarray, first: int, depth: int
) -> None:
    lookup = table(entries, first, depth)
    lookup[0].ModalityLUTType = "US"
    values = looked_up(stored, entries, first)
    wanted = (values - values.min()) / (values.max() - values.min())
    found = read_xray(film_file(tmp_path / "a", stored, ModalityLUTSequence=lookup)).array
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("signed", [True, False])
def test_a_first_value_written_without_its_sign_means_its_bits(tmp_path: Path, film_file: Writer, signed: bool) -> None:
    below = {} if signed else {"RescaleSlope": 1, "RescaleIntercept": -2048}
    stored = SIGNED if signed else UNSIGNED
    tags = {"VOILUTSequence": table(CURVED, 65536 - 2048, 12)} | below
    found = read_xray(film_file(tmp_path / "a", stored, **tags)).array
    np.testing.assert_allclose(found, looked_up(SIGNED, CURVED, -2048), atol=1e-6)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("vr", ["OW", "US"])
def test_the_order_of_bytes_changes_nothing(tmp_path: Path, film_file: Writer, syntax: str, vr: str) -> None:
    file = film_file(tmp_path / "a", SIGNED, VOILUTSequence=table(TO_BYTES, -2048, 8))
    big = syntax == ExplicitVRBigEndian
    dataset = dcmread(file)
    words = TO_BYTES.astype(">u2" if big else "<u2").tobytes() if vr == "OW" else TO_BYTES.tolist()
    dataset.VOILUTSequence[0].add_new("LUTData", vr, words)
    dataset.PixelData = SIGNED.astype(">i2" if big else "<i2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    how = {"implicit_vr": syntax == ImplicitVRLittleEndian, "little_endian": not big, "force_encoding": True}
    dcmwrite(file, dataset, **how)
    np.testing.assert_allclose(read_xray(file).array, looked_up(SIGNED, TO_BYTES, -2048), atol=1e-6)


def test_bytes_that_share_words_are_told_by_their_number(tmp_path: Path, film_file: Writer) -> None:
    packed = table(TO_BYTES, 0, 8, TO_BYTES.astype("u1").tobytes())
    found = read_xray(film_file(tmp_path / "a", UNSIGNED, VOILUTSequence=packed)).array
    np.testing.assert_allclose(found, looked_up(UNSIGNED, TO_BYTES, 0), atol=1e-6)


def test_an_entry_above_its_declared_byte_is_damage(tmp_path: Path, film_file: Writer) -> None:
    with pytest.raises(DataError, match=r"^\[XRAY_WINDOW\]"):
        read_xray(film_file(tmp_path / "a", UNSIGNED, VOILUTSequence=table(CURVED, 0, 8)))
