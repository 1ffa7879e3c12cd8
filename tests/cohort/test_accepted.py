"""The line a refusal prints is TOML, and declares what was declared before and the answer."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.cohort.accepted import column_line, with_lines
from clinfuse.cohort.declarations import ColumnDeclaration
from clinfuse.errors import DataError

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8), words, st.lists(words, max_size=3))
def test_a_line_reads_back_as_the_declaration_with_the_answer(name, unit, missing):
    said = ColumnDeclaration(unit=unit, missing=tuple(missing), range=(-1.5, 1e22), take=("last", "max"))
    line = column_line(name, said, {"censored": "limit", "missing": ["NA"]})
    assert "\n" not in line
    read = ColumnDeclaration(**tomllib.loads(line)["columns"][name])
    assert read == said.model_copy(update={"censored": "limit", "missing": (*missing, "NA")})


def test_factors_are_added_to_those_declared():
    said = ColumnDeclaration(unit="mg/L", units={"g/L": 1000.0})
    line = column_line("C R P", said, {"units": {"mg/dL": 10.0}})
    assert line == ('columns."C R P" = { unit = "mg/L", units = { "g/L" = 1000.0, "mg/dL" = 10.0 } }')


@pytest.mark.parametrize("setting", ['decimal = ","', "nothing of the kind", 'x = "'])
def test_what_is_no_setting_of_a_column_stays_as_it_is(setting):
    error = DataError("X", place="p", rule="r", found="f", remedy=f"Write `{setting}` there.")
    assert with_lines(error, "CRP", ColumnDeclaration(), "modalities.labs").remedy == error.remedy
