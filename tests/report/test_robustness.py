import re

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.robustness.study import rate_sentences, study_robustness
from clinfuse.report.curves import chosen_curves
from clinfuse.report.robustness import robustness_page, write_robustness_report
from clinfuse.report.study import study_page
from clinfuse.training.late import LateFusion


@pytest.fixture(scope="module")
def compared():
    draw = np.random.default_rng(0)
    labels = np.arange(120) % 5 // 3
    names = ("ct", "labs")
    arrays = {name: (labels * 1.5 + draw.normal(size=120))[:, None] for name in names}
    present = draw.random((120, 2)) > 0.15
    present[:, 0] |= ~present.any(1)
    cohort = Cohort.from_arrays(
        arrays,
        labels=labels,
        present=present,
        kinds=dict.fromkeys(names, "ehr"),
        classes=("absent", "<b>found</b>"),
        record_ids=[f"ERIKA-{k}" for k in range(120)],
        patient_ids=[f"MUSTER-{k}" for k in range(120)],
    )
    models = {"late": LateFusion(combine="mean"), "votes": LateFusion(combine="majority vote")}
    return compare(cohort, models, folds=2, best_single="ct")


@pytest.fixture(scope="module")
def studied(compared):
    return study_robustness(compared.models, compared.cohort, model="late")


def test_the_page_says_first_what_is_lost(studied, read):
    page = read(robustness_page(studied, title="Two sources", run={"seed": 3}))
    words = page.words
    order = ["What if a source is missing?", *studied.sentences[:1], "Every set of sources, the same patients"]
    order += ["Sources missing at random", "What really was missing", "Who an analysis of complete records", "Tables"]
    places = [words.index(text.replace("-", "−") if text in studied.sentences else text) for text in order]
    assert places == sorted(places)
    assert "Research use only" in words
    assert len(page.values("img", "src")) == 3
    assert all(alt for alt in page.values("img", "alt"))
    assert "ERIKA" not in words
    assert "MUSTER" not in words
    assert not re.search(r"\bR-[A-Z2-7]{10}\b", words)


def test_the_same_study_gives_the_same_bytes_and_names_are_no_markup(studied, tmp_path):
    first = write_robustness_report(studied, tmp_path / "a" / "late.html")
    assert first.read_text(encoding="utf-8") == robustness_page(studied)
    assert "<b>found" not in first.read_text(encoding="utf-8")
    assert "&lt;b&gt;found&lt;/b&gt;" in first.read_text(encoding="utf-8")


def test_the_model_is_drawn_before_other_fusions_and_the_best_source(studied):
    shown = chosen_curves(studied.rates.of(), "votes")
    assert [curve.model for curve in shown][:2] == ["votes", "late"]
    assert shown[-1].taxonomy == "single"
    assert len(shown) == 3


def test_sentences_state_the_rate_and_who_is_left_with_nothing(studied):
    said = rate_sentences(studied.rates, "votes")
    assert "missing with probability 0.5 (hidden in training: 30 %)" in said[0]
    assert "they get the training prevalence" in said[0]
    assert "baseline late" in said[1]
    assert rate_sentences(studied.rates, "nobody") == ()


def test_the_study_page_shows_rates_where_they_were_asked_for(compared, studied, read):
    with_rates = read(study_page(compared, robustness=studied.subsets, rates=studied.rates))
    assert "If sources go missing at random" in with_rates.words
    assert "If sources go missing at random" not in read(study_page(compared, robustness=studied.subsets)).words


def test_a_model_nobody_trained_is_refused(compared):
    with pytest.raises(ConfigError, match="ROBUSTNESS_MODEL"):
        study_robustness(compared.models, compared.cohort, model="joint")
