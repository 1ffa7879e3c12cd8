"""Bad NIfTI images: N01 to N10 and the rest of what a header can claim."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from tests.faults.fault import NAME, NUMBER, Fault
from tests.faults.image_reading import reading

SMALL = {"size": [4, 4, 4]}
read_mr = reading("mr", **SMALL)
read_mask = reading("mask", **SMALL, labels={"1": "kidney", "2": "tumour"})
read_ct = reading("ct", **SMALL, format="nifti")
PLAIN = np.diag([2.0, 3.0, 4.0, 1.0])
SHAPES = [(4, 5, 6), (3, 3, 3), (8, 2, 5), (6, 7, 4)]


def tissue(variant: int, dtype: type = np.int16) -> np.ndarray:
    """An image of another shape for every variant, with an air border to its tissue."""
    rng = np.random.default_rng(variant)
    return rng.integers(0, 200, SHAPES[variant % len(SHAPES)]).astype(dtype)


def image_bytes(array: np.ndarray, affine: np.ndarray | None = PLAIN, *, two: bool = False, **fields: object) -> bytes:
    """A NIfTI file that names its patient wherever it can, with header fields set behind nibabel's back."""
    kind, length = (nib.Nifti2Image, 540) if two else (nib.Nifti1Image, 348)
    made = kind(array, affine)
    made.header["descrip"] = f"{NAME} {NUMBER}"
    made.header["intent_name"] = NUMBER
    made.header["aux_file"] = NAME
    data = bytearray(made.to_bytes())
    header = type(made.header)(bytes(data[:length]), check=False)
    for name, value in fields.items():
        header[name] = value
    data[:length] = header.binaryblock
    return bytes(data)


def save(folder: Path, data: bytes, *, packed: bool = False) -> Path:
    file = folder / f"{NUMBER}_{NAME}.nii{'.gz' if packed else ''}"
    file.write_bytes(data)
    return file


def with_fields(*choices: dict[str, object], dtype: type = np.int16) -> Callable[[Path, int], Path]:
    """One file for each set of header fields."""

    def build(folder: Path, variant: int) -> Path:
        return save(folder, image_bytes(tissue(variant, dtype), two=variant % 2 == 1, **choices[variant]))

    return build


def of_bytes(*contents: bytes, packed: bool = False) -> Callable[[Path, int], Path]:
    return lambda folder, variant: save(folder, contents[variant], packed=packed)


def cut(folder: Path, variant: int) -> Path:
    whole = image_bytes(tissue(variant, np.float32))
    return save(folder, whole[: (353, len(whole) - 1, 400, len(whole) // 2)[variant]])


def cut_in_the_header(folder: Path, variant: int) -> Path:
    return save(folder, image_bytes(tissue(0), two=variant % 2 == 1)[: (4, 100, 347, 539)[variant]])


def huge(folder: Path, variant: int) -> Path:
    """Dimensions of a terabyte over a few bytes."""
    sizes = [(32767, 32767, 32767), (20000, 20000, 2), (2048, 2048, 2048), (32767, 32767, 1)]
    return save(folder, image_bytes(tissue(variant, np.float64), dim=[3, *sizes[variant], 1, 1, 1, 1]))


def gzip_of_zeros(size: int) -> bytes:
    """What gzip makes of many zeros, written without ever holding them."""
    squeeze, pieces = zlib.compressobj(9, wbits=31), []
    for _ in range(size >> 20):
        pieces.append(squeeze.compress(bytes(2**20)))
    return b"".join((*pieces, squeeze.flush()))


def declared_bomb(folder: Path, variant: int) -> Path:
    """A small file whose header honestly says that it becomes hundreds of megabytes, or gigabytes."""
    shape = [(512, 512, 300), (1024, 1024, 100), (2000, 2000, 40), (2048, 2048, 700)][variant]
    head = image_bytes(np.zeros((1, 1, 1), np.int16), dim=[3, *shape, 1, 1, 1, 1])[:352]
    return save(folder, gzip.compress(head) + gzip_of_zeros(2**26), packed=True)


def hidden_bomb(folder: Path, variant: int) -> Path:
    """A small image with tens of megabytes of zeros behind its last voxel."""
    data = image_bytes(tissue(variant))
    return save(folder, gzip.compress(data) + gzip_of_zeros((4, 16, 40, 64)[variant] << 20), packed=True)


def label_bomb(folder: Path, variant: int) -> Path:
    """A label map may shrink a thousandfold, but not become more than any image may."""
    shape = [(4096, 4096, 200), (2048, 2048, 600), (32767, 32767, 3), (8192, 8192, 40)][variant]
    head = image_bytes(np.zeros((1, 1, 1), np.uint8), dim=[3, *shape, 1, 1, 1, 1])[:352]
    return save(folder, gzip.compress(head) + gzip_of_zeros(2**24), packed=True)


def gzip_cut(folder: Path, variant: int) -> Path:
    data = gzip.compress(image_bytes(tissue(variant, np.float32)))
    return save(folder, data[: (len(data) - 1, len(data) - 9, len(data) // 2, 30)[variant]], packed=True)


def gzip_bit(folder: Path, variant: int) -> Path:
    """One bit turned in the compressed data; whether inflating or only the checksum notices is left open."""
    data = bytearray(gzip.compress(image_bytes(tissue(1), descrip="x" * 60), compresslevel=0))
    data[10] = (7, 3, 0xFF, 6)[variant]  # the head of the first block: an unknown kind, or another one
    return save(folder, bytes(data), packed=True)


def gzip_sum(folder: Path, variant: int) -> Path:
    data = bytearray(gzip.compress(image_bytes(tissue(variant))))
    data[(-8, -5, -4, -1)[variant]] ^= 1
    return save(folder, bytes(data), packed=True)


def gzip_tail(folder: Path, variant: int) -> Path:
    tail = (b"x", NAME.encode(), bytes(100) + b"\x1f", b"\x1f\x8c" * 50)[variant]
    return save(folder, gzip.compress(image_bytes(tissue(variant))) + tail, packed=True)


def longer(folder: Path, variant: int) -> Path:
    tail = bytes((1, 512, 4096, 2**16)[variant])
    data = image_bytes(tissue(variant)) + tail
    return save(folder, gzip.compress(data) if variant % 2 else data, packed=variant % 2 == 1)


def mute(folder: Path, variant: int) -> Path:
    data = image_bytes(tissue(variant), two=variant > 1, sform_code=0, qform_code=0)
    return save(folder, gzip.compress(data) if variant % 2 else data, packed=variant % 2 == 1)


def two_forms(folder: Path, variant: int) -> Path:
    """Flipped, turned, of other voxel sizes, and rotated by some degrees."""
    angle = np.radians(40)
    turned = np.diag([2.0, 3.0, 4.0, 1.0])
    turned[:2, :2] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ turned[:2, :2]
    other = [np.diag([-2.0, 3.0, 4.0, 1.0]), PLAIN[[1, 0, 2, 3]], np.diag([4.0, 3.0, 4.0, 1.0]), turned][variant]
    made = nib.Nifti1Image(np.random.default_rng(variant).integers(0, 200, (10, 10, 10)).astype(np.int16), None)
    made.header["descrip"] = NAME
    made.set_qform(PLAIN, code=1)
    made.set_sform(other, code=2)
    return save(folder, made.to_bytes())


def scaled_affine(folder: Path, variant: int) -> Path:
    """Voxels of a kilometre or of an atom: units lost on the way."""
    scale = (1e-4, 1e3, 1e6, 1e-3)[variant]
    return save(folder, image_bytes(tissue(variant), np.diag([scale, scale, scale, 1.0])))


def slope_of_nothing(folder: Path, variant: int) -> Path:
    slope, intercept = [(0.0, 0.0), (np.nan, np.nan), (0.0, 5.0), (np.nan, 0.0)][variant]
    return save(folder, image_bytes(tissue(variant), scl_slope=slope, scl_inter=intercept))


def over_time(folder: Path, variant: int) -> Path:
    count = (2, 5, 20, 3)[variant]
    array = np.random.default_rng(variant).integers(0, 200, (4, 4, 4, count)).astype(np.int16)
    data = image_bytes(array, two=variant == 1)
    return save(folder, gzip.compress(data) if variant == 2 else data, packed=variant == 2)


def with_nan(folder: Path, variant: int) -> Path:
    array = tissue(variant, np.float32 if variant < 2 else np.float64)
    array.reshape(-1)[: (1, 5, 9, 2)[variant]] = np.nan
    return save(folder, image_bytes(array))


def without_numbers(folder: Path, variant: int) -> Path:
    array = tissue(variant, np.float32)
    if variant < 2:
        array[:] = np.nan
    else:
        array[0, 0, 0] = (np.inf, -np.inf)[variant - 2]
    return save(folder, image_bytes(array))


def other_numbers(folder: Path, variant: int) -> Path:
    colours = np.zeros((3, 3, 3), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    arrays = [np.ones((3, 3, 3), np.complex64), np.ones((3, 3, 3), np.complex128), colours]
    if variant < 3:
        return save(folder, image_bytes(arrays[variant]))
    return save(folder, image_bytes(tissue(variant), datatype=1, bitpix=1))


def pair(folder: Path, variant: int) -> Path:
    """The header of a pair, of Analyze, and one that claims a magic of its own."""
    data = bytearray(image_bytes(tissue(variant)))
    data[344:348] = (b"ni1\0", bytes(4), b"n+3\0", b"n+1 ")[variant]
    return save(folder, bytes(data))


def fractions(folder: Path, variant: int) -> Path:
    array = np.zeros((4, 4, 4), np.float32)
    array[0, 0, variant] = (0.5, 1.25, 1e-3, 0.9999)[variant]
    return save(folder, image_bytes(array))


def unknown_label(folder: Path, variant: int) -> Path:
    array = np.zeros((4, 4, 4), np.int16)
    array[1, 1, 1] = (3, -1, 255, 1000)[variant]
    return save(folder, image_bytes(array))


def constant(folder: Path, variant: int) -> Path:
    return save(folder, image_bytes(np.full(SHAPES[variant], (0, 7, -1000, 32767)[variant], np.int16)))


def not_hu(folder: Path, variant: int) -> Path:
    array = tissue(variant, np.int32) + (20000, -30000, 10**6, 9000)[variant]
    return save(folder, image_bytes(array))


def no_air(folder: Path, variant: int) -> Path:
    return save(folder, image_bytes(tissue(variant) + (0, 1024, -100, 40)[variant]))


def leaning(folder: Path, variant: int) -> Path:
    affine = PLAIN.copy()
    affine[1, 2] = (0.5, 1.0, -1.3, 2.0)[variant]
    return save(folder, image_bytes(tissue(variant), affine))


def other_sizes(folder: Path, variant: int) -> Path:
    pixdim = [1, 2.0, 3.0, 4.0, 1, 1, 1, 1]
    pixdim[variant % 3 + 1] = (1.0, 5.0, 4.2, 9.0)[variant]
    return save(folder, image_bytes(tissue(variant), pixdim=pixdim))


def _dims(*sizes: int) -> dict[str, object]:
    return {"dim": list(sizes)}


TEXT = f"{NAME};{NUMBER}\n".encode() * 50
FAULTS = (
    Fault("N01", "nifti without a byte", "REJ", "NIFTI_EMPTY", of_bytes(b""), read_mr, 1),
    Fault(
        "N01",
        "nifti that is text or another format",
        "REJ",
        "NIFTI_FORMAT",
        of_bytes(TEXT, b"%PDF-1.4 " + TEXT, bytes(1000), struct.pack("<i", 349) + bytes(500)),
        read_mr,
    ),
    Fault(
        "N01", "gzip of something else", "REJ", "NIFTI_FORMAT", of_bytes(gzip.compress(TEXT), packed=True), read_mr, 1
    ),
    Fault("N01", "nifti with a short header", "REJ", "NIFTI_TRUNCATED", cut_in_the_header, read_mr),
    Fault("N02", "nifti with fewer bytes than voxels", "REJ", "NIFTI_TRUNCATED", cut, read_mr),
    Fault("N03", "nifti of a terabyte by its header", "REJ", "BOMB", huge, read_mr),
    Fault(
        "N03",
        "nifti with axes that cannot be",
        "REJ",
        "NIFTI_DIMS",
        with_fields(
            _dims(3, -4, 5, 6, 1, 1, 1, 1),
            _dims(0, 1, 1, 1, 1, 1, 1, 1),
            _dims(9, 2, 2, 2, 1, 1, 1, 1),
            _dims(3, 4, 0, 6, 1, 1, 1, 1),
        ),
        read_mr,
    ),
    Fault(
        "N03",
        "nifti of one, two or five axes",
        "REJ",
        "NIFTI_AXES",
        with_fields(
            _dims(1, 4, 1, 1, 1, 1, 1, 1),
            _dims(2, 3, 3, 1, 1, 1, 1, 1),
            _dims(5, 2, 2, 2, 2, 2, 1, 1),
            _dims(7, 2, 2, 2, 1, 1, 1, 2),
        ),
        read_mr,
    ),
    Fault("N04", "gzip that honestly becomes too large", "REJ", "BOMB", declared_bomb, read_mr),
    Fault("N04", "gzip with far more than the image", "REJ", "BOMB", hidden_bomb, read_mr),
    Fault("N04", "gzip of a label map without measure", "REJ", "BOMB", label_bomb, read_mask),
    Fault("N05", "gzip that is cut", "REJ", "NIFTI_DAMAGED", gzip_cut, read_mr),
    Fault("N05", "gzip with a damaged block", "REJ", "NIFTI_DAMAGED", gzip_bit, read_mr),
    Fault("N06", "gzip with a wrong checksum or length", "REJ", "NIFTI_CHECKSUM", gzip_sum, read_mr),
    Fault("N06", "gzip with something behind its end", "REJ", "NIFTI_CHECKSUM", gzip_tail, read_mr),
    Fault("N06", "nifti with bytes behind the last voxel", "FLAG", "NIFTI_SURPLUS", longer, read_mr),
    Fault("N07", "nifti without orientation", "ASK", "NIFTI_ORIENTATION", mute, read_mr),
    Fault(
        "N08",
        "nifti with an affine that is none",
        "REJ",
        "NIFTI_AFFINE",
        with_fields(
            {"srow_x": [0, 0, 0, 0]},
            {"srow_y": [0, np.nan, 0, 0]},
            {"srow_z": [0, 0, np.inf, 0]},
            {"srow_x": [0, 3, 0, 0]},
        ),
        read_mr,
    ),
    Fault("N08", "nifti with voxels of a kilometre", "REJ", "NIFTI_SPACING", scaled_affine, read_mr),
    Fault("N08", "nifti with two forms", "ASK", "NIFTI_FORMS", two_forms, read_mr),
    Fault(
        "N08",
        "nifti with a damaged quaternion",
        "REJ",
        "NIFTI_AFFINE",
        with_fields(*[{"qform_code": 1, "quatern_b": b} for b in (1.5, np.nan, -2.0, 1e30)]),
        read_mr,
    ),
    Fault("N08", "nifti whose affine leans", "FLAG", "NIFTI_SHEAR", leaning, read_mr),
    Fault("N08", "nifti with two voxel sizes", "FLAG", "NIFTI_PIXDIM", other_sizes, read_mr),
    Fault(
        "N08",
        "nifti in seconds",
        "REJ",
        "NIFTI_UNITS",
        with_fields(*[{"xyzt_units": units} for units in (4, 5, 6, 7)]),
        read_mr,
    ),
    Fault("N09", "nifti with a slope of nothing", "FLAG", "NIFTI_SLOPE", slope_of_nothing, read_mr),
    Fault(
        "N09",
        "nifti with an endless slope",
        "REJ",
        "NIFTI_SCALE",
        with_fields(
            {"scl_slope": np.inf, "scl_inter": 0.0},
            {"scl_slope": -np.inf, "scl_inter": 0.0},
            {"scl_slope": 2.0, "scl_inter": np.inf},
            {"scl_slope": 1.0, "scl_inter": np.nan},
        ),
        read_mr,
    ),
    Fault("N10", "nifti over time", "ASK", "NIFTI_TIME", over_time, read_mr),
    Fault("N10", "nifti in colours or complex numbers", "REJ", "NIFTI_TYPE", other_numbers, read_mr),
    Fault("N10", "nifti with voxels that are no number", "ASK", "NIFTI_NAN", with_nan, read_mr),
    Fault("N10", "nifti of no number or of infinity", "REJ", "VOLUME_FINITE", without_numbers, read_mr),
    Fault(
        "N10",
        "nifti whose type and bits differ",
        "REJ",
        "NIFTI_TYPE",
        with_fields(*[{"bitpix": bits} for bits in (8, 32, 0, -16)]),
        read_mr,
    ),
    Fault("N10", "header of a pair", "REJ", "NIFTI_PAIR", pair, read_mr),
    Fault(
        "N10",
        "nifti whose voxels begin nowhere",
        "REJ",
        "NIFTI_DAMAGED",
        with_fields({"vox_offset": 0}, {"vox_offset": -352}, {"vox_offset": 100}, {"vox_offset": 2**40}),
        read_mr,
    ),
    Fault("N10", "label map of fractions", "REJ", "NIFTI_LABELS", fractions, read_mask),
    Fault("N10", "label map with an undeclared label", "REJ", "MASK_LABEL", unknown_label, read_mask),
    Fault("S14", "nifti of one value", "REJ", "MR_CONSTANT", constant, read_mr),
    Fault("D15", "nifti ct that is not in HU", "REJ", "CT_RANGE", not_hu, read_ct),
    Fault("D50", "nifti ct without air", "FLAG", "CT_AIR", no_air, read_ct),
)
