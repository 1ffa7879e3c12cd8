"""Which channels of a recording are read, under which name, and whether their unit can be true."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import numpy as np

from clinfuse.io.channels import (
    MICROVOLT,
    channel_name,
    electrode,
    has_look_alikes,
    is_marker,
    is_no_voltage,
    is_other,
    plain_unit,
)
from clinfuse.io.policies import EegPolicy
from clinfuse.io.recording import Kept, RecordedChannel, Recording
from clinfuse.io.refusals import refuse_recording
from clinfuse.io.values import Remark

# The middle deviation of an EEG channel from its own level, µV: below is no brain, above is another unit.
PLAUSIBLE_UV = (0.5, 500.0)
_UNITS = ("nV", "uV", "mV", "V")


def chosen_channels(recording: Recording, policy: EegPolicy) -> tuple[list[Kept], float, list[Remark]]:
    """The voltage channels of a recording, the rate (Hz) they are given at, and what there is to say about them.

    Raises
    ------
    DataError
        ``EEG_UNIT``, ``EEG_NO_CHANNELS``, ``EEG_CHANNEL_TWICE``.
    """
    volts = [kept for channel in recording.channels for kept in _voltage(channel, policy)]
    rates = {kept.channel.rate_hz for kept in volts if not is_other(kept.channel.label)}
    if not rates:
        refuse_recording("EEG_NO_CHANNELS", "at least one EEG channel", "none", "Check that this is an EEG recording.")
    kept = _once([one for one in volts if one.channel.rate_hz in rates], policy)
    rate, remarks = max(rates), []
    slower = sum(one.channel.rate_hz != rate for one in kept)
    if slower:
        text = f"{slower} EEG channel(s) recorded at a lower rate are resampled to {rate:g} Hz."
        remarks.append(Remark("EEG_RATES", text))
    others = len(recording.channels) - len(kept)
    if others:
        text = f"{others} channel(s) are left out: triggers, other quantities than a voltage, other rates, duplicates."
        remarks.append(Remark("EEG_LEFT_OUT", text))
    if any(has_look_alikes(one.channel.label) for one in kept):
        text = "Cyrillic or Greek letters in channel names are read as the Latin letters they look like."
        remarks.append(Remark("EEG_LETTERS", text))
    return kept, rate, remarks


def _voltage(channel: RecordedChannel, policy: EegPolicy) -> list[Kept]:
    """The channel if it measures a voltage, else nothing."""
    if is_marker(channel.label):
        return []
    unit = plain_unit(channel.unit)
    if unit not in MICROVOLT:
        if is_other(channel.label) or is_no_voltage(unit):
            return []
        if not policy.unit:
            refuse_recording(
                "EEG_UNIT",
                "a voltage (nV, uV, mV or V) as unit of every channel",
                f"{'another unit' if unit else 'none'} in channel {channel.position + 1}",
                'If its samples are microvolts, write `unit = "uV"` in this modality; else the unit they have.',
            )
        unit = plain_unit(policy.unit)
    return [Kept(channel, channel_name(channel.label, policy.other_names), MICROVOLT[unit])]


def _once(kept: list[Kept], policy: EegPolicy) -> list[Kept]:
    """Every name once, and where the user says so every electrode once: the first counts."""
    if policy.duplicates == "first":
        first: dict[str, Kept] = {}
        for one in kept:
            first.setdefault(electrode(one.name), one)
        return list(first.values())
    if len({one.name for one in kept}) != len(kept):
        refuse_twice("one name twice")
    return kept


def refuse_twice(found: str) -> NoReturn:
    """Raise the question which of two channels of one electrode counts.

    Raises
    ------
    DataError
        ``EEG_CHANNEL_TWICE``.
    """
    refuse_recording(
        "EEG_CHANNEL_TWICE",
        "one channel for each electrode",
        found,
        'Write `duplicates = "first"` in this modality to take the first in the file.',
    )


def in_microvolt(samples: np.ndarray, kept: list[Kept], policy: EegPolicy) -> list[Remark]:
    """Check that amplitudes are those of an EEG, unit by unit, and put right in place what the user states.

    The middle over the channels of one declared unit is compared, each channel about its own level: a recorder that
    keeps a large constant offset is no fault. Channels that never change say nothing.

    Parameters
    ----------
    samples : ndarray of float32, (channel, time)
        µV by the declared units; finite.
    kept : list of Kept
        Their scale is put right too.
    policy : EegPolicy

    Returns
    -------
    list of Remark

    Raises
    ------
    DataError
        ``EEG_UNIT``.
    """
    remarks = []
    for unit in sorted({one.channel.unit for one in kept}):
        rows = [row for row, one in enumerate(kept) if one.channel.unit == unit and not is_other(one.channel.label)]
        amplitude = _amplitude(samples, rows)
        if not rows or amplitude == 0 or _plausible(amplitude):
            continue
        factor = _factor(amplitude, kept[rows[0]].scale, policy)
        for row, one in enumerate(kept):
            if one.channel.unit == unit:
                samples[row] *= np.float32(factor)
                kept[row] = replace(one, scale=one.scale * factor)
        text = f"The unit of {len(rows)} channel(s) cannot be true for an EEG; the declared `unit` is used."
        remarks.append(Remark("EEG_UNIT_STATED", text))
    return remarks


def _amplitude(samples: np.ndarray, rows: list[int]) -> float:
    """Middle deviation over channels, µV; 0 where no channel changes."""
    # Every tenth second or so says as much about an amplitude as all of them.
    step = max(1, samples.shape[1] // 20_000)
    thinned = samples[rows, ::step]
    deviations = np.median(np.abs(thinned - np.median(thinned, axis=1, keepdims=True)), axis=1)
    changing = deviations[deviations > 0]
    return float(np.median(changing)) if changing.size else 0.0


def _plausible(amplitude: float) -> bool:
    return PLAUSIBLE_UV[0] <= amplitude <= PLAUSIBLE_UV[1]


def _factor(amplitude: float, scale: float, policy: EegPolicy) -> float:
    if policy.unit:
        factor = MICROVOLT[plain_unit(policy.unit)] / scale
        if _plausible(amplitude * factor):
            return factor
    fitting = [unit for unit in _UNITS if _plausible(amplitude / scale * MICROVOLT[plain_unit(unit)])]
    remedy = "Export the recording again."
    if fitting:
        remedy = f'If the samples are {fitting[0]} whatever the file says, write `unit = "{fitting[0]}"` here.'
    low, high = PLAUSIBLE_UV
    rule = f"amplitudes of an EEG, {low:g} to {high:g} µV in the middle, by the unit the file states"
    refuse_recording("EEG_UNIT", rule, "others", remedy)
