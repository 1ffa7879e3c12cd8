"""What a user decided about files that a reader would otherwise refuse: one key of ``cohort.toml`` for each question.

A policy never repairs by guess. Where a file can be read in two ways, or not without losing something, the reader
refuses it and prints the line that would accept it; that line is a field here and a key of the modality there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar, final

# Terms of DICOM PS3.3 C.8.1.2, C.8.11.5 and C.8.11.7, and two that are written in their place.
VIEWS = (
    *("AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO", "LAT", "LATERAL"),
    *("ML", "MLO", "CC", "LM", "LMO", "XCC", "XCCL", "XCCM", "FB", "SIO", "ISO"),
)
# A projection as a value or a property of a file has it; as a number, its position here.
VIEW_TERMS = (*VIEWS, "other", "unknown")
# Terms of DICOM PS3.16 annex L that radiographs are taken of.
BODY_PARTS = (
    *("ABDOMEN", "ANKLE", "ARM", "BREAST", "CHEST", "CLAVICLE", "COCCYX", "CSPINE", "ELBOW", "EXTREMITY", "FOOT"),
    *("HAND", "HEAD", "HIP", "JAW", "KNEE", "LEG", "LSPINE", "NECK", "PELVIS", "RIB", "SHOULDER", "SKULL", "SPINE"),
    *("SSPINE", "STERNUM", "THORAX", "TSPINE", "WRIST"),
)
Policy = TypeVar("Policy", bound="ReaderPolicy")


@dataclass(frozen=True)
class ReaderPolicy:
    """Answers to the questions of one reader; without arguments every question is open, and such files are refused."""

    @classmethod
    def of(cls: type[Policy], section: object) -> Policy:
        """The answers that a section with the same names gives."""
        answers: dict[str, Any] = {field.name: getattr(section, field.name) for field in fields(cls)}
        return cls(**answers)


@dataclass(frozen=True)
class VolumePolicy(ReaderPolicy):
    """Answers about a 3-D image that lies in a NIfTI file.

    Parameters
    ----------
    orientation : str
        Where the three axes run in a file that does not say, e.g. ``"RAS"``; empty to refuse such files.
    form : str
        ``"sform"`` or ``"qform"``: which holds where they differ; empty to refuse.
    time_point : int
        Which of several volumes is meant, counted from 0; -1 to refuse.
    nan_voxels : str
        ``"lowest"``: voxels without a number get the lowest of the image; empty to refuse.
    """

    orientation: str = ""
    form: str = ""
    time_point: int = -1
    nan_voxels: str = ""


@dataclass(frozen=True)
class SeriesPolicy(VolumePolicy):
    """Answers about a series of slices.

    Parameters
    ----------
    format : str
        ``"dicom"``, or ``"nifti"`` for one file per image.
    tilt : {"refuse", "correct"}
        Of a series of a tilted gantry: shift its slices in their planes until they stand upright.
    max_gap_mm : float
        Where slices are missing: fill gaps up to this size with what lies beside them.
    uneven : {"refuse", "resample"}
        Of slices at uneven distances: resample them to even ones.
    sign : {"ask", "signed", "unsigned"}
        Of pixels whose header does not say whether they have a sign, or says something else than they do.
    stacks : {"refuse", "largest"}
        Where the files hold several series, orientations or sizes: take the one with the most slices.
    derived : {"refuse", "accept"}
        Of images that were computed from others, where there are no others.
    """

    format: str = "dicom"
    tilt: str = "refuse"
    max_gap_mm: float = 0.0
    uneven: str = "refuse"
    sign: str = "ask"
    stacks: str = "refuse"
    derived: str = "refuse"


@final
@dataclass(frozen=True)
class CtPolicy(SeriesPolicy):
    """Answers about a CT series."""


@final
@dataclass(frozen=True)
class MrPolicy(SeriesPolicy):
    """Answers about an MR series."""

    format: str = "nifti"


@final
@dataclass(frozen=True)
class XrayPolicy(ReaderPolicy):
    """Answers about a radiograph.

    Parameters
    ----------
    format : str
        ``"dicom"``, or ``"png"``, ``"jpeg"`` or ``"tiff"``.
    view : tuple of str
        Which projections are meant, out of `VIEWS`, ``"other"`` and ``"unknown"``; empty for all but lateral ones.
    body_part : tuple of str
        Which parts of the body are meant, out of `BODY_PARTS`, ``"other"`` and ``"unknown"``; empty for all.
    colour : str
        ``"grey"``: the brightness of a colour image is read; empty to refuse.
    derived : str
        ``"accept"``: secondary captures and images derived afterwards are read, or ``"refuse"``.
    turned : str
        ``"apply"``: a picture is turned as its EXIF note says; empty to refuse.
    burned_in : str
        ``"show"``: pages show the picture whether or not text may be burned in; empty to withhold it there.
    """

    format: str = "dicom"
    view: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    colour: str = ""
    derived: str = "refuse"
    turned: str = ""
    burned_in: str = ""


@final
@dataclass(frozen=True)
class NiftiPolicy(VolumePolicy):
    """Answers about a NIfTI image."""


@final
@dataclass(frozen=True)
class EegPolicy(ReaderPolicy):
    """Answers about a recording.

    Parameters
    ----------
    truncated : {"", "keep"}
        ``"keep"`` takes what is there of a recording that declares more data records than its file holds.
    gaps : {"", "segment"}
        ``"segment"`` cuts an interrupted recording at its gaps; windows are then taken inside the pieces.
    unit : {"", "nV", "uV", "mV", "V"}
        Unit of channels that state none, or one that cannot be true for an EEG.
    duplicates : {"", "first"}
        ``"first"`` takes the first of several channels that are the same electrode.
    other_names : tuple of (str, str)
        Further names of channels: as the recorder writes it, and the electrode it is.
    window_seconds : float
        Length of the windows that will be taken, s; 0 reads the whole recording.
    windows : int
        How many of them; what lies behind is not read.
    """

    truncated: str = ""
    gaps: str = ""
    unit: str = ""
    duplicates: str = ""
    other_names: tuple[tuple[str, str], ...] = ()
    window_seconds: float = 0.0
    windows: int = 0


POLICIES: dict[str, type[ReaderPolicy]] = {
    "ct": CtPolicy,
    "xray": XrayPolicy,
    "mr": MrPolicy,
    "mask": NiftiPolicy,
    "eeg": EegPolicy,
}
