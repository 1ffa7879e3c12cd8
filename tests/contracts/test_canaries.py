"""What an export says of people stays in it: words planted in it are sought in all that the commands leave behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from base64 import b64encode
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.contracts.commands_at_debug import ERRORS, SITES
from tests.contracts.found_words import found_words
from tests.contracts.marked_export import write_export
from tests.contracts.marked_files import Marks
from tests.faults.fault import NAME, NUMBER

COMMANDS = (
    ("check", "export"),
    ("check", "study.toml", "--json"),
    ("run", "study.toml", "--workers", "1", "--yes"),
    ("fold", "results"),
    ("report", "results", "--json"),
    ("explain", "results"),
    ("robustness", "results", "--json"),
    ("check", "nowhere"),
    ("check", "export", "--strict"),
)
# What the process of the command itself does with a table.
OWN_SITES = ("clinfuse.cohort.tables.exported_table", "clinfuse.io.exported_tables.framed")
# Each ends with the table that broke the process that decodes.
TABLES_BROKEN = 9


@dataclass(frozen=True)
class Ran:
    """What commands said, and all they left behind but ``private/``."""

    codes: list[tuple[int, bool]]
    said: str
    files: tuple[Path, ...]


def run_marked(place: Path, mark: Marks, commands: list[dict[str, object]], word: str = "") -> Ran:
    """Run commands in a marked home, with a marked environment, on the marked export that lies there."""
    home, temporary = place / mark("home folder"), place / "tmp"
    temporary.mkdir()
    before = set(place.rglob("*"))
    out = place / "codes.json"
    env = {**os.environ, "TMPDIR": str(temporary), "HOSPITAL_SECRET": mark("environment"), "PYTHONWARNINGS": "default"}
    env |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    program = [sys.executable, "-m", "tests.contracts.commands_at_debug", str(out), *([word] if word else [])]
    done = subprocess.run(
        program, cwd=home, env=env, input=json.dumps(commands), capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for name, text in (("stdout", done.stdout), ("stderr", done.stderr)):
        (place / name).write_text(text, encoding="utf-8")
    made = [file for file in place.rglob("*") if file not in before and "private" not in file.parts]
    return Ran([tuple(one) for one in json.loads(out.read_text())], done.stdout + done.stderr, tuple(made))


def sought(mark: Marks) -> dict[str, str]:
    return {word: place for place, word in mark.words.items()} | {NAME: "bad file", NUMBER: "number in a bad file"}


def hits(ran: Ran, words: dict[str, str], place: Path, home: str) -> list[tuple[str, str]]:
    """Names of files with the place whose word stands in them; below the home folder, whose own name is no output."""
    inside = [file for file in ran.files if home in file.relative_to(place).parts]
    beside = [file for file in ran.files if file not in inside and file.suffix not in (".json", ".reached")]
    found = found_words(words, inside, place / home) + found_words(words, beside, place)
    places = {word.lower(): where for word, where in words.items()}
    return sorted((file, places[word]) for file, word in found)


@pytest.mark.slow
def test_no_command_repeats_a_word_of_the_export(tmp_path: Path) -> None:
    mark = Marks()
    home = tmp_path / mark("home folder")
    home.mkdir()
    bad = write_export(home / "export", mark)
    assert bad >= 30
    ran = run_marked(tmp_path, mark, [{"arguments": one} for one in COMMANDS])
    assert len(mark.words) >= 120
    assert [code for code, _ in ran.codes] == [2, 2, 1, 0, 1, 0, 0, 2, 2]
    endings = {file.suffix for file in ran.files}
    assert endings >= {".html", ".json", ".csv", ".docx", ".tex", ".parquet"}
    assert "DEBUG:" in ran.said
    assert hits(ran, sought(mark), tmp_path, home.name) == []


@pytest.mark.slow
def test_a_scan_shows_names_of_columns_and_nothing_else_of_the_export(tmp_path: Path) -> None:
    mark = Marks()
    home = tmp_path / mark("home folder")
    home.mkdir()
    write_export(home / "export", mark)
    commands = (("scan", "export", "--out", "draft.toml"), ("scan", "export", "--json", "--out", "again.toml"))
    ran = run_marked(tmp_path, mark, [{"arguments": one} for one in commands])
    assert [code for code, _ in ran.codes] == [1, 1]
    words = {word: place for word, place in sought(mark).items() if not place.startswith("column of")}
    assert hits(ran, words, tmp_path, home.name) == []


@pytest.mark.slow
def test_no_broken_reader_repeats_what_it_was_told(tmp_path: Path) -> None:
    mark = Marks()
    home = tmp_path / mark("home folder")
    home.mkdir()
    write_export(home / "export", mark)
    there: list[dict[str, object]] = [{"arguments": ["check", "export", "--json"]}] * TABLES_BROKEN
    here: list[dict[str, object]] = [
        {"arguments": ["check", "export", *json_too], "site": site, "error": error}
        for site, error, json_too in product(OWN_SITES, ERRORS, ([], ["--json"]))
    ]
    last: dict[str, object] = {"arguments": ["check", "export"]}
    ran = run_marked(tmp_path, mark, [*there, *here, last], word=mark("text of an error"))
    assert all(called for _, called in ran.codes)
    assert {code for code, _ in ran.codes[:TABLES_BROKEN]} == {2}
    assert {code for code, _ in ran.codes[TABLES_BROKEN:-1]} == {70}
    assert ran.codes[-1][0] in (1, 2)
    reached = set((tmp_path / "codes.reached").read_text().splitlines())
    assert reached == {f"{site} {name}" for site, name in product(SITES, ERRORS)}
    assert len(reached) + len(here) >= 30
    assert hits(ran, sought(mark), tmp_path, home.name) == []


def test_a_word_is_found_however_it_is_packed(tmp_path: Path) -> None:
    """The search itself: a test that cannot find anything proves nothing."""
    archive, table = io.BytesIO(), pa.BufferOutputStream()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("word/document.xml", "<t>Zqkv1X</t>")
    pq.write_table(pa.table({"a": ["", "ZQKV1X"] * 50}), table, compression="zstd")
    packed = {
        "plain": b"..zqkv1x..",
        "wide": "ZQKV1X".encode("utf-16"),
        "gzip": gzip.compress(b"ZQKV1X"),
        "docx": archive.getvalue(),
        "parquet": table.getvalue().to_pybytes(),
        "page": b"<img src='data:image/png;base64," + b64encode(b"\x89PNG ZQKV1X ") + b"'>",
        "in its name ZQKV1X": b"",
        "nothing": b"ZQKV2X",
    }
    for name, data in packed.items():
        (tmp_path / name).write_bytes(data)
    found = found_words(["ZQKV1X"], sorted(tmp_path.iterdir()), tmp_path)
    assert {name for name, _ in found} == set(packed) - {"nothing"}
