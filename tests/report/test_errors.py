"""The page of errors names keys only, links pages that exist, and loads nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clinfuse.evaluation.calls import FoldThreshold, FoldThresholds
from clinfuse.evaluation.wrong_calls import ErrorGroup, Errors, WrongRecord
from clinfuse.report.errors import errors_page, write_errors_report
from clinfuse.report.html import environment

FOUND = Errors(
    "late",
    "<ill>",
    0.5,
    (
        ErrorGroup("", "all records", "60", "10", "60", "7"),
        ErrorGroup("sex", "f", "30", "<5", "30", "<10"),
        ErrorGroup("ward", "small", "held back", "held back", "held back", "held back"),
    ),
    (WrongRecord("R-AAAAAAAAAA", False, 0.95), WrongRecord("R-BBBBBBBBBB", True, 0.35)),
)


def test_counts_groups_and_records_are_told(read) -> None:
    found = read(errors_page(FOUND, pages=["R-BBBBBBBBBB"], title="Fits"))
    assert "10 of 60 with <ill> are missed; 7 of 60 without it are called." in found.words
    assert "By sex group with the finding missed without it called wrongly f 30 <5 30 <10" in found.words
    assert "small held back" in found.words
    assert found.values("a", "href") == ["report.html", "patients/R-BBBBBBBBBB.html"]
    assert "R-AAAAAAAAAA 95" in found.words


def test_what_calls_a_record_is_said(read) -> None:
    assert "called from a probability of 50 % on" in read(errors_page(FOUND)).words.replace("\u00a0", " ")
    folds = (FoldThreshold(0, 0, -1.0), FoldThreshold(0, 1, 0.0))
    words = read(errors_page(replace(FOUND, threshold=FoldThresholds(0.9, folds)))).words.replace("\u00a0", " ")
    assert "fold's model on, learned in inner folds for a specificity of 90 % (a probability of 27 % to 50 %)" in words


def test_the_page_has_the_policy_of_every_page_and_loads_nothing(read) -> None:
    page = errors_page(FOUND)
    assert f'content="{environment().globals["policy"]}"' in page
    assert not {"script", "iframe", "link", "object", "img"} & set(read(page).tags)
    assert "Research use only, not a medical device" in read(page).words


def test_nobody_wrong_is_said_and_many_are_cut(read) -> None:
    none = Errors("late", "ill", 0.5, FOUND.groups[:1], ())
    assert read(errors_page(none)).words.count("None.") == 2
    many = Errors("late", "ill", 0.5, FOUND.groups[:1], tuple(WrongRecord(f"R-{k}", True, 0.1) for k in range(203)))
    assert "And 3 more." in read(errors_page(many)).words


def test_the_same_errors_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_errors_report(FOUND, tmp_path / name).read_bytes() for name in "ab")
    assert first == second
