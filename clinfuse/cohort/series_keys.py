"""What a modality made of DICOM slices may say about series that would otherwise be refused."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat

from clinfuse.cohort.strict import Strict


class SeriesKeys(Strict):
    """Answers to the questions of the reader; see `clinfuse.io.policies.SeriesPolicy` for what they mean."""

    tilt: Literal["refuse", "correct"] = "refuse"
    max_gap_mm: NonNegativeFloat = 0.0
    uneven: Literal["refuse", "resample"] = "refuse"
    sign: Literal["ask", "signed", "unsigned"] = "ask"
    stacks: Literal["refuse", "largest"] = "refuse"
    derived: Literal["refuse", "accept"] = "refuse"

    @property
    def answers_slices(self) -> bool:
        """Whether anything was answered, which a file without slices cannot need."""
        return any(getattr(self, name) != field.default for name, field in SeriesKeys.model_fields.items())
