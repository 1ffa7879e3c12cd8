"""Prepared inputs are written once and whole, found again, and made anew when anything about them is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clinfuse.cohort import cache, prepared_source, store
from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Modality
from clinfuse.errors import StorageError

FILES = ("array.npy", "windows.npy", "features.npy", "records.json", "index.json")


def places(folder: Path) -> list[Path]:
    return sorted((folder / ".clinfuse").iterdir())


def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> object:
        pytest.fail("a file was read again")

    monkeypatch.setattr(store, "opened", fail)


def assert_same(one: Cohort, other: Cohort) -> None:
    assert one.fingerprint == other.fingerprint
    np.testing.assert_array_equal(one.present, other.present)
    for name in one.names:
        np.testing.assert_array_equal(one.arrays(name), other.arrays(name))
        np.testing.assert_array_equal(one.features(name).values, other.features(name).values)
        assert one.properties(name).equals(other.properties(name))


def test_the_second_time_no_file_is_read(
    opened: Callable[..., Cohort], cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_reading(monkeypatch)
    again = opened()
    assert_same(cohort, again)
    assert again.ledger == cohort.ledger


def test_refusals_are_remembered_with_the_rest(
    folder: Path, opened: Callable[..., Cohort], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mask_5.nii").write_bytes(b"not an image")
    first = opened()
    no_reading(monkeypatch)
    assert opened().ledger == first.ledger


def test_a_file_that_could_not_be_opened_is_tried_again(folder: Path, opened: Callable[..., Cohort]) -> None:
    kept = (folder / "mask_5.nii").read_bytes()
    stamp = (folder / "mask_5.nii").stat()
    (folder / "mask_5.nii").unlink()
    assert not opened().present[5, 0]
    (folder / "mask_5.nii").write_bytes(kept)
    os.utime(folder / "mask_5.nii", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert opened().present[5, 0]


def test_arrays_are_mapped_not_loaded(cohort: Cohort) -> None:
    array = cohort.arrays("kidney")
    assert isinstance(array.base, np.memmap) or isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["flipped", "cut", "gone"])
def test_a_damaged_cache_is_made_again(
    folder: Path, opened: Callable[..., Cohort], cohort: Cohort, name: str, harm: str
) -> None:
    for place in places(folder):
        file = place / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.unlink()
        if harm != "gone":
            file.write_bytes(content if harm == "flipped" else content[:-1])
    again = opened()
    for column in cohort.names:
        assert again.features(column).values.shape == cohort.features(column).values.shape
    assert again.fingerprint == cohort.fingerprint
    assert [prepared_source.load(place).digests for place in places(folder)]


def test_a_damaged_cache_says_so(folder: Path, cohort: Cohort) -> None:
    place = places(folder)[0]
    (place / "array.npy").write_bytes(b"")
    with pytest.raises(StorageError, match="CACHE_DAMAGED"):
        prepared_source.load(place)


def test_a_value_changed_in_place_behind_an_unchanged_date_is_found(folder: Path, cohort: Cohort) -> None:
    file = places(folder)[0] / "array.npy"
    before = file.stat()
    with file.open("r+b") as handle:
        handle.seek(-1, os.SEEK_END)
        last = handle.read(1)
        handle.seek(-1, os.SEEK_END)
        handle.write(bytes([last[0] ^ 0xFF]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StorageError, match="CACHE_DAMAGED"):
        prepared_source.load(file.parent)


def test_a_source_changed_under_an_old_date_is_prepared_again(folder: Path, opened: Callable[..., Cohort]) -> None:
    before = np.array(opened().arrays("kidney"))
    file = next(file for file in sorted(folder.glob("mask_*.nii")))
    facts, content = file.stat(), bytearray(file.read_bytes())
    content[352:] = bytes(len(content) - 352)
    file.write_bytes(content)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert file.stat().st_size == facts.st_size
    after = np.array(opened().arrays("kidney"))
    assert not np.array_equal(before, after)


def test_only_files_that_may_have_changed_are_hashed(
    folder: Path, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    true = prepared_source._checksum

    def noted(path: Path) -> str:
        hashed.append(path.name)
        return true(path)

    monkeypatch.setattr(prepared_source, "_checksum", noted)
    place = places(folder)[0]
    os.utime(place / "index.json", ns=(2**62, 2**62))  # later than every file, whatever the clock's tick
    prepared_source.load(place)
    assert hashed == []
    shutil.copytree(place, tmp_path / "copy")
    prepared_source.load(tmp_path / "copy")
    assert hashed == [*FILES[:4]]


def test_other_settings_are_another_cache_and_the_look_of_a_network_is_not() -> None:
    plain = Modality("ct", "ct", (1, 2, 2, 2), window=(0.0, 100.0))
    files = ((Path("a"),), ())
    key = cache.source_key(plain, Path("nowhere"), files)
    assert key == cache.source_key(
        Modality("ct", "ct", (1, 2, 2, 2), window=(0.0, 100.0), mirror=True, centre=5.0, spread=2.0), Path("x"), files
    )
    others = [
        cache.source_key(Modality("ct", "ct", (1, 2, 2, 2), window=(0.0, 99.0)), Path("nowhere"), files),
        cache.source_key(Modality("ct", "ct", (1, 2, 2, 3), window=(0.0, 100.0)), Path("nowhere"), files),
        cache.source_key(plain, Path("nowhere"), ((), (Path("a"),))),
    ]
    assert len({key, *others}) == 4


def test_a_changed_file_is_another_cache(tmp_path: Path) -> None:
    modality = Modality("ct", "ct", (1, 2, 2, 2))
    file = tmp_path / "a"
    file.write_bytes(b"1")
    os.utime(file, ns=(1, 1))
    keys = [cache.source_key(modality, tmp_path, ((Path("a"),),))]
    os.utime(file, ns=(1, 2))
    keys.append(cache.source_key(modality, tmp_path, ((Path("a"),),)))
    file.write_bytes(b"12")
    os.utime(file, ns=(1, 2))
    keys.append(cache.source_key(modality, tmp_path, ((Path("a"),),)))
    assert len(set(keys)) == 3


def test_no_id_lies_in_the_cache(folder: Path, cohort: Cohort) -> None:
    for place in places(folder):
        text = (place / "records.json").read_text() + (place / "index.json").read_text() + place.name
        assert "mask_" not in text
        assert not any(str(name) in json.loads((place / "records.json").read_text()) for name in cohort.record_ids)


def test_only_the_owner_can_look(folder: Path, cohort: Cohort) -> None:
    assert (folder / ".clinfuse").stat().st_mode & 0o077 == 0
    assert all(place.stat().st_mode & 0o077 == 0 for place in places(folder))


def test_a_folder_that_cannot_be_written_uses_the_users_cache(
    folder: Path, opened: Callable[..., Cohort], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".clinfuse").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    first = opened()
    assert len(list((tmp_path / "own" / "clinfuse").glob("*/*/array.npy"))) == 2
    no_reading(monkeypatch)
    assert_same(first, opened())


def test_no_place_at_all_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".clinfuse").write_text("in the way")
    (tmp_path / "own").write_text("in the way too")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    with pytest.raises(StorageError, match="CACHE_PLACE"):
        cache.cache_base(tmp_path)


def test_a_failed_preparation_leaves_nothing_behind(
    folder: Path, opened: Callable[..., Cohort], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(cache, "write", fail)
        with pytest.raises(StorageError, match="CACHE_WRITE"):
            opened()
    assert places(folder) == []
    opened()
    assert len(places(folder)) == 2


_WORKER = """
import sys
from pathlib import Path
import numpy as np
from clinfuse.cohort.cache import Cache
from clinfuse.cohort.modality import Modality
def fill(draft):
    for row in range(6):
        draft.put(row, np.full((1, 8, 8, 8), row, np.int16), np.array([True]), np.array([float(row)]))
for turn in range(15):
    modality = Modality("ct", "ct", (1, 8, 8, 8))
    made = Cache(Path(sys.argv[1])).obtain(modality, f"k{turn}", 6, 1, np.dtype(np.int16), fill=fill)
    assert made.array[:, 0, 0, 0, 0].tolist() == list(range(6))
"""


def test_two_processes_can_prepare_at_once(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", _WORKER, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert sorted(place.name for place in places(tmp_path)) == sorted(f"ct-k{turn}" for turn in range(15))
