"""Tables open in a spreadsheet, a word processor and LaTeX, and do nothing there."""

from __future__ import annotations

import io
import re
from pathlib import Path

import docx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.cohort.ledger import Entry, Ledger, Match
from clinfuse.report.document import table_document
from clinfuse.report.ledger import write_ledger
from clinfuse.report.tables import csv_text, guarded, tex_text, write_tables

TABLE = pd.DataFrame({"model": ["late", "=1+1"], "AUROC": [0.851, -0.5], "records": [240, 235]})


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0=1", "\u200b=1", " =1", "\ufeff+1"]
)
def test_a_formula_is_text(text: str) -> None:
    assert guarded(text).startswith("'")


def test_numbers_are_untouched_and_texts_are_guarded() -> None:
    back = pd.read_csv(io.StringIO(csv_text(TABLE)))
    assert back["AUROC"].tolist() == [0.851, -0.5]
    assert back["records"].tolist() == [240, 235]
    assert back["model"].tolist() == ["late", "'=1+1"]


def test_latex_has_no_bare_special_character() -> None:
    text = tex_text(pd.DataFrame({"a_b": ["5 % of #1 & {x} \\ ~^ $2"]}), caption="50 %")
    assert r"5 \% of \#1 \& \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{} \$2" in text
    assert r"a\_b" in text


@pytest.mark.parametrize("text", ["[x]", "*", " [1]"])
def test_a_row_that_begins_like_an_option_is_no_option(text: str) -> None:
    assert "\n{}" + text.lstrip() in tex_text(pd.DataFrame({"model": [text]})).replace("{} ", "{}")


def test_a_caption_ends_no_paragraph_and_is_not_cut() -> None:
    text = tex_text(TABLE, caption="one\n\ntwo\tthree " + "x" * 900)
    caption = next(line for line in text.splitlines() if line.startswith(r"\caption"))
    assert caption.startswith(r"\caption{one  two three xxx")
    assert len(caption) > 900


@settings(max_examples=25)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_becomes_a_document_and_latex_without_a_bare_special(text: str, column: str) -> None:
    table = pd.DataFrame({f"a{column}": [f"b{text}"]})
    opened = docx.Document(io.BytesIO(table_document(table, text)))
    cells = [cell.text for one in opened.tables[0].rows for cell in one.cells]
    assert [cell[0] for cell in cells] == ["a", "b"]
    body = re.sub(r"\\[#%&{}$_]", "", tex_text(table, caption=text).partition(r"\caption")[2])
    assert not re.search(r"[#%_\"<>|]", body.replace("$<$", "").replace("$>$", ""))
    assert body.count("{") == body.count("}")
    assert body.count("$") % 2 == 0


def test_a_document_holds_the_same_table(tmp_path: Path) -> None:
    csv, document, tex = write_tables(TABLE, tmp_path, "models", caption="Models")
    grid = docx.Document(str(document)).tables[0]
    assert [[cell.text for cell in row.cells] for row in grid.rows] == [
        ["model", "AUROC", "records"],
        ["late", "0.85", "240"],
        ["=1+1", "−0.50", "235"],
    ]
    assert "Research use only" in docx.Document(str(document)).paragraphs[-1].text
    assert (csv.name, tex.name) == ("models.csv", "models.tex")


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_tables(TABLE, tmp_path / "a", "models")]
    assert first == [path.read_bytes() for path in write_tables(TABLE, tmp_path / "b", "models")]


def test_the_ledger_counts_reasons_and_reconciles(tmp_path: Path, read) -> None:
    entries = (
        Entry("CT_SPACING", "ct", "R-AAAAAAAAAA", "Slices are not evenly spaced.", remedy="Write max_gap_mm = 10."),
        Entry("CT_THICKNESS", "ct", "R-AAAAAAAAAA", "The measured distance is used.", note=True),
        Entry("FOLLOW_UP_SHORT", "label", "R-BBBBBBBBBB", "Follow-up is too short.", excluded=True),
        Entry("FOLLOW_UP_SHORT", "label", "R-CCCCCCCCCC", "Follow-up is too short.", excluded=True),
    )
    ledger = Ledger(5, 3, entries, (Match("ct", 3, 1, 0, 0),))
    words = read(write_ledger(ledger, tmp_path / "ledger.html", title="<b>").read_text(encoding="utf-8")).words
    assert "input 5 records = 3 used + 2 excluded" in words
    assert words.index("2 label FOLLOW_UP_SHORT") < words.index("1 ct CT_SPACING")
    assert words.index("1 ct CT_SPACING") < words.index("1 ct CT_THICKNESS")
    assert "Write max_gap_mm = 10. source absent" in words
    assert "The measured distance is used. noted" in words
    assert "Ledger: <b>" in words
