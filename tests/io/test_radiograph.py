from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut
from pydicom.sequence import Sequence

from clinfuse.errors import DataError
from clinfuse.io.dicom import read_xray

Writer = Callable[..., Path]
RAMP = np.arange(0, 4096, 64, dtype=np.uint16).reshape(4, 16)


def table(entries: list[int], *, first: int = 0, bits: int = 16) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries)
    return Sequence([item])


def test_without_window_the_image_spans_zero_to_one(tmp_path: Path, film_file: Writer) -> None:
    film = read_xray(film_file(tmp_path / "a", RAMP + 100))
    assert film.array.dtype == np.float32
    np.testing.assert_allclose(film.array, RAMP / RAMP.max(), atol=1e-7)
    assert film.spacing_mm == (0.8, 0.5)


def test_spacing_falls_back_to_the_detector_and_then_to_unknown(tmp_path: Path, film_file: Writer) -> None:
    at_detector = film_file(tmp_path / "a", RAMP, PixelSpacing=None, ImagerPixelSpacing=[0.2, 0.1])
    assert read_xray(at_detector).spacing_mm == (0.2, 0.1)
    assert read_xray(film_file(tmp_path / "b", RAMP, PixelSpacing=None)).spacing_mm == (0.0, 0.0)


@pytest.mark.parametrize("window", [{}, {"WindowCenter": [900, 5], "WindowWidth": [701, 5]}, {"VOILUTSequence": True}])
def test_monochrome1_is_inverted_exactly_once(tmp_path: Path, film_file: Writer, window: dict[str, object]) -> None:
    if "VOILUTSequence" in window:
        window = {"VOILUTSequence": table([v * v // 4096 for v in range(4096)])}
    plain = read_xray(film_file(tmp_path / "a", RAMP, **window)).array
    inverse = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}
    turned = read_xray(film_file(tmp_path / "b", RAMP, **window, **inverse)).array
    np.testing.assert_allclose(turned, 1.0 - plain, atol=1e-6)
    assert plain[0, 0] == 0.0
    assert turned[0, 0] == 1.0


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_follow_the_standard(tmp_path: Path, film_file: Writer, function: str) -> None:
    tags = {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 2000, "WindowWidth": 1500}
    stored = {"BitsStored": 12, "HighBit": 11, "VOILUTFunction": function}
    file = film_file(tmp_path / "a", RAMP, **tags, **stored)
    values = RAMP * 2.0 - 100.0
    expected = {
        # PS3.3 C.11.2.1.2.1, C.11.2.1.3.2 and C.11.2.1.3.1 with output 0..1.
        "LINEAR": np.clip((values - 1999.5) / 1499.0 + 0.5, 0, 1),
        "LINEAR_EXACT": np.clip((values - 2000.0) / 1500.0 + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * (values - 2000.0) / 1500.0)),
    }[function]
    np.testing.assert_allclose(read_xray(file).array, expected, atol=1e-6)
    dataset = dcmread(file)
    # A second witness: pydicom maps to the range of the rescaled values, -100 .. 2 * 4095 - 100.
    shown = (apply_voi_lut(values, dataset) + 100.0) / 8190.0
    np.testing.assert_allclose(read_xray(file).array, shown, atol=1e-6)


def test_a_voi_table_maps_to_the_range_of_its_entries(tmp_path: Path, film_file: Writer) -> None:
    stored = np.array([[8, 10, 11, 13, 99]], dtype=np.uint16)
    file = film_file(tmp_path / "a", stored, VOILUTSequence=table([100, 200, 400, 500], first=10))
    np.testing.assert_allclose(read_xray(file).array, [[0, 0, 0.25, 1, 1]])


def test_a_voi_table_is_preferred_to_a_window(tmp_path: Path, film_file: Writer) -> None:
    stored = np.array([[0, 1, 2]], dtype=np.uint16)
    file = film_file(tmp_path / "a", stored, VOILUTSequence=table([0, 9, 10]), WindowCenter=1, WindowWidth=2)
    np.testing.assert_allclose(read_xray(file).array, [[0, 0.9, 1]], atol=1e-7)


def test_a_modality_table_comes_first(tmp_path: Path, film_file: Writer) -> None:
    stored = np.array([[0, 1, 2]], dtype=np.uint16)
    lookup = table([0, 300, 1000])
    lookup[0].ModalityLUTType = "US"
    np.testing.assert_allclose(
        read_xray(film_file(tmp_path / "a", stored, ModalityLUTSequence=lookup)).array, [[0, 0.3, 1]], atol=1e-7
    )


def test_padding_is_darkest_and_does_not_stretch_the_image(tmp_path: Path, film_file: Writer) -> None:
    stored = np.array([[65535, 100, 150, 200]], dtype=np.uint16)
    for photometric, expected in (("MONOCHROME2", [0, 0, 0.5, 1]), ("MONOCHROME1", [0, 1, 0.5, 0])):
        tags = {"PixelPaddingValue": 65535, "PhotometricInterpretation": photometric}
        np.testing.assert_allclose(read_xray(film_file(tmp_path / "a", stored, **tags)).array, [expected])


@pytest.mark.parametrize(
    ("code", "tags"),
    [
        ("XRAY_KIND", {"Modality": "CT"}),
        ("XRAY_RESCALE", {"RescaleSlope": 2}),
        ("XRAY_RESCALE", {"RescaleSlope": 0, "RescaleIntercept": 0}),
        ("XRAY_WINDOW", {"WindowCenter": 1, "WindowWidth": 0.5}),
        ("XRAY_WINDOW", {"WindowCenter": 1, "WindowWidth": 5, "VOILUTFunction": "CUBIC"}),
        ("XRAY_SPACING", {"PixelSpacing": [0, 1]}),
        ("XRAY_SPACING", {"PixelSpacing": None, "ImagerPixelSpacing": [-1, 1]}),
        ("DCM_COLOUR", {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}),
        ("DCM_FRAMES", {"NumberOfFrames": 2}),
        ("DCM_TAG", {"WindowCenter": 1, "WindowWidth": [5, 6], "RescaleSlope": [1, 2]}),
    ],
)
def test_a_film_that_would_have_to_be_guessed_is_refused(
    tmp_path: Path, film_file: Writer, code: str, tags: dict[str, object]
) -> None:
    with pytest.raises(DataError, match=rf"\[{code}\]"):
        read_xray(film_file(tmp_path / "a", RAMP, **tags))


def test_an_image_of_one_value_is_refused(tmp_path: Path, film_file: Writer) -> None:
    with pytest.raises(DataError, match=r"\[XRAY_CONSTANT\]"):
        read_xray(film_file(tmp_path / "a", np.full((4, 4), 7, np.uint16)))


def test_a_real_film_and_its_inverted_twin(shared_data: Path) -> None:
    folder = shared_data / "formats" / "dicom" / "cxr"
    (film,) = folder.glob("1.2.276*.dcm")
    # The twin holds the same pixels under MONOCHROME1: what is shown must be its negative.
    np.testing.assert_allclose(read_xray(folder / "Fake_MONOHR1.dcm").array, 1.0 - read_xray(film).array, atol=1e-6)
    assert read_xray(film).spacing_mm == (0.168, 0.168)
