"""Everything that decides what a synthetic cohort is, in one frozen object."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, final

from clinfuse.errors import ConfigError

MODALITIES = ("ct", "xray", "eeg", "labs")
KINDS = ("ct", "xray", "eeg", "ehr")
FACTORS = ("size", "build", "age", "rhythm")
INFORMATIVE_COLUMNS = 3
LATER = ("distractor", "proxy")
RENDERING = 1  # raised whenever the same settings would give other files


@final
@dataclass(frozen=True)
class SyntheticSettings:
    """What a synthetic cohort is made of; the same settings give the same bytes.

    Parameters
    ----------
    records : int
        Records that are used; their content does not depend on this number.
    seed : int
    prevalence : float
        Share of patients with the finding. Both records of a patient share the label.
    separations : tuple of float, (ct, xray, eeg, labs)
        Distance d between the class means of each latent, in standard deviations.
    missing_rates : tuple of float, (ct, xray, eeg, labs)
        Share of records without the modality. At least one modality is kept for every record (the pattern is redrawn).
    mechanism : {"MCAR", "MAR", "MNAR"}
        Absent completely at random; depending on the laboratory values seen (labs are then never absent); depending
        on the label (those with the finding are examined more often).
    mechanism_strength : float
        Change of the log odds of absence per standard deviation of the labs (MAR) or between the classes (MNAR).
    sites : int
        Number of hospitals.
    site_shift : float
        What every latent gains from one site to the next, in standard deviations.
    factor_strength : float
        How far the four shared factors (size, build, age, rhythm) move what is seen; 0 turns them off.
    factor_correlation : float
        Correlation between the views that two modalities have of one factor.
    xor : bool
        The finding is where the signs of the ct and labs latents differ: nothing in either alone.
    level : {"files", "embedding"}
        DICOM, EDF and CSV files, or arrays in which one direction per modality is informative.
    width : int
        Columns of each modality at embedding level.
    messy : bool
        The same cohort as a hospital exports it.
    damage_rate : float
        Share of the image and EEG files that cannot be read.
    damaged_files : int
        So many files that cannot be read, beside ``damage_rate``.
    excluded : int
        Further rows of the records table without an index time.
    empty_cells : float
        Share of laboratory cells without a value.
    ct_size : tuple of int, (x, y, z)
        Voxels of a CT, over 352 x 352 x 192 mm.
    xray_size : int
        Pixels of an X-ray along each side, over 352 mm.
    eeg_rate_hz : int
    window_seconds : int
        Length of one of the three EEG windows, s.
    distractor : bool
        Every CT has a second lesion, like the first and on the other side, whose contrast says nothing of the label.
    proxy : float
        Correlation, in either class, of a further laboratory column, ``procalcitonin``, with ``crp``; 0
        for a table without it.

    Raises
    ------
    ConfigError
        ``SYNTHETIC_SETTING`` where a number is outside what can be made.

    Examples
    --------
    >>> SyntheticSettings(records=10).separations
    (1.0, 0.8, 0.8, 1.5)
    """

    records: int = 240
    seed: int = 0
    prevalence: float = 0.4
    separations: tuple[float, float, float, float] = (1.0, 0.8, 0.8, 1.5)
    missing_rates: tuple[float, float, float, float] = (0.15, 0.15, 0.15, 0.15)
    mechanism: Literal["MCAR", "MAR", "MNAR"] = "MCAR"
    mechanism_strength: float = 1.0
    sites: int = 2
    site_shift: float = 0.0
    factor_strength: float = 0.6
    factor_correlation: float = 0.9
    xor: bool = False
    level: Literal["files", "embedding"] = "files"
    width: int = 4
    messy: bool = False
    damage_rate: float = 0.0
    damaged_files: int = 0
    excluded: int = 0
    empty_cells: float = 0.05
    ct_size: tuple[int, int, int] = (64, 64, 24)
    xray_size: int = 128
    eeg_rate_hz: int = 128
    window_seconds: int = 10
    distractor: bool = False
    proxy: float = 0.0

    def __post_init__(self) -> None:
        tests = {
            "records at least 2": self.records >= 2,
            "prevalence within (0, 1)": 0 < self.prevalence < 1,
            "four separations of at least 0": len(self.separations) == 4 and min(self.separations) >= 0,
            "four missing rates within [0, 0.95]": len(self.missing_rates) == 4
            and 0 <= min(self.missing_rates) <= max(self.missing_rates) <= 0.95,
            "mechanism MCAR, MAR or MNAR": self.mechanism in ("MCAR", "MAR", "MNAR"),
            "at least one site": self.sites >= 1,
            "factor_strength at least 0": self.factor_strength >= 0,
            "factor_correlation within [0, 1]": 0 <= self.factor_correlation <= 1,
            "level files or embedding": self.level in ("files", "embedding"),
            "width at least 1": self.width >= 1,
            "damage_rate within [0, 1]": 0 <= self.damage_rate <= 1,
            "damaged_files and excluded at least 0": min(self.damaged_files, self.excluded) >= 0,
            "empty_cells within [0, 0.9]": 0 <= self.empty_cells <= 0.9,
            "ct_size at least (16, 16, 8)": self.ct_size[0] >= 16 and self.ct_size[1] >= 16 and self.ct_size[2] >= 8,
            "xray_size at least 32": self.xray_size >= 32,
            "eeg_rate_hz at least 64": self.eeg_rate_hz >= 64,
            "window_seconds at least 2": self.window_seconds >= 2,
            "proxy within [0, 1)": 0 <= self.proxy < 1,
            "distractor and proxy with level files only": self.level == "files" or not (self.distractor or self.proxy),
            "xor without site shift and with mechanism MCAR": not self.xor
            or (self.site_shift == 0 and self.mechanism == "MCAR"),
        }
        for rule, holds in tests.items():
            if not holds:
                _refuse(rule, "another value")

    @property
    def identity(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings and of the rendering's version."""
        text = json.dumps({**self.said, "rendering": RENDERING}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def said(self) -> dict[str, Any]:
        """Every setting by name; what was added later only where it is used, so that older cohorts keep their name."""
        later = {field.name: field.default for field in fields(self) if field.name in LATER}
        return {key: value for key, value in asdict(self).items() if key not in later or value != later[key]}

    @property
    def missing(self) -> tuple[float, ...]:
        """Rates by which absence is drawn: as declared, but labs are never absent under MAR."""
        return (*self.missing_rates[:3], 0.0) if self.mechanism == "MAR" else self.missing_rates

    @property
    def closed_form(self) -> bool:
        """Whether the best possible AUROC is a sum over patterns of closed forms."""
        return self.mechanism == "MCAR" and (self.site_shift == 0 or self.sites == 1) and not self.xor


_SMALL: dict[str, Any] = {
    "records": 24,
    "ct_size": (24, 24, 12),
    "xray_size": 48,
    "eeg_rate_hz": 64,
    "window_seconds": 2,
}
_EMBEDDING: dict[str, Any] = {"records": 2000, "level": "embedding", "empty_cells": 0.0}
PRESETS: dict[str, dict[str, Any]] = {
    "demo": {"excluded": 3, "damaged_files": 2},
    "small": _SMALL,
    "nothing-to-gain": {"excluded": 3, "damaged_files": 2, "separations": (0.0, 0.0, 0.0, 1.5)},
    "xor": {
        **_EMBEDDING,
        "xor": True,
        "prevalence": 0.5,
        "separations": (5.0, 0.0, 0.0, 5.0),
        "missing_rates": (0.0, 0.0, 0.0, 0.0),
    },
    "embedding": _EMBEDDING,
}


def preset(name: str, **options: Any) -> SyntheticSettings:
    """Settings of a named cohort, with some of them replaced.

    Parameters
    ----------
    name : {"demo", "small", "nothing-to-gain", "xor", "embedding"}
    **options
        Fields of `SyntheticSettings`; also ``missing_rate`` (one number for every modality), and ``separations`` or
        ``missing_rates`` as a mapping from modality to number (what it does not name keeps the preset's value).

    Returns
    -------
    SyntheticSettings

    Raises
    ------
    ConfigError
        ``SYNTHETIC_NAME``, ``SYNTHETIC_OPTION``, ``SYNTHETIC_SETTING``.

    Examples
    --------
    >>> preset("demo", seed=3, separations={"ct": 0.0}).separations
    (0.0, 0.8, 0.8, 1.5)
    """
    if name not in PRESETS:
        raise ConfigError(
            "SYNTHETIC_NAME",
            place="make_cohort",
            rule=f"a name out of {', '.join(PRESETS)}",
            found="another name",
            remedy="Use one of these and change what should differ by options.",
        )
    base = SyntheticSettings(**PRESETS[name])
    given = dict(options)
    if "missing_rate" in given:
        given["missing_rates"] = (given.pop("missing_rate"),) * len(MODALITIES)
    unknown = sorted(set(given) - {field.name for field in fields(SyntheticSettings)})
    if unknown:
        raise ConfigError(
            "SYNTHETIC_OPTION",
            place="make_cohort",
            rule="options that are fields of SyntheticSettings",
            found=f"{len(unknown)} other",
            remedy="See help(clinfuse.synthetic.settings.SyntheticSettings).",
        )
    for key in ("separations", "missing_rates"):
        if key in given:
            given[key] = _by_modality(given[key], getattr(base, key))
    if "ct_size" in given:
        given["ct_size"] = tuple(int(length) for length in given["ct_size"])
    return replace(base, **given)


def _by_modality(value: Any, default: tuple[float, ...]) -> tuple[float, ...]:
    if isinstance(value, Mapping):
        if not set(value) <= set(MODALITIES):
            _refuse(f"keys out of {', '.join(MODALITIES)}", "another key")
        return tuple(float(value.get(name, old)) for name, old in zip(MODALITIES, default, strict=True))
    return tuple(float(number) for number in value)


def _refuse(rule: str, found: str) -> None:
    raise ConfigError(
        "SYNTHETIC_SETTING", place="synthetic settings", rule=rule, found=found, remedy="Correct the option."
    )
