"""What a channel is, by its label and unit: its electrode, whether it is EEG, and how to make it microvolt."""

from __future__ import annotations

import re
from collections.abc import Iterable

MICROVOLT = {"nv": 1e-3, "uv": 1.0, "µv": 1.0, "mv": 1e3, "v": 1e6}
# Units of what stands beside an EEG in one file; a unit in neither list is taken for a misspelt voltage and asked for.
_NO_VOLTAGE = (
    *("%", "pct", "boolean", "bpm", "1/min", "rpm", "c", "degc", "deg", "s", "ms", "us", "µs", "ns", "bs", "aru"),
    *("n/a", "mmhg", "cmh2o", "kpa", "l/min", "lpm", "l/s", "ohm", "kohm", "hz", "g", "m/s2", "m/s^2", "index"),
)
_MARKERS = ("STATUS", "TRIGGER", "TRIG", "MARKER", "STIM", "STI 014", "EVENT")
_NOT_EEG = ("ECG", "EKG", "EOG", "EMG", "ERG", "MEG", "RESP", "SAO2", "SPO2", "TEMP", "PULSE", "EVENT", "DIG", "DC")
_REFERENCE = re.compile(r"-(?:REF|LE|AVG|AVE|AV|CAR)$", re.IGNORECASE)
_TEN_TEN = (
    "Nz Fp1 Fpz Fp2 AF7 AF3 AFz AF4 AF8 F9 F7 F5 F3 F1 Fz F2 F4 F6 F8 F10 FT9 FT7 FC5 FC3 FC1 FCz FC2 FC4 FC6 FT8 "
    "FT10 T9 T7 T3 C5 C3 C1 Cz C2 C4 C6 T8 T4 T10 TP9 TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 TP10 P9 P7 T5 P5 P3 P1 "
    "Pz P2 P4 P6 P8 T6 P10 PO9 PO7 PO3 POz PO4 PO8 PO10 O1 Oz O2 Iz A1 A2 M1 M2"
)
_ELECTRODES = {name.upper(): name for name in _TEN_TEN.split()}
_NEWER = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_PREFIXES = ("EEG ", "EEG_", "EEG-", "POL ")
_REFERENCES = ("REF", "LE", "AR", "AV", "AVG", "A1", "A2", "A1A2", "M1", "M2")
# Cyrillic and Greek letters that look like Latin ones; a Russian keyboard writes them into labels.
_LOOK_ALIKES = str.maketrans("АВСЕНКМОРТХаеорсхуΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABCEHKMOPTXaeopcxyABEZHIKMNOPTXo")


def has_look_alikes(label: str) -> bool:
    """Whether a label holds Cyrillic or Greek letters that look like Latin ones.

    Examples
    --------
    >>> has_look_alikes("С3"), has_look_alikes("C3")
    (True, False)
    """
    return label != label.translate(_LOOK_ALIKES)


def channel_name(label: str, others: Iterable[tuple[str, str]] = ()) -> str:
    """The name of a channel without type, common reference and dots, by the rule that `read_eeg` states.

    Parameters
    ----------
    label : str
        As the file writes it.
    others : iterable of (str, str)
        Names the user gave to labels, as written or cleaned; capitals and blanks do not matter.

    Examples
    --------
    >>> [channel_name(label) for label in ("EEG FP1-REF", "ECG ECG", "Fc5.", "EEG A2-A1")]
    ['Fp1', 'ECG', 'FC5', 'A2-A1']
    >>> channel_name("Ch 1", [("ch 1", "Fp1")])
    'Fp1'
    """
    written = " ".join(label.split())
    name = written.translate(_LOOK_ALIKES).rstrip(".")
    first, _, rest = name.partition(" ")
    if rest and (first.upper() in ("EEG", "POL") or first == rest):
        name = rest
    name = _REFERENCE.sub("", name)
    for said, meant in others:
        if " ".join(said.split()).casefold() in (written.casefold(), name.casefold()):
            return meant
    return _ELECTRODES.get(name.upper(), name)


def electrode(name: str) -> str:
    """The electrode a channel name stands for, upper case, in the newer of the two 10-20 spellings.

    ``"EEG T3-Ref"``, ``"t7.."`` and ``"T3"`` are all ``"T7"``; a bipolar name such as ``"Fp1-F7"`` stays whole.

    Examples
    --------
    >>> electrode("EEG T3-Ref"), electrode("fp1."), electrode("Fp1-F7")
    ('T7', 'FP1', 'FP1-F7')
    """
    text = " ".join(name.translate(_LOOK_ALIKES).upper().split())
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    text = text.rstrip(". ")
    head, _, tail = text.partition("-")
    text = head.strip() if tail.strip() in _REFERENCES else text
    return _NEWER.get(text, text)


def plain_unit(unit: str) -> str:
    """A unit in lower case, with one of the three characters that are met for micro.

    Examples
    --------
    >>> plain_unit("μV") == plain_unit("µV"), plain_unit("uV ")
    (True, 'uv')
    """
    # Micro sign and Greek mu are two characters; a DOS code page writes the former as 0xE6.
    return unit.strip().lower().replace("μ", "µ").replace("æ", "µ")


def is_no_voltage(unit: str) -> bool:
    """Whether a unit says that the channel measures something else than a voltage."""
    return plain_unit(unit) in _NO_VOLTAGE


def is_marker(label: str) -> bool:
    """Whether a label says that the channel holds triggers."""
    return channel_name(label).upper() in _MARKERS


def is_other(label: str) -> bool:
    """Whether a label says that the channel is something else than EEG."""
    first = label.upper().split()[:1]
    return bool(first) and (first[0] in _NOT_EEG or first[0].rstrip("0123456789+-.") in _NOT_EEG)
