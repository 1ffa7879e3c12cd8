"""The checks that every run puts to its maps, in the order of the badges."""

from __future__ import annotations

from clinfuse.explain.quality.agreement import Agreement
from clinfuse.explain.quality.base import MapCheck
from clinfuse.explain.quality.deletion import Deletion
from clinfuse.explain.quality.infidelity import Infidelity
from clinfuse.explain.quality.randomisation import LabelRandomisation, Randomisation
from clinfuse.explain.quality.sensitivity import Sensitivity

CHECKS: tuple[MapCheck, ...] = (
    Deletion(),
    Randomisation(),
    LabelRandomisation(),
    Infidelity(),
    Sensitivity(),
    Agreement(),
)
