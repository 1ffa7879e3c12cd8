"""EEG recordings in microvolt.

EDF and BDF samples are scaled here, from the checked header, and not by MNE, which takes volt where a unit is spelled
in an unusual way, joins interrupted recordings, raises every channel to the highest rate and carries the patient's
name along. The tests compare what is read here with MNE and with EDFlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.io import eeg_formats
from clinfuse.io.budget import check_size
from clinfuse.io.edf import EdfRecording
from clinfuse.io.eeg_choice import chosen_channels, in_microvolt
from clinfuse.io.files import open_regular
from clinfuse.io.policies import EegPolicy
from clinfuse.io.recording import Kept, Recording, Stretch, used_stretches
from clinfuse.io.refusals import refuse_recording
from clinfuse.io.values import Remark, Signal

_EDF = {b"0       ": (".edf", ".rec"), b"\xffBIOSEMI": (".bdf",)}
_BY_MNE = (
    (eeg_formats.BRAINVISION, eeg_formats.brainvision),
    (eeg_formats.MATLAB, eeg_formats.eeglab),
    (eeg_formats.FIF, eeg_formats.fif),
)
MOST_MISSING = 0.01


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
    """A recording in microvolt, at its own rate: EDF, EDF+, BDF, BrainVision, EEGLAB or FIF.

    Every channel that measures a voltage is kept, the electrocardiogram too; cohort.toml chooses among them by name.
    Left out are annotations, triggers, channels in other units (``%``, ``bpm``...) or that their label marks as
    something else (``SaO2``, ``Resp``, ``Temp``...) and channels marked as no EEG at a rate of their own. Channel
    names lose a leading ``EEG`` or ``POL``, a doubled type (``ECG ECG`` is ``ECG``), trailing dots and a trailing
    common reference (``-REF``, ``-LE``, ``-AVG``, ``-AV``, ``-CAR``); electrodes of the 10-10 system get its capitals
    (``EEG FP1-REF`` is ``Fp1``). Another electrode as reference stays in the name (``A2-A1``).

    Parameters
    ----------
    file : Path
        What it is, is decided from its bytes, not from its name. Of a BrainVision recording the ``.vhdr``, of an
        EEGLAB data set the ``.set``; what they name has to lie beside them.
    policy : EegPolicy
        What was decided about files that would otherwise be refused.

    Returns
    -------
    Signal
        float32 (channel, time), µV, polarity as declared by the physical range. EEG channels recorded at a lower rate
        than others are resampled to the highest.

    Raises
    ------
    DataError
        ``EEG_UNIT``, ``EEG_NO_CHANNELS``, ``EEG_CHANNEL_TWICE``, ``EEG_NAN``, ``EDF_GAPS``, ``EDF_ORDER``,
        ``EDF_ONSET``, ``BOMB`` and the codes of `read_edf_header` and `clinfuse.io.eeg_formats.MneRecording`.

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
    recording = _opened(file, policy)
    kept, rate, remarks = chosen_channels(recording, policy)
    found = recording.stretches(policy.window_seconds, policy.windows)
    stretches = used_stretches(found, policy.window_seconds, policy.windows)
    lengths = [round(end * rate) - round(start * rate) for start, end in stretches]
    check_size("recording", 4 * len(kept) * sum(lengths))
    array = np.empty((len(kept), sum(lengths)), dtype=np.float32)
    edges = np.cumsum([0, *lengths])
    # A range of 1e38 is no reason for a warning of numpy: what is not finite is treated as missing.
    with np.errstate(over="ignore", invalid="ignore"):
        for stretch, low, high in zip(stretches, edges[:-1], edges[1:], strict=True):
            _fill(array[:, low:high], recording, kept, stretch)
        checked = [*_filled(array), *in_microvolt(array, kept, policy)]
    said = [*recording.remarks, *remarks, *_segments(stretches), *checked]
    return Signal(
        array,
        rate,
        tuple(one.name for one in kept),
        remarks=tuple(said),
        limits=tuple((one.channel.limits[0] * one.scale, one.channel.limits[1] * one.scale) for one in kept),
        breaks=tuple(int(edge) for edge in edges[1:-1]),
        whole_seconds=recording.seconds,
    )


def eeg_header(file: Path, *, policy: EegPolicy = EegPolicy()) -> EegHeader:
    """What a recording says of itself, without reading its samples.

    Raises
    ------
    DataError
        As `read_eeg`, gaps and amplitudes apart.

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
    recording = _opened(file, policy)
    kept, rate, _ = chosen_channels(recording, policy)
    return EegHeader(recording.start, recording.seconds, rate, tuple(one.name for one in kept))


def _opened(file: Path, policy: EegPolicy) -> Recording:
    """The recording by what its first bytes say it is."""
    try:
        with open_regular(file) as stream:
            first = stream.read(64)
    except OSError:
        refuse_recording("EEG_OPEN", "a file that can be opened", "one that cannot", "Check that it may be read.")
    if first[:8] in _EDF:
        return _named(EdfRecording(file, policy), file, _EDF[first[:8]])
    for magics, opening in _BY_MNE:
        if first.startswith(magics):
            return opening(file, policy)
    remedy = "Export the recording as EDF+."
    if first.startswith(eeg_formats.MATLAB_73):
        remedy = "Save the data set in EEGLAB without the option for MATLAB 7.3 (HDF5), which nothing here can read."
    elif file.suffix.lower() in (".eeg", ".vmrk", ".fdt"):
        remedy = "Name the `.vhdr` or `.set` file beside it: this one is only a part of the recording."
    refuse_recording("EEG_FORMAT", "an EDF, BDF, BrainVision, EEGLAB or FIF recording", "another format", remedy)


def _named(recording: Recording, file: Path, suffixes: tuple[str, ...]) -> Recording:
    if file.suffix.lower() in (".edf", ".rec", ".bdf") and file.suffix.lower() not in suffixes:
        text = "The file is not what its name ends with; it is read as what its first bytes say."
        recording.remarks = (*recording.remarks, Remark("EEG_SUFFIX", text))
    return recording


def _fill(target: np.ndarray, recording: Recording, kept: Sequence[Kept], stretch: Stretch) -> None:
    """Read one stretch into its place; a channel with fewer samples than the others is resampled."""
    for row, samples in zip(target, recording.read(kept, stretch), strict=True):
        if len(samples) == len(row):
            row[:] = samples
        else:
            row[:] = _resampled(samples, len(row))


def _resampled(samples: np.ndarray, length: int) -> np.ndarray:
    # MNE takes a quarter of a second to import, and few recordings need it.
    from mne.filter import resample

    return np.asarray(resample(samples.astype(np.float64), length, len(samples), verbose="CRITICAL"))[:length]


def _segments(stretches: Sequence[Stretch]) -> list[Remark]:
    if len(stretches) < 2:
        return []
    return [Remark("EEG_SEGMENTS", f"The recording has gaps; {len(stretches)} uninterrupted pieces are used.")]


def _filled(array: np.ndarray) -> list[Remark]:
    """Bridge samples that are no numbers by a straight line, if they are few.

    Raises
    ------
    DataError
        ``EEG_NAN``.
    """
    if np.isfinite(array.sum()):
        return []
    missing = ~np.isfinite(array)
    share = float(missing.mean(axis=1).max())
    if share > MOST_MISSING:
        refuse_recording("EEG_NAN", f"at most {MOST_MISSING:.0%} of a channel without a value", "more")
    time = np.arange(array.shape[1])
    for row, gone in zip(array, missing, strict=True):
        if gone.any():
            row[gone] = np.interp(time[gone], time[~gone], row[~gone])
    text = f"{int(missing.sum())} sample(s) without a value are bridged by straight lines."
    return [Remark("EEG_NAN", text)] if missing.any() else []
