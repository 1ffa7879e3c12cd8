"""The header of an EDF, EDF+ or BDF file, checked field by field. Names and birth dates in it are never kept."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.io.edf_length import RecordCount, record_count
from clinfuse.io.files import open_regular
from clinfuse.io.policies import EegPolicy
from clinfuse.io.refusals import refuse_recording
from clinfuse.io.values import Remark

MOST_HZ = 1_000_000
_MAIN = 256
_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_PLUS_DATE = re.compile(rb"Startdate \d\d-[A-Z]{3}-(\d{4}) ")
_BDF = b"\xffBIOSEMI"
_EDF = b"0       "


@final
@dataclass(frozen=True)
class EdfChannel:
    """One channel as the header declares it.

    Parameters
    ----------
    label, unit : str
        As written, without surrounding blanks.
    physical, digital : tuple of float, tuple of int
        Lowest and highest value, in ``unit`` and as stored.
    samples : int
        Per data record.
    start : int
        Position of its first sample inside a data record.
    """

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[int, int]
    samples: int
    start: int

    @property
    def is_annotation(self) -> bool:
        """Whether it holds text, not samples."""
        return self.label in ("EDF Annotations", "BDF Annotations")

    @property
    def gain(self) -> float:
        """Physical units of one digital step; negative where the polarity is inverted."""
        return (self.physical[1] - self.physical[0]) / (self.digital[1] - self.digital[0])


@final
@dataclass(frozen=True, eq=False)
class EdfHeader:
    """What the header says of the recording.

    Parameters
    ----------
    start : datetime64[s]
        NaT where the date is not one.
    records : int
        Number of data records, as many as the file holds.
    record_seconds : float
        Length of one, s.
    width : int
        Bytes of one sample: 2 (EDF) or 3 (BDF).
    length : int
        Bytes of the header.
    plus, interrupted : bool
        Whether its data records carry times (EDF+, BDF+), and whether they declare gaps (EDF+D, BDF+D).
    channels : tuple of EdfChannel
    remarks : tuple of Remark
        What was put right or is worth a second look.
    """

    start: np.datetime64
    records: int
    record_seconds: float
    width: int
    length: int
    plus: bool
    interrupted: bool
    channels: tuple[EdfChannel, ...]
    remarks: tuple[Remark, ...] = ()

    @property
    def record_bytes(self) -> int:
        """Bytes of one data record."""
        return sum(channel.samples for channel in self.channels) * self.width

    @property
    def seconds(self) -> float:
        """Length of the recording, s, gaps not counted."""
        return self.records * self.record_seconds


def read_edf_header(file: Path, *, policy: EegPolicy = EegPolicy()) -> EdfHeader:
    """The checked header of an EDF, EDF+ or BDF file; samples are not read.

    Parameters
    ----------
    file : Path
    policy : EegPolicy
        Its ``truncated`` decides about a file with fewer data records than it declares.

    Raises
    ------
    DataError
        ``EEG_OPEN``, ``EEG_FORMAT``, ``EDF_HEADER``, ``EDF_NUMBER``, ``EDF_DURATION``, ``EDF_SAMPLES``, ``EDF_LENGTH``,
        ``EDF_RANGE``.

    References
    ----------
    Kemp B, Olivan J. European data format 'plus' (EDF+). Clin Neurophysiol 2003;114:1755-61.
    doi:10.1016/S1388-2457(03)00123-8
    """
    try:
        with open_regular(file) as stream:
            main = stream.read(_MAIN)
            count = _signals(main)
            size = os.fstat(stream.fileno()).st_size
            # A number of channels is four characters, and 21e9 is a number too.
            body = stream.read(min(_MAIN * count, size))
    except OSError:
        refuse_recording("EEG_OPEN", "a file that can be opened", "one that cannot", "Check that it may be read.")
    length = int(_number(main[184:192], "header size"))
    if len(body) < _MAIN * count or length != _MAIN * (count + 1):
        refuse_recording("EDF_HEADER", "256 bytes of header for each channel and 256 more", "another size")
    channels, seconds = _channels(body, count), _number(main[244:252], "duration of a data record")
    _check(channels, seconds)
    width = 3 if main[:8] == _BDF else 2
    record = sum(channel.samples for channel in channels) * width
    declared = int(_number(main[236:244], "number of data records"))
    counted = record_count(RecordCount(declared, size - length, record, seconds), policy)
    start = _start(main)
    return EdfHeader(
        start=start,
        records=counted.records,
        record_seconds=seconds,
        width=width,
        length=length,
        plus=main[192:196] in (b"EDF+", b"BDF+"),
        interrupted=main[192:197] in (b"EDF+D", b"BDF+D"),
        channels=channels,
        remarks=(*counted.remarks, *_remarks(main, body, channels, start)),
    )


def _signals(main: bytes) -> int:
    if main[:8] not in (_BDF, _EDF):
        refuse_recording("EEG_FORMAT", "an EDF, EDF+ or BDF file", "another format", "Export the recording as EDF+.")
    if len(main) < _MAIN:
        refuse_recording("EDF_HEADER", "256 bytes of header", "fewer")
    count = _number(main[252:256], "number of channels")
    if count < 1 or count != int(count):
        refuse_recording("EDF_HEADER", "at least one channel", "none")
    return int(count)


def _channels(body: bytes, count: int) -> tuple[EdfChannel, ...]:
    columns, offset = [], 0
    for width in _FIELDS:
        columns.append([body[offset + i * width : offset + (i + 1) * width] for i in range(count)])
        offset += width * count
    channels, start = [], 0
    for i, (label, _, unit, low, high, least, most, _, samples, _) in enumerate(zip(*columns, strict=True), start=1):
        channel = EdfChannel(
            label=_text(label),
            unit=_text(unit),
            physical=(_number(low, f"channel {i}"), _number(high, f"channel {i}")),
            digital=(int(_number(least, f"channel {i}")), int(_number(most, f"channel {i}"))),
            samples=int(_number(samples, f"channel {i}")),
            start=start,
        )
        start += channel.samples
        channels.append(channel)
    return tuple(channels)


def _check(channels: tuple[EdfChannel, ...], seconds: float) -> None:
    signals = [channel for channel in channels if not channel.is_annotation]
    if signals and seconds <= 0:
        refuse_recording("EDF_DURATION", "data records longer than 0 s", "another length")
    for i, channel in enumerate(channels, start=1):
        if channel.samples < 1:
            refuse_recording("EDF_SAMPLES", "at least one sample per data record", f"none in channel {i}")
        if channel.is_annotation:
            continue
        if channel.samples > MOST_HZ * seconds:
            refuse_recording("EDF_SAMPLES", f"at most {MOST_HZ:,} samples per second", f"more in channel {i}")
        if channel.digital[0] >= channel.digital[1]:
            refuse_recording("EDF_RANGE", "digital minimum below digital maximum", f"another order in channel {i}")
        if channel.physical[0] == channel.physical[1]:
            refuse_recording("EDF_RANGE", "physical minimum and maximum that differ", f"equal ones in channel {i}")


def _remarks(main: bytes, body: bytes, channels: tuple[EdfChannel, ...], start: np.datetime64) -> tuple[Remark, ...]:
    """What a careful user would want to know of a header that can be read."""
    said = []
    offset = sum(_FIELDS[:3]) * len(channels)
    if b"," in body[offset : offset + sum(_FIELDS[3:7]) * len(channels)] + main[244:252]:
        said.append(Remark("EDF_COMMA", "Numbers in the header are written with a decimal comma."))
    turned = sum(channel.physical[0] > channel.physical[1] for channel in channels if not channel.is_annotation)
    if turned:
        text = f"{turned} channel(s) declare an inverted polarity; the sign is kept as the format defines it."
        said.append(Remark("EDF_POLARITY", text))
    if np.isnat(start):
        said.append(Remark("EDF_DATE", "The start of the recording is no date, so it counts as unknown."))
    # 01.01.85 is what EDF+ prescribes for a date that was taken out.
    elif main[174:176] == b"85" and main[168:174] != b"01.01." and not _PLUS_DATE.match(main[88:168]):
        said.append(Remark("EDF_DATE", "The year of the recording is written as 85: taken as 1985, it may be 2085."))
    return tuple(said)


def _text(field: bytes) -> str:
    """EDF is ASCII; units are met in latin-1 and in UTF-8, and a latin-1 reading of UTF-8 is told by its first byte."""
    try:
        return field.decode("utf-8").strip(" \0")
    except UnicodeDecodeError:
        return field.decode("latin-1").strip(" \0")


def _number(field: bytes, place: str) -> float:
    # Recorders under a European locale write a decimal comma; EDF knows no thousands separator.
    written = field.decode("latin-1").strip(" \0").replace(",", ".")
    if not _NUMBER.fullmatch(written) or not np.isfinite(float(written)):
        refuse_recording("EDF_NUMBER", "a number in every numeric field", f"something else in: {place}")
    return float(written)


def _start(main: bytes) -> np.datetime64:
    """Start of the recording; EDF+ repeats the date with four digits of the year, plain EDF has two (1985-2084)."""
    day = re.fullmatch(rb"(\d\d)\.(\d\d)\.(\d\d)", main[168:176])
    clock = re.fullmatch(rb"(\d\d)\.(\d\d)\.(\d\d)", main[176:184])
    if day is None or clock is None:
        return np.datetime64("NaT", "s")
    date, month, short = (int(part) for part in day.groups())
    year = short + (1900 if short >= 85 else 2000)
    plus = _PLUS_DATE.match(main[88:168])
    if plus and int(plus[1]) % 100 == short:
        year = int(plus[1])
    try:
        hour, minute, second = (int(part) for part in clock.groups())
        return np.datetime64(datetime(year, month, date, hour, minute, second).isoformat(), "s")
    except ValueError:
        return np.datetime64("NaT", "s")
