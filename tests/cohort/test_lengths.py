"""The number of windows may not tell the classes apart."""

from __future__ import annotations

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.lengths import rank_auroc
from clinfuse.errors import DataError


class TestLengths:
    @staticmethod
    def cohort(counts: list[int], labels: list[int]) -> Cohort:
        eeg = np.ones((len(counts), max(counts), 1, 8))
        for row, count in enumerate(counts):
            eeg[row, count:] = np.nan
        return Cohort.from_arrays({"eeg": eeg}, labels=labels, kinds={"eeg": "eeg"})

    def test_length_that_gives_the_class_away_stops_the_run(self) -> None:
        with pytest.raises(DataError, match=r"LENGTH_LEAK.*eeg.*1\.00"):
            self.cohort([3] * 10 + [1] * 10, [0] * 10 + [1] * 10).check_lengths()

    def test_equal_lengths_and_chance_pass(self) -> None:
        labels = [0, 1] * 10
        self.cohort([3] * 20, labels).check_lengths()
        self.cohort([1, 1, 2, 2, 3] * 4, labels).check_lengths()

    def test_a_handful_of_records_proves_nothing(self) -> None:
        self.cohort([3, 1, 1], [0, 1, 1]).check_lengths()

    def test_unknown_labels_do_not_count(self) -> None:
        self.cohort([3] * 10 + [1] * 10, [0] * 5 + [-1] * 10 + [0] * 5).check_lengths()

    def test_the_area_is_the_share_of_ordered_pairs(self) -> None:
        draw = np.random.default_rng(0)
        scores, positive = draw.integers(0, 5, 60), draw.uniform(size=60) < 0.4
        pairs = scores[positive][:, None] - scores[~positive][None]
        share = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
        assert rank_auroc(scores, positive)[0] == pytest.approx(max(share, 1 - share))

    def test_hanley_and_mcneil_standard_error(self) -> None:
        """By hand, for 2 of 3 pairs in order, 3 events and 3 others: A = 7/9, Q1 = 7/11, Q2 = 49/72."""
        area, low = rank_auroc(np.array([1, 3, 4, 2, 5, 6]), np.array([False, False, False, True, True, True]))
        a, q1, q2 = 7 / 9, 7 / 11, 49 / 72
        error = np.sqrt((a * (1 - a) + 2 * (q1 - a * a) + 2 * (q2 - a * a)) / 9)
        assert area == pytest.approx(a)
        assert low == pytest.approx(a - 1.959963984540054 * error)
