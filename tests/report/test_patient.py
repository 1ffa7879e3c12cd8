"""A patient's page says everything that is allowed and nothing else, from one file."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from clinfuse.cohort.modality import Column, Modality
from clinfuse.errors import StorageError
from clinfuse.explain.values import Attribution, Check, FeatureValue, ModalityAttribution
from clinfuse.report import html
from clinfuse.report.allowed import age_band, described_text, value_text
from clinfuse.report.patient import patient_page, read_page, write_patient_index, write_patient_report
from clinfuse.report.record.about import About
from clinfuse.report.record.compose import record_page
from clinfuse.report.record.page import Classes, Range, Rate, RecordPage, Threshold

BANNER = "Research use only, not a medical device"
KNOWN = About(
    range=Range(low=0.6, high=0.81, words="A Venn-Abers range."),
    threshold=Threshold(
        asked="learned in inner folds for a specificity of 0.9",
        risk=0.35,
        called=True,
        rates=(Rate(name="sensitivity", value=0.7, low=0.6, high=0.8),),
    ),
    classes=Classes(level=0.9, names=("embolism",)),
    outcome="embolism",
    refused={"scan": "no pixel could be decoded (XRAY_PIXELS)"},
    subsets=(
        (frozenset(), 0.38),
        (frozenset({"labs"}), 0.5),
        (frozenset({"ct"}), 0.6),
        (frozenset({"labs", "ct"}), 0.66),
    ),
    unusual=("labs: CRP lies above everything seen in training.",),
    model_card="../reporting/model_card.md",
)


@pytest.fixture(scope="module")
def light(attribution) -> Attribution:
    """Of the table alone: quickly drawn."""
    return replace(attribution, parts=attribution.parts[3:], logit=attribution.prior_logit + attribution.parts[3].share)


@pytest.fixture(scope="module")
def page(attribution) -> str:
    return patient_page(record_page(attribution))


def test_the_warning_stands_first_and_last(page: str, read) -> None:
    assert read(page).words.count(BANNER) == 2
    assert page.index(BANNER) < page.index("<h1>") < page.index("Attributions describe the model") < page.rindex(BANNER)


def test_the_page_loads_nothing_and_runs_one_script_that_knows_nothing_of_it(page: str, read) -> None:
    found = read(page)
    assert not {"iframe", "object", "embed", "link", "form", "base"} & set(found.tags)
    assert found.tags.count("script") == found.tags.count("style") == 1
    style, script = (re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1] for tag in ("style", "script"))
    assert script == (Path(html.__file__).parent / "templates" / "patient.js").read_text(encoding="utf-8")
    style, script = (b64encode(sha256(text.encode()).digest()).decode() for text in (style, script))
    assert found.values("meta", "content")[0] == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not [name for _, name, _ in found.attributes if name == "style"]
    assert found.values("img", "src")
    assert all(source.startswith("data:image/") for source in found.values("img", "src"))
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert not re.search(r"https?://|//[a-z]", re.sub(r'src="[^"]*"', "", page))


def test_every_image_says_what_it_shows(page: str, read) -> None:
    found = read(page)
    assert len(found.values("img", "alt")) == found.tags.count("img") > 5
    layers = [classes for classes in found.values("img", "class") if classes == "over"]
    assert sum(not alt for alt in found.values("img", "alt")) == len(layers)
    assert all(len(alt) > 10 for alt in found.values("img", "alt") if alt)


def test_what_was_there_and_what_was_missing_is_said(page: str, read) -> None:
    words = read(page).words
    assert "scan (xray): missing" in words
    assert "Missing: scan." in words
    assert "73\u00a0% for embolism".replace("\u00a0", " ") in words.replace("\u00a0", " ")
    assert "late, stacked" in words


def test_a_model_that_may_have_seen_the_patient_says_so(light, read) -> None:
    said = "This model may have been trained on this patient"
    assert said in read(patient_page(record_page(light))).words
    assert said not in read(patient_page(record_page(replace(light, held_out=True)))).words


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
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_page_is_made_of_its_json_and_nothing_else(light, tmp_path: Path) -> None:
    written = write_patient_report(light, tmp_path / "a.html", about=KNOWN).read_text(encoding="utf-8")
    assert patient_page(read_page(tmp_path / "a.json")) == written
    assert RecordPage.model_json_schema()["additionalProperties"] is False


@pytest.mark.parametrize("change", [{"format": 2}, {"probability": 1.5}, {"model_card": "https://a.b/c"}, {"more": 1}])
def test_json_that_is_not_of_a_page_is_refused(light, tmp_path: Path, change: dict[str, object]) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(json.loads(record_page(light).text()) | change), encoding="utf-8")
    with pytest.raises(StorageError, match="RECORD_JSON"):
        read_page(file)


def test_json_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="RECORD_JSON"):
        read_page(tmp_path / "a.json")


def test_what_a_run_knows_is_said_in_words(light, read) -> None:
    words = read(patient_page(record_page(light, KNOWN))).words.replace("\u00a0", " ")
    assert "60 % to 81 %. A Venn-Abers range" in words
    assert "35 %, learned in inner folds for a specificity of 0.9: the record is called" in words
    assert "sensitivity 70 % (60 % to 80 %) on held-out records." in words
    assert "embolism: what is left possible at 90 %." in words
    assert "scan (xray): refused" in words
    assert "scan: no pixel could be decoded (XRAY_PIXELS)" in words
    assert "labs: CRP lies above everything seen in training." in words
    assert "labs 50 %" in words
    assert "nothing 38 %" in words


def test_every_subset_stands_once_the_larger_first(light) -> None:
    there = tuple(replace(light.parts[0], modality=replace(light.parts[0].modality, name=n)) for n in ("ct", "labs"))
    page = record_page(replace(light, parts=there, logit=light.prior_logit + 1.0), KNOWN)
    assert [one.sources for one in page.subsets] == [("ct", "labs"), ("ct",), ("labs",), ()]
    assert [one.sources for one in record_page(light, KNOWN).subsets] == [("labs",), ()]
    nothing = record_page(light, replace(KNOWN, subsets=KNOWN.subsets[1:2])).subsets[-1]
    assert (nothing.sources, nothing.probability) == ((), light.prior_probability)


def test_a_check_of_one_source_hides_the_map_of_that_source_alone(attribution) -> None:
    small = replace(attribution, parts=(*attribution.parts[:2], *attribution.parts[3:]), logit=1.3)
    check = Check("agreement", False, "They do not agree.", modality="xray", failure="two baselines disagree")
    page = record_page(replace(small, checks=(check,)), replace(KNOWN, checks=(replace(check, modality="none"),)))
    assert [one.failed for one in page.sources] == ["", "two baselines disagree", "", ""]
    assert [(one.about, one.passed) for one in page.badges] == [("record", False), ("run", False)]


@pytest.mark.parametrize(
    ("check", "words"),
    [("maps add up", "do not add up to the change of the answer"), ("another", "did not pass the check “another”")],
)
def test_a_map_that_failed_is_not_shown(attribution, read, check: str, words: str) -> None:
    small = replace(attribution, parts=(*attribution.parts[:1], *attribution.parts[3:]), logit=0.9)
    failed = record_page(replace(small, checks=(Check(check, False, "It is not so."),)))
    passed = record_page(replace(small, checks=(Check(check, True, "It is so."),)))
    assert [words in one.failed for one in failed.sources] == [True, False, False]
    assert not any(one.failed for one in passed.sources)
    found = read(patient_page(failed))
    assert "This map failed: " in found.words
    assert "attribution below" not in " ".join(found.values("img", "alt"))
    assert "attribution below" in " ".join(read(patient_page(passed)).values("img", "alt"))


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
def test_any_text_anywhere_stays_text(light, payload: str, read) -> None:
    labs = Modality(payload, "ehr", (1,), columns=(Column(payload, "category", payload, (payload, "other")),))
    part = ModalityAttribution(
        labs,
        True,
        0.1,
        "exact contributions",
        np.zeros(1, np.float32),
        (FeatureValue(payload, 0.0, 0.1, payload, kind="category", levels=(payload, "other")),),
    )
    spoiled = replace(
        light,
        model=payload,
        taxonomy=payload,
        record=payload,
        positive=payload,
        parts=(part, light.parts[1]),
        logit=light.prior_logit + 0.1,
        without={payload: 0.5},
        described=((payload, payload),),
        checks=(Check(payload, False, payload),),
    )
    about = replace(KNOWN, outcome=payload, refused={"scan": payload}, unusual=(payload,), run=((payload, payload),))
    found = read(patient_page(record_page(spoiled, about)))
    assert found.tags.count("script") == 1
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert found.tags.count("img") == 2
    assert "\u202e" not in found.words


def test_the_index_links_keys_and_only_keys(light, tmp_path: Path, read) -> None:
    odd = replace(light, record="javascript:alert(1)//")
    written = write_patient_index([record_page(light), record_page(odd)], tmp_path / "index.html")
    page = written.read_text(encoding="utf-8")
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
    words = read(patient_page(record_page(nothing))).words
    assert "nothing of this record was usable" in words
    assert "Nothing was there to withhold" in words


def test_a_picture_that_may_hold_a_name_is_withheld_in_words(attribution, page: str, read) -> None:
    said = 'Text is burned into the picture, so no page shows it; `burned_in = "show"` in this modality would show it.'
    parts = tuple(replace(part, withheld=said) if part.name == "xray" else part for part in attribution.parts)
    before, after = read(page), read(patient_page(record_page(replace(attribution, parts=parts))))
    assert f"The picture is withheld. {said}" in after.words
    assert "xray: the radiograph" in " ".join(before.values("img", "alt"))
    assert "xray: the radiograph" not in " ".join(after.values("img", "alt"))
    assert after.tags.count("img") == before.tags.count("img") - 1
