"""Bad recordings: situations E01 to E30, and the formats that are read through MNE.

Three are answered otherwise than the list says. A file whose name says EDF and whose bytes say BDF (E28) is read as
what it is and noted, since its bytes leave no doubt. More than 30 % bad channels (E20) are refused, but the refusal
prints the line that would accept them. Annotations (E22) are never decoded, so their encoding needs no setting.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.faults.eeg_files import (
    CHANNELS,
    RATE,
    SETTINGS,
    Build,
    cut_to,
    edf,
    edf_cases,
    every_field,
    kind,
    plain_bytes,
    waves,
)
from tests.faults.fault import NAME, NUMBER, Fault
from tests.faults.image_reading import reading


def _changed(change: Callable[[np.ndarray, int], np.ndarray]) -> Build:
    """A sound file with other samples."""

    def build(folder: Path, variant: int) -> Path:
        return edf(variant, stored=change(waves(variant).copy(), variant)).write(folder / "rest.edf")

    return build


def _rows(count: int, value: Callable[[int], np.ndarray]) -> Callable[[np.ndarray, int], np.ndarray]:
    def change(stored: np.ndarray, variant: int) -> np.ndarray:
        for row in range(count):
            stored[(row + variant) % len(stored)] = value(variant)
        return stored

    return change


def _railed(stored: np.ndarray, variant: int) -> np.ndarray:
    stored[variant, : 30 + 60 * variant] = 32767 if variant % 2 else -32768
    return stored


def _mains(variant: int) -> np.ndarray:
    time = np.arange(6 * RATE) / RATE
    return np.round((500 + 300 * variant) * np.sin(2 * np.pi * (50 if variant % 2 else 60) * time)).astype("<i2")


def _flat(variant: int) -> np.ndarray:
    return np.full(6 * RATE, 100 * variant, dtype="<i2")


def _drifting(variant: int) -> np.ndarray:
    return np.round(np.linspace(0, (3000, -6000, 12000, -1500)[variant], 6 * RATE)).astype("<i2")


def _in_the_air(variant: int) -> np.ndarray:
    draw = np.random.default_rng(variant).normal(size=6 * RATE)
    return np.clip(np.round((7000 + 1000 * variant) * draw), -32767, 32766).astype("<i2")


def _clipped(stored: np.ndarray, variant: int) -> np.ndarray:
    stored[variant, : 45 * (1 + variant)] = 3000 if variant % 2 else -3000
    return stored


def _with_gap(folder: Path, variant: int) -> Path:
    onsets = [
        (0, 1, 2, 9, 10, 11),
        (5, 6, 7, 8, 3608, 3609),
        (0, 1, 3, 4, 6, 7),
        (0, 1, 2, 2.9e6, 2.9e6 + 1, 2.9e6 + 2),
    ]
    kind = "EDF+D" if variant < 4 else "EDF+C"
    return edf(variant, main={"kind": kind}, onsets=onsets[variant % 4]).write(folder / "rest.edf")


def _names(*names: tuple[str, ...]) -> Build:
    def build(folder: Path, variant: int) -> Path:
        labels: list[str | bytes] = [label.encode() for label in CHANNELS]
        for k, name in enumerate(names[variant % len(names)]):
            labels[k] = name.encode()
        return edf(variant, labels=labels).write(folder / "rest.edf")

    return build


def _temporal(folder: Path, variant: int) -> Path:
    pair = (("T3", "T7"), ("EEG T4-REF", "T8"), ("T5", "POL P7"), ("EEG T6", "EEG P8"))[variant]
    return edf(variant, labels=[*CHANNELS[:6], *pair]).write(folder / "rest.edf")


def _absent(least: int) -> Build:
    def build(folder: Path, variant: int) -> Path:
        gone = least + variant % 2
        labels = [f"X{k}" if k < gone else name for k, name in enumerate(CHANNELS)]
        return edf(variant, labels=labels).write(folder / "rest.edf")

    return build


def _wrong_rate(folder: Path, variant: int) -> Path:
    rate = (1, 32, 64, 100)[variant]
    said = {"label": ("Cz", "Fz", "Pz", "Oz")[variant], "unit": "uV", "samples": rate}
    return edf(variant, others=[(said, waves(variant, 1, 1, rate).tobytes())]).write(folder / "rest.edf")


def _other_quantity(folder: Path, variant: int) -> Path:
    label, unit = (("SaO2", "%"), ("Resp chest", "mV"), ("Pulse", "bpm"), ("Temp rectal", "degC"))[variant]
    stored = waves(variant, 1, 1, 1 + variant).tobytes()
    said = {"label": label, "unit": unit, "samples": 1 + variant}
    return edf(variant, others=[(said, stored)]).write(folder / "rest.edf")


def _annotated(folder: Path, variant: int) -> Path:
    text = "+1\x15\x14Anfall Ärger" if variant < 2 else "+1\x15\x14приступ"
    note = text.encode(("latin-1", "cp850", "cp1251", "koi8-r")[variant], errors="replace") + b"\x14\0"
    return edf(variant, onsets=range(6), note=note).write(folder / "rest.edf")


def _only_annotations(folder: Path, variant: int) -> Path:
    main = {"seconds": variant % 2, "kind": "EDF+C"}
    empty = waves(variant)[:0]
    return edf(variant, stored=empty, labels=(), onsets=range(6), main=main).write(folder / "rest.edf")


def _short(folder: Path, variant: int) -> Path:
    return edf(variant, stored=waves(variant)[:, :RATE]).write(folder / "rest.edf")


def _one_sample(folder: Path, variant: int) -> Path:
    file = edf(variant, stored=waves(variant)[:, :RATE], every={"samples": 1}).write(folder / "rest.edf")
    file.write_bytes(file.read_bytes()[: 256 * 9 + 16])
    return file


def _two_days(folder: Path, variant: int) -> Path:
    file = edf(variant, main={"records": 48 * 3600}).write(folder / "rest.edf")
    with file.open("r+b") as stream:
        stream.truncate(256 * 9 + 48 * 3600 * RATE * 2 * len(CHANNELS))
    return file


def _bdf(folder: Path, variant: int) -> Path:
    said = {"version": b"\xffBIOSEMI"}
    limits = {"dmin": -8388608, "dmax": 8388607, "pmin": -838861, "pmax": 838861}
    return edf(variant, main=said, width=3, every=limits).write(folder / ("rest.edf" if variant % 2 else "rest.rec"))


FAULTS = (
    kind("E01", "a file without a byte", "REJ", "EEG_FORMAT", plain_bytes(b""), 1),
    kind(
        "E01",
        "text instead of a recording",
        "REJ",
        "EEG_FORMAT",
        plain_bytes(NAME.encode(), b"0" * 3000, b"time;F3;F4\n0;1;2\n", b"\0" * 700),
    ),
    kind("E02", "a header cut in its first part", "REJ", "EDF_HEADER", cut_to(9, 100, 200, 255)),
    kind("E02", "a header cut among its channels", "REJ", "EDF_HEADER", cut_to(256, 300, 1000, 2303)),
    kind(
        "E02",
        "an empty or wordy number in the header",
        "REJ",
        "EDF_NUMBER",
        edf_cases(
            {"main": {"records": ""}}, {"main": {"seconds": "one"}}, {"every": {"pmin": NAME}}, {"every": {"dmax": ""}}
        ),
    ),
    kind(
        "E03", "a recorder that never wrote how long it ran", "FIX", "EDF_RECORDS", edf_cases({"main": {"records": -1}})
    ),
    kind(
        "E04",
        "fewer data records than declared",
        "ASK",
        "EDF_LENGTH",
        edf_cases(*({"main": {"records": count}} for count in (1000, 7, 8, 99999999))),
    ),
    kind(
        "E05",
        "more data records than declared",
        "REJ",
        "EDF_LENGTH",
        edf_cases(*({"main": {"records": count}} for count in (3, 5, 1, 2))),
    ),
    kind("E06", "a last data record that is not whole", "FIX", "EDF_CUT", cut_to(-1024, -1, -2047, -77)),
    kind(
        "E07",
        "a number of channels that is not there",
        "REJ",
        "EDF_HEADER",
        edf_cases(*({"main": {"count": count}} for count in (9999, 0, 7, -3))),
    ),
    kind(
        "E07",
        "a header size that does not fit its channels",
        "REJ",
        "EDF_HEADER",
        edf_cases(*({"main": {"length": size}} for size in (256, 0, 2560, 99999999))),
    ),
    kind(
        "E08",
        "data records without a length",
        "REJ",
        "EDF_DURATION",
        edf_cases(*({"main": {"seconds": value}} for value in (0, -1, "0.0", "-0"))),
    ),
    kind(
        "E09",
        "a physical range of one value",
        "REJ",
        "EDF_RANGE",
        every_field(pmin=(3276.7, "3276.70", "+3276.7", "3276.7e0")),
    ),
    kind(
        "E10",
        "a digital range of one value",
        "REJ",
        "EDF_RANGE",
        every_field(dmin=(32767, "32767.0", "3.2767e4")),
        3,
    ),
    kind("E10", "a digital range upside down", "REJ", "EDF_RANGE", every_field(dmax=(-32769, -40000, -99999, -32768))),
    kind(
        "E11",
        "a physical range upside down",
        "FLAG",
        "EDF_POLARITY",
        edf_cases(*({"one": {k: {"pmin": 3276.7, "pmax": -3276.8}}} for k in range(4))),
    ),
    kind(
        "E12",
        "decimal commas in the header",
        "FIX",
        "EDF_COMMA",
        edf_cases(
            {"every": {"pmin": "-3276,8", "pmax": "3276,7"}},
            {"one": {2: {"pmax": "3276,7"}}},
            {"main": {"seconds": "1,0"}},
            {"one": {7: {"pmin": "-3276,80"}}},
        ),
    ),
    kind(
        "E13",
        "microvolt in other letters",
        "FIX",
        "",
        every_field(unit=("UV", b"\xb5V", "µV".encode(), "μV".encode(), b"\xe6V", "uV  ", " uV")),
        7,
    ),
    kind("E13", "a unit that is not stated", "ASK", "EEG_UNIT", every_field(unit=("", " ", "-", "?"))),
    kind("E13", "a unit that nobody knows", "ASK", "EEG_UNIT", every_field(unit=("uVolt", "V/10", NAME, "mikroV"))),
    kind("E13", "microvolts declared as another unit", "ASK", "EEG_UNIT", every_field(unit=("V", "mV", "nV", "v"))),
    kind("E14", "a recording with gaps", "ASK", "EDF_GAPS", _with_gap, 8),
    kind(
        "E15",
        "data records in another order than their times",
        "REJ",
        "EDF_ORDER",
        edf_cases(
            *(
                {"onsets": times}
                for times in ([0, 2, 1, 3, 4, 5], [5, 4, 3, 2, 1, 0], [0] * 6, [0, 1, 2, 2.5, 3.5, 4.5])
            )
        ),
    ),
    kind(
        "E15",
        "an interrupted recording without times",
        "REJ",
        "EDF_ONSET",
        edf_cases({"main": {"kind": "EDF+D"}}, {"main": {"kind": "EDF+D"}, "onsets": [float("nan")] * 6}),
        2,
    ),
    kind("E16", "another quantity at another rate", "FIX", "EEG_LEFT_OUT", _other_quantity),
    kind("E16", "an EEG channel at a lower rate", "FIX", "EEG_RATES", _wrong_rate),
    kind(
        "E17",
        "electrodes in other spellings",
        "FIX",
        "",
        _names(
            ("EEG F3-Ref", "F4..", "c3"),
            ("EEG F3", "POL F4", "C3-A2"),
            ("F3-LE", "eeg f4-ref"),
            ("f3.", "F4-AVG"),
        ),
    ),
    kind(
        "E17",
        "letters that look Latin",
        "FIX",
        "EEG_LETTERS",
        _names(
            ("F3", "F4", "С3", "С4"),
            ("F3", "F4", "C3", "C4", "EEG Р3"),
            ("F3", "F4", "C3", "C4", "Р3"),
            ("F3", "F4", "EEG С3-REF"),
        ),
    ),
    Fault(
        "E17",
        "one electrode under its old and its new name",
        "ASK",
        "EEG_CHANNEL_TWICE",
        _temporal,
        reading("eeg", **SETTINGS | {"channels": [*CHANNELS[:6], "T7", "T8", "P7", "P8"], "least_channels": 0.5}),
    ),
    kind("E18", "one name twice", "ASK", "EEG_CHANNEL_TWICE", _names(("F4",), ("EEG F4",), ("F3", "f3"), ("O2", "F4"))),
    kind("E19", "an electrode that was not recorded", "FLAG", "EEG_CHANNEL_ABSENT", _absent(1)),
    kind("E19", "most electrodes under names of their own", "ASK", "EEG_CHANNEL", _absent(5)),
    kind("E20", "a flat channel", "FLAG", "EEG_FLAT", _changed(_rows(1, _flat))),
    kind("E20", "a channel at the end of its range", "FLAG", "EEG_RAILED", _changed(_railed)),
    kind("E20", "nothing but mains", "FLAG", "EEG_MAINS", _changed(_rows(1, _mains))),
    kind("E20", "a channel that drifts and holds nothing else", "FLAG", "EEG_FLAT", _changed(_rows(1, _drifting))),
    kind("E20", "a channel at an end inside its range", "FLAG", "EEG_RAILED", _changed(_clipped)),
    kind("E20", "an electrode in the air", "FLAG", "EEG_LARGE", _changed(_rows(1, _in_the_air))),
    kind("E20", "half of the channels flat", "REJ", "EEG_BAD_CHANNELS", _changed(_rows(4, _flat))),
    kind("E20", "every channel flat", "REJ", "EEG_BAD_CHANNELS", _changed(_rows(8, _flat))),
    kind("E22", "annotations in an encoding of their own", "FIX", "", _annotated),
    kind("E23", "annotations and nothing else", "REJ", "EEG_NO_CHANNELS", _only_annotations, 2),
    kind(
        "E23",
        "no channel that is EEG",
        "REJ",
        "EEG_NO_CHANNELS",
        edf_cases(*({"labels": [f"{name}{k}" for k in range(8)]} for name in ("ECG", "EMG", "EOG", "DC"))),
    ),
    kind("E24", "shorter than one window", "REJ", "EEG_SHORT", _short),
    kind("E24", "a single sample", "REJ", "EEG_SHORT", _one_sample, 2),
    kind("E25", "two days in one file", "FIX", "", _two_days, 2),
    kind(
        "E26",
        "a date that does not exist",
        "FLAG",
        "EDF_DATE",
        edf_cases(*({"main": {"date": day}} for day in ("31.02.21", "xx.xx.xx", "00.00.00", "2021-3-2"))),
    ),
    kind("E26", "a year that may be either", "FLAG", "EDF_DATE", edf_cases({"main": {"date": "02.03.85"}}), 2),
    kind(
        "E27",
        "names wherever a recording can hold one",
        "FIX",
        "",
        edf_cases(
            {"main": {"patient": NAME * 9}},
            {"main": {"recording": f"{NUMBER} {NAME}"}},
            {"every": {"filter": NAME}},
            {"onsets": range(6), "note": f"+1\x14{NAME}\x14\0".encode()},
        ),
    ),
    kind("E28", "BDF under the name of EDF", "FLAG", "EEG_SUFFIX", _bdf),
    kind(
        "E28",
        "GDF under the name of EDF",
        "REJ",
        "EEG_FORMAT",
        edf_cases(*({"main": {"version": name}} for name in ("GDF 1.25", "GDF 2.20", "1", "0 0"))),
    ),
    kind(
        "E30",
        "a rate that the file cannot hold",
        "REJ",
        "EDF_LENGTH",
        every_field(samples=(1000000, 999999, 100000, 10000)),
    ),
    kind(
        "E30",
        "more samples in a second than any recorder takes",
        "REJ",
        "EDF_SAMPLES",
        edf_cases(*({"main": {"seconds": value}} for value in ("1e-9", "1e-320")), {"every": {"samples": 99999999}}),
        3,
    ),
    kind("E30", "no samples in a data record", "REJ", "EDF_SAMPLES", every_field(samples=(0, -1, -99999, "-0"))),
)
