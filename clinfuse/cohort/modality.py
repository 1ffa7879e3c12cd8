"""A modality: one named source of a cohort, with everything that fixes the shape of what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from clinfuse.errors import ConfigError

KINDS = ("ct", "mr", "xray", "mask", "eeg", "ehr")
Kind = Literal["ct", "mr", "xray", "mask", "eeg", "ehr"]
ColumnKind = Literal["number", "category", "yes/no"]
VOLUME_KINDS = ("ct", "mr", "mask")


@final
@dataclass(frozen=True)
class Column:
    """One declared column of a health-record table.

    Parameters
    ----------
    name : str
        As declared; for an aggregated column the code and what was taken, e.g. ``"CRP last"``.
    kind : {"number", "category", "yes/no"}
        A yes/no column holds 0.0 and 1.0; a category column holds the index of its level.
    unit : str
        Empty where the quantity has none.
    levels : tuple of str
        The categories in the order of their index; empty for numbers.
    normal : tuple of float
        Reference range, (-inf, inf) where none is declared.
    """

    name: str
    kind: ColumnKind = "number"
    unit: str = ""
    levels: tuple[str, ...] = ()
    normal: tuple[float, float] = (float("-inf"), float("inf"))


@final
@dataclass(frozen=True)
class Modality:
    """One named source of a cohort.

    Parameters
    ----------
    name : str
        Its name in ``cohort.toml``; the order of a cohort's modalities is the order written there.
    kind : str
        ``ct``, ``mr``, ``xray``, ``mask``, ``eeg`` or ``ehr``.
    shape : tuple of int
        Of one prepared input: ``(channel, x, y, z)`` RAS+ for ct, mr and mask; ``(channel, y, x)`` for xray;
        ``(windows, channel, time)`` for eeg; ``(columns,)`` for ehr.
    columns : tuple of Column
        ehr only, one per entry of the last axis.
    channels : tuple of str
        eeg: electrode names; mask: label names; else empty.
    spacing_mm : tuple of float
        Voxel or pixel size of the prepared image, mm, one per spatial axis; empty for eeg and ehr, or where unknown.
    rate_hz : float
        eeg: samples per second after preparation; else 0.
    seconds : float
        eeg: length of one window, s; else 0.
    window : tuple of float
        ct: lowest and highest HU kept; else (0, 0).
    unit : str
        Of a prepared value: ``"HU"``, ``"µV"``, ``"grey"``, ``"arbitrary"``, ``"label"`` or ``""``.
    centre, spread : float
        A network sees ``(value - centre) / spread``: fixed by the settings, never learned.
    reference : str
        eeg: ``"average"``, ``"as recorded"``, ``"linked ears"`` or a channel name.
    band_hz : tuple of float
        eeg: edges of the band-pass, Hz; (0, 0) for the one of `clinfuse.cohort.signal.pass_band`.
    notch_hz : float
        eeg: frequency of the mains to filter out, Hz; 0 for none.
    least_channels : float
        eeg: share of `channels` that has to be there and good; the others are zero.
    mirror : bool
        Whether left and right may be exchanged when training images are varied.

    Raises
    ------
    ConfigError
        ``MODALITY_KIND``, ``MODALITY_SHAPE``, ``MODALITY_COLUMNS``.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    columns: tuple[Column, ...] = ()
    channels: tuple[str, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    rate_hz: float = 0.0
    seconds: float = 0.0
    window: tuple[float, float] = (0.0, 0.0)
    unit: str = ""
    centre: float = 0.0
    spread: float = 1.0
    reference: str = "average"
    band_hz: tuple[float, float] = (0.0, 0.0)
    notch_hz: float = 0.0
    least_channels: float = 0.7
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            self._refuse("MODALITY_KIND", f"a kind out of {', '.join(KINDS)}", "another kind")
        if len(self.shape) != self._axes or min(self.shape) < 1:
            self._refuse("MODALITY_SHAPE", f"{self._axes} axes, none empty", f"shape {self.shape}")
        if self.kind == "ehr" and len(self.columns) != self.shape[0]:
            self._refuse("MODALITY_COLUMNS", "one declaration for each column", f"{len(self.columns)} declarations")

    def _refuse(self, code: str, rule: str, found: str) -> None:
        raise ConfigError(code, place=f"modality {self.name}", rule=rule, found=found, remedy="Correct cohort.toml.")

    @property
    def _axes(self) -> int:
        return {"xray": 3, "eeg": 3, "ehr": 1}.get(self.kind, 4)

    @property
    def windowed(self) -> bool:
        """Whether one input is a row of windows, each seen by the encoder alone."""
        return self.kind == "eeg"

    @property
    def encoder_shape(self) -> tuple[int, ...]:
        """Shape of what an encoder sees at once: one window of a signal, one whole image, one table row."""
        return self.shape[1:] if self.windowed else self.shape
