"""Recordings made field by field, so that every field can lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.fault import NAME, NUMBER, Fault
from tests.faults.image_reading import reading

Build = Callable[[Path, int], Path]
CHANNELS = ("F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2")
RATE = 128
SECONDS = 6
SETTINGS = {"channels": list(CHANNELS), "rate_hz": 64.0, "segments": {"seconds": 2.0, "count": 2}}
read = reading("eeg", **SETTINGS)
_FIELDS = (
    ("label", 16, ""),
    ("transducer", 80, NAME),
    ("unit", 8, "uV"),
    ("pmin", 8, -3276.8),
    ("pmax", 8, 3276.7),
    ("dmin", 8, -32768),
    ("dmax", 8, 32767),
    ("filter", 80, ""),
    ("samples", 8, RATE),
    ("reserved", 32, ""),
)


def waves(variant: int, channels: int = len(CHANNELS), seconds: int = SECONDS, rate: int = RATE) -> np.ndarray:
    """Noise of 20 µV, (channel, time), in tenths of a microvolt as stored."""
    draw = np.random.default_rng(variant)
    return np.round(200 * draw.normal(size=(channels, seconds * rate))).astype("<i2")


@dataclass(frozen=True)
class EdfFile:
    """An EDF+ file to be written; what is not said is as it should be."""

    stored: np.ndarray
    labels: Sequence[str | bytes] = CHANNELS
    main: Mapping[str, Any] = field(default_factory=dict)
    every: Mapping[str, Any] = field(default_factory=dict)
    one: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    onsets: Sequence[float] | None = None
    note: bytes = b""
    others: Sequence[tuple[Mapping[str, Any], bytes]] = ()
    width: int = 2

    def write(self, file: Path) -> Path:
        """Write it and give the path."""
        file.write_bytes(self.header() + self.body())
        return file

    @property
    def seconds(self) -> int:
        """Data records of one second."""
        return self.stored.shape[1] // RATE

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Every field of every channel."""
        named = enumerate(self.labels)
        rows = [{"label": label, **self.every, **self.one.get(k, {})} for k, label in named]
        rows += [{"unit": "", **said} for said, _ in self.others]
        if self.onsets is not None:
            rows.append({"label": "EDF Annotations", "unit": "", "pmin": -1, "pmax": 1, "samples": 64})
        return rows

    def header(self) -> bytes:
        """The header, every field cut or filled to its width."""
        rows = self.rows
        kind = "" if self.onsets is None else "EDF+C"
        said = {"version": "0", "patient": f"{NUMBER} M 01-JAN-1970 {NAME}", "recording": f"Startdate X {NAME} X X"}
        said |= {"date": "02.03.21", "clock": "04.05.06", "length": 256 * (len(rows) + 1), "kind": kind}
        said |= {"records": self.seconds, "seconds": 1, "count": len(rows)} | dict(self.main)
        widths = {"version": 8, "patient": 80, "recording": 80, "date": 8, "clock": 8, "length": 8, "kind": 44}
        widths |= {"records": 8, "seconds": 8, "count": 4}
        head = b"".join(_field(said[name], width) for name, width in widths.items())
        return head + b"".join(_field(row.get(name, usual), width) for name, width, usual in _FIELDS for row in rows)

    def body(self) -> bytes:
        """The data records."""
        records = []
        for record in range(self.seconds):
            part = self.stored[:, record * RATE : (record + 1) * RATE]
            records.append(_bytes(part, self.width))
            records += [stored for _, stored in self.others]
            if self.onsets is not None:
                text = f"+{self.onsets[record]}".encode() + b"\x14\x14\0" + self.note
                records.append(text.ljust(64 * self.width, b"\0")[: 64 * self.width])
        return b"".join(records)


def _field(value: object, width: int) -> bytes:
    return (value if isinstance(value, bytes) else str(value).encode("latin-1")).ljust(width)[:width]


def _bytes(stored: np.ndarray, width: int) -> bytes:
    if width == 2:
        return stored.astype("<i2").tobytes()
    return np.ascontiguousarray(stored.astype("<i4")).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def edf(variant: int, **said: Any) -> EdfFile:
    """A sound file of six seconds, eight channels, 128 Hz, with what is said otherwise."""
    return replace(EdfFile(waves(variant)), **said)


@dataclass(frozen=True)
class BrainVisionFile:
    """A BrainVision recording of three files."""

    stored: np.ndarray
    data_file: str = "rest.eeg"
    markers: Sequence[str] = ("Mk1=New Segment,,1,1,0",)
    marker_bytes: bytes = b""
    binary: str = "INT_16"
    units: Sequence[str] = ("µV",) * len(CHANNELS)
    with_data: bool = True

    def write(self, folder: Path) -> Path:
        """Write it and give the path of its header."""
        lines = ["Brain Vision Data Exchange Header File Version 1.0", f"; {NAME}", "[Common Infos]", "Codepage=UTF-8"]
        lines += [f"DataFile={self.data_file}", "MarkerFile=rest.vmrk", "DataFormat=BINARY"]
        lines += ["DataOrientation=MULTIPLEXED", f"NumberOfChannels={len(CHANNELS)}"]
        lines += [f"SamplingInterval={1e6 / RATE:g}", "[Binary Infos]", f"BinaryFormat={self.binary}"]
        lines += ["[Channel Infos]"]
        lines += [
            f"Ch{k + 1}={name},,0.1,{unit}" for k, (name, unit) in enumerate(zip(CHANNELS, self.units, strict=True))
        ]
        (folder / "rest.vhdr").write_text("\n".join([*lines, ""]), encoding="utf-8")
        marks = ["Brain Vision Data Exchange Marker File, Version 1.0", "[Common Infos]", "Codepage=UTF-8"]
        marks += [f"DataFile={self.data_file}", "[Marker Infos]", *self.markers, ""]
        (folder / "rest.vmrk").write_bytes("\n".join(marks).encode() + self.marker_bytes)
        if self.with_data:
            dtype = "<i2" if self.binary == "INT_16" else "<f4"
            (folder / "rest.eeg").write_bytes(self.stored.T.astype(dtype).tobytes())
        return folder / "rest.vhdr"


def write_fif(file: Path, microvolt: np.ndarray, *, first: str = "") -> Path:
    """A FIF recording; MNE writes it."""
    import mne

    info = mne.create_info(list(CHANNELS), RATE, "eeg")
    info["subject_info"] = {"last_name": NAME, "his_id": NUMBER}
    raw = mne.io.RawArray(microvolt * 1e-6, info, verbose="CRITICAL")
    if first:
        raw.set_annotations(mne.Annotations([2.0], [0.0], [first]))
    raw.save(file, verbose="CRITICAL")
    return file


def write_set(file: Path, microvolt: np.ndarray, *, trials: int = 1, **said: object) -> Path:
    """An EEGLAB data set; samples inside it."""
    from scipy.io import savemat

    locations = np.array([(name,) for name in CHANNELS], dtype=[("labels", object)])
    event = np.zeros(0, dtype=[("type", object), ("latency", object)])
    eeg = {"setname": NAME, "subject": NUMBER, "nbchan": len(CHANNELS), "trials": trials, "srate": float(RATE)}
    eeg |= {"pnts": microvolt.shape[1] // trials, "xmin": 0.0, "xmax": microvolt.shape[1] / RATE, "event": event}
    eeg |= {"chanlocs": locations, "data": microvolt.astype(np.float32), "epoch": [], "urevent": [], "icawinv": []}
    eeg |= {"icaweights": [], "icasphere": [], "comments": NAME, "history": NAME} | dict(said)
    savemat(file, {"EEG": eeg}, do_compression=True)
    return file


def kind(number: str, name: str, action: Any, code: str, build: Build, variants: int = 4) -> Fault:
    return Fault(number, name, action, code, build, read, variants)


def edf_cases(*cases: dict[str, Any]) -> Build:
    """A file for each case: what an otherwise sound recording says differently."""

    def build(folder: Path, variant: int) -> Path:
        return edf(variant, **cases[variant % len(cases)]).write(folder / "rest.edf")

    return build


def every_field(**cases: Any) -> Build:
    """One field of all channels, one value for each variant."""
    ((name, values),) = cases.items()
    return edf_cases(*({"every": {name: value}} for value in values))


def cut_to(*lengths: int) -> Build:
    """A sound file of which only so many bytes are left; a negative number counts from the end."""

    def build(folder: Path, variant: int) -> Path:
        file = edf(variant).write(folder / "rest.edf")
        file.write_bytes(file.read_bytes()[: lengths[variant]])
        return file

    return build


def plain_bytes(*contents: bytes) -> Build:
    def build(folder: Path, variant: int) -> Path:
        file = folder / "rest.edf"
        file.write_bytes(contents[variant])
        return file

    return build
