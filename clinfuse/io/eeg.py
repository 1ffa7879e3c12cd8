"""EEG recordings in microvolt.

The samples are scaled here, from the checked header, and not by MNE, which takes volt where a unit is spelled in an
unusual way, joins interrupted recordings, raises every channel to the highest rate and carries the patient's name
along. The tests compare what is read here with MNE and with EDFlib.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.io.edf_header import EdfChannel, EdfHeader, read_edf_header, refuse
from clinfuse.io.policies import EegPolicy
from clinfuse.io.values import Signal

_MICROVOLT = {"nv": 1e-3, "uv": 1.0, "µv": 1.0, "mv": 1e3, "v": 1e6}
_MARKERS = ("STATUS", "TRIGGER", "TRIG", "MARKER", "STIM", "STI 014", "EVENT")
_NOT_EEG = ("ECG", "EKG", "EOG", "EMG", "ERG", "MEG", "RESP", "SAO2", "SPO2", "TEMP", "PULSE", "EVENT", "DIG", "DC")
_REFERENCE = re.compile(r"-(?:REF|LE|AVG|AVE|AV|CAR)$", re.IGNORECASE)
_TEN_TEN = (
    "Nz Fp1 Fpz Fp2 AF7 AF3 AFz AF4 AF8 F9 F7 F5 F3 F1 Fz F2 F4 F6 F8 F10 FT9 FT7 FC5 FC3 FC1 FCz FC2 FC4 FC6 FT8 "
    "FT10 T9 T7 T3 C5 C3 C1 Cz C2 C4 C6 T8 T4 T10 TP9 TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 TP10 P9 P7 T5 P5 P3 P1 "
    "Pz P2 P4 P6 P8 T6 P10 PO9 PO7 PO3 POz PO4 PO8 PO10 O1 Oz O2 Iz A1 A2 M1 M2"
)
_ELECTRODES = {name.upper(): name for name in _TEN_TEN.split()}


@final
@dataclass(frozen=True)
class EegHeader:
    """What a recording says of itself; its samples are not read.

    Parameters
    ----------
    start : datetime64[s]
        NaT where the file does not say.
    seconds : float
        Length, s.
    rate_hz : float
        Samples per second.
    channels : tuple of str
        As `read_eeg` names and orders them.
    """

    start: np.datetime64
    seconds: float
    rate_hz: float
    channels: tuple[str, ...]


def read_eeg(file: Path, *, policy: EegPolicy = EegPolicy()) -> Signal:
    """The recording of an EDF, EDF+ or BDF file in microvolt, at its own rate.

    Every channel that measures a voltage is kept, the electrocardiogram too; cohort.toml chooses among them by name.
    Left out are annotations, triggers, channels in other units that their label marks as something else
    (``SaO2``, ``Resp``, ``Temp``...) and channels marked as no EEG at a rate of their own. Channel names lose a leading
    ``EEG`` or ``POL``, a doubled type (``ECG ECG`` is ``ECG``), trailing dots and a trailing common reference
    (``-REF``, ``-LE``, ``-AVG``, ``-AV``, ``-CAR``); electrodes of the 10-10 system get its capitals (``EEG FP1-REF``
    is ``Fp1``). Another electrode as reference stays in the name (``A2-A1``).

    Parameters
    ----------
    file : Path
        What it is, is decided from its bytes, not from its name.
    policy : EegPolicy
        What was decided about files that would otherwise be refused.

    Returns
    -------
    Signal
        float32 (channel, time), µV, polarity as declared by the physical range.

    Raises
    ------
    DataError
        ``EEG_UNIT``, ``EEG_RATES``, ``EEG_NO_CHANNELS``, ``EEG_CHANNELS``, ``EDF_GAPS`` and the codes of
        `read_edf_header`.

    References
    ----------
    Kemp B, Olivan J. European data format 'plus' (EDF+). Clin Neurophysiol 2003;114:1755-61.
    doi:10.1016/S1388-2457(03)00123-8

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import edfio, numpy
    >>> wave = edfio.EdfSignal(numpy.arange(512) % 50.0, 256, label="EEG Fp1-REF", physical_dimension="uV")
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "recording.edf"
    ...     edfio.Edf([wave]).write(file)
    ...     signal = read_eeg(file)
    >>> signal.channels, signal.rate_hz, signal.array.shape
    (('Fp1',), 256.0, (1, 512))
    """
    header = read_edf_header(file)
    kept = _kept(header)
    records = _records(file, header)
    if header.interrupted:
        _check_continuous(header, records)
    array = np.empty((len(kept), header.records * kept[0].samples), dtype=np.float32)
    for row, channel in zip(array, kept, strict=True):
        row[:] = _microvolt(records[:, channel.start : channel.start + channel.samples], channel)
    return Signal(array, kept[0].samples / header.record_seconds, tuple(channel_name(one.label) for one in kept))


def eeg_header(file: Path) -> EegHeader:
    """What a recording says of itself, without reading its samples.

    Raises
    ------
    DataError
        As `read_eeg`, gaps apart.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import edfio, numpy
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "recording.edf"
    ...     edfio.Edf([edfio.EdfSignal(numpy.arange(512.0), 256, label="EEG Cz", physical_dimension="uV")]).write(file)
    ...     eeg_header(file).seconds
    2.0
    """
    header = read_edf_header(file)
    kept = _kept(header)
    rate = kept[0].samples / header.record_seconds
    names = tuple(channel_name(channel.label) for channel in kept)
    return EegHeader(header.start, header.records * header.record_seconds, rate, names)


def channel_name(label: str) -> str:
    """The name of a channel without type, common reference and dots, by the rule that `read_eeg` states.

    Examples
    --------
    >>> [channel_name(label) for label in ("EEG FP1-REF", "ECG ECG", "Fc5.", "EEG A2-A1")]
    ['Fp1', 'ECG', 'FC5', 'A2-A1']
    """
    name = " ".join(label.split()).rstrip(".")
    first, _, rest = name.partition(" ")
    if rest and (first.upper() in ("EEG", "POL") or first == rest):
        name = rest
    name = _REFERENCE.sub("", name)
    return _ELECTRODES.get(name.upper(), name)


def _kept(header: EdfHeader) -> list[EdfChannel]:
    """The voltage channels, all at one rate."""
    volts = []
    for position, channel in enumerate(header.channels, start=1):
        if channel.is_annotation or _is_marker(channel):
            continue
        if _unit(channel) in _MICROVOLT:
            volts.append(channel)
        elif not _is_other(channel):
            refuse(
                "EEG_UNIT",
                "a voltage (nV, uV, mV or V) as unit of every channel",
                f"another unit or none in channel {position}",
                "Correct the unit in the recorder's export settings.",
            )
    rates = {channel.samples for channel in volts if not _is_other(channel)}
    if not rates:
        refuse("EEG_NO_CHANNELS", "at least one EEG channel", "none", "Check that this is an EEG recording.")
    if len(rates) > 1:
        refuse("EEG_RATES", "one sampling rate for all EEG channels", f"{len(rates)} rates")
    kept = [channel for channel in volts if channel.samples in rates]
    if len({channel_name(channel.label) for channel in kept}) != len(kept):
        refuse(
            "EEG_CHANNELS", "a name of its own for every channel", "one name twice", "Rename or drop one of the two."
        )
    return kept


def _unit(channel: EdfChannel) -> str:
    # Micro sign and Greek mu are two characters; a DOS code page writes the former as 0xE6.
    return channel.unit.lower().replace("μ", "µ").replace("æ", "µ")


def _is_marker(channel: EdfChannel) -> bool:
    return channel_name(channel.label).upper() in _MARKERS


def _is_other(channel: EdfChannel) -> bool:
    """Whether the label says that this is something else than EEG."""
    first = channel.label.upper().split()[:1]
    return bool(first) and (first[0] in _NOT_EEG or first[0].rstrip("0123456789+-.") in _NOT_EEG)


def _records(file: Path, header: EdfHeader) -> np.ndarray:
    """(records, samples of all channels) as stored: int16, or int32 made of 24 bits."""
    try:
        data = np.fromfile(file, dtype=np.uint8, offset=header.length)
    except OSError:
        refuse("EEG_OPEN", "a file that can be opened", "one that cannot", "Check that it exists and may be read.")
    samples = data.reshape(header.records, -1, header.width)
    if header.width == 2:
        return samples.view("<i2")[..., 0]
    wide = np.zeros((*samples.shape[:2], 4), dtype=np.uint8)
    wide[..., 1:] = samples
    return wide.view("<i4")[..., 0] >> 8


def _microvolt(stored: np.ndarray, channel: EdfChannel) -> np.ndarray:
    (low, high), (least, most) = channel.physical, channel.digital
    gain = (high - low) / (most - least)
    scale = _MICROVOLT[_unit(channel)]
    return stored.reshape(-1) * (gain * scale) + (low - least * gain) * scale


def _check_continuous(header: EdfHeader, records: np.ndarray) -> None:
    """A file may declare gaps and have none: the annotation of each data record starts with its onset in seconds."""
    onsets = [_onset(row, header) for row in records]
    steps = np.diff(onsets)
    if np.isnan(onsets).any() or (np.abs(steps - header.record_seconds) > 1e-3 * header.record_seconds).any():
        gaps = int((np.abs(steps - header.record_seconds) > 1e-3 * header.record_seconds).sum())
        refuse(
            "EDF_GAPS",
            "a recording without gaps",
            f"{gaps} gap(s) between data records",
            "Export the uninterrupted part as EDF+C: joining the pieces would make steps that no brain made.",
        )


def _onset(record: np.ndarray, header: EdfHeader) -> float:
    """Onset of a data record, s; NaN where it is not written."""
    for channel in header.channels:
        if channel.is_annotation:
            stored = record[channel.start : channel.start + channel.samples]
            written = stored.astype("<i4").view(np.uint8).reshape(-1, 4)[:, : header.width].tobytes()
            found = re.match(rb"([+-]\d+(?:\.\d*)?)\x14\x14", written)
            return float(found[1]) if found else float("nan")
    return float("nan")
