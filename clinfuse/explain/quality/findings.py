"""What the checks of a run found: plain numbers that lie beside the run and that pages are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

from clinfuse.errors import StorageError
from clinfuse.explain.values import Check

FORMAT = 1
NO_MAPS = "This model has no map of voxels or samples, only named features; there was no map to put to the test."


@final
@dataclass(frozen=True)
class MapFinding:
    """What one check found for the maps of one modality.

    Parameters
    ----------
    check : str
        Its name.
    modality : str
    values : tuple of float
        Medians over records; the last is judged.
    bound : float
    at_most : bool
        Whether the judged value must not exceed the bound, or not fall below it.
    passed : bool
    records : int
        Of which it could be asked.
    asks : str
        The question in words.
    failure : str
        What a page says of a map that failed.
    """

    check: str
    modality: str
    values: tuple[float, ...]
    bound: float
    at_most: bool
    passed: bool
    records: int
    asks: str
    failure: str

    @property
    def badge(self) -> Check:
        """The finding as a page shows it."""
        side = "at most" if self.at_most else "at least"
        count = f"{self.records} held-out record" + ("" if self.records == 1 else "s")
        text = f"{self.modality}: {self.asks} {self.values[-1]:.2f} over {count}; {side} {self.bound:g} is asked."
        return Check(self.check, self.passed, text, self.modality, self.failure)


@final
@dataclass(frozen=True)
class MapChecks:
    """What the checks of a run found for the maps of one model.

    Parameters
    ----------
    model : str
    keys : tuple of str
        Of the records that were looked at.
    seed : int
    full : bool
        Whether a model was also trained on shuffled labels.
    findings : tuple of MapFinding
        Empty where the model has no maps.
    of : str
        First digits of the hash of what the model said of its held-out records, so that these findings are not taken
        for those of a model that was trained later.

    Examples
    --------
    >>> MapChecks("trees", ("R-AAAAAAAAAA",), 0).text
    'This model has no map of voxels or samples, only named features; there was no map to put to the test.'
    """

    model: str
    keys: tuple[str, ...]
    seed: int
    full: bool = False
    findings: tuple[MapFinding, ...] = ()
    of: str = ""

    @property
    def text(self) -> str:
        """What was found, in a sentence."""
        if not self.findings:
            return NO_MAPS
        names = list(dict.fromkeys(one.modality for one in self.findings))
        failed = [name for name in names if self.failures(name)]
        if not failed:
            return f"The maps of {', '.join(names)} passed every check, on {len(self.keys)} held-out records."
        return f"Not to be read: the maps of {', '.join(failed)}. " + " ".join(
            f"{name}: {'; '.join(self.failures(name))}." for name in failed
        )

    def failures(self, modality: str) -> tuple[str, ...]:
        """Why the maps of a modality are not to be believed, in plain words; empty where nothing speaks against it."""
        return tuple(one.failure for one in self.findings if one.modality == modality and not one.passed)

    def badges(self, modalities: Sequence[str]) -> tuple[Check, ...]:
        """The findings on the modalities that a record has."""
        return tuple(one.badge for one in self.findings if one.modality in modalities)

    def as_dict(self) -> dict[str, Any]:
        """The findings as JSON values."""
        return {"format": FORMAT, "text": self.text, **asdict(self)}


def from_dict(said: Mapping[str, Any]) -> MapChecks:
    """Read findings back.

    Parameters
    ----------
    said : mapping of str to JSON values
        As `MapChecks.as_dict` gave them.

    Returns
    -------
    MapChecks

    Raises
    ------
    StorageError
        ``MAP_CHECKS_READ``.

    Examples
    --------
    >>> kept = MapChecks("trees", ("R-AAAAAAAAAA",), 0)
    >>> from_dict(kept.as_dict()) == kept
    True
    """
    try:
        if said["format"] != FORMAT:
            raise ValueError
        findings = tuple(
            MapFinding(**{**one, "values": tuple(float(value) for value in one["values"])}) for one in said["findings"]
        )
        return MapChecks(
            str(said["model"]), tuple(said["keys"]), int(said["seed"]), bool(said["full"]), findings, str(said["of"])
        )
    except (KeyError, TypeError, ValueError):
        raise StorageError(
            "MAP_CHECKS_READ",
            place="checks of maps",
            rule="the file that was written beside the run",
            found="something else",
            remedy="Remove the file and make the checks anew.",
        ) from None
