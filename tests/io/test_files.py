"""What is opened is an ordinary file that stays as it is, and what is listed lies in the export."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.errors import DataError
from clinfuse.io import files
from clinfuse.io.eeg_parts import recording_parts
from clinfuse.io.files import check_regular, leads_inside, list_files, open_regular, read_whole


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(before)


KINDS = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a socket": bind,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


class TestOpening:
    @pytest.mark.parametrize(("kind", "make"), KINDS.items())
    @pytest.mark.parametrize("read", [open_regular, read_whole, check_regular])
    def test_only_ordinary_files(
        self, tmp_path: Path, kind: str, make: Callable[[Path], None], read: Callable[[Path], object]
    ) -> None:
        make(tmp_path / "Smith")
        with pytest.raises(DataError, match=rf"FILE_KIND.*found {kind}") as caught:
            read(tmp_path / "Smith")
        assert "Smith" not in str(caught.value)

    @pytest.mark.parametrize("name", ["absent", "x" * 5000, "a\0b"])
    def test_a_name_nothing_has_is_an_error_of_the_file_system(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(OSError, match=r"."):
            open_regular(tmp_path / name)
        with pytest.raises(OSError, match=r"."):
            read_whole(tmp_path / name)
        check_regular(tmp_path / name)

    def test_what_is_swapped_for_a_pipe_in_between_does_not_hang(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        os.mkfifo(tmp_path / "pipe")
        ordinary = (tmp_path / "file").write_bytes(b"") or (tmp_path / "file").stat()
        monkeypatch.setattr(Path, "stat", lambda *given, **options: ordinary)
        with pytest.raises(DataError, match=r"FILE_KIND.*a pipe"):
            open_regular(tmp_path / "pipe")


class TestReading:
    @given(st.binary())
    def test_everything_is_read(self, tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
        file = tmp_path_factory.getbasetemp() / "content"
        file.write_bytes(content)
        assert read_whole(file) == content

    @pytest.mark.parametrize(("changes", "refused"), [(1, False), (2, True)])
    def test_a_file_that_grows_has_a_second_try(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int, refused: bool
    ) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"12")
        left = [changes]

        def grow(place: str, size: int) -> None:
            if left[0]:
                left[0] -= 1
                with file.open("ab") as out:
                    out.write(b"3")

        monkeypatch.setattr(files, "check_size", grow)
        if refused:
            with pytest.raises(DataError, match="FILE_CHANGED"):
                read_whole(file)
        else:
            assert read_whole(file) == b"123"

    @pytest.mark.parametrize(("failures", "refused"), [(1, False), (2, True)])
    def test_an_error_of_the_disk_has_a_second_try(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, refused: bool
    ) -> None:
        (tmp_path / "file").write_bytes(b"12")
        left, honest = [failures], os.fstat

        def fstat(number: int) -> os.stat_result:
            if left[0]:
                left[0] -= 1
                raise OSError(116, "Stale file handle")
            return honest(number)

        monkeypatch.setattr(os, "fstat", fstat)
        if refused:
            with pytest.raises(OSError, match="Stale"):
                read_whole(tmp_path / "file")
        else:
            assert read_whole(tmp_path / "file") == b"12"

    def test_a_file_that_is_too_large_is_not_read(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("wb") as out:
            out.truncate(2**32)
        with pytest.raises(DataError, match="BOMB"):
            read_whole(tmp_path / "file")


class TestPartsOfARecording:
    def test_what_is_no_file_has_no_content(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.vhdr")
        assert recording_parts(tmp_path / "a.vhdr") == ()

    @pytest.mark.parametrize(
        "name", ["", " " * 2**21 + "x", "\t " * 2**20 + "\x00", "a.eeg" + " " * 2**21 + ".", "ä" * 200]
    )
    def test_a_long_line_is_read_once(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "a.eeg").write_text("")
        (tmp_path / "a.vhdr").write_text(f"DataFile={name}\nMarkerFile = a.eeg \r\n", encoding="utf-8")
        assert recording_parts(tmp_path / "a.vhdr") == ("a.eeg",)


class TestListing:
    def test_files_before_folders_and_both_by_name(self, tmp_path: Path) -> None:
        for name in ("b", "a/z", "a/b/c", "a/.hidden/x", "private/secret", "c\n", "Ä"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("")
        found = list_files(tmp_path, root=tmp_path, without=[tmp_path / "private"])
        assert [file.relative_to(tmp_path).as_posix() for file in found.files] == ["b", "c\n", "Ä", "a/z", "a/b/c"]
        assert found.refused == ()

    def test_links(self, tmp_path: Path) -> None:
        root = tmp_path / "export"
        (root / "sub").mkdir(parents=True)
        (root / "file").write_text("")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "file").write_text("")
        for name, target in {
            "in": "file",
            "folder in": "sub",
            "loop": "loop",
            "up": ".",
            "out": "../elsewhere/file",
            "folder out": "../elsewhere",
            "out and in": "../elsewhere/../export/file",
            "dangling": "nothing",
        }.items():
            (root / name).symlink_to(target)
        found = list_files(root, root=root)
        names = sorted(file.name for file in found.files)
        assert names in (["dangling", "file", "in", "out and in"], ["dangling", "file", "in", "loop", "out and in"])
        assert {error.code for error in found.refused} == {"LINK_OUTSIDE"}
        assert len(found.refused) == 2 + ("loop" not in names)
        free = list_files(root)
        assert free.refused == ()
        assert "out" in {file.name for file in free.files}

    def test_a_folder_that_cannot_be_looked_into_is_counted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "closed").mkdir()
        (tmp_path / "open").mkdir()
        (tmp_path / "open" / "file").write_text("")
        honest = os.scandir

        def scandir(path: Path) -> object:
            if path.name == "closed":
                raise PermissionError
            return honest(path)

        monkeypatch.setattr(os, "scandir", scandir)
        found = list_files(tmp_path)
        assert [error.code for error in found.refused] == ["FOLDER_UNREADABLE"]
        assert [file.name for file in found.files] == ["file"]

    def test_deep_folders(self, tmp_path: Path) -> None:
        deep = tmp_path
        for _ in range(300):
            deep = deep / "d"
            deep.mkdir()
        (deep / "file").write_text("")
        assert len(list_files(tmp_path, root=tmp_path).files) == 1

    @pytest.mark.parametrize("name", ["../x", "..", "/etc/passwd", "a\0b"])
    def test_paths_that_leave(self, tmp_path: Path, name: str) -> None:
        assert not leads_inside(tmp_path.resolve(), tmp_path / name)
