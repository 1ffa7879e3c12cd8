"""Nothing but our own errors comes out of damaged bytes; what once did is tried again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.mutate import mutated, smaller
from tests.fuzz.seeds import SEEDS, SHEET, TABLE_KINDS, TOKENS
from tests.fuzz.targets import TARGETS, WAYS, outcome

ROOT = Path(__file__).parent.parent.parent
SECONDS = os.environ.get("CLINFUSE_FUZZ_SECONDS", "20")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", TARGETS)
def test_damaged_bytes_are_read_or_refused(target: str) -> None:
    """In a process of its own, whose memory is limited."""
    program = [sys.executable, "-m", "tests.fuzz", target, "--seconds", SECONDS]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]


@pytest.mark.parametrize("target", TARGETS)
def test_a_few_damaged_inputs_are_read_or_refused(target: str) -> None:
    draw, pool = random.Random(7), SEEDS[target]()
    said = {outcome(target, mutated(pool, TOKENS[target], draw)) for _ in range(150)}
    assert len(said) > 3


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_reach_past_the_first_check(target: str) -> None:
    """Most are valid; a corpus that is refused at once would find nothing."""
    said = [outcome(target, data) for data in SEEDS[target]()]
    assert sum(" " in one for one in said) >= len(said) // 2


def sheet(old: str, new: str) -> bytes:
    """A workbook whose sheet says something else."""
    assert old in SHEET
    return bytes([TABLE_KINDS.index("sheet"), 0]) + SHEET.replace(old, new).encode()


def channels(count: bytes) -> bytes:
    """An EDF header that claims a number of channels."""
    seed = SEEDS["edf"]()[0]
    return seed[:252] + count + seed[256:]


@pytest.mark.parametrize(
    ("target", "data", "code"),
    [
        ("edf", channels(b"21e9"), "EDF_HEADER"),
        ("table", sheet('s="1"', 's="99"'), "TABLE_FORMAT"),
    ],
)
def test_what_once_escaped_is_refused(target: str, data: bytes, code: str) -> None:
    assert outcome(target, data) == code


def test_text_in_a_sequence_is_decoded_by_the_character_set_of_its_file() -> None:
    assert outcome("dicom", SEEDS["dicom"]()[0]) == "1 series, 0 damaged"


def test_the_same_seed_damages_in_the_same_way() -> None:
    pool = SEEDS["edf"]()
    one, other = (mutated(pool, TOKENS["edf"], random.Random(5)) for _ in range(2))
    assert one == other
    assert one not in pool


def test_a_failing_input_is_made_smaller() -> None:
    assert smaller(b"x" * 50 + b"ab" + b"y" * 90, lambda data: b"ab" in data) == b"ab"


def test_every_way_to_write_a_table_is_another() -> None:
    assert len(set(WAYS)) == len(WAYS)
