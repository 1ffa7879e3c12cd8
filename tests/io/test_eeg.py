from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.errors import DataError
from clinfuse.io.channels import channel_name
from clinfuse.io.eeg import EegHeader, eeg_header, read_eeg
from clinfuse.io.policies import EegPolicy

WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
FIELDS = ("label", "transducer", "unit", "pmin", "pmax", "dmin", "dmax", "filter", "samples", "reserved")


def plain_edf(
    file: Path,
    channels: Sequence[Mapping[str, object]],
    *,
    records: int = 2,
    width: int = 2,
    main: Mapping[str, object] | None = None,
    tail: bytes | None = None,
) -> Path:
    """A file written field by field; the samples of channel c are c, c + 1, c + 2, ..."""
    top = {"version": b"0       " if width == 2 else b"\xffBIOSEMI", "kind": "", "records": records, "seconds": 1}
    top |= {"count": len(channels), "length": 256 * (len(channels) + 1), "date": "01.05.24", "clock": "09.30.00"}
    top |= main or {}
    defaults = {"label": "Cz", "unit": "uV", "pmin": -32768, "pmax": 32767, "dmin": -32768, "dmax": 32767, "samples": 4}
    rows = [defaults | dict(channel) for channel in channels]

    def field(value: object, size: int) -> bytes:
        return (value if isinstance(value, bytes) else str(value).encode("latin-1")).ljust(size)[:size]

    head = field(top["version"], 8) + field("X M 01-JAN-1970 Jane_Doe", 80) + field("", 80)
    head += field(top["date"], 8) + field(top["clock"], 8) + field(top["length"], 8) + field(top["kind"], 44)
    head += field(top["records"], 8) + field(top["seconds"], 8) + field(top["count"], 4)
    for name, size in zip(FIELDS, WIDTHS, strict=True):
        head += b"".join(field(row.get(name, ""), size) for row in rows)
    body = bytearray()
    for record in range(records):
        for c, row in enumerate(rows):
            if "text" in row:
                body += list(row["text"])[record].ljust(width * int(row["samples"]), b"\0")
                continue
            n = max(int(row["samples"]), 0)
            for value in range(c + record * n, c + (record + 1) * n):
                body += value.to_bytes(width, "little", signed=True)
    file.write_bytes(head + (bytes(body) if tail is None else tail))
    return file


def test_samples_are_microvolt_by_the_declared_range(tmp_path: Path) -> None:
    # Physical 0..0.1 mV over digital 0..200: half a microvolt per step.
    scaled = {"label": "EEG Pz", "unit": "mV", "pmin": 0, "pmax": 0.1, "dmin": 0, "dmax": 200}
    inverted = {"label": "O1", "pmin": 32767, "pmax": -32768}
    signal = read_eeg(plain_edf(tmp_path / "a", [{}, scaled, inverted]))
    assert signal.array.dtype == np.float32
    assert signal.rate_hz == 4.0
    assert signal.channels == ("Cz", "Pz", "O1")
    np.testing.assert_array_equal(signal.array[0], np.arange(8))
    np.testing.assert_allclose(signal.array[1], 0.5 * np.arange(1, 9))
    np.testing.assert_allclose(signal.array[2], -1.0 - np.arange(2, 10))


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("uV", 1),
        ("UV", 1),
        (b"\xb5V", 1),
        ("µV".encode(), 1),
        ("μV".encode(), 1),
        ("mV", 1e3),
        ("V", 1e6),
        ("nV", 1e-3),
    ],
)
def test_every_spelling_of_a_voltage_is_converted(tmp_path: Path, unit: str | bytes, factor: float) -> None:
    # One digital step is 10 µV in every unit.
    limits = {"unit": unit, "pmin": 0, "pmax": f"{100 / factor:g}", "dmin": 0, "dmax": 10}
    signal = read_eeg(plain_edf(tmp_path / "a", [limits]))
    np.testing.assert_allclose(signal.array[0], 10.0 * np.arange(8), rtol=1e-6, atol=1e-3)


def test_24_bit_samples_keep_sign_and_size(tmp_path: Path) -> None:
    limits = {"pmin": -8388608, "pmax": 8388607, "dmin": -8388608, "dmax": 8388607}
    values = (-8388608, -1000, -999, 1000, 999, 8388607)
    tail = b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    file = plain_edf(tmp_path / "a", [{**limits, "unit": "nV", "samples": 6}], records=1, width=3, tail=tail)
    np.testing.assert_allclose(read_eeg(file).array, [np.array(values) / 1000], rtol=1e-6)


def test_what_edfio_writes_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    waves = rng.normal(scale=40, size=(3, 1000))
    signals = [
        edfio.EdfSignal(wave, 250, label=label, physical_dimension="uV")
        for wave, label in zip(waves, ("EEG Fp1-REF", "EEG O2-LE", "ECG II"), strict=True)
    ]
    patient = edfio.Patient(name="Doe", birthdate=date(1970, 1, 1))
    recording = edfio.Recording(startdate=date(2024, 5, 1))
    edfio.Edf(signals, patient=patient, recording=recording, starttime=time(9, 30)).write(tmp_path / "a.edf")
    signal = read_eeg(tmp_path / "a.edf")
    assert signal.channels == ("Fp1", "O2", "ECG II")
    np.testing.assert_allclose(signal.array, waves, atol=np.ptp(waves) / 65535)
    header = eeg_header(tmp_path / "a.edf")
    assert header == EegHeader(np.datetime64("2024-05-01T09:30:00"), 4.0, 250.0, signal.channels)
    assert "Doe" not in repr(header)


@pytest.mark.parametrize(("suffix", "kind"), [("edf", pyedflib.FILETYPE_EDFPLUS), ("bdf", pyedflib.FILETYPE_BDFPLUS)])
def test_what_pyedflib_writes_is_read_back(tmp_path: Path, suffix: str, kind: int) -> None:
    rng = np.random.default_rng(1)
    waves = rng.normal(scale=40, size=(2, 512))
    file = tmp_path / f"a.{suffix}"
    bits = 15 if suffix == "edf" else 23
    with pyedflib.EdfWriter(str(file), 2, file_type=kind) as writer:
        for i, label in enumerate(("EEG C3", "EEG C4")):
            limits = {"physical_min": -200, "physical_max": 200, "digital_min": -(2**bits), "digital_max": 2**bits - 1}
            writer.setSignalHeader(i, {"label": label, "dimension": "uV", "sample_frequency": 256, **limits})
        writer.setStartdatetime(datetime(2085, 1, 2, 3, 4, 5))
        writer.writeSamples(list(waves))
        writer.writeAnnotation(0.5, -1, "Ärger")
    signal = read_eeg(file)
    assert signal.channels == ("C3", "C4")
    np.testing.assert_allclose(signal.array, waves, atol=401 / 2 ** (bits + 1) + 1e-5)
    assert eeg_header(file).start == np.datetime64("2085-01-02T03:04:05")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("EEG Fp1-REF", "Fp1"),
        ("EEG FP1-Ref", "Fp1"),
        ("FZ", "Fz"),
        ("Fc5.", "FC5"),
        ("POL T3", "T3"),
        ("EEG C3-LE", "C3"),
        ("EEG A2-A1", "A2-A1"),
        ("EEG Fp1-A1", "Fp1-A1"),
        ("ECG ECG", "ECG"),
        ("ECG II", "ECG II"),
        ("EEG", "EEG"),
        ("EXG1", "EXG1"),
    ],
)
def test_channel_names(label: str, name: str) -> None:
    assert channel_name(label) == name


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=16))
def test_cleaning_a_clean_name_changes_nothing_of_an_electrode(label: str) -> None:
    name = channel_name(label)
    assert name == " ".join(name.split())
    if name in {"Fp1", "Cz", "PO10"}:
        assert channel_name(name) == name


def test_what_is_no_voltage_is_left_out_only_if_its_label_says_so(tmp_path: Path) -> None:
    others = [{"label": "SaO2 X", "unit": "%", "samples": 1}, {"label": "Status", "unit": "Boolean"}]
    slow = {"label": "ECG chest", "samples": 2}
    assert read_eeg(plain_edf(tmp_path / "a", [{}, *others, slow])).channels == ("Cz",)
    kept = {"label": "ECG chest"}
    assert read_eeg(plain_edf(tmp_path / "b", [{}, kept])).channels == ("Cz", "ECG chest")


def onsets(*seconds: float) -> dict[str, object]:
    text = [f"+{second:g}\x14\x14\0".encode() for second in seconds]
    return {"label": "EDF Annotations", "unit": "", "samples": 16, "text": text}


def test_a_recording_with_gaps_is_refused_and_one_that_only_declares_them_is_read(tmp_path: Path) -> None:
    plus = {"kind": "EDF+D"}
    whole = plain_edf(tmp_path / "a", [{}, onsets(0, 1, 2)], records=3, main=plus)
    np.testing.assert_array_equal(read_eeg(whole).array, [np.arange(12)])
    gap = plain_edf(tmp_path / "b", [{}, onsets(0, 1, 7)], records=3, main=plus)
    with pytest.raises(DataError, match=r"\[EDF_GAPS\].*1 gap.*`gaps = \"segment\"`"):
        read_eeg(gap)
    signal = read_eeg(gap, policy=EegPolicy(gaps="segment"))
    np.testing.assert_array_equal(signal.array, [np.arange(12)])
    assert (signal.breaks, signal.pieces) == ((8,), ((0, 8), (8, 12)))
    assert [remark.code for remark in signal.remarks] == ["EEG_SEGMENTS"]
    with pytest.raises(DataError, match=r"\[EDF_ONSET\]"):
        read_eeg(plain_edf(tmp_path / "c", [{}], main=plus))


def test_times_that_run_backwards_or_overlap_are_refused_and_gaps_are_found_where_none_are_declared(
    tmp_path: Path,
) -> None:
    plus = {"kind": "EDF+C"}
    for wrong in ((0, 2, 1), (1, 0, 2), (0, 1, 1.5), (0, 0, 1)):
        with pytest.raises(DataError, match=r"\[EDF_ORDER\]"):
            read_eeg(plain_edf(tmp_path / "a", [{}, onsets(*wrong)], records=3, main=plus))
    with pytest.raises(DataError, match=r"\[EDF_GAPS\]"):
        read_eeg(plain_edf(tmp_path / "b", [{}, onsets(0, 1, 3)], records=3, main=plus))
    late = plain_edf(tmp_path / "c", [{}, onsets(0.25, 1.25, 2.25)], records=3, main=plus)
    assert read_eeg(late).array.shape == (1, 12)


def test_only_as_much_is_read_as_the_windows_need(tmp_path: Path) -> None:
    times = onsets(0, 1, 2, 9, 20, 21, 22, 23)
    file = plain_edf(tmp_path / "a", [{}, times], records=8, main={"kind": "EDF+D"})
    policy = EegPolicy(gaps="segment", window_seconds=1.5, windows=3)
    signal = read_eeg(file, policy=policy)
    # Windows of six samples: two in the first piece of three records, none in the second of one, one in the third.
    np.testing.assert_array_equal(signal.array, [[*range(12), *range(16, 22)]])
    assert (signal.breaks, signal.whole_seconds, signal.seconds) == ((12,), 8.0, 4.5)
    short = read_eeg(file, policy=EegPolicy(gaps="segment", window_seconds=99, windows=2))
    assert short.array.shape == (1, 32)


def test_a_window_that_ends_just_inside_a_data_record_is_read_to_its_end(tmp_path: Path) -> None:
    # 6003 samples of records of 6000: the last three lie a two-thousandth of a record behind the first.
    tenths = {"samples": 6000, "pmin": -3276.8, "pmax": 3276.7}
    file = plain_edf(tmp_path / "a", [tenths], records=2, main={"seconds": 60})
    signal = read_eeg(file, policy=EegPolicy(window_seconds=60.03, windows=1))
    np.testing.assert_allclose(signal.array, [np.arange(6003) / 10], atol=1e-3)


@pytest.mark.parametrize(
    ("code", "channel", "main"),
    [
        ("EEG_UNIT", {"unit": ""}, {}),
        ("EEG_UNIT", {"unit": "uW"}, {}),
        ("EDF_RANGE", {"dmin": 5, "dmax": 5}, {}),
        ("EDF_RANGE", {"dmin": 5, "dmax": -5}, {}),
        ("EDF_RANGE", {"pmin": 1, "pmax": 1}, {}),
        ("EDF_NUMBER", {"pmin": "low"}, {}),
        ("EDF_NUMBER", {}, {"records": ""}),
        ("EDF_SAMPLES", {"samples": 0}, {}),
        ("EDF_SAMPLES", {"samples": -4}, {}),
        ("EDF_LENGTH", {}, {"records": 0}),
        ("EDF_LENGTH", {}, {"records": -2}),
        ("EDF_LENGTH", {}, {"records": 3}),
        ("EDF_LENGTH", {}, {"records": 1}),
        ("EDF_DURATION", {}, {"seconds": 0}),
        ("EDF_HEADER", {}, {"length": 256}),
        ("EDF_HEADER", {}, {"count": 0}),
        ("EDF_HEADER", {}, {"count": 9999}),
        ("EEG_FORMAT", {}, {"version": "GDF 2.20"}),
        ("EEG_NO_CHANNELS", {"label": "Status"}, {}),
        ("EEG_NO_CHANNELS", {"label": "ECG II"}, {}),
    ],
)
def test_a_header_that_would_have_to_be_guessed_is_refused(
    tmp_path: Path, code: str, channel: dict[str, object], main: dict[str, object]
) -> None:
    file = plain_edf(tmp_path / "a", [channel], main=main)
    with pytest.raises(DataError, match=rf"\[{code}\]") as caught:
        read_eeg(file)
    assert "Jane" not in str(caught.value)


def test_a_name_that_stands_twice_is_asked_for(tmp_path: Path) -> None:
    file = plain_edf(tmp_path / "b", [{"label": "EEG CZ-REF"}, {"label": "Cz"}])
    with pytest.raises(DataError, match=r"\[EEG_CHANNEL_TWICE\].*`duplicates = \"first\"`"):
        read_eeg(file)
    signal = read_eeg(file, policy=EegPolicy(duplicates="first"))
    assert signal.channels == ("Cz",)
    np.testing.assert_array_equal(signal.array, [np.arange(8)])
    both = plain_edf(tmp_path / "c", [{"label": "T3"}, {"label": "T7"}, {"label": "O1"}])
    assert read_eeg(both).channels == ("T3", "T7", "O1")
    assert read_eeg(both, policy=EegPolicy(duplicates="first")).channels == ("T3", "O1")


def test_a_slower_eeg_channel_is_resampled_to_the_others(tmp_path: Path) -> None:
    rate, slow = 256, 64
    tone = [np.round(1000 * np.sin(2 * np.pi * 5 * np.arange(4 * n) / n)).astype("<i2") for n in (rate, slow)]
    body = b"".join(t[k * n : (k + 1) * n].tobytes() for k in range(4) for t, n in zip(tone, (rate, slow), strict=True))
    channels = [{"label": "C3", "samples": rate}, {"label": "C4", "samples": slow}]
    file = plain_edf(tmp_path / "a", [{**one, "unit": "nV"} for one in channels], records=4, tail=body)
    signal = read_eeg(file, policy=EegPolicy(unit="uV"))
    assert (signal.rate_hz, signal.array.shape) == (256.0, (2, 1024))
    assert "EEG_RATES" in [remark.code for remark in signal.remarks]
    np.testing.assert_allclose(signal.array[1, 100:-100], signal.array[0, 100:-100], atol=5)


def test_a_decimal_comma_in_the_header_is_read(tmp_path: Path) -> None:
    signal = read_eeg(plain_edf(tmp_path / "a", [{"pmin": "-16384,0", "pmax": "16383,5"}]))
    np.testing.assert_allclose(signal.array[0], 0.5 * np.arange(8), atol=1e-5)
    assert [remark.code for remark in signal.remarks] == ["EDF_COMMA"]


@pytest.mark.parametrize(
    ("records", "cut", "code"),
    [(-1, 0, "EDF_RECORDS"), (-1, -3, "EDF_RECORDS EDF_CUT"), (4, -3, "EDF_CUT"), (3, 5, "EDF_CUT")],
)
def test_less_than_one_data_record_too_few_or_too_many_is_dropped(
    tmp_path: Path, records: int, cut: int, code: str
) -> None:
    file = plain_edf(tmp_path / "a", [{}], records=4, main={"records": records})
    kept = 3 if records == 3 or cut < 0 else 4
    whole = file.read_bytes()[: 512 + 8 * kept + (cut % 8 if cut else 0)]
    file.write_bytes(whole)
    signal = read_eeg(file)
    np.testing.assert_array_equal(signal.array, [np.arange(4 * kept)])
    assert [remark.code for remark in signal.remarks] == code.split()


def test_a_recording_that_was_cut_is_kept_only_where_the_user_says_so(tmp_path: Path) -> None:
    file = plain_edf(tmp_path / "a", [{}], records=4, main={"records": 10})
    with pytest.raises(DataError, match=r"\[EDF_LENGTH\].*6 fewer.*`truncated = \"keep\"`"):
        read_eeg(file)
    signal = read_eeg(file, policy=EegPolicy(truncated="keep"))
    np.testing.assert_array_equal(signal.array, [np.arange(16)])
    assert [remark.code for remark in signal.remarks] == ["EDF_TRUNCATED"]
    more = plain_edf(tmp_path / "b", [{}], records=10, main={"records": 4})
    with pytest.raises(DataError, match=r"\[EDF_LENGTH\].*6 more"):
        read_eeg(more, policy=EegPolicy(truncated="keep"))


@pytest.mark.parametrize(("unit", "written"), [("V", "uV"), ("", "uV"), ("uV", "nV"), ("nV", "uV")])
def test_a_unit_that_cannot_be_true_is_asked_for(tmp_path: Path, unit: str, written: str) -> None:
    scale = 1000 if (unit, written) == ("uV", "nV") else 1
    limits = {"unit": unit, "pmin": 0, "pmax": 200 * scale, "dmin": 0, "dmax": 20}
    file = plain_edf(tmp_path / "a", [limits])
    with pytest.raises(DataError, match=rf"\[EEG_UNIT\].*`unit = \"{written}\"`"):
        read_eeg(file)
    signal = read_eeg(file, policy=EegPolicy(unit=written))
    # A unit that the file does not state at all is not contradicted.
    assert [remark.code for remark in signal.remarks] == (["EEG_UNIT_STATED"] if unit else [])
    np.testing.assert_allclose(signal.array[0], 10.0 * np.arange(8), rtol=1e-5)


def test_a_name_of_the_users_own_and_letters_that_look_latin(tmp_path: Path) -> None:
    file = plain_edf(tmp_path / "a", [{"label": "Ch 1"}, {"label": "С3".encode()}, {"label": "EEG 014-REF"}])
    policy = EegPolicy(other_names=(("ch 1", "Fp1"), ("014", "O1")))
    signal = read_eeg(file, policy=policy)
    assert signal.channels == ("Fp1", "C3", "O1")
    assert [remark.code for remark in signal.remarks] == ["EEG_LETTERS"]


def test_a_date_that_does_not_exist_is_unknown(tmp_path: Path) -> None:
    for day, expected in (("31.02.24", "NaT"), ("xx.xx.xx", "NaT"), ("01.05.85", "1985-05-01T09:30:00")):
        header = eeg_header(plain_edf(tmp_path / "a", [{}], main={"date": day}))
        assert str(header.start) == expected


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = plain_edf(tmp_path / "a", [{}, {"label": "Pz"}], records=1).read_bytes()
    for length in range(0, len(whole), 11):
        (tmp_path / "b").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"\[E(DF|EG)_"):
            read_eeg(tmp_path / "b")
    with pytest.raises(DataError, match=r"\[EEG_OPEN\]"):
        read_eeg(tmp_path / "absent")


def test_a_real_recording_agrees_with_mne_and_edflib(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "eegmat" / "edf" / "Subject00_2.edf"
    signal = read_eeg(file)
    assert (signal.rate_hz, signal.array.shape) == (500.0, (21, 31000))
    assert signal.channels[:2] == ("Fp1", "Fp2")
    assert signal.channels[-2:] == ("A2-A1", "ECG")
    raw = mne.io.read_raw_edf(file, preload=True, verbose="error")
    np.testing.assert_allclose(signal.array, raw.get_data() * 1e6, rtol=1e-6, atol=1e-3)
    with pyedflib.EdfReader(str(shutil.copy(file, tmp_path / "copy.edf"))) as reader:
        np.testing.assert_allclose(signal.array[5], reader.readSignal(5), rtol=1e-6, atol=1e-3)
    header = eeg_header(file)
    assert (header.seconds, header.rate_hz, header.channels) == (62.0, 500.0, signal.channels)


def test_a_real_24_bit_recording_agrees_with_mne(shared_data: Path) -> None:
    file = shared_data / "formats" / "eeg" / "edf_bdf" / "test.bdf"
    signal = read_eeg(file)
    raw = mne.io.read_raw_bdf(file, preload=True, verbose="error", exclude=["Status"])
    np.testing.assert_allclose(signal.array, raw.get_data() * 1e6, rtol=1e-6, atol=1e-2)
