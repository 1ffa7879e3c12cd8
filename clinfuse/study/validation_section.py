"""``[validation]``: who is trained on and who is tested."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

from pydantic import AfterValidator, BeforeValidator, Field

from clinfuse.cohort.strict import Strict

if TYPE_CHECKING:
    from clinfuse.evaluation.folds import Scheme

Kind = Literal["folds", "holdout", "sites", "temporal", "column"]
# Which keys say something beside each kind.
KEYS_OF: Mapping[str, tuple[str, ...]] = {
    "folds": ("folds", "repeats"),
    "holdout": (),
    "sites": (),
    "temporal": ("share", "since"),
    "column": (),
}


def _text(value: Any) -> Any:
    """TOML knows days and times itself; they are kept as text."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def _day(text: str) -> str:
    try:
        datetime.fromisoformat(text or "2000-01-01")
    except ValueError:
        message = "a day such as 2021-01-01"
        raise ValueError(message) from None
    return text


@final
class ValidationSection(Strict):
    """How patients are divided."""

    kind: Kind = "folds"
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    inner_folds: Annotated[int, Field(ge=2, le=50)] = 3
    holdout: bool = False
    share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    since: Annotated[str, BeforeValidator(_text), AfterValidator(_day)] = ""

    @property
    def asked(self) -> Kind:
        """The kind of validation; ``holdout = true`` is the short form of one."""
        return "holdout" if self.holdout else self.kind

    @property
    def written(self) -> str:
        """The line that asks for this kind."""
        return "holdout = true" if self.holdout else f'kind = "{self.kind}"'

    def scheme(self, seed: int) -> Scheme:
        """Give how the study deals its patients into folds."""
        from clinfuse.evaluation.folds import Scheme

        drawn = {"folds": self.folds, "repeats": self.repeats} if self.asked == "folds" else {}
        return Scheme(validation=self.asked, seed=seed, share=self.share, since=self.since, **drawn)
