from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut, pixel_array
from pydicom.sequence import Sequence

from clinfuse.errors import DataError
from clinfuse.io.dicom_file import open_dicom
from clinfuse.io.film_colour import dicom_luma
from clinfuse.io.policies import XrayPolicy
from clinfuse.io.radiograph import read_xray
from clinfuse.io.values import Radiograph

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
        ("XRAY_COLOUR", {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}),
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


SCREENED = XrayPolicy(derived="accept")


def test_a_real_film_and_its_inverted_twin(shared_data: Path) -> None:
    folder = shared_data / "formats" / "dicom" / "cxr"
    (film,) = folder.glob("1.2.276*.dcm")
    original = read_xray(film, policy=SCREENED)
    twin = read_xray(folder / "Fake_MONOHR1.dcm", policy=SCREENED)
    # The twin holds the same pixels under MONOCHROME1: what is shown must be its negative.
    np.testing.assert_allclose(twin.array, 1.0 - original.array, atol=1e-6)
    assert original.array.shape == (1024, 1024)
    assert original.spacing_mm == (0.168, 0.168)
    assert codes(original) == ["XRAY_DERIVED", "XRAY_LOSSY", "XRAY_TEXT"]
    assert codes(twin) == ["XRAY_DERIVED", "XRAY_LOSSY", "XRAY_INVERTED", "XRAY_TEXT"]


def test_a_real_digital_film_is_read_as_shown(shared_data: Path) -> None:
    film = read_xray(shared_data / "formats" / "dicom" / "cxr" / "dx_image.dcm")
    assert film.array.shape == (169, 211)
    assert film.burned_in == "no"
    assert codes(film) == ["XRAY_INVERTED"]
    stored = dcmread(shared_data / "formats" / "dicom" / "cxr" / "dx_image.dcm").pixel_array
    np.testing.assert_allclose(film.array, 1 - np.clip((stored - 127.5) / 255 + 0.5, 0, 1), atol=1e-6)


def codes(film: Radiograph) -> list[str]:
    return [remark.code for remark in film.remarks]


def test_what_was_inverted_once_is_not_inverted_again(tmp_path: Path, film_file: Writer) -> None:
    plain = film_file(tmp_path / "a", RAMP, BurnedInAnnotation="NO")
    turned = film_file(
        tmp_path / "b", RAMP.max() - RAMP, BurnedInAnnotation="NO", PhotometricInterpretation="MONOCHROME1"
    )
    np.testing.assert_allclose(read_xray(turned).array, read_xray(plain).array, atol=1e-6)
    assert codes(read_xray(turned)) == ["XRAY_INVERTED"]
    assert codes(read_xray(plain)) == []


@pytest.mark.parametrize("said", ["NO", "YES", None])
def test_a_film_says_whether_text_may_be_burned_in(tmp_path: Path, film_file: Writer, said: str | None) -> None:
    file = film_file(tmp_path / "a", RAMP, BurnedInAnnotation=said)
    film = read_xray(file)
    assert film.burned_in == {"NO": "no", "YES": "yes", None: "unknown"}[said]
    assert codes(film) == ([] if said == "NO" else ["XRAY_TEXT"])
    assert codes(read_xray(file, policy=XrayPolicy(burned_in="show"))) == []


COLOURS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_become_their_luma_where_declared(tmp_path: Path, film_file: Writer, planar: int) -> None:
    stored = COLOURS.transpose(2, 0, 1) if planar else COLOURS
    tags = {"Rows": 6, "Columns": 4, "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
    file = film_file(tmp_path / "a", np.ascontiguousarray(stored), PlanarConfiguration=planar, **tags)
    film = read_xray(file, policy=XrayPolicy(colour="grey"))
    # ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B.
    np.testing.assert_allclose(film.array, (COLOURS @ [0.299, 0.587, 0.114]) / 255, atol=1e-6)
    assert codes(film) == ["XRAY_COLOUR", "XRAY_TEXT"]


def test_the_luma_of_ybr_is_its_first_channel(tmp_path: Path, film_file: Writer) -> None:
    stored = np.full((6, 4, 3), 128, np.uint8)
    stored[..., 0] = np.arange(24).reshape(6, 4) * 10
    tags = {"Rows": 6, "Columns": 4, "SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL"}
    file = film_file(tmp_path / "a", stored, PlanarConfiguration=0, **tags)
    film = read_xray(file, policy=XrayPolicy(colour="grey"))
    np.testing.assert_allclose(film.array, stored[..., 0] / 255, atol=1 / 255)


def test_a_palette_is_looked_up(tmp_path: Path, film_file: Writer) -> None:
    tags: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, entries in (("Red", [0, 255, 0]), ("Green", [0, 0, 255]), ("Blue", [0, 0, 0])):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [3, 0, 16]
        tags[f"{name}PaletteColorLookupTableData"] = (np.array(entries) * 257).astype("<u2").tobytes()
    file = film_file(tmp_path / "a", np.array([[0, 1, 2]], np.uint8), **tags)
    film = read_xray(file, policy=XrayPolicy(colour="grey"))
    np.testing.assert_allclose(film.array, [[0, 0.299, 0.587]], atol=1e-5)


@pytest.mark.parametrize(
    ("said", "accepted", "word"),
    [
        ("LL", (), "LL"),
        ("LATERAL", (), "LATERAL"),
        ("LL", ("PA", "AP"), "LL"),
        (None, ("PA",), "unknown"),
        ("MUELLER", ("PA",), "other"),
    ],
)
def test_another_projection_is_refused_until_it_is_declared(
    tmp_path: Path, film_file: Writer, said: str | None, accepted: tuple[str, ...], word: str
) -> None:
    file = film_file(tmp_path / "a", RAMP, ViewPosition=said)
    with pytest.raises(DataError, match=r"^\[XRAY_VIEW\]") as refused:
        read_xray(file, policy=XrayPolicy(view=accepted))
    assert f'"{word}"]`' in refused.value.remedy
    assert "MUELLER" not in str(refused.value)
    assert read_xray(file, policy=XrayPolicy(view=(*accepted, word))).array.shape == RAMP.shape


@pytest.mark.parametrize("said", ["PA", "AP", None, "CC", "LLD"])
def test_other_than_lateral_films_need_no_declaration(tmp_path: Path, film_file: Writer, said: str | None) -> None:
    assert read_xray(film_file(tmp_path / "a", RAMP, ViewPosition=said)).array.shape == RAMP.shape


@pytest.mark.parametrize(
    "name", ["SC_rgb_rle.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_small_odd.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"]
)
def test_real_colours_in_several_syntaxes_become_the_luma_pydicom_sees(name: str) -> None:
    file = Path(get_testdata_file(name))
    expected = (pixel_array(file) @ [0.299, 0.587, 0.114]) / 255
    np.testing.assert_allclose(dicom_luma(open_dicom(file)), expected, atol=1e-6)


def test_a_codec_that_is_damaged_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    dataset = open_dicom(Path(get_testdata_file("SC_rgb_jpeg_dcmtk.dcm")))
    dataset.PixelData = dataset.PixelData[:-300]
    with pytest.raises(DataError, match=r"^\[DCM_FRAGMENTS\]"):
        dicom_luma(dataset)


def test_a_syntax_that_is_none_is_refused_without_a_word_of_it(tmp_path: Path, film_file: Writer) -> None:
    tags = {"Rows": 6, "Columns": 4, "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    file = film_file(tmp_path / "a", COLOURS, **tags)
    data = file.read_bytes()
    file.write_bytes(data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.MUELLER08.1.2.1\0"))
    with pytest.raises(DataError, match=r"^\[DCM_CODEC\]") as refused:
        read_xray(file, policy=XrayPolicy(colour="grey"))
    assert "MUELLER" not in str(refused.value)


def test_a_table_with_a_byte_too_many_is_read_to_its_declared_length(tmp_path: Path, film_file: Writer) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [3, 0, 16])
    item.add_new("LUTData", "OW", np.array([0, 9, 10], "<u2").tobytes() + b"\7\7\7\7")
    file = film_file(tmp_path / "a", np.array([[0, 1, 2]], np.uint16), VOILUTSequence=Sequence([item]))
    np.testing.assert_allclose(read_xray(file).array, [[0, 0.9, 1]], atol=1e-7)


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("RADIOGRAPH_RANGE", {"array": np.full((2, 2), 2.0, np.float32)}),
        ("RADIOGRAPH_SHAPE", {"array": np.zeros((0, 2), np.float32)}),
        ("RADIOGRAPH_WORDS", {"burned_in": "perhaps"}),
        ("RADIOGRAPH_WORDS", {"view": "MUELLER"}),
    ],
)
def test_a_radiograph_is_valid_once_constructed(code: str, given: dict[str, object]) -> None:
    with pytest.raises(DataError, match=rf"^\[{code}\]") as refused:
        Radiograph(**({"array": np.eye(2, dtype=np.float32)} | given))
    assert "MUELLER" not in str(refused.value)
