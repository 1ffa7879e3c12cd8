"""The section report of study.toml."""

from __future__ import annotations

from typing import Annotated, Literal, final

from pydantic import Field

from clinfuse.cohort.strict import Strict

Share = Annotated[float, Field(gt=0, lt=1)]


@final
class ReportSection(Strict):
    """What the report shows beside the answer."""

    title: str = ""
    patients: Annotated[int, Field(ge=0)] = 4
    tables: Annotated[tuple[Literal["csv", "docx", "tex"], ...], Field(strict=False)] = ("csv",)
    figures: Annotated[tuple[Literal["png", "svg", "pdf"], ...], Field(strict=False)] = ()
    subgroups: Annotated[tuple[str, ...], Field(strict=False)] = ()
    bands: dict[str, Annotated[tuple[float, ...], Field(strict=False, min_length=1)]] = Field(default_factory=dict)
    threshold: Share = 0.5
    specificity: Share | None = None
    prevalence: Share | None = None
    conformal: Share | None = None
    per_patient: Literal["all", "first", "last"] = "all"
    visit_weights: bool = False

    @property
    def asks_inside(self) -> bool:
        """Whether something is learned from what every model says of training patients in inner folds."""
        return self.specificity is not None or self.conformal is not None
