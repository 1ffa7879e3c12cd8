"""EDF headers by the thousand: sound ones are read as three other readers read them, damaged ones by our error only."""

from __future__ import annotations

import tempfile
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.errors import DataError
from clinfuse.io.eeg import eeg_header, read_eeg
from clinfuse.io.policies import EegPolicy
from tests.faults.eeg_files import CHANNELS, RATE, EdfFile, waves
from tests.faults.fault import NAME, NUMBER

ALL = EegPolicy(truncated="keep", gaps="segment", unit="uV", duplicates="first")
SCALES = {"uV": 1.0, "mV": 1e-3}


@st.composite
def edf_files(draw: st.DrawFn) -> EdfFile:
    """A sound recording: any number of channels, range, unit, and date."""
    names = draw(st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=6, unique=True))
    seconds = draw(st.integers(1, 4))
    unit = draw(st.sampled_from(tuple(SCALES)))
    high = draw(st.integers(500, 9000)) * SCALES[unit]
    low = -draw(st.integers(500, 9000)) * SCALES[unit]
    low, high = (high, low) if draw(st.booleans()) else (low, high)
    prefix = draw(st.sampled_from(("", "EEG ", "EEG ")))
    stored = waves(draw(st.integers(0, 10**6)), len(names), seconds)
    day = f"{draw(st.integers(1, 28)):02d}.{draw(st.integers(1, 12)):02d}.{draw(st.integers(0, 84)):02d}"
    every = {"unit": unit, "pmin": f"{low:.6g}"[:8], "pmax": f"{high:.6g}"[:8]}
    main = {"date": day, "patient": "X X X X", "recording": "Startdate X X X X"}
    return EdfFile(stored, [prefix + name for name in names], main=main, every={**every, "transducer": ""})


@settings(max_examples=40, deadline=None)
@given(edf_files())
def test_a_sound_header_is_read_as_others_read_it(made: EdfFile) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = made.write(Path(folder) / "rest.edf")
        signal = read_eeg(file)
        other = edfio.read_edf(file)
        factor = 1 / SCALES[other.signals[0].physical_dimension]
        np.testing.assert_allclose(signal.array, [factor * one.data for one in other.signals], rtol=1e-5, atol=1e-3)
        if float(str(made.every["pmin"])) < float(str(made.every["pmax"])):
            with pyedflib.EdfReader(str(file)) as reader:
                same = [factor * reader.readSignal(k) for k in range(reader.signals_in_file)]
            np.testing.assert_allclose(signal.array, same, rtol=1e-5, atol=1e-3)
        raw = mne.io.read_raw_edf(file, preload=True, verbose="CRITICAL")
        np.testing.assert_allclose(signal.array, 1e6 * raw.get_data(), rtol=1e-5, atol=1e-3)
        header = eeg_header(file)
        assert (header.seconds, header.rate_hz) == (made.seconds, RATE)
        day, month, year = (int(part) for part in str(made.main["date"]).split("."))
        assert header.start == np.datetime64(f"{2000 + year}-{month:02d}-{day:02d}T04:05:06")


def read_or_refused(content: bytes) -> None:
    """Read bytes as a recording; only our own error may come out, and it names nobody."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rest.edf"
        file.write_bytes(content)
        told = ""
        try:
            assert np.isfinite(read_eeg(file, policy=ALL).array).all()
        except DataError as error:
            told = str(error)
        assert NAME not in told
        assert NUMBER not in told


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_field_of_a_header_may_lie(data: st.DataObject) -> None:
    made = EdfFile(waves(0, 3, 2), CHANNELS[:3], onsets=(0, 1))
    content = bytearray(made.write(Path(tempfile.mkdtemp()) / "rest.edf").read_bytes())
    end = 256 * 5
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(8, end - 8))
        digits = st.text("0123456789 -+.,eE", max_size=8).map(lambda text: text.ljust(8).encode())
        content[at : at + 8] = data.draw(st.one_of(st.binary(min_size=8, max_size=8), digits))
    read_or_refused(bytes(content))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.booleans())
def test_any_bytes_behind_a_version_may_follow(behind: bytes, wide: bool) -> None:
    read_or_refused((b"\xffBIOSEMI" if wide else b"0       ") + behind)
