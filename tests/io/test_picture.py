from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clinfuse.errors import DataError
from clinfuse.io.policies import XrayPolicy
from clinfuse.io.radiograph import read_xray

GREY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
PNG, JPEG, TIFF = (XrayPolicy(format=name) for name in ("png", "jpeg", "tiff"))


def saved(file: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(file, **options)
    return file


@pytest.mark.parametrize("policy", [PNG, TIFF])
def test_eight_bits_are_what_a_screen_shows(tmp_path: Path, policy: XrayPolicy) -> None:
    film = read_xray(saved(tmp_path / f"a.{policy.format}", GREY), policy=policy)
    np.testing.assert_allclose(film.array, GREY / 255, atol=1e-7)
    assert film.array.dtype == np.float32
    assert film.spacing_mm == (0.0, 0.0)
    assert film.burned_in == "unknown"
    assert [remark.code for remark in film.remarks] == ["XRAY_TEXT"]


@pytest.mark.parametrize("policy", [PNG, TIFF])
def test_sixteen_bits_are_stretched_to_what_they_use(tmp_path: Path, policy: XrayPolicy) -> None:
    stored = GREY.astype(np.uint16) * 16 + 100
    film = read_xray(saved(tmp_path / f"a.{policy.format}", stored), policy=policy)
    np.testing.assert_allclose(film.array, GREY / GREY.max(), atol=1e-6)


def test_a_jpeg_is_nearly_its_original_and_says_so(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    film = read_xray(saved(tmp_path / "a.jpg", smooth, quality=95), policy=JPEG)
    np.testing.assert_allclose(film.array, smooth / 255, atol=0.02)
    assert [remark.code for remark in film.remarks] == ["XRAY_LOSSY", "XRAY_TEXT"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_that_stores_white_as_zero_is_turned_once(tmp_path: Path, dtype: type) -> None:
    array = GREY.astype(dtype)
    plain = read_xray(saved(tmp_path / "a.tiff", array), policy=TIFF).array
    data = bytearray(saved(tmp_path / "b.tiff", array).read_bytes())
    # Tag 262, PhotometricInterpretation, one SHORT: 1 (black is zero) becomes 0 (white is zero).
    entry = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00")
    assert data[entry + 8] == 1
    data[entry + 8] = 0
    (tmp_path / "b.tiff").write_bytes(data)
    film = read_xray(tmp_path / "b.tiff", policy=TIFF)
    np.testing.assert_allclose(film.array, 1 - plain, atol=1e-6)
    assert "XRAY_INVERTED" in [remark.code for remark in film.remarks]


def test_colours_become_their_luma_where_declared(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    file = saved(tmp_path / "a.png", colours)
    with pytest.raises(DataError, match=r'^\[XRAY_COLOUR\].*`colour = "grey"`'):
        read_xray(file, policy=PNG)
    film = read_xray(file, policy=XrayPolicy(format="png", colour="grey"))
    np.testing.assert_allclose(film.array, colours @ [0.299, 0.587, 0.114] / 255, atol=1e-6)


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff"])
@pytest.mark.parametrize("turn", [3, 6, 8, 2])
def test_a_note_that_turns_a_picture_is_followed_where_declared(tmp_path: Path, name: str, turn: int) -> None:
    smooth = np.add.outer(np.arange(32) * 3, np.arange(16)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turn
    file = saved(tmp_path / f"a.{name}", smooth, exif=exif)
    with pytest.raises(DataError, match=r'^\[PICTURE_TURNED\].*`turned = "apply"`'):
        read_xray(file, policy=XrayPolicy(format=name))
    film = read_xray(file, policy=XrayPolicy(format=name, turned="apply"))
    upright = {3: smooth[::-1, ::-1], 6: np.rot90(smooth, -1), 8: np.rot90(smooth), 2: smooth[:, ::-1]}[turn]
    np.testing.assert_allclose(film.array, upright / 255, atol=0.02)


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff"])
def test_a_picture_cut_or_changed_anywhere_is_refused_or_read(tmp_path: Path, name: str) -> None:
    policy = XrayPolicy(format=name)
    whole = saved(tmp_path / f"a.{name}", np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)).read_bytes()
    rng = np.random.default_rng(1)
    got = set()
    for _ in range(200):
        data = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.5 else whole)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        (tmp_path / "b").write_bytes(data)
        got.add(outcome(tmp_path / "b", policy))
    known = {"read", "BOMB", "PICTURE_DAMAGED", "PICTURE_FORMAT", "PICTURE_TURNED", "PICTURE_DEPTH", "XRAY_COLOUR"}
    assert got <= {*known, "XRAY_CONSTANT", "PICTURE_PAGES", "PICTURE_TRANSPARENT"}
    assert {"PICTURE_DAMAGED", "PICTURE_FORMAT"} <= got


def outcome(file: Path, policy: XrayPolicy) -> str:
    try:
        read_xray(file, policy=policy)
    except DataError as error:
        return error.code
    return "read"


def test_a_picture_that_is_not_there_is_refused_without_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^\[PICTURE_OPEN\](?!.*Mustermann)"):
        read_xray(tmp_path / "Mustermann.png", policy=PNG)
