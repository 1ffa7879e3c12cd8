"""Every code that a user may meet stands on one page, and every code on that page can be met."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "clinfuse").rglob("*.py"))
PAGE = (ROOT / "docs" / "codes.md").read_text(encoding="utf-8")
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|BOMB|FAULT|LEDGER|LOCKED")
# Names of flags, variables of the environment and columns of the synthetic export that look like codes.
NOT_CODES = {
    *("BAD_ACQ_SKIP", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "XDG_CACHE_HOME"),
    *("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK"),
    *("CASE_NO", "CODED_AT", "EEG_NO", "LAST_SEEN", "PACS_ID", "RX_EXPORT", "TAKEN_AT", "VISIT_AT"),
}
LINE = re.compile(r"^\| `([A-Z0-9_]+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def texts_of(node: ast.expr) -> Iterator[str]:
    """Every text that an expression may be: both sides of a choice, values of a table."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def met() -> dict[str, str]:
    """Codes by where they stand: any text in the shape of a code that the library may hand on as one."""
    found: dict[str, str] = {}
    for file in SOURCES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            texts: list[str] = []
            if isinstance(node, ast.Call):
                for argument in node.args[:2]:
                    texts += texts_of(argument)
                texts += [
                    text for keyword in node.keywords if keyword.arg == "code" for text in texts_of(keyword.value)
                ]
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.Return) and node.value is not None:
                texts += texts_of(node.value)
            # A warning has no code of its own: its text begins with it.
            for text in [re.sub(r"^\[([A-Z0-9_]+)\].*", r"\1", text, flags=re.DOTALL) for text in texts]:
                if CODE.fullmatch(text) and text not in NOT_CODES:
                    found.setdefault(text, file.relative_to(ROOT).as_posix())
    return found


MET = met()
EXPECTED = "\n".join(
    file.read_text(encoding="utf-8") for file in sorted((ROOT / "tests").rglob("*.py")) if file != Path(__file__)
)
LISTED = {match[0]: match for match in LINE.findall(PAGE)}


def test_every_code_has_a_line() -> None:
    missing = [f"{MET[code]}: | `{code}` |  |  | – |" for code in sorted(MET) if code not in LISTED]
    assert not missing, "docs/codes.md lacks these:\n" + "\n".join(missing)


def test_every_line_is_of_a_code_that_can_be_met() -> None:
    assert sorted(set(LISTED) - set(MET)) == []


def test_every_code_is_expected_by_some_test() -> None:
    words = set(re.findall(r"\w+", EXPECTED))
    assert sorted(set(MET) - words) == []


def test_every_code_stands_once_and_in_the_order_of_the_alphabet() -> None:
    for section in PAGE.split("\n## ")[1:]:
        codes = [match[0] for match in LINE.findall(section)]
        assert codes == sorted(codes)
    assert len(LINE.findall(PAGE)) == len(LISTED)


@pytest.mark.parametrize("code", sorted(LISTED))
def test_a_line_says_what_it_means_and_what_to_do(code: str) -> None:
    _, meaning, remedy, _ = LISTED[code]
    assert len(meaning) > 10
    assert len(remedy) > 5
