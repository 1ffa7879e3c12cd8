"""A learner of its own for every pattern of present modalities with enough events."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np

from clinfuse.errors import DataWarning
from clinfuse.fusion.pattern_pools import pattern_number, patterns
from clinfuse.training.learner import Learner, LearnerRows
from clinfuse.training.learners import build_learner, choice_from_state, choice_to_state, learner_from_state


@final
class PatternLearner(Learner):
    """One learner per pattern, on the features of its modalities and the records that have at least these.

    A pattern gets its own where it has 10 events for each feature and one more, an event being a record of the rarer
    class; one learner on everything, trained on masked copies, answers for the others.

    Parameters
    ----------
    choice : str or scikit-learn classifier
        As `build_learner` takes it.
    widths : sequence of int
        Features of each modality, in the order of the table; the presence of each stands behind them.
    multilabel : bool

    References
    ----------
    Mercaldo and Blume 2020, doi 10.1093/biostatistics/kxy040.
    """

    events_per_parameter: ClassVar[int] = 10

    def __init__(self, choice: Any, widths: list[int], *, multilabel: bool) -> None:
        self.choice = choice
        self.widths = widths
        self.multilabel = multilabel
        self.shared = build_learner(choice, multilabel=multilabel)
        self.style = self.shared.style  # type: ignore[misc]
        self.stored = self.shared.stored  # type: ignore[misc]
        self.linear = self.shared.linear  # type: ignore[misc]
        self.taken_apart = self.shared.taken_apart  # type: ignore[misc]

    def fit(self, table: np.ndarray, labels: np.ndarray, rows: LearnerRows) -> Learner:
        """Fit one learner on all rows and one for each pattern with enough events; gives itself."""
        self.shared.fit(table, labels, rows)
        self.learners_: dict[int, Learner] = {}
        # The first row of a record is the record as it is; masked copies follow.
        whole = np.unique(rows.owners, return_index=True)[1]
        present, truth = self._present(table[whole]), labels[whole]
        observed = 0
        for pattern in patterns(len(self.widths)):
            having = np.flatnonzero((present | ~pattern).all(1))
            observed += bool(len(having))
            columns = self._columns(pattern)
            if not len(having) or not self._enough(truth[having], int(columns.sum()) + 1):
                continue
            inner = LearnerRows(np.arange(len(having)), rows.groups[having], rows.ids[having], seed=rows.seed)
            own = build_learner(self.choice, multilabel=self.multilabel)
            given = table[whole][having][:, columns]
            self.learners_[pattern_number(pattern)] = own.fit(given, truth[having], inner)
        rare = observed - len(self.learners_)
        if rare:
            warnings.warn(
                f"[PATTERN_RARE] early fusion: {rare} of {observed} patterns of modalities have "
                f"fewer than {self.events_per_parameter} events per feature; they share one learner",
                DataWarning,
                stacklevel=2,
            )
        return self

    def _enough(self, labels: np.ndarray, parameters: int) -> bool:
        columns = labels.T if self.multilabel else [labels]
        counts = [np.unique(column[column >= 0], return_counts=True)[1] for column in columns]
        rarest = min(int(count.min()) if len(count) > 1 else 0 for count in counts)
        return rarest >= self.events_per_parameter * parameters

    def _present(self, table: np.ndarray) -> np.ndarray:
        return np.asarray(table[:, -len(self.widths) :] > 0)

    def _columns(self, pattern: np.ndarray) -> np.ndarray:
        """Which columns of the table belong to a pattern, bool (width,)."""
        return np.concatenate([np.repeat(pattern, self.widths), np.zeros(len(self.widths), bool)])

    def logits(self, table: np.ndarray) -> np.ndarray:
        """Give logits of each record's own pattern, float64 (rows, outputs)."""
        result = self.shared.logits(table)
        for rows, columns, learner in self._parts(table):
            result[rows] = learner.logits(table[np.ix_(rows, columns)])
        return result

    def contributions(self, table: np.ndarray) -> np.ndarray:
        """Give each feature's additive part by the learner of the record's pattern, the bias last."""
        result = self.shared.contributions(table)
        for rows, columns, learner in self._parts(table):
            parts = learner.contributions(table[np.ix_(rows, columns)])
            result[rows] = 0.0
            result[np.ix_(rows, [*columns, table.shape[1]])] = parts
        return result

    def slopes(self, table: np.ndarray) -> np.ndarray:
        """Give the slopes of the learner of the row's pattern, 0 where it reads nothing, float64 (width, outputs)."""
        result = self.shared.slopes(table)
        for rows, columns, learner in self._parts(table):
            result = np.zeros_like(result)
            result[columns] = learner.slopes(table[np.ix_(rows, columns)])
        return result

    def _parts(self, table: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, Learner]]:
        """Rows, columns and learner of every pattern that has its own and occurs."""
        present, parts = self._present(table), []
        for pattern in patterns(len(self.widths)):
            number, rows = pattern_number(pattern), np.flatnonzero((present == pattern).all(1))
            if number in self.learners_ and len(rows):
                parts.append((rows, np.flatnonzero(self._columns(pattern)), self.learners_[number]))
        return parts

    def to_state(self) -> dict[str, Any]:
        """Give the shared learner and those of the patterns."""
        each = {str(number): learner.to_state() for number, learner in self.learners_.items()}
        settings = {"choice": choice_to_state(self.choice), "widths": self.widths, "multilabel": self.multilabel}
        return {"learner": "per pattern", **settings, "shared": self.shared.to_state(), "each": each}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PatternLearner:
        """Give the learner that `to_state` described."""
        made = cls(choice_from_state(state["choice"]), list(state["widths"]), multilabel=bool(state["multilabel"]))
        made.shared = learner_from_state(state["shared"])
        made.learners_ = {int(number): learner_from_state(one) for number, one in state["each"].items()}
        return made
