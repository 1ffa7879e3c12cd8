"""What ``[modalities.*]`` may say: one strict section for each kind of source."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from clinfuse.cohort.image_keys import FilmKeys, NiftiKeys
from clinfuse.cohort.recording_keys import RecordingKeys
from clinfuse.cohort.series_keys import SeriesKeys
from clinfuse.cohort.strict import Strict
from clinfuse.cohort.windows import Window


def _listed(value: Any) -> Any:
    """One word is a list of one: ``positive = "G40.*"`` cannot mean anything else."""
    return (value,) if isinstance(value, str) else value


Name: TypeAlias = Annotated[str, Field(min_length=1)]
Names: TypeAlias = Annotated[tuple[Name, ...], Field(strict=False, min_length=1), BeforeValidator(_listed)]
Words: TypeAlias = Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_listed)]
Span: TypeAlias = Annotated[tuple[float, float], Field(strict=False)]
WindowPair: TypeAlias = Annotated[tuple[str, str], Field(strict=False)]
Take: TypeAlias = Literal["last", "first", "min", "max", "mean", "slope", "count", "time since last"]
Several: TypeAlias = Literal["nearest", "first", "last", "most slices"]


class Written(Strict):
    """How a table is written; what is not said comes from ``[tables]``."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    decimal: Literal[".", ","] | None = None
    encoding: Name | None = None
    dates: str | None = None
    missing: Words | None = None
    header: Literal["first row", "none"] | None = None
    sheet: Name | PositiveInt | None = None
    time_zone: Name | None = None


class HeaderId(Strict):
    """Whose a DICOM file is, by a field of its header."""

    header: Name = "PatientID"
    system: Name = Field(default="patient_id", alias="is")


class SeriesFilter(Strict):
    """Which DICOM series count."""

    description: Name | None = None
    thickness_mm: Span | None = None
    contrast: bool | None = None

    @field_validator("thickness_mm")
    @classmethod
    def _ordered(cls, value: Span | None) -> Span | None:
        return _rising(value)


class LongForm(Strict):
    """A table with one measurement per row."""

    code: Name
    value: Name
    unit: Name | None = None


class ColumnDeclaration(Strict):
    """One column of a health-record table."""

    kind: Literal["number", "category", "yes/no"] = "number"
    unit: str = ""
    range: Span | None = None
    levels: Words = ()
    missing: Words | None = None
    normal: Span | None = None
    yes: Words = ()
    no: Words = ()
    take: Annotated[tuple[Take, ...], Field(strict=False, min_length=1), BeforeValidator(_listed)] | None = None
    codes: Names | None = None
    censored: Literal["refuse", "limit", "missing"] = "refuse"
    text: Literal["refuse", "missing"] = "refuse"
    unlisted: Literal["refuse", "other", "missing"] = "refuse"
    units: dict[str, PositiveFloat] = Field(default_factory=dict)
    known: Literal["before", "after"] = "before"

    @field_validator("range", "normal")
    @classmethod
    def _ordered(cls, value: Span | None) -> Span | None:
        return _rising(value)

    @model_validator(mode="after")
    def _fits(self) -> ColumnDeclaration:
        if self.kind != "number" and set(self.take or ()) & {"mean", "slope"}:
            message = "mean and slope only for a column of kind number"
            raise ValueError(message)
        if self.kind == "category" and set(self.take or ()) & {"min", "max"}:
            message = "last, first, count or time since last for a column of kind category"
            raise ValueError(message)
        if bool(self.yes) != bool(self.no) or (self.yes and self.kind != "yes/no"):
            message = "yes and no together, and only for a column of kind yes/no"
            raise ValueError(message)
        if (self.levels and self.kind != "category") or (self.unlisted != "refuse" and not self.levels):
            message = "levels only for a column of kind category, and unlisted only beside levels"
            raise ValueError(message)
        if self.units and (self.kind != "number" or not self.unit):
            message = "units (factors to the unit of the column) only beside unit, for a column of kind number"
            raise ValueError(message)
        return self


class Source(Written):
    """What every modality may say: whose a thing is, when it was made, and when it counts."""

    table: Name | None = None
    patient_id: Name | None = None
    record_id: Name | None = None
    system: Name | None = Field(default=None, alias="is")
    time: Name | None = None
    window: WindowPair | None = None
    date_only: Literal["refuse", "accept"] = "refuse"

    @field_validator("window")
    @classmethod
    def _parsed(cls, value: WindowPair | None) -> WindowPair | None:
        if value is not None and Window.written(*value).high > 0:
            message = "a window that ends at or before the index time: nothing later may be an input"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _one_id(self) -> Source:
        if self.patient_id is not None and self.record_id is not None:
            message = "patient_id or record_id, not both"
            raise ValueError(message)
        if self.date_only != "refuse" and self.window is None:
            message = "date_only only beside window"
            raise ValueError(message)
        return self

    @property
    def span(self) -> Window | None:
        """The declared window, parsed."""
        return None if self.window is None else Window.written(*self.window)


class FileSource(Source):
    """A modality that lies in files."""

    folder: Name | None = None
    id: HeaderId | None = None
    files: Name | None = None
    column: Name | None = None
    series: SeriesFilter | None = None
    several: Several | None = None
    mirror: bool = False

    @property
    def in_dicom(self) -> bool:
        """Whether the files have DICOM headers to be asked."""
        return False

    @model_validator(mode="after")
    def _one_way(self) -> FileSource:
        if sum(way is not None for way in (self.folder, self.files, self.column)) != 1:
            message = "exactly one of folder, files and column, to say whose a file is"
            raise ValueError(message)
        if self.id is not None and self.folder is None:
            message = "id only beside folder"
            raise ValueError(message)
        if self.column is None and (self.table or self.patient_id or self.record_id or self.time):
            message = "table, patient_id, record_id and time only beside column"
            raise ValueError(message)
        return self


def _three(value: Any) -> Any:
    return (value,) * 3 if isinstance(value, int | float) and not isinstance(value, bool) else value


class VolumeSource(FileSource, NiftiKeys):
    """A 3-D image."""

    size: Annotated[tuple[PositiveInt, PositiveInt, PositiveInt], Field(strict=False)] = (96, 96, 96)
    spacing_mm: Annotated[tuple[PositiveFloat, PositiveFloat, PositiveFloat], Field(strict=False)] = (2.0, 2.0, 2.0)

    @field_validator("spacing_mm", mode="before")
    @classmethod
    def _cubic(cls, value: Any) -> Any:
        return _three(value)


class SliceSource(VolumeSource, SeriesKeys):
    """A 3-D image in DICOM slices, or in one NIfTI file."""

    format: Literal["dicom", "nifti"]

    @property
    def in_dicom(self) -> bool:
        """Whether the files have DICOM headers to be asked."""
        return self.format == "dicom"

    @model_validator(mode="after")
    def _fits(self) -> SliceSource:
        if not self.in_dicom:
            _no_headers(self)
            if self.answers_slices:
                message = f'{", ".join(SeriesKeys.model_fields)} only beside format = "dicom"'
                raise ValueError(message)
        elif self.answers_nifti:
            message = 'orientation, form, time_point and nan_voxels only beside format = "nifti"'
            raise ValueError(message)
        return self


class CtSource(SliceSource):
    """A CT, in HU."""

    kind: Literal["ct"]
    format: Literal["dicom", "nifti"] = "dicom"
    window_hu: Span = (-1000.0, 1000.0)

    @field_validator("window_hu")
    @classmethod
    def _ordered(cls, value: Span) -> Span | None:
        return _rising(value)


class MrSource(SliceSource):
    """An MR image, in arbitrary units."""

    kind: Literal["mr"]
    format: Literal["dicom", "nifti"] = "nifti"


class MaskSource(VolumeSource):
    """A label map."""

    kind: Literal["mask"]
    labels: Annotated[dict[str, Name], Field(min_length=1)]

    @field_validator("labels")
    @classmethod
    def _numbered(cls, value: dict[str, str]) -> dict[str, str]:
        if not all(number.isdecimal() and int(number) > 0 for number in value):
            message = 'label numbers above 0 with their names, for example { 1 = "kidney" }'
            raise ValueError(message)
        if len(set(value.values())) != len(value) or sorted(map(int, value)) != list(range(1, len(value) + 1)):
            message = "the numbers 1, 2, … without a gap, and every name once"
            raise ValueError(message)
        return value

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the labels in the order of their numbers."""
        return tuple(self.labels[number] for number in sorted(self.labels, key=int))

    @model_validator(mode="after")
    def _files_only(self) -> MaskSource:
        _no_headers(self)
        return self


class XraySource(FileSource, FilmKeys):
    """A radiograph."""

    kind: Literal["xray"]
    size: Annotated[tuple[PositiveInt, PositiveInt], Field(strict=False)] = (224, 224)
    spacing_mm: Annotated[tuple[PositiveFloat, PositiveFloat], Field(strict=False)] | None = None

    @property
    def in_dicom(self) -> bool:
        """Whether the files have DICOM headers to be asked."""
        return self.format == "dicom"

    @model_validator(mode="after")
    def _fits(self) -> XraySource:
        if self.in_dicom and self.turned:
            message = "turned only beside another format than dicom"
            raise ValueError(message)
        if not self.in_dicom:
            _no_headers(self)
            if self.answers_headers or self.spacing_mm:
                message = "view, body_part, derived and spacing_mm only for DICOM files, whose headers say them"
                raise ValueError(message)
        return self

    @field_validator("spacing_mm", mode="before")
    @classmethod
    def _square(cls, value: Any) -> Any:
        return (value,) * 2 if isinstance(value, int | float) and not isinstance(value, bool) else value


class EegSource(FileSource, RecordingKeys):
    """An EEG."""

    kind: Literal["eeg"]

    @model_validator(mode="after")
    def _files_only(self) -> EegSource:
        _no_headers(self)
        return self


class EhrSource(Source):
    """Columns of a health-record table."""

    kind: Literal["ehr"]
    table: Name
    long: LongForm | None = None
    columns: Annotated[dict[Name, ColumnDeclaration], Field(min_length=1)]
    inputs: Names | None = None
    same_time: Literal["refuse", "mean", "min", "max", "missing"] = "refuse"

    @field_validator("columns", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: {"kind": said} if isinstance(said, str) else said for name, said in value.items()}

    @model_validator(mode="after")
    def _timed(self) -> EhrSource:
        for column in self.columns.values():
            if column.units and (self.long is None or self.long.unit is None):
                message = "units only beside a column of units, as in long = { code = …, value = …, unit = … }"
                raise ValueError(message)
            if self.long is None and column.codes is not None:
                message = "codes only beside long"
                raise ValueError(message)
            if self.time is None and set(column.take or ()) & {"first", "last", "slope", "time since last"}:
                message = "first, last, slope and time since last only beside time"
                raise ValueError(message)
            if self.time is None and self.long is None and column.take is not None:
                message = "take only beside long or time"
                raise ValueError(message)
        if self.window is not None and self.time is None:
            message = "window only beside time"
            raise ValueError(message)
        return self

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the columns that are inputs, in the order of their declaration."""
        chosen = self.inputs if self.inputs is not None else tuple(self.columns)
        before = tuple(name for name in self.columns if name in chosen)
        return before if self.inputs is not None else tuple(n for n in before if self.columns[n].known == "before")


AnySource: TypeAlias = CtSource | MrSource | MaskSource | XraySource | EegSource | EhrSource
SOURCES: dict[str, type[CtSource | MrSource | MaskSource | XraySource | EegSource | EhrSource]] = {
    "ct": CtSource,
    "mr": MrSource,
    "xray": XraySource,
    "mask": MaskSource,
    "eeg": EegSource,
    "ehr": EhrSource,
}


def _no_headers(source: FileSource) -> None:
    """Refuse what only DICOM files can answer."""
    if source.folder is not None or source.series is not None or source.several == "most slices":
        message = "files or column to say whose a file is; folder, series and most slices are for DICOM (ct, xray)"
        raise ValueError(message)


def _rising(value: Span | None) -> Span | None:
    if value is not None and not value[0] < value[1]:
        message = "a lower and a higher number"
        raise ValueError(message)
    return value
