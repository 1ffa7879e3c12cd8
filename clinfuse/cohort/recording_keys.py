"""What a section of ``cohort.toml`` may say about recordings: what is taken of them, how, and what is accepted."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from clinfuse.cohort.strict import Strict

_Name: TypeAlias = Annotated[str, Field(min_length=1)]
TEN_TWENTY = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8"),
    *("P7", "P3", "Pz", "P4", "P8", "O1", "O2"),
)


class Segments(Strict):
    """Windows cut from a signal: the same number for everyone."""

    seconds: PositiveFloat = 10.0
    count: PositiveInt = 6


class RecordingKeys(Strict):
    """Channels, reference, windows and filters; and the answers of `clinfuse.io.policies.EegPolicy`."""

    channels: Literal["10-20"] | Annotated[tuple[_Name, ...], Field(strict=False, min_length=1)] = "10-20"
    reference: _Name = "average"
    segments: Segments = Segments()
    rate_hz: PositiveFloat = 64.0
    band_hz: Annotated[tuple[float, float], Field(strict=False)] | None = None
    notch_hz: PositiveFloat | None = None
    least_channels: Annotated[float, Field(gt=0, le=1)] = 0.7
    aliases: dict[_Name, _Name] = Field(default_factory=dict)
    truncated: Literal["", "keep"] = ""
    gaps: Literal["", "segment"] = ""
    unit: Literal["", "nV", "uV", "mV", "V"] = ""
    duplicates: Literal["", "first"] = ""

    @model_validator(mode="after")
    def _fits(self) -> RecordingKeys:
        if self.band_hz is not None and not 0 < self.band_hz[0] < self.band_hz[1] < self.rate_hz / 2:
            message = "a lower and a higher edge of band_hz, above 0 and below half of rate_hz"
            raise ValueError(message)
        if round(self.segments.seconds * self.rate_hz) < 2:
            message = "segments of two samples at least"
            raise ValueError(message)
        if len(set(self.electrodes)) != len(self.electrodes):
            message = "every channel once"
            raise ValueError(message)
        return self

    @property
    def electrodes(self) -> tuple[str, ...]:
        """Names of the channels, in the order of the prepared signal."""
        return TEN_TWENTY if isinstance(self.channels, str) else self.channels

    @property
    def other_names(self) -> tuple[tuple[str, str], ...]:
        """Every further name of a channel with the electrode it is."""
        return tuple(sorted(self.aliases.items()))

    @property
    def window_seconds(self) -> float:
        """Length of a window, s: no more is read than the windows need."""
        return self.segments.seconds

    @property
    def windows(self) -> int:
        """How many windows are taken."""
        return self.segments.count
