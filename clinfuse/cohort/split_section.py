"""``split`` in ``[records]``: which records a column declares for training and which for testing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from clinfuse.cohort.declarations import Name, Names
from clinfuse.cohort.strict import Strict

TRAIN, TEST = "train", "test"


class SplitSection(Strict):
    """A column, and its words for either side; ``split = "COLUMN"`` takes the words train and test."""

    column: Name
    train: Names = (TRAIN,)
    test: Names = (TEST,)

    @model_validator(mode="after")
    def _apart(self) -> SplitSection:
        if set(self.train) & set(self.test):
            message = "each word on one side only"
            raise ValueError(message)
        return self


def _named(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


SplitColumn = Annotated[SplitSection, BeforeValidator(_named)]
