"""What comes from the decoding process is what the reader gives, and no file can do more than lose itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import edfio
import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clinfuse.errors import ConfigError, DataError, StorageError
from clinfuse.io import process
from clinfuse.io.guard import PROGRAM, Guard, shared_guard
from clinfuse.io.memory import SharedMemory
from clinfuse.io.policies import POLICIES, ReaderPolicy
from clinfuse.io.readers import FileValue, read_files
from clinfuse.io.values import Remark, Signal, Volume
from clinfuse.io.wire import shared_array, value_head, value_of, write_array

HOSTILE = (sys.executable, str(Path(__file__).parent / "hostile_worker.py"))
NAME = "Zwetschgenknoedel"


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    made = Guard()
    yield made
    made.close()


@pytest.fixture
def hostile() -> Iterator[Guard]:
    made = Guard(program=HOSTILE, seconds=20)
    yield made
    made.close()


def same(one: FileValue, other: FileValue) -> None:
    assert type(one) is type(other)
    assert one.array.dtype == other.array.dtype
    assert one.array.strides == other.array.strides
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), strict=True)


def image(file: Path, array: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-2.0, 1.0, 0.5, 1.0])), file)
    return file


def recording(file: Path) -> Path:
    wave = np.random.default_rng(3).normal(0, 20, 512)
    channels = [
        edfio.EdfSignal(wave * scale, 256, label=label, physical_dimension="uV")
        for label, scale in (("EEG Fp1-REF", 1.0), ("EEG Cz-REF", -0.5))
    ]
    edfio.Edf(channels).write(file)
    return file


class TestSameAsTheReader:
    def test_a_ct_of_whole_hounsfield_units(
        self, guard: Guard, tmp_path: Path, series_folder: Callable[..., Path], stored_volume: np.ndarray
    ) -> None:
        files = sorted(series_folder(tmp_path, stored_volume).iterdir())
        same(guard.read("ct", files, POLICIES["ct"]()), read_files("ct", files, POLICIES["ct"]()))

    def test_a_ct_of_fractions(
        self, guard: Guard, tmp_path: Path, series_folder: Callable[..., Path], stored_volume: np.ndarray
    ) -> None:
        files = sorted(series_folder(tmp_path, stored_volume, RescaleSlope=0.37).iterdir())
        same(guard.read("ct", files, POLICIES["ct"]()), read_files("ct", files, POLICIES["ct"]()))

    def test_a_radiograph(
        self, guard: Guard, tmp_path: Path, film_file: Callable[..., Path], stored_volume: np.ndarray
    ) -> None:
        files = [film_file(tmp_path / "film.dcm", stored_volume[0], PhotometricInterpretation="MONOCHROME1")]
        same(guard.read("xray", files, POLICIES["xray"]()), read_files("xray", files, POLICIES["xray"]()))

    @pytest.mark.parametrize("kind", ["mr", "mask"])
    def test_an_image(self, guard: Guard, tmp_path: Path, kind: str) -> None:
        numbers = np.random.default_rng(2).integers(0, 300, (3, 4, 5)).astype(np.int16)
        files = [image(tmp_path / "image.nii.gz", numbers)]
        same(guard.read(kind, files, POLICIES[kind]()), read_files(kind, files, POLICIES[kind]()))

    def test_a_recording(self, guard: Guard, tmp_path: Path) -> None:
        files = [recording(tmp_path / "recording.edf")]
        same(guard.read("eeg", files, POLICIES["eeg"]()), read_files("eeg", files, POLICIES["eeg"]()))

    def test_odd_names(self, guard: Guard, tmp_path: Path) -> None:
        numbers = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        whole = image(tmp_path / "whole.nii", numbers).read_bytes()
        for name in (b"a b.nii", b"a\nb.nii", "Größe \u202e.nii".encode(), b"\xff\xfe.nii", b'"; {}.nii'):
            file = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))  # noqa: PTH118
            file.write_bytes(whole)
            assert guard.read("mask", [file], POLICIES["mask"]()).array.size == 24

    @pytest.mark.parametrize("kind", ["ct", "xray", "mr", "mask", "eeg"])
    @pytest.mark.parametrize("content", [b"", b"no image", None])
    def test_the_same_error(self, guard: Guard, tmp_path: Path, kind: str, content: bytes | None) -> None:
        file = tmp_path / f"{NAME}.bin"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(DataError, match=r"\[[A-Z]+_[A-Z]+\]") as direct:
            read_files(kind, [file], POLICIES[kind]())
        with pytest.raises(DataError, match=r"\[[A-Z]+_[A-Z]+\]") as guarded:
            guard.read(kind, [file], POLICIES[kind]())
        assert str(guarded.value) == str(direct.value)
        assert NAME not in str(guarded.value)

    def test_a_kind_that_does_not_lie_in_files(self, guard: Guard) -> None:
        with pytest.raises(ConfigError, match="KIND_FILES"):
            guard.read("ehr", [], ReaderPolicy())

    def test_remarks_and_names_travel(self) -> None:
        signal_ = Signal(np.ones((2, 3), np.float32), 0.1, ("Cz", "µ\n"), (Remark("EEG_X", "Said."),))
        with closing(open_shared()) as shared:
            same(value_of(value_head(signal_, shared), shared), signal_)


class TestArrays:
    @given(
        arrays.arrays(
            st.sampled_from(["<f4", "<f8", "<i2", "|u1", ">i4"]),
            arrays.array_shapes(min_dims=1, max_dims=3, max_side=4),
        ),
        st.data(),
    )
    def test_any_array_arrives_as_it_was(self, array: np.ndarray, data: st.DataObject) -> None:
        array = array.transpose(data.draw(st.permutations(range(array.ndim))))
        for axis in range(array.ndim):
            if data.draw(st.booleans()):
                array = np.flip(array, axis)
        with closing(open_shared()) as shared:
            head = write_array(array, shared)
            found = shared_array(head, shared)
        assert found.tobytes() == array.tobytes()
        assert found.dtype == array.dtype
        longer = [axis for axis in range(array.ndim) if array.shape[axis] > 1]
        assert [found.strides[axis] for axis in longer] == [array.strides[axis] for axis in longer]

    def test_integers_become_float32_as_they_lie_in_memory(self) -> None:
        array = np.arange(24, dtype=np.int16).reshape(2, 3, 4).transpose(2, 0, 1)[:, ::-1]
        volume = Volume(array, np.eye(4), "HU", (Remark("CT_X", "Said."),)).in_float32()
        assert volume.array.dtype == np.float32
        assert volume.array.strides == tuple(2 * stride for stride in array.strides)
        assert not volume.array.flags.writeable
        np.testing.assert_array_equal(volume.array, array)
        assert volume.remarks == (Remark("CT_X", "Said."),)

    def test_a_short_memory_is_no_array(self) -> None:
        with closing(open_shared()) as shared:
            head = write_array(np.ones(4), shared)
            with pytest.raises(EOFError, match=r"^$"):
                shared_array({**head, "shape": [2**30]}, shared)

    @pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory")
    def test_it_does_not_shrink_under_who_reads_it(self) -> None:
        with closing(open_shared()) as shared:
            shared.write(np.ones(4))
            with pytest.raises(PermissionError, match=r"."):
                os.ftruncate(shared.fileno(), 1)

    def test_it_grows(self) -> None:
        with closing(open_shared()) as shared:
            for size in (3, 2**24 + 1, 5):
                shared.write(np.full(size, size % 7, np.uint8))
                assert shared.read(np.dtype(np.uint8), (size,)).tolist() == [size % 7] * size


def open_shared() -> SharedMemory:
    return SharedMemory(process._shared_file())


class TestHostileFiles:
    @pytest.mark.parametrize(
        ("says", "seconds", "code"),
        [("hang", 0.3, "READ_TIMEOUT"), ("die", 20, "READ_DIED"), ("swell", 20, "READ_MEMORY")],
    )
    def test_only_that_file_is_lost(self, tmp_path: Path, says: str, seconds: float, code: str) -> None:
        guard = Guard(program=HOSTILE, seconds=20)
        bad, good = tmp_path / f"{NAME}.nii", image(tmp_path / "good.nii", np.ones((2, 2, 2), np.uint8))
        bad.write_text(says)
        guard.start()
        guard._seconds = seconds
        with pytest.raises(DataError, match=code) as caught:
            guard.read("mask", [bad], POLICIES["mask"]())
        guard._seconds = 20
        assert NAME not in str(caught.value)
        assert guard.read("mask", [good], POLICIES["mask"]()).array.sum() == 8
        guard.close()

    def test_the_items_behind_one_that_is_lost_are_answered(self, hostile: Guard) -> None:
        items = [{"word": "a", "how": how} for how in ("key", "file", "key")]
        found = list(hostile.ask("fail", items))
        assert [error.code for error in found] == ["READ_FAILED", "FILE_UNREADABLE", "READ_FAILED"]
        assert [type(error) for error in found] == [DataError, StorageError, DataError]
        assert [error.code for error in hostile.ask("die", [{}, {}])] == ["READ_DIED", "READ_DIED"]
        assert [error.code for error in hostile.ask("hang", [{"seconds": 0.2}] * 2)] == ["READ_TIMEOUT"] * 2
        mixed = [
            {"word": "a", "how": "key"},
            {"word": "hang", "how": "hang", "seconds": 0.5},
            {"word": "b", "how": "file"},
        ]
        assert [error.code for error in hostile.ask("fail", mixed)] == [
            "READ_FAILED",
            "READ_TIMEOUT",
            "FILE_UNREADABLE",
        ]

    def test_an_answer_that_does_not_fit_together_is_a_lost_file(self, hostile: Guard, tmp_path: Path) -> None:
        (tmp_path / "image.nii").write_text("lie")
        with pytest.raises(DataError, match="READ_DIED"):
            hostile.read("mask", [tmp_path / "image.nii"], POLICIES["mask"]())

    def test_a_decoder_that_prints_disturbs_nothing(self, hostile: Guard, capfd: pytest.CaptureFixture[str]) -> None:
        assert list(hostile.ask("chatter", [{"word": NAME}, {"word": NAME}])) == [{"said": ""}, {"said": ""}]
        assert capfd.readouterr() == ("", "")

    def test_an_unknown_exception_shows_nothing_of_the_file(self, hostile: Guard) -> None:
        for error in hostile.ask("fail", [{"word": NAME, "how": "key"}, {"word": NAME, "how": "file"}]):
            assert NAME not in str(error)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name")
    def test_a_pipe_nobody_writes_to_does_not_hang(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "image.nii")
        guard = Guard(seconds=20)
        guard.start()
        guard._seconds = 0.3
        with pytest.raises(DataError, match=r"READ_TIMEOUT|FILE_KIND"):
            guard.read("mask", [tmp_path / "image.nii"], POLICIES["mask"]())
        guard.close()


class TestProcess:
    def test_it_is_kept_between_files_and_replaced_when_gone(self, tmp_path: Path) -> None:
        guard = Guard()
        file = image(tmp_path / "image.nii", np.ones((2, 2, 2), np.uint8))
        guard.start()
        process = guard._running()._process
        guard.read("mask", [file], POLICIES["mask"]())
        assert guard._running()._process is process
        os.kill(process.pid, signal.SIGTERM)
        # Until it is waited for, a process of several threads can look ended and not be gone.
        process.wait(10)
        guard.read("mask", [file], POLICIES["mask"]())
        assert guard._running()._process is not process
        guard.close()

    def test_much_memory_is_given_back_when_reading_is_over(self, tmp_path: Path) -> None:
        guard = Guard()
        guard.rest()
        for side, kept in ((8, True), (420, False)):
            guard.read("mask", [image(tmp_path / "image.nii", np.zeros((side,) * 3, np.uint8))], POLICIES["mask"]())
            guard.rest()
            assert (guard._process is not None) == kept
        guard.close()

    def test_memory_is_capped(self) -> None:
        for cap, expected in ((2**29, "READ_MEMORY"), (2**31, "")):
            guard = Guard(program=HOSTILE, memory_bytes=cap, seconds=250)
            assert guard.start()
            (answer,) = guard.ask("take", [{}])
            assert getattr(answer, "code", "") == expected
            guard.close()

    def test_where_memory_cannot_be_capped_every_value_says_so(self, tmp_path: Path) -> None:
        guard = Guard()
        guard.start()
        guard._running().capped = False
        value = guard.read("mask", [image(tmp_path / "image.nii", np.ones((2, 2, 2), np.uint8))], POLICIES["mask"]())
        assert [remark.code for remark in value.remarks] == ["CAP_OFF"]
        guard.close()

    def test_it_ends_with_the_process_that_started_it(self) -> None:
        program = (
            "import os, sys; from clinfuse.io.guard import Guard; guard = Guard(); guard.start();"
            "print(guard._process._process.pid, flush=True); sys.stdin.read()"
        )
        parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
        parent.communicate()
        assert ended(worker)

    def test_a_busy_one_ends_too(self) -> None:
        # Its own watch gives it ten times what whoever asks does.
        request = json.dumps({"task": "hang", "items": [{"seconds": 0.05}]}).encode() + b"\n"
        worker = subprocess.Popen(
            [*HOSTILE, str(2**33)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert worker.stdin is not None
        worker.stdin.write(request)
        worker.stdin.flush()
        assert worker.wait(60) == 1
        worker.communicate()

    def test_a_program_that_does_not_start_is_said_at_once(self, tmp_path: Path) -> None:
        for program in ((str(tmp_path / "nothing"),), (sys.executable, "-c", "")):
            with pytest.raises(StorageError, match="READ_WORKER"):
                Guard(program=program).start()

    def test_modules_beside_the_data_are_not_loaded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("numpy.py", "pydicom.py", "clinfuse.py"):
            (tmp_path / name).write_text("raise SystemExit")
        monkeypatch.chdir(tmp_path)
        guard = Guard()
        assert guard.start()
        guard.close()

    def test_no_network_or_learning_is_loaded_there(self) -> None:
        program = "import sys, clinfuse.io.guard; print([m for m in ('torch', 'monai', 'sklearn') if m in sys.modules])"
        found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "[]"
        assert PROGRAM[-1] == "clinfuse.io.guard"

    def test_without_files_in_memory_a_temporary_one_serves(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "memfd_create", raising=False)
        guard = Guard()
        file = image(tmp_path / "image.nii", np.arange(8, dtype=np.uint8).reshape(2, 2, 2))
        same(guard.read("mask", [file], POLICIES["mask"]()), read_files("mask", [file], POLICIES["mask"]()))
        guard.close()

    def test_one_for_each_process(self) -> None:
        assert shared_guard() is shared_guard()


def ended(number: int) -> bool:
    for _ in range(500):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False
