"""Bad radiographs: D16, D21 to D23, D35, D51 to D53 and what else makes a film unlike the others of its set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    SecondaryCaptureImageStorage,
)

from tests.faults.fault import NAME, NUMBER, Fault
from tests.faults.image_reading import reading

SIZE = {"size": [4, 4]}
read_film = reading("xray", **SIZE)
read_frontal = reading("xray", **SIZE, view=["PA"])
read_chest = reading("xray", **SIZE, body_part=["CHEST"])
read_in_mm = reading("xray", **SIZE, spacing_mm=0.5)
UID_ROOT = "1.2.826.0.1.3680043.10.1"
Build = Callable[[Path, int], Path]


def stored(variant: int, dtype: type = np.uint16) -> np.ndarray:
    """An image of another shape for every variant."""
    shape = [(6, 8), (5, 5), (16, 4), (9, 12)][variant % 4]
    return np.random.default_rng(variant).integers(0, 200, shape).astype(dtype)


def film(folder: Path, pixels: np.ndarray, **tags: object) -> Path:
    """A DX image that names its patient, and every mistake as a tag; a tag of None is left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID(str(tags.get("SOPClassUID", DigitalXRayImageStorageForPresentation)))
    meta.MediaStorageSOPInstanceUID = UID(f"{UID_ROOT}.9")
    file = folder / f"{NUMBER}_{NAME}.dcm"
    dataset = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
    values: dict[str, object] = {
        "SOPClassUID": DigitalXRayImageStorageForPresentation,
        "SOPInstanceUID": f"{UID_ROOT}.9",
        "StudyInstanceUID": f"{UID_ROOT}.1",
        "SeriesInstanceUID": f"{UID_ROOT}.2",
        "Modality": "DX",
        "PatientID": NUMBER,
        "PatientName": f"{NAME}^A",
        "ReferringPhysicianName": NAME,
        "StudyDescription": NAME,
        "BurnedInAnnotation": "NO",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": pixels.dtype.itemsize * 8,
        "BitsStored": pixels.dtype.itemsize * 8,
        "HighBit": pixels.dtype.itemsize * 8 - 1,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1 if pixels.ndim == 2 else pixels.shape[2],
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelSpacing": [0.2, 0.2],
    } | tags
    for keyword, value in values.items():
        if value is not None and keyword != "PixelData":
            setattr(dataset, keyword, value)
    dataset.PixelData = values.get("PixelData", pixels.tobytes() + b"\0" * (pixels.nbytes % 2))
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    dataset.save_as(file, enforce_file_format=True)
    return file


def with_tags(*choices: dict[str, object], dtype: type = np.uint16) -> Build:
    """One film for each set of tags."""
    return lambda folder, variant: film(folder, stored(variant, dtype), **choices[variant])


def each(keyword: str, *values: object, **more: object) -> Build:
    """One film for each value of a tag."""
    return with_tags(*({keyword: value} | more for value in values))


def table(entries: list[int], descriptor: list[int]) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "US", entries)
    item.LUTExplanation = NAME
    return Sequence([item])


def colours(folder: Path, variant: int) -> Path:
    """RGB, YBR, a palette, and RGB by planes."""
    pixels = np.random.default_rng(variant).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    if variant < 2:
        kind = ("RGB", "YBR_FULL")[variant]
        return film(folder, pixels, PhotometricInterpretation=kind, PlanarConfiguration=0)
    if variant == 2:
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        tags = {"Rows": 6, "Columns": 8, "SamplesPerPixel": 3}
        return film(folder, planes, PhotometricInterpretation="RGB", PlanarConfiguration=1, **tags)
    tags = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        entries = np.random.default_rng(len(name)).integers(0, 65536, 256)
        tags[f"{name}PaletteColorLookupTableData"] = entries.astype("<u2").tobytes()
    return film(folder, stored(variant, np.uint8), **tags)


def damaged_table(folder: Path, variant: int) -> Path:
    keyword = ("VOILUTSequence", "ModalityLUTSequence")[variant % 2]
    lut = [table([1, 2, 3], [3, 0, 24]), table([1], [0, 0, 16]), table([], [4, 0, 16]), table([5, 5], [9, 0, 0])]
    if variant == 3:
        lut[3][0].add_new("LUTDescriptor", "US", [9])
    if variant % 2:
        lut[variant][0].ModalityLUTType = "US"
    return film(folder, stored(variant), **{keyword: lut[variant]})


def too_wide(folder: Path, variant: int) -> Path:
    """12 or 10 bits are said, and one pixel needs another one."""
    bits = (12, 10)[variant % 2]
    words = stored(variant)
    words[2, 2] = (1 << bits, 0xFC18, 0x8007, 1 << 15)[variant]
    return film(folder, words, BitsStored=bits, HighBit=bits - 1)


def other_sign(folder: Path, variant: int) -> Path:
    """JPEG 2000 says of itself whether its numbers have a sign."""
    bits, signed = (12, 16)[variant % 2], variant // 2
    words = np.random.default_rng(variant).integers(0, 1 << bits - 1, (64, 64)).astype("i2" if signed else "u2")
    file = film(folder, words, BitsStored=bits, HighBit=bits - 1, PixelRepresentation=signed)
    dataset = dcmread(file)
    dataset.compress(JPEG2000Lossless)
    dataset.PixelRepresentation = 1 - signed
    dataset.save_as(file)
    return file


def several_tables(folder: Path, variant: int) -> Path:
    if variant < 2:
        return film(
            folder, stored(variant), WindowCenter=[90, 40, 7][: 3 - variant], WindowWidth=[150, 30, 5][: 3 - variant]
        )
    tables = [table(list(range(256)), [256, 0, 16])[0], table(list(range(256, 0, -1)), [256, 0, 16])[0]]
    return film(
        folder, stored(variant), VOILUTSequence=Sequence(tables[: variant - 1]), WindowCenter=90, WindowWidth=99
    )


def one_grey(folder: Path, variant: int) -> Path:
    """One value, only padding, everything above the window, and all of it clipped by a table."""
    if variant == 0:
        return film(folder, np.full((5, 5), 7, np.uint16))
    if variant == 1:
        return film(folder, np.full((5, 5), 65535, np.uint16), PixelPaddingValue=65535)
    if variant == 2:
        return film(folder, stored(2), WindowCenter=5000, WindowWidth=10)
    return film(folder, stored(3), VOILUTSequence=table([1] * 256, [256, 0, 16]))


def huge_colours(folder: Path, variant: int) -> Path:
    size = ((65535, 65535), (40000, 40000), (30000, 65535), (65535, 30000))[variant]
    pixels = np.zeros((2, 2, 3), np.uint8)
    return film(folder, pixels, Rows=size[0], Columns=size[1], PhotometricInterpretation="RGB", PlanarConfiguration=0)


def cut_colours(folder: Path, variant: int) -> Path:
    pixels = np.random.default_rng(variant).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    data = pixels.tobytes()[: (0, 10, 100, 142)[variant]]
    return film(folder, pixels, PhotometricInterpretation="RGB", PlanarConfiguration=0, PixelData=data)


FAULTS = (
    Fault("D16", "film without rescaling", "FIX", "", with_tags({}, {}, {}, {}), read_film),
    Fault(
        "D17",
        "film with half a rescaling",
        "REJ",
        "XRAY_RESCALE",
        with_tags({"RescaleSlope": 2}, {"RescaleIntercept": 5}, {"RescaleSlope": 1}, {"RescaleIntercept": 0}),
        read_film,
    ),
    Fault(
        "D18",
        "film with slope 0 or less",
        "REJ",
        "XRAY_RESCALE",
        each("RescaleSlope", 0, -1, 0.0, -0.5, RescaleIntercept=0),
        read_film,
    ),
    Fault(
        "D18",
        "film with several slopes",
        "REJ",
        "DCM_TAG",
        each("RescaleSlope", [1, 2], [1, 1, 1], [2, 2], [0, 1], RescaleIntercept=0),
        read_film,
    ),
    Fault(
        "D21",
        "film that stores bone dark",
        "FIX",
        "XRAY_INVERTED",
        each("PresentationLUTShape", None, "INVERSE", "IDENTITY", None, PhotometricInterpretation="MONOCHROME1"),
        read_film,
    ),
    Fault("D22", "film in colours", "ASK", "XRAY_COLOUR", colours, read_film),
    Fault("D12", "film in colours of gigabytes", "REJ", "BOMB", huge_colours, reading("xray", **SIZE, colour="grey")),
    Fault(
        "D06", "film in colours that is cut", "REJ", "DCM_DAMAGED", cut_colours, reading("xray", **SIZE, colour="grey")
    ),
    Fault(
        "D23",
        "film with a window of no width",
        "REJ",
        "XRAY_WINDOW",
        each("WindowWidth", 0, 0.5, -10, 0.99, WindowCenter=90),
        read_film,
    ),
    Fault(
        "D23",
        "film with more centres than widths",
        "REJ",
        "XRAY_WINDOW",
        with_tags(
            {"WindowCenter": [1, 2], "WindowWidth": 9},
            {"WindowCenter": 9},
            {"WindowWidth": 9},
            {"WindowCenter": 5, "WindowWidth": [5, 6, 7]},
        ),
        read_film,
    ),
    Fault(
        "D23",
        "film with an unknown window function",
        "REJ",
        "XRAY_WINDOW",
        each("VOILUTFunction", "CUBIC", "SQRT", NAME.upper()[:16], "LINEAR2", WindowCenter=90, WindowWidth=100),
        read_film,
    ),
    Fault("D13", "film with values of more bits than it states", "REJ", "DCM_BITS", too_wide, read_film),
    Fault("D14", "film whose pixels deny the sign of its header", "REJ", "DCM_SIGN", other_sign, read_film),
    Fault("D23", "film with several windows", "FIX", "XRAY_WINDOWS", several_tables, read_film),
    Fault("D23", "film with a damaged table", "REJ", "XRAY_WINDOW", damaged_table, read_film),
    Fault(
        "D35",
        "film with impossible pixels",
        "REJ",
        "XRAY_SPACING",
        each("PixelSpacing", [0, 0.2], [-0.1, -0.1], [0.2, 300], [1e-5, 1e-5]),
        read_film,
    ),
    Fault(
        "D35",
        "film with unreadable pixel size",
        "REJ",
        "DCM_TAG",
        each("ImagerPixelSpacing", [0.1], [0.1, 0.1, 0.1], [0.2, 0.2, 1], [1], PixelSpacing=None),
        read_film,
    ),
    Fault(
        "D35",
        "film with pixels at the detector",
        "FLAG",
        "XRAY_DETECTOR_SPACING",
        each("ImagerPixelSpacing", [0.1, 0.1], [0.2, 0.1], [0.143, 0.143], [1, 1], PixelSpacing=None),
        read_film,
    ),
    # The list asks to refuse; an image that is fitted into its size needs no millimetres, so only spacing_mm does.
    Fault(
        "D35",
        "film without pixel size where one is asked",
        "REJ",
        "XRAY_SPACING",
        each("PixelSpacing", None, None, None, None),
        read_in_mm,
    ),
    Fault(
        "D51",
        "film compressed with loss",
        "FLAG",
        "XRAY_LOSSY",
        each("LossyImageCompression", "01", "01", "01", "01"),
        read_film,
    ),
    Fault("D52", "lateral film", "ASK", "XRAY_VIEW", each("ViewPosition", "LL", "RL", "LAT", "LATERAL"), read_film),
    Fault(
        "D52",
        "film of another projection than declared",
        "ASK",
        "XRAY_VIEW",
        each("ViewPosition", "AP", "LL", None, "MUELLER"),
        read_frontal,
    ),
    Fault(
        "D52",
        "film of another part of the body",
        "ASK",
        "XRAY_BODY_PART",
        each("BodyPartExamined", "HAND", "KNEE", None, NAME.upper()[:16]),
        read_chest,
    ),
    Fault(
        "D53",
        "secondary capture",
        "ASK",
        "XRAY_DERIVED",
        with_tags(
            {"SOPClassUID": SecondaryCaptureImageStorage},
            {"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.7.2")},
            {"ImageType": ["DERIVED", "SECONDARY"]},
            {"ImageType": ["ORIGINAL", "PRIMARY", "SCREEN SAVE"]},
        ),
        read_film,
    ),
    Fault("D53", "raw film", "FLAG", "XRAY_RAW", each("PresentationIntentType", *["FOR PROCESSING"] * 4), read_film),
    Fault(
        "D53", "another modality among films", "REJ", "XRAY_KIND", each("Modality", "US", "OT", "SC", "XA"), read_film
    ),
    Fault("S14", "film of one grey value", "REJ", "XRAY_CONSTANT", one_grey, read_film),
    Fault(
        "T3",
        "film with text burned in",
        "FLAG",
        "XRAY_TEXT",
        each("BurnedInAnnotation", "YES", None, "", "MAYBE"),
        read_film,
    ),
)
