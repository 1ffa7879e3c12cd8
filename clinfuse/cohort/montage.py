"""From the channels of a recording to those of a modality: found by name, checked, re-referenced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, final

import numpy as np

from clinfuse.cohort.bad_channels import bad_channel
from clinfuse.cohort.modality import Modality
from clinfuse.errors import DataError
from clinfuse.io.channels import electrode
from clinfuse.io.eeg_choice import refuse_twice
from clinfuse.io.values import Remark, Signal

_EARS = (("A1", "A2"), ("M1", "M2"))
_CODES = {"flat": "EEG_FLAT", "railed": "EEG_RAILED", "too large": "EEG_LARGE", "mains only": "EEG_MAINS"}


@final
@dataclass(frozen=True, eq=False)
class Montage:
    """The channels of a modality, ready to be filtered.

    Parameters
    ----------
    samples : ndarray of float64, (channel, time)
        µV against the reference; zero where masked.
    masked : ndarray of bool, (channel,)
        Channels that are absent or bad; whatever is computed from them has to be zero.
    remarks : tuple of Remark
        Which are masked, and why.
    """

    samples: np.ndarray
    masked: np.ndarray
    remarks: tuple[Remark, ...]


def montage(signal: Signal, modality: Modality) -> Montage:
    """Pick the channels of a modality and re-reference them; the average is taken over good channels only.

    Parameters
    ----------
    signal : Signal
        µV, only the part that is used: nothing else may decide whether a channel is good.
    modality : Modality
        Of kind ``eeg``: ``channels``, ``reference``, ``least_channels``.

    Raises
    ------
    DataError
        ``EEG_CHANNEL``, ``EEG_CHANNEL_TWICE``, ``EEG_CHANNELS``, ``EEG_BAD_CHANNELS``, ``EEG_REFERENCE``.
    """
    rows = _rows(signal, modality)
    wrong = [bad_channel(signal, row) if row >= 0 else "absent" for row in rows]
    masked = np.array([bool(word) for word in wrong])
    remarks = _checked(rows, wrong, modality)
    samples = np.zeros((len(rows), signal.array.shape[1]))
    good = [row for row, bad in zip(rows, masked, strict=True) if not bad]
    samples[~masked] = _referenced(signal.array[good].astype(np.float64), signal, modality)
    return Montage(samples, masked, remarks)


def _rows(signal: Signal, modality: Modality) -> list[int]:
    """Row of every channel in the recording, -1 where it is absent."""
    if modality.channels:
        return [_position(signal, name) for name in modality.channels]
    if len(signal.channels) == modality.shape[1]:
        return list(range(len(signal.channels)))
    raise DataError(
        "EEG_CHANNELS",
        place="recording",
        rule=f"{modality.shape[1]} channels",
        found=f"{len(signal.channels)}",
        remedy="Name the `channels` to use in cohort.toml.",
    )


def _position(signal: Signal, wanted: str) -> int:
    found = [row for row, name in enumerate(signal.channels) if electrode(name) == electrode(wanted)]
    if len(found) > 1:
        refuse_twice(f"{len(found)} channels that are {wanted}")
    return found[0] if found else -1


def _checked(rows: list[int], wrong: list[str], modality: Modality) -> tuple[Remark, ...]:
    """What to say of absent and bad channels, if there are few enough."""
    names = modality.channels or tuple(f"{k + 1}" for k in range(len(rows)))
    absent = [name for name, row in zip(names, rows, strict=True) if row < 0]
    bad = len([word for word in wrong if word])
    kept = len(rows) - bad
    if kept < len(rows) * modality.least_channels - 1e-9 or kept == 0:
        code = "EEG_CHANNEL" if len(rows) - len(absent) < len(rows) * modality.least_channels else "EEG_BAD_CHANNELS"
        _refuse_few(code, absent[0] if absent else "", kept, modality)
    said = []
    if absent:
        text = f"Channel {', '.join(absent)} is not in the recording; it is masked with zeros."
        said.append(Remark("EEG_CHANNEL_ABSENT", text))
    for word, code in _CODES.items():
        which = [name for name, found in zip(names, wrong, strict=True) if found == word]
        if which:
            said.append(Remark(code, f"Channel {', '.join(which)} is {word}; it is masked with zeros."))
    return tuple(said)


def _refuse_few(code: str, absent: str, kept: int, modality: Modality) -> NoReturn:
    wanted = modality.shape[1]
    least = np.floor(kept / wanted * 100) / 100
    accept = f" Write `least_channels = {least:g}` in this modality to accept it as it is." if least > 0 else ""
    if code == "EEG_CHANNEL":
        rule, found = f"channel {absent}, by this name or its other 10-20 name", "no such channel"
        remedy = "Name it with `aliases` if it is called otherwise, or take it out of `channels`."
    else:
        rule = f"at least {modality.least_channels:.0%} of the channels with a signal"
        found, remedy = f"{kept} of {wanted}", "Leave the recording refused."
    raise DataError(code, place="recording", rule=rule, found=found, remedy=remedy + accept)


def _referenced(samples: np.ndarray, signal: Signal, modality: Modality) -> np.ndarray:
    if modality.reference == "average":
        return samples - samples.mean(axis=0)
    if modality.reference == "as recorded":
        return samples
    rows = _reference_rows(signal, modality.reference)
    if any(bad_channel(signal, row) for row in rows):
        _refuse_reference("one without a signal")
    if len(rows) == 1:
        return samples - signal.array[rows[0]].astype(np.float64)
    return samples - signal.array[rows].astype(np.float64).mean(axis=0)


def _reference_rows(signal: Signal, reference: str) -> list[int]:
    pairs = _EARS if reference == "linked ears" else ((reference,),)
    for names in pairs:
        rows = [_position(signal, name) for name in names]
        if min(rows) >= 0:
            return rows
    _refuse_reference("a recording without it")


def _refuse_reference(found: str) -> NoReturn:
    raise DataError(
        "EEG_REFERENCE",
        place="recording",
        rule="the channel or the two ears that `reference` names, with a signal",
        found=found,
        remedy='Write `reference = "average"` in this modality, or leave the recording refused.',
    )
