"""Whatever a name holds, a page shows it as text, loads nothing and runs nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import escape

from clinfuse.errors import StorageError
from clinfuse.report import html

TEMPLATES = sorted((Path(html.__file__).parent / "templates").glob("*.html"))
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "</style><svg onload=alert(1)>",
    "<!--",
    "]]>",
    "&lt;b&gt;",
    "=cmd|' /C calc'!A0",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_stays_text(payload: str) -> None:
    made = html.environment().from_string("<p>{{ x }}</p>").render(x=payload)
    assert made == f"<p>{escape(payload)}</p>"


@given(st.text())
def test_no_control_or_direction_character_is_ever_shown(text: str) -> None:
    shown = html.clean(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", shown)
    assert len(shown) <= html.LONGEST_TEXT


def test_a_reversed_name_cannot_pretend_to_be_another() -> None:
    assert html.environment().from_string("{{ x }}").render(x="ab\u202edc\u2069") == "abdc"


def test_a_name_that_was_forgotten_stops_the_page() -> None:
    with pytest.raises(UndefinedError, match="missing_name"):
        html.environment().from_string("{{ missing_name }}").render()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_escape_everything_and_quote_every_attribute(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe|autoescape|Markup", source)
    assert not re.search(r"<[^>]*=\s*\{\{", source), "an attribute without quotes"
    assert not re.search(
        r"<script(?!>\{\{ script \}\}</script>)|<iframe|<object|<embed|<link|\son[a-z]+\s*=|https?://|url\(|@import",
        source,
        re.I,
    )
    assert set(re.findall(r"<style>(.*?)</style>", source, re.S)) <= {"{{ style }}"}
    assert 'style="' not in source


def test_the_one_style_is_the_same_in_every_page_and_asks_for_nothing() -> None:
    source = (Path(html.__file__).parent / "templates" / "base.css").read_text(encoding="utf-8")
    assert not re.search(r"\{\{|@import|https?:|expression|url\((?!#)|</", source)
    assert html.environment().globals["style"] == source


def test_there_are_templates_to_look_at() -> None:
    assert {"base.html", "patient.html", "study.html", "ledger.html"} <= {path.name for path in TEMPLATES}


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.50"), (-0.5, "−0.50"), (-0.004, "0.00"), (float("nan"), "–"), (0.0, "0.00")]
)
def test_numbers_have_a_true_minus_and_no_negative_zero(value: float, text: str) -> None:
    assert html.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (1.0, "100"), (0.004, "0.4"), (0.996, "99.6"), (0.35, "35")])
def test_percentages_never_round_to_certainty(value: float, text: str) -> None:
    assert html.percent(value) == f"{text}\u00a0%"


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    page = html.write_text(tmp_path / "new" / "page.html", "done")
    assert page.read_text(encoding="utf-8") == "done"
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_a_place_that_cannot_be_written_is_refused_without_its_name(tmp_path: Path) -> None:
    (tmp_path / "Miller").write_text("a file, not a folder")
    with pytest.raises(StorageError, match="REPORT_WRITE") as refusal:
        html.write_text(tmp_path / "Miller" / "page.html", "x")
    assert "Miller" not in str(refusal.value)
    assert refusal.value.__suppress_context__
