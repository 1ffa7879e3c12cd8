"""What a patient's page says, as JSON: the page is made of this and of nothing else."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal, final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from clinfuse.report.canvas import Picture
from clinfuse.report.html import DataUri, Prose

_STARTS = {"png": b"\x89PNG\r\n\x1a\n", "svg+xml": b"<?xml"}


def _encoded(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        message = "base64"
        raise ValueError(message) from None
    return text


def _source(data: str, kind: str) -> DataUri:
    content = base64.b64decode(data)
    return DataUri.of(content if content.startswith(_STARTS[kind]) else b"", kind)


def _png(data: str) -> DataUri:
    return _source(data, "png")


Encoded = Annotated[str, AfterValidator(_encoded)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """One part of a page; what it does not know it refuses, and numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


@final
class Drawn(Section):
    """A picture: its bytes as base64, what it shows in words, and its size in pixels of a page."""

    kind: Literal["png", "svg+xml"]
    data: Encoded
    alt: str
    width: int
    height: int

    @classmethod
    def of(cls, picture: Picture) -> Drawn:
        """The same picture as a page embeds it."""
        head, data = picture.uri.split(",", 1)
        kind: Literal["png", "svg+xml"] = "png" if "image/png" in head else "svg+xml"
        return cls(kind=kind, data=data, alt=picture.alt, width=picture.width, height=picture.height)

    @property
    def uri(self) -> DataUri:
        """The picture as the source of an image: its own bytes, or nothing where they are of another kind."""
        return _source(self.data, self.kind)


@final
class Badge(Section):
    """One thing that the explanation was tested for."""

    name: str
    passed: bool
    text: str
    about: Literal["record", "run"] = "record"


@final
class Value(Section):
    """A declared column of the record: texts as they are printed, and what it added to the log odds."""

    name: str
    text: str
    normal: str = ""
    outside: Literal["", "low", "high"] = ""
    added: float


@final
class Slice(Section):
    """One slice: its number from 1, where it lies in mm, image number of its file (0: unknown), and two pictures."""

    number: int
    place: float
    image: int = 0
    base: Encoded
    over: Encoded = ""

    @property
    def layers(self) -> tuple[DataUri, ...]:
        """The picture, and the attribution where there is some."""
        return tuple(_png(one) for one in (self.base, self.over) if one)


@final
class Plane(Section):
    """Slices in one direction, the chosen one through the strongest attribution, and their size on the page."""

    name: str
    of: int
    chosen: int
    width: int
    height: int
    letters: tuple[str, str, str, str]
    slices: tuple[Slice, ...]


@final
class Preset(Section):
    """A grey scale by name: what each of 256 levels of a picture looks like, 0 to 1."""

    name: str
    low: float
    high: float
    table: Annotated[tuple[Share, ...], Field(min_length=256, max_length=256)]

    @property
    def values(self) -> Prose:
        """The table as one text."""
        return Prose(" ".join(f"{one:g}" for one in self.table))


@final
class Viewer(Section):
    """Slices in three directions; without presets the pictures look as they are. ``original``: as it was scanned."""

    original: bool
    planes: tuple[Plane, ...]
    presets: tuple[Preset, ...]


@final
class Source(Section):
    """One modality: whether it was there, what it did, and pictures of it.

    ``failed`` says in plain words why its map is not shown, ``withheld`` why its pictures are not; both are empty where
    they are. ``share`` is in log odds, ``points`` in percentage points.
    """

    name: str
    kind: str
    state: Literal["present", "absent", "refused"]
    words: str = ""
    share: float
    points: float | None = None
    method: str = ""
    captions: tuple[str, ...] = ()
    failed: str = ""
    withheld: str = ""
    figures: tuple[Drawn, ...] = ()
    viewer: Viewer | None = None
    values: tuple[Value, ...] = ()


@final
class Range(Section):
    """Two probabilities between which a calibrated one lies, and what kind of range it is."""

    low: Share
    high: Share
    words: str


@final
class Rate(Section):
    """A share of held-out records with its 95 % interval."""

    name: str
    value: Share
    low: Share
    high: Share


@final
class Threshold(Section):
    """From which risk on the model calls a record, and how often that is right."""

    asked: str
    risk: Share
    called: bool
    rates: tuple[Rate, ...]


@final
class Classes(Section):
    """The classes that a prediction set of a level leaves possible."""

    level: Share
    names: tuple[str, ...]


@final
class Subset(Section):
    """What the same model says of the record with only these sources."""

    sources: tuple[str, ...]
    probability: Share


@final
class Fact(Section):
    """A name and what belongs to it, as they are printed."""

    name: str
    text: str


@final
class RecordPage(Section):
    """Everything that the page of one record says.

    Keys name record and patient; ``outcome`` is the class that was found in the end, empty where nobody knows, and
    ``group`` what the record was picked for; a ``blind`` page keeps both back until the reader asks.
    ``model_card`` is the place of the model card beside the page, empty where there is none.
    """

    format: Literal[1] = 1
    record: str
    patient: str
    model: str
    taxonomy: str
    positive: str
    version: str
    seed: int
    run: tuple[Fact, ...] = ()
    held_out: bool
    probability: Share
    prior_probability: Share
    logit: float
    prior_logit: float
    range: Range | None = None
    threshold: Threshold | None = None
    classes: Classes | None = None
    outcome: str = ""
    group: str = ""
    blind: bool = False
    described: tuple[Fact, ...] = ()
    shares: Drawn
    sources: tuple[Source, ...]
    subsets: tuple[Subset, ...] = ()
    unusual: tuple[str, ...] = ()
    badges: tuple[Badge, ...] = ()
    steps: int = 0
    model_card: Annotated[str, Field(pattern=r"^((\.\./)+reporting/model_card\.md)?$")] = ""

    @property
    def verified(self) -> bool:
        """Whether every check of this record passed."""
        return all(badge.passed for badge in self.badges)

    def text(self) -> str:
        """The page as JSON: the same bytes for the same contents."""
        return self.model_dump_json(indent=1) + "\n"
