"""A patient's page says everything that is allowed and nothing else, from one file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clinfuse.cohort.modality import Column, Modality
from clinfuse.explain.values import FeatureValue, ModalityAttribution
from clinfuse.report.allowed import age_band, described_text, value_text
from clinfuse.report.patient import patient_page, write_patient_index, write_patient_report

BANNER = "Research use only, not a medical device"


@pytest.fixture(scope="module")
def page(attribution) -> str:
    return patient_page(attribution)


def test_the_warning_stands_first_and_last(page: str, read) -> None:
    assert read(page).words.count(BANNER) == 2
    assert page.index(BANNER) < page.index("<h1>") < page.index("Attributions describe the model") < page.rindex(BANNER)


def test_the_page_loads_nothing_and_runs_nothing(page: str, read) -> None:
    found = read(page)
    assert not {"script", "iframe", "object", "embed", "link", "form", "base"} & set(found.tags)
    assert found.values("meta", "content")[0] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert found.values("img", "src")
    assert all(source.startswith("data:image/") for source in found.values("img", "src"))
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert not re.search(r"https?://|//[a-z]", re.sub(r'src="[^"]*"', "", page))


def test_every_image_says_what_it_shows(page: str, read) -> None:
    found = read(page)
    assert len(found.values("img", "alt")) == found.tags.count("img") == 5
    assert all(len(alt) > 20 for alt in found.values("img", "alt"))


def test_what_was_there_and_what_was_missing_is_said(page: str, read) -> None:
    words = read(page).words
    assert "scan (xray): missing" in words
    assert "Missing: scan." in words
    assert "73\u00a0% for embolism".replace("\u00a0", " ") in words.replace("\u00a0", " ")
    assert "late, stacked" in words


def test_a_model_that_may_have_seen_the_patient_says_so(attribution, read) -> None:
    said = "This model may have been trained on this patient"
    assert said in read(patient_page(attribution)).words
    assert said not in read(patient_page(replace(attribution, held_out=True))).words


def test_a_failed_check_is_shown_as_failed(page: str, read) -> None:
    found = read(page)
    assert ("li", "class", "failed") in found.attributes
    assert "✗ maps add up" in found.words


def test_ages_are_bands_and_dates_are_not_shown(page: str, read) -> None:
    everything = read(page).words + " ".join(read(page).values("img", "alt"))
    assert "90+" in everything
    assert "93" not in everything
    assert "91" not in everything
    assert "2021" not in everything
    assert "not shown" in everything


@pytest.mark.parametrize("age", [90, 90.0, 95.5, 120])
def test_nobody_of_ninety_or_more_is_told_apart(age: float) -> None:
    assert age_band(age) == described_text("Age", age) == "90+"
    assert value_text(FeatureValue("age", age, 0.0, "years")) == "90+"


@pytest.mark.parametrize("name", ["age", "AGE", "age_at_index", "Age (years)", "patient age"])
def test_an_age_is_known_by_any_usual_name(name: str) -> None:
    assert described_text(name, 63) == "60 to 69"


@pytest.mark.parametrize("text", ["2021-03-04", "04.03.2021", "3/4/21", "20210304", "12:30", "2021-03-04 12:30:00"])
def test_what_looks_like_a_date_or_a_number_of_a_person_is_not_shown(text: str) -> None:
    assert described_text("ward", text) == "not shown"


def test_the_same_attribution_gives_the_same_bytes(attribution, tmp_path: Path) -> None:
    first = write_patient_report(attribution, tmp_path / "a.html").read_bytes()
    assert first == write_patient_report(attribution, tmp_path / "b.html").read_bytes()


PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$x^{",
    "a\u202eb",
    "{{ 1 }}",
    "名前",
    "x" * 5000,
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_any_text_anywhere_stays_text(attribution, payload: str, read) -> None:
    labs = Modality(payload, "ehr", (1,), columns=(Column(payload, "category", payload, (payload, "other")),))
    part = ModalityAttribution(
        labs,
        True,
        0.0,
        "exact contributions",
        np.zeros(1, np.float32),
        (FeatureValue(payload, 0.0, 0.1, payload, kind="category", levels=(payload, "other")),),
    )
    spoiled = replace(
        attribution,
        model=payload,
        taxonomy=payload,
        record=payload,
        positive=payload,
        parts=(*attribution.parts[1:3], part, attribution.parts[4]),
        logit=attribution.prior_logit + 0.1,
        without={payload: 0.5},
        described=((payload, payload),),
    )
    found = read(patient_page(spoiled))
    plain = read(patient_page(replace(attribution, parts=(*attribution.parts[1:4], attribution.parts[4]), logit=0.1)))
    assert "script" not in found.tags
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert found.tags.count("img") == plain.tags.count("img")
    assert "\u202e" not in found.words


def test_the_index_links_keys_and_only_keys(attribution, tmp_path: Path, read) -> None:
    odd = replace(attribution, record="javascript:alert(1)//")
    page = write_patient_index([attribution, odd], tmp_path / "index.html").read_text(encoding="utf-8")
    assert read(page).values("a", "href") == ["R-ABCDEFGH23.html"]
    assert "javascript:alert(1)//" in read(page).words


def test_a_record_without_anything_says_so(attribution, read) -> None:
    nothing = replace(
        attribution,
        parts=(attribution.parts[4],),
        logit=attribution.prior_logit,
        probability=attribution.prior_probability,
        without={},
    )
    words = read(patient_page(nothing)).words
    assert "nothing of this record was usable" in words
    assert "Nothing was there to withhold" in words


def test_a_picture_that_may_hold_a_name_is_withheld_in_words(attribution, page: str, read) -> None:
    said = 'Text is burned into the picture, so no page shows it; `burned_in = "show"` in this modality would show it.'
    parts = tuple(replace(part, withheld=said) if part.name == "xray" else part for part in attribution.parts)
    before, after = read(page), read(patient_page(replace(attribution, parts=parts)))
    assert f"The picture is withheld. {said}" in after.words
    assert "xray: the radiograph" in " ".join(before.values("img", "alt"))
    assert "xray: the radiograph" not in " ".join(after.values("img", "alt"))
    assert after.tags.count("img") == before.tags.count("img") - 1
