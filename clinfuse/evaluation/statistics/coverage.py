"""How often intervals of a cross-validated study were seen to hold what they should, in studies of a like design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

# Fewer patients than the smallest simulated study could stand for.
FEWEST = 70
UNMEASURED = (
    "Intervals are nominally of 95 %; how often they hold was measured for one finding and for folds of "
    "patients dealt at random only."
)


@final
@dataclass(frozen=True)
class Measured:
    """Coverage of the 95 % interval of an AUROC and of a difference, in 500 simulated studies of each kind.

    Parameters
    ----------
    patients, records, repeats : int
        Patients, records of each, and how often the five folds were dealt.
    low, high : float
        Least and greatest share of intervals that held the mean AUROC, or difference, that the models of the folds
        reach on new patients, over 30 and 200 columns.
    """

    patients: int
    records: int
    repeats: int
    low: float
    high: float


# Printed by benchmarks/simulations.py; the whole table, the procedure's coverage too, is in docs/statistics.md.
MEASURED: tuple[Measured, ...] = (
    Measured(100, 1, 1, 0.984, 0.996),
    Measured(100, 1, 5, 0.976, 0.986),
    Measured(100, 4, 1, 0.986, 0.992),
    Measured(100, 4, 5, 0.964, 0.988),
    Measured(200, 1, 1, 0.978, 0.996),
    Measured(200, 1, 5, 0.958, 0.986),
    Measured(200, 4, 1, 0.978, 0.994),
    Measured(200, 4, 5, 0.952, 0.972),
    Measured(400, 1, 1, 0.968, 0.996),
    Measured(400, 1, 5, 0.956, 0.980),
    Measured(400, 4, 1, 0.980, 0.990),
    Measured(400, 4, 5, 0.960, 0.980),
)


def measured_coverage(*, patients: int, records: int, repeats: int) -> tuple[Measured, ...]:
    """Give what was measured for the design most like this one; nothing for fewer than 70 patients.

    Parameters
    ----------
    patients, records : int
        Of the study.
    repeats : int
        How often the folds are dealt.

    Examples
    --------
    >>> [one.patients for one in measured_coverage(patients=230, records=250, repeats=1)]
    [200]
    >>> measured_coverage(patients=40, records=40, repeats=1)
    ()
    """
    if patients < FEWEST:
        return ()
    several = 4 if records / patients > 2 else 1
    often = 1 if repeats < 3 else 5
    known = [one for one in MEASURED if (one.records, one.repeats) == (several, often)]
    return (min(known, key=lambda one: max(one.patients / patients, patients / one.patients)),)


def coverage_sentence(*, patients: int, records: int, repeats: int) -> str:
    """Give what to expect of the intervals of a study, in words.

    Examples
    --------
    >>> coverage_sentence(patients=40, records=40, repeats=1)
    'Intervals are nominally of 95 %; how often they hold was not measured for so few patients.'
    """
    found = measured_coverage(patients=patients, records=records, repeats=repeats)
    if not found:
        return "Intervals are nominally of 95 %; how often they hold was not measured for so few patients."
    one = found[0]
    low, high = round(100 * one.low), round(100 * one.high)
    share = f"{low} %" if low == high else f"{low} to {high} %"
    visits = "one record" if one.records == 1 else f"{one.records} records"
    return (
        f"Intervals are nominally of 95 %; in simulated studies of {one.patients} patients with {visits} each, dealt "
        f"into folds {'once' if one.repeats == 1 else f'{one.repeats} times'}, {share} of them held what they should."
    )
