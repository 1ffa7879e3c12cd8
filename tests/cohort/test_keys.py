"""Keys stand for ids, nobody can go back without the private folder, and that folder is for its owner only."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.cohort.keys import KeyRing, open_private, who, write_keys
from clinfuse.errors import DataError, StorageError

SECRET = bytes(range(32))
ROWS = [
    {"key": "R-BBBBBBBBBB", "patient": "4711", "record": "A;1", "files": "ct/1"},
    {"key": "R-AAAAAAAAAA", "patient": 'Mü"ller', "record": "A,2\n", "files": ""},
]


def test_hmac_agrees_with_rfc_4231_case_2():
    """Test case 2 of RFC 4231 for the function the keys are made with (https://doi.org/10.17487/RFC4231)."""
    digest = hmac.new(b"Jefe", b"what do ya want for nothing?", hashlib.sha256).hexdigest()
    assert digest == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    expected = base64.b32encode(hmac.new(SECRET, b"4711", hashlib.sha256).digest()).decode()[:10]
    assert KeyRing(SECRET).record("4711") == f"R-{expected}"
    assert KeyRing(SECRET).patient("4711") == f"P-{expected}"


@given(st.text(), st.text())
def test_keys_differ_exactly_where_ids_do(one, other):
    ring = KeyRing(SECRET)
    assert (ring.record(one) == ring.record(other)) == (one == other)
    assert len(ring.record(one)) == 12


def test_another_secret_gives_other_keys():
    assert KeyRing(SECRET).record("4711") != KeyRing(bytes(32)).record("4711")


def test_shared_keys_are_refused(monkeypatch):
    monkeypatch.setattr(KeyRing, "_code", lambda self, written: "AAAAAAAAAA")
    assert KeyRing(SECRET).records(["1", "1"]) == ["R-AAAAAAAAAA"] * 2
    with pytest.raises(DataError, match="KEY_COLLISION"):
        KeyRing(SECRET).patients(["1", "2"])


def test_the_secret_never_shows():
    assert SECRET.hex() not in repr(KeyRing(SECRET))


def test_the_private_folder_is_for_its_owner_only(tmp_path):
    open_private(tmp_path)
    write_keys(tmp_path / "private", ROWS)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700
    assert sorted(path.name for path in (tmp_path / "private").iterdir()) == ["keys.csv", "secret"]
    for path in (tmp_path / "private").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_is_drawn_once_for_each_cohort(tmp_path):
    first = open_private(tmp_path / "a").record("1")
    assert open_private(tmp_path / "a").record("1") == first
    assert open_private(tmp_path / "b").record("1") != first
    assert open_private(tmp_path / "b", tmp_path / "a" / "private").record("1") == first


def test_a_lost_secret_is_not_replaced_behind_the_back_of_its_keys(tmp_path):
    open_private(tmp_path)
    write_keys(tmp_path / "private", [{"key": "R-A", "patient": "1", "record": "1", "files": ""}])
    (tmp_path / "private" / "secret").unlink()
    with pytest.raises(StorageError, match=r"SECRET_LOST.*backup.*remove private/keys\.csv"):
        open_private(tmp_path)
    (tmp_path / "private" / "keys.csv").unlink()
    open_private(tmp_path)


@pytest.mark.parametrize(("text", "code"), [("zz" * 32, "SECRET_READ"), ("00" * 31, "SECRET_LENGTH"), ("", "SECRET_")])
def test_a_damaged_secret_is_never_replaced(tmp_path, text, code):
    open_private(tmp_path)
    (tmp_path / "private" / "secret").write_text(text, encoding="ascii")
    with pytest.raises(StorageError, match=code):
        open_private(tmp_path)
    assert (tmp_path / "private" / "secret").read_text(encoding="ascii") == text


def test_a_folder_that_cannot_be_written_to_says_what_to_do(tmp_path):
    (tmp_path / "private").write_text("a file in the way", encoding="ascii")
    with pytest.raises(StorageError, match=r"PRIVATE_WRITE.*--private"):
        open_private(tmp_path)
    assert open_private(tmp_path, tmp_path / "elsewhere").record("1").startswith("R-")


def test_who_returns_the_line_whatever_is_in_it(tmp_path):
    file = write_keys(tmp_path / "private", ROWS)
    assert who(tmp_path, "R-BBBBBBBBBB") == ROWS[0]
    assert who(tmp_path, " R-AAAAAAAAAA\n") == ROWS[1]
    assert who(tmp_path / "x", "R-AAAAAAAAAA", private=tmp_path / "private") == ROWS[1]
    assert file.read_text(encoding="utf-8").splitlines()[1].startswith("R-AAAAAAAAAA")


def test_who_of_a_stranger(tmp_path):
    with pytest.raises(StorageError, match="KEYS_ABSENT"):
        who(tmp_path, "R-AAAAAAAAAA")
    write_keys(tmp_path / "private", ROWS)
    with pytest.raises(DataError, match="KEY_UNKNOWN") as refused:
        who(tmp_path, "4711")
    assert "4711" not in str(refused.value)


def test_the_list_is_not_written_again_without_a_change(tmp_path):
    file = write_keys(tmp_path, ROWS)
    before = file.stat().st_ino
    write_keys(tmp_path, ROWS[::-1])
    assert file.stat().st_ino == before
    write_keys(tmp_path, ROWS[:1])
    with pytest.raises(DataError, match="KEY_UNKNOWN"):
        who(tmp_path, "R-AAAAAAAAAA", private=tmp_path)


FORMULAS = ("=1+1", "+49", "-5", "@SUM(A1)", "\t=1", "\r=1", "\0=1", "'=1", "''", "A;=cmd|' /C calc'!A0", "A;'=1", ";")


@pytest.mark.parametrize("written", FORMULAS)
def test_no_cell_of_the_list_is_a_formula_and_who_gives_the_id_as_it_is(tmp_path, written):
    row = {"key": "R-AAAAAAAAAA", "patient": written, "record": written, "files": f"{written}.dcm;=2"}
    file = write_keys(tmp_path / "private", [row])
    with file.open(encoding="utf-8", newline="") as lines:
        cells = [part for line in csv.reader(lines) for cell in line for part in cell.split(";")]
    assert not [part for part in cells if part.startswith(tuple("=+-@\t\r\0"))]
    assert who(tmp_path, "R-AAAAAAAAAA") == row


@given(st.text(st.sampled_from("=+-@';a1 "), max_size=8))
def test_every_id_comes_back(written):
    with tempfile.TemporaryDirectory() as place:
        row = {"key": "R-AAAAAAAAAA", "patient": written, "record": "", "files": ""}
        write_keys(Path(place) / "private", [row])
        assert who(Path(place), "R-AAAAAAAAAA") == row
