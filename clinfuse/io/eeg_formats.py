"""BrainVision, EEGLAB and FIF recordings, decoded by MNE behind checks of their own.

What a file may make MNE do is decided before it is given to it: other files lie beside it, compressed parts are no
larger than a budget, and nothing it says or warns of reaches a message.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, final

import numpy as np

from clinfuse.io.budget import check_size
from clinfuse.io.edf import refuse_gaps
from clinfuse.io.edf_header import MOST_HZ
from clinfuse.io.eeg_parts import content, decoded, is_plain, named_files
from clinfuse.io.files import open_regular
from clinfuse.io.policies import EegPolicy
from clinfuse.io.recording import UNLIMITED, Kept, RecordedChannel, Recording, Stretch
from clinfuse.io.refusals import refuse_recording

BRAINVISION = (b"Brain Vision Data Exchange Header", b"BrainVision Data Exchange Header")
MATLAB = b"MATLAB 5.0 MAT-file"
MATLAB_73 = b"MATLAB 7.3 MAT-file"
FIF = b"\x00\x00\x00\x64\x00\x00\x00\x1f\x00\x00\x00\x14"
_CHANNEL = re.compile(r"(?m)^Ch(\d+)=[^,\r\n]*,[^,\r\n]*,[^,\r\n]*,([^,\r\n]*)")
_SEGMENT = re.compile(rb"(?m)^Mk\d+=New Segment,[^,\r\n]*,(\d{1,15}),[^,\r\n]*,[^,\r\n]*(?:,(\d{20}))?")
_UNKNOWN = np.datetime64("NaT", "s")
_INT_16 = re.compile(r"(?m)^BinaryFormat=INT_16\s*$")
_COMPRESSED, _SPLIT_NAME = 15, 118
# Kinds of channel that are a voltage on the body; MNE gives them in volt.
_VOLTAGES = frozenset(("eeg", "ecg", "eog", "emg", "bio", "seeg", "ecog", "dbs"))
_LABELS = {"ecg": "ECG", "eog": "EOG", "emg": "EMG"}
_BREAKS = ("boundary", "bad boundary", "edge boundary")
_SKIPPED = "BAD_ACQ_SKIP"


@final
@dataclass(frozen=True)
class Aside:
    """What a header says that MNE does not pass on.

    Parameters
    ----------
    start : datetime64[s]
    units : mapping of int to str
        By position of the channel.
    breaks : tuple of int
        Samples at which the recording begins anew.
    limit : float
        Highest number that can be stored, before scaling; infinite where it says nothing.
    """

    start: np.datetime64 = _UNKNOWN
    units: Mapping[int, str] = field(default_factory=dict)
    breaks: tuple[int, ...] = ()
    limit: float = np.inf


def brainvision(file: Path, policy: EegPolicy) -> MneRecording:
    """A BrainVision recording, by its ``.vhdr``; of its markers only new segments are read, in any encoding.

    Raises
    ------
    DataError
        ``EEG_PARTS`` where the data file does not lie beside it, and those of `MneRecording`.
    """
    text = content(file).decode("latin-1")
    named = named_files(text, file)
    _check_beside(file, named.get("DataFile", ""))
    units = {int(number) - 1: decoded(unit) for number, unit in _CHANNEL.findall(text)}
    markers = content(_beside(file, named["MarkerFile"])) if named.get("MarkerFile") else b""
    segments = _SEGMENT.findall(markers)
    start = _moment(next((date for _, date in segments if date), b""))
    breaks = tuple(int(position) - 1 for position, _ in segments if int(position) > 1)
    limit = 32767.0 if _INT_16.search(text) else np.inf

    def opened() -> Any:
        from mne.io import read_raw_brainvision

        return read_raw_brainvision(file, overrides={"marker_fname": False}, verbose="CRITICAL")

    return MneRecording(file, opened, policy, Aside(start, units, breaks, limit))


def eeglab(file: Path, policy: EegPolicy) -> MneRecording:
    """An EEGLAB data set, by its ``.set``; the samples inside it or in a ``.fdt`` beside it.

    Raises
    ------
    DataError
        ``BOMB``, ``EEG_PARTS`` and those of `MneRecording`.
    """
    _check_inflated(file)

    def opened() -> Any:
        from mne.io import read_raw_eeglab

        return read_raw_eeglab(file, verbose="CRITICAL")

    return MneRecording(file, opened, policy)


def fif(file: Path, policy: EegPolicy) -> MneRecording:
    """A FIF recording in one file.

    Raises
    ------
    DataError
        ``EEG_PARTS`` where it goes on in another file, and those of `MneRecording`.
    """
    _check_unsplit(file)

    def opened() -> Any:
        from mne.io import read_raw_fif

        return read_raw_fif(file, allow_maxshield=False, verbose="CRITICAL")

    return MneRecording(file, opened, policy)


@final
class MneRecording(Recording):
    """A recording that MNE opens; of what it says about the person nothing is kept.

    Parameters
    ----------
    file : Path
    opened : callable
        Gives MNE's recording, its samples not read yet.
    policy : EegPolicy
    aside : Aside

    Raises
    ------
    DataError
        ``EEG_READ``, ``EEG_PARTS``, ``BOMB``.
    """

    def __init__(self, file: Path, opened: Callable[[], Any], policy: EegPolicy, aside: Aside = Aside()) -> None:
        self._policy, self._aside = policy, aside
        self._raw = _quietly(opened)
        if len(self._raw.filenames) > 1:
            _refuse_parts()
        for part in self._raw.filenames:
            if part is not None and Path(part).resolve().parent != file.resolve().parent:
                _refuse_parts()
        rate = float(self._raw.info["sfreq"])
        if not 0 < rate <= MOST_HZ or self._raw.n_times < 1:
            rule = f"samples at a rate above 0 and up to {MOST_HZ:,} Hz"
            refuse_recording("EEG_READ", rule, "another rate, or no samples")
        said = zip(self._raw.ch_names, _quietly(self._raw.get_channel_types), self._raw.info["chs"], strict=True)
        channels = []
        for position, (label, kind, about) in enumerate(said):
            end = aside.limit * abs(float(about["cal"]) * float(about["range"]))
            limits = (-end, end) if kind in _VOLTAGES and np.isfinite(end) else UNLIMITED
            unit = "V" if kind in _VOLTAGES else _unit(kind, aside.units.get(position, ""))
            channels.append(RecordedChannel(_label(label, kind), unit, rate, position, limits))
        super().__init__(_start(self._raw, aside), self._raw.n_times / rate, tuple(channels))

    def stretches(self, window_seconds: float, windows: int) -> tuple[Stretch, ...]:
        """Where no annotation marks a break.

        Raises
        ------
        DataError
            ``EDF_GAPS``.
        """
        rate, count = float(self._raw.info["sfreq"]), int(self._raw.n_times)
        # MNE counts onsets from before the first sample, with a date of the recording and without one.
        first = float(self._raw.first_time)
        gaps = [(at, at) for at in self._aside.breaks if at < count]
        for one in self._raw.annotations:
            if not np.isfinite([one["onset"], one["duration"]]).all():
                continue
            begin = max(0, int(np.ceil((one["onset"] - first) * rate - 1e-6)))
            if one["description"] == _SKIPPED:
                gaps.append((begin, begin + round(one["duration"] * rate)))
            elif 0 < begin < count and one["description"].casefold().startswith(_BREAKS):
                gaps.append((begin, begin))
        pieces = [(low / rate, high / rate) for low, high in _between(gaps, count)]
        if len(pieces) > 1 and self._policy.gaps != "segment":
            refuse_gaps("EDF_GAPS", len(pieces) - 1)
        return tuple(pieces)

    def read(self, kept: Sequence[Kept], stretch: Stretch) -> list[np.ndarray]:
        """The samples, as MNE scales them."""
        rate = float(self._raw.info["sfreq"])
        begin, end = round(stretch[0] * rate), round(stretch[1] * rate)
        rows = [one.channel.position for one in kept]
        check_size("recording", 12 * len(rows) * (end - begin))
        found = _quietly(lambda: self._raw.get_data(picks=rows, start=begin, stop=end, verbose="CRITICAL"))
        return [(row * one.scale).astype(np.float32) for row, one in zip(found, kept, strict=True)]


def _between(gaps: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """First and behind-last sample of what lies between gaps, one of which may begin or lie inside another.

    Examples
    --------
    >>> _between([(10, 50), (20, 20), (60, 60)], 100)
    [(0, 10), (50, 60), (60, 100)]
    """
    pieces, low = [], 0
    for begin, end in sorted([*gaps, (count, count)]):
        if begin > low:
            pieces.append((low, begin))
        low = max(low, end)
    return pieces


def _quietly(step: Callable[[], Any]) -> Any:
    """What a step of MNE gives; its warnings and errors may hold names and values, so none of them gets out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return step()
        except MemoryError:
            raise
        except Exception as error:
            found = f"content it does not ({type(error).__name__})"
            refuse_recording("EEG_READ", "a recording that MNE understands", found, "Export it again, best as EDF+.")


def _start(raw: Any, aside: Aside) -> np.datetime64:
    moment = raw.info["meas_date"]
    return aside.start if moment is None else np.datetime64(moment.replace(tzinfo=None), "s")


def _moment(written: bytes) -> np.datetime64:
    """A date of the form YYYYMMDDhhmmss; NaT where it is none."""
    digits = written.decode("ascii")
    try:
        return np.datetime64(datetime.strptime(digits[:14], "%Y%m%d%H%M%S"), "s")
    except ValueError:
        return _UNKNOWN


def _label(label: str, kind: str) -> str:
    """The label; one that does not say what MNE knows (an eye, the heart) gets it in front."""
    return label if kind not in _LABELS or _LABELS[kind] in label.upper() else f"{_LABELS[kind]} {label}"


def _unit(kind: str, said: str) -> str:
    """Unit of a channel that is no voltage to MNE; in a BrainVision header the unit itself decides."""
    return said if kind == "misc" and said else "n/a"


def _check_beside(file: Path, name: str) -> None:
    """The samples of a recording are a file in the same folder, links followed."""
    other = _beside(file, name)
    if not other.is_file() or other.resolve().parent != file.resolve().parent:
        _refuse_parts()


def _beside(file: Path, name: str) -> Path:
    """A part of a recording by its plain name."""
    if not is_plain(name):
        _refuse_parts()
    return file.parent / name


def _refuse_parts() -> NoReturn:
    refuse_recording(
        "EEG_PARTS",
        "a recording whose parts all lie beside its header",
        "one that names a file which is absent or elsewhere",
        "Copy all files of the recording into one folder, under the names they were exported with.",
    )


def _check_inflated(file: Path) -> None:
    """Ask the budget for every compressed part of a MATLAB file: each begins with the size it will have."""
    size = file.stat().st_size
    inflated = 0
    with open_regular(file) as stream:
        order = ">" if stream.read(128)[126:128] == b"MI" else "<"
        while len(tag := stream.read(8)) == 8:
            kind, stored = struct.unpack(order + "II", tag)
            start = stream.read(min(stored, 64))
            if kind == _COMPRESSED:
                inflated += _inflated_size(start, order)
            stream.seek(stored - len(start), 1)
    check_size("EEGLAB data set", inflated, size)


def _inflated_size(start: bytes, order: str) -> int:
    try:
        tag = zlib.decompressobj().decompress(start, 8)
    except zlib.error:
        return 0
    return int(struct.unpack(order + "II", tag)[1]) if len(tag) == 8 else 0


def _check_unsplit(file: Path) -> None:
    """A FIF file is a chain of tags; one of them would name the file the recording goes on in.

    MNE follows a chain that leads back for ever.
    """
    size, at = file.stat().st_size, 0
    with open_regular(file) as stream:
        while at + 16 <= size:
            stream.seek(at)
            kind, _, stored, following = struct.unpack(">iiii", stream.read(16))
            if kind == _SPLIT_NAME:
                refuse_recording(
                    "EEG_PARTS",
                    "a recording in one file",
                    "one that goes on in another",
                    "Save it unsplit, or as EDF+.",
                )
            if following < 0:
                break
            if stored < 0 or 0 < following <= at:
                refuse_recording("EEG_READ", "tags of a FIF file that follow each other", "one that leads back")
            at = following or at + 16 + stored
