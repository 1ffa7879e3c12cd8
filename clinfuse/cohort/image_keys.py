"""What a section of ``cohort.toml`` may say about images: their format, and what is accepted of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from clinfuse.cohort.strict import Strict
from clinfuse.io.policies import BODY_PARTS, VIEWS


class NiftiKeys(Strict):
    """The answers of `clinfuse.io.policies.VolumePolicy`."""

    orientation: Annotated[str, Field(pattern="^([RLAPSI]{3})?$")] = ""
    form: Literal["", "sform", "qform"] = ""
    time_point: Annotated[int, Field(ge=-1)] = -1
    nan_voxels: Literal["", "lowest"] = ""

    @field_validator("orientation")
    @classmethod
    def _three_directions(cls, value: str) -> str:
        if value and not all(set(value) & set(pair) for pair in ("RL", "AP", "SI")):
            message = 'one letter for each of the three directions, for example "RAS" or "LPS"'
            raise ValueError(message)
        return value

    @property
    def answers_nifti(self) -> bool:
        """Whether any question about a NIfTI file is answered."""
        return bool(self.orientation or self.form or self.nan_voxels or self.time_point >= 0)


class FilmKeys(Strict):
    """The answers of `clinfuse.io.policies.XrayPolicy`."""

    format: Literal["dicom", "png", "jpeg", "tiff"] = "dicom"
    view: Annotated[tuple[str, ...], Field(strict=False)] = ()
    body_part: Annotated[tuple[str, ...], Field(strict=False)] = ()
    colour: Literal["", "grey"] = ""
    derived: Literal["refuse", "accept"] = "refuse"
    turned: Literal["", "apply"] = ""
    burned_in: Literal["", "show"] = ""

    @field_validator("view")
    @classmethod
    def _views(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _terms(value, VIEWS)

    @field_validator("body_part")
    @classmethod
    def _parts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _terms(value, BODY_PARTS)

    @property
    def answers_headers(self) -> bool:
        """Whether any question is answered that only a DICOM header asks."""
        return bool(self.view or self.body_part or self.derived == "accept")


def _terms(said: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    if set(said) - {*known, "other", "unknown"}:
        message = f"one of {', '.join(known)}, other, unknown"
        raise ValueError(message)
    return said
