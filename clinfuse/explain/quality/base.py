"""What every check of a map is: a question, a number for each record, and a bound for the number of most records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from clinfuse.explain.quality.subject import Subject


class MapCheck(ABC):
    """One question put to the maps of a modality; a subclass gives the question in words and a number for a record."""

    name: ClassVar[str]
    asks: ClassVar[str]  # one sentence, for the badge
    failure: ClassVar[str]  # what a page says in place of a map that failed
    bound: ClassVar[float]
    at_most: ClassVar[bool]

    @abstractmethod
    def measure(self, subject: Subject, name: str) -> tuple[float, ...]:
        """Give the numbers of one record and modality, of which the last is judged; none where it cannot be asked."""

    def passes(self, value: float) -> bool:
        """Whether a number is within the bound."""
        return value <= self.bound if self.at_most else value >= self.bound
