"""The samples of an EDF or BDF file, and the gaps between its data records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.io.edf_header import EdfChannel, read_edf_header
from clinfuse.io.files import open_regular
from clinfuse.io.policies import EegPolicy
from clinfuse.io.recording import Kept, RecordedChannel, Recording, Stretch, enough
from clinfuse.io.refusals import refuse_recording

# A block stays in the processor's cache while all of its channels are taken out of it.
_BLOCK_BYTES = 1 << 20
_ONSET = re.compile(rb"([+-]\d+(?:\.\d*)?)\x14\x14")
_TOLERANCE = 1e-3
# Onsets are written with three decimals where a data record is not so long.
_ROUNDING_S = 2.1e-3


@final
class EdfRecording(Recording):
    """An EDF, EDF+ or BDF file.

    Parameters
    ----------
    file : Path
    policy : EegPolicy

    Raises
    ------
    DataError
        As `read_edf_header`.
    """

    def __init__(self, file: Path, policy: EegPolicy) -> None:
        self._file, self._policy = file, policy
        self._header = read_edf_header(file, policy=policy)
        header = self._header
        channels = tuple(
            RecordedChannel(one.label, one.unit, one.samples / header.record_seconds, position, _limits(one))
            for position, one in enumerate(header.channels)
            if not one.is_annotation
        )
        super().__init__(header.start, header.seconds, channels, header.remarks)

    def stretches(self, window_seconds: float, windows: int) -> tuple[Stretch, ...]:
        """Where the onsets of the data records leave no gap.

        Raises
        ------
        DataError
            ``EDF_GAPS``, ``EDF_ORDER``, ``EDF_ONSET``.
        """
        header = self._header
        if not header.plus:
            return ((0.0, header.seconds),)
        edges, last = [0], np.nan
        for first, onsets in self._onsets():
            steps = np.diff(onsets, prepend=last)[int(first == 0) :]
            self._check_order(steps)
            behind = first + int(first == 0)
            edges += [behind + int(k) for k in np.flatnonzero(steps > header.record_seconds + self._slack)]
            last = onsets[-1]
            if enough(self._between([*edges, first + len(onsets)]), window_seconds, windows):
                return self._accepted(self._between([*edges, first + len(onsets)]))
        return self._accepted(self._between([*edges, header.records]))

    @property
    def _slack(self) -> float:
        """How far two onsets may be from one data record apart, s."""
        length = self._header.record_seconds
        return max(_TOLERANCE * length, min(0.25 * length, _ROUNDING_S))

    def _between(self, edges: Sequence[int]) -> tuple[Stretch, ...]:
        seconds = self._header.record_seconds
        return tuple((a * seconds, b * seconds) for a, b in pairwise(edges))

    def _accepted(self, stretches: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
        if len(stretches) > 1 and self._policy.gaps != "segment":
            refuse_gaps("EDF_GAPS", len(stretches) - 1)
        return stretches

    def _check_order(self, steps: np.ndarray) -> None:
        if (steps < self._header.record_seconds - self._slack).any():
            refuse_recording("EDF_ORDER", "data records in the order of their times", "another order, or an overlap")
        if self._header.interrupted and np.isnan(steps).any():
            refuse_recording("EDF_ONSET", "a time for each data record of an interrupted recording", "one without")

    def _onsets(self) -> Iterator[tuple[int, np.ndarray]]:
        """Number of the first data record and the onset of each, s, block by block; NaN where it is not written."""
        texts = [one for one in self._header.channels if one.is_annotation]
        if not texts and self._header.interrupted:
            refuse_recording("EDF_ONSET", "a time for each data record of an interrupted recording", "none")
        for first, block in self._blocks(0, self._header.records if texts else 0):
            low = texts[0].start * self._header.width
            high = low + texts[0].samples * self._header.width
            found = [_ONSET.match(text.tobytes()) for text in block[:, low:high]]
            yield first, np.array([np.nan if one is None else float(one[1]) for one in found])

    def read(self, kept: Sequence[Kept], stretch: Stretch) -> list[np.ndarray]:
        """The samples, scaled from the declared ranges in double precision."""
        header = self._header
        channels = [header.channels[one.channel.position] for one in kept]
        rates = [channel.samples / header.record_seconds for channel in channels]
        edges = [(round(stretch[0] * rate), round(stretch[1] * rate)) for rate in rates]
        read = [np.empty(end - begin, dtype=np.float32) for begin, end in edges]
        first = int(stretch[0] / header.record_seconds + _TOLERANCE)
        ends = [-(-end // channel.samples) for channel, (_, end) in zip(channels, edges, strict=True)]
        last = min(header.records, max(ends))
        for at, block in self._blocks(first, last):
            stored = _integers(block, header.width)
            for channel, one, (begin, end), row in zip(channels, kept, edges, read, strict=True):
                here = at * channel.samples - begin
                part = stored[:, channel.start : channel.start + channel.samples].reshape(-1)[: end - begin - here]
                row[here : here + len(part)] = _physical(part, channel, one.scale)
        return read

    def _blocks(self, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
        """Data records as bytes, (records, bytes of one), some at a time."""
        size = self._header.record_bytes
        step = max(1, _BLOCK_BYTES // size)
        try:
            with open_regular(self._file) as stream:
                stream.seek(self._header.length + first * size)
                for at in range(first, last, step):
                    count = min(step, last - at)
                    block = np.frombuffer(stream.read(count * size), dtype=np.uint8)
                    yield at, block.reshape(count, size)
        except (OSError, ValueError):
            refuse_recording("EEG_OPEN", "a file that can be read to its end", "one that cannot")


def refuse_gaps(code: str, gaps: int) -> None:
    """Raise the question what to do with an interrupted recording."""
    refuse_recording(
        code,
        "a recording without gaps",
        f"{gaps} gap(s)",
        'Write `gaps = "segment"` in this modality to cut windows inside the uninterrupted pieces: joining them would '
        "make steps that no brain made.",
    )


def _limits(channel: EdfChannel) -> tuple[float, float]:
    half = abs(channel.gain) / 2
    return min(channel.physical) + half, max(channel.physical) - half


def _integers(block: np.ndarray, width: int) -> np.ndarray:
    """(records, samples of all channels) as stored: int16, or int32 made of 24 bits."""
    if width == 2:
        return block.view("<i2")
    samples = block.reshape(len(block), -1, width)
    wide = np.zeros((*samples.shape[:2], 4), dtype=np.uint8)
    wide[..., 1:] = samples
    return wide.view("<i4")[..., 0] >> 8


def _physical(stored: np.ndarray, channel: EdfChannel, scale: float) -> np.ndarray:
    low, least, gain = channel.physical[0], channel.digital[0], channel.gain
    return stored * (gain * scale) + (low - least * gain) * scale
