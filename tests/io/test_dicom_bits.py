"""Bits of a word that are no part of the value: dropped where something declares them, else never silently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from clinfuse.errors import DataError
from clinfuse.io.dicom import read_ct, read_xray
from clinfuse.io.dicom_bits import SpareBits, as_signed, stored_bits
from clinfuse.io.dicom_elements import read_elements
from clinfuse.io.dicom_file import open_dicom, stored_pixels

Writer = Callable[..., Path]
TWELVE = {"BitsStored": 12, "HighBit": 11}
REFUSED = pytest.raises(DataError, match=r"^\[DCM_BITS\].*12 bits")


@given(st.integers(1, 16), st.booleans(), st.integers(0, 2**16 - 1))
def test_a_value_that_fits_is_read_however_the_other_bits_repeat_it(bits: int, signed: bool, drawn: int) -> None:
    value = drawn % (1 << bits) - (1 << (bits - 1) if signed else 0)
    kind = np.dtype("i2" if signed else "u2")
    cut = np.array([value & ((1 << bits) - 1)], np.uint16).view(kind)
    for word in (cut, np.array([value]).astype(kind)):
        assert stored_bits(word, bits).tolist() == [value]
    assert as_signed(cut.view("u2"), bits, signed=signed).tolist() == [value]


def test_a_sign_is_extended_in_a_file_too(tmp_path: Path, slice_file: Writer) -> None:
    words = np.array([[0xFFF, 0x7FF, 0xF801, 0]], dtype=np.uint16)
    signed = slice_file(tmp_path / "signed", words, 0.0, PixelRepresentation=1, **TWELVE)
    for header in (read_elements(signed), dcmread(signed)):
        assert stored_pixels(header).tolist() == [[-1, 2047, -2047, 0]]


@pytest.mark.parametrize("word", [0x1000, 0x8FFF, 0xFC18], ids=["metal", "one bit", "air without its sign"])
def test_a_value_that_needs_more_bits_is_refused_and_not_cut(tmp_path: Path, slice_file: Writer, word: int) -> None:
    words = np.array([[0, 1000, word]], np.uint16)
    with REFUSED:
        read_ct(slice_file(tmp_path / "a", words, 0.0, **TWELVE))
    whole = slice_file(tmp_path / "b", words, 0.0, BitsStored=16, HighBit=15, RescaleIntercept=0)
    assert sorted(stored_pixels(read_elements(whole)).ravel().tolist()) == [0, 1000, word]


def test_a_declared_overlay_is_dropped_and_one_with_data_of_its_own_declares_nothing(
    tmp_path: Path, slice_file: Writer
) -> None:
    words = np.array([[0x8000, 0x83E8, 2000]], np.uint16)
    file = slice_file(tmp_path / "a", words, 0.0, **TWELVE)
    dataset = dcmread(file)
    dataset.add_new(0x60020102, "US", 15)
    dataset.save_as(file)
    for header in (read_elements(file), open_dicom(file)):
        assert stored_pixels(header).tolist() == [[0, 1000, 2000]]
    dataset.add_new(0x60023000, "OW", b"\1\0")
    dataset.save_as(file)
    with REFUSED:
        read_ct(file)


def test_padding_that_needs_more_bits_is_padding(tmp_path: Path, slice_file: Writer) -> None:
    words = np.array([[0x8000, 24, 1024]], np.uint16)
    file = slice_file(tmp_path / "a", words, 0.0, PixelPaddingValue=0x8000, **TWELVE)
    assert sorted(read_ct(file).array.ravel().tolist()) == [-1024, -1000, 0]
    assert stored_bits(words, 12, SpareBits(padding=0x8000)).tolist() == words.tolist()
    with REFUSED:
        stored_bits(words | 0x4000, 12, SpareBits(padding=0x8000))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize(("bits", "signed"), [(8, True), (10, True), (12, False), (12, True), (16, True)])
def test_compressed_pixels_are_the_ones_that_went_in(
    tmp_path: Path, film_file: Writer, syntax: str, bits: int, signed: bool
) -> None:
    low = -(1 << (bits - 1)) if signed else 0
    stored = np.random.default_rng(bits).integers(low, low + (1 << bits), (64, 48))
    stored[0, :2] = low, low + (1 << bits) - 1
    stored = stored.astype(f"{'i' if signed else 'u'}{1 if bits == 8 else 2}")
    file = film_file(tmp_path / "a", stored, BitsStored=bits, HighBit=bits - 1)
    dataset = dcmread(file)
    dataset.compress(syntax)
    dataset.save_as(file)
    np.testing.assert_array_equal(stored_pixels(open_dicom(file)), stored)
    if bits == 16:
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.save_as(file)
        with REFUSED:
            stored_pixels(open_dicom(file))


def test_a_film_whose_pixels_contradict_its_header_on_the_sign_is_refused(tmp_path: Path, film_file: Writer) -> None:
    stored = np.random.default_rng(3).integers(0, 4096, (64, 64)).astype(np.uint16)
    file = film_file(tmp_path / "a", stored, **TWELVE)
    dataset = dcmread(file)
    dataset.compress(JPEG2000Lossless)
    dataset.PixelRepresentation = 1
    dataset.save_as(file)
    with pytest.raises(DataError, match=r"^\[DCM_SIGN\]"):
        read_xray(file)
