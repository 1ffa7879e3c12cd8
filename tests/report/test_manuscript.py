"""Tables of a manuscript say everything that a reader needs, the same way every time."""

from __future__ import annotations

from types import SimpleNamespace

import docx
import pandas as pd
import pytest

from clinfuse.evaluation.answer import Difference
from clinfuse.evaluation.scores import Counts, MetricRow
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.report.manuscript import caption, comparison_table, performance_table
from clinfuse.report.tables import csv_text, tex_text, write_tables


def row(model: str, metric: str, *numbers: float) -> MetricRow:
    nan, taxonomy = float("nan"), "single" if model == "labs" else "late, mean"
    return MetricRow(model, taxonomy, ("labs",), metric, *numbers, nan, 240, 84, 210, "epilepsy", nan)


def difference(first: str, *numbers: float, p: float) -> Difference:
    about = Counts(240, 210, 84, "epilepsy")
    return Difference(first, "labs", "auroc", (0.85, 0.78), Estimate(*numbers), p, about)


@pytest.fixture
def comparison() -> SimpleNamespace:
    rows = (
        row("labs", "auroc", 0.78, 0.71, 0.84),
        row("late", "auroc", 0.84, 0.77, 0.9),
        row("late", "brier", 0.1523, 0.1301, 0.1749),
        row("late", "calibration_intercept", -0.001, -0.2, 0.2),
    )
    differences = {
        "early": difference("early", -0.02, -0.05, 0.01, p=0.3),
        "late": difference("late", 0.07, 0.02, 0.12, p=0.0001),
    }
    answer = SimpleNamespace(primary="late", difference=differences["late"])
    return SimpleNamespace(rows=rows, differences=differences, answer=answer, p_values={"early": 0.3, "late": 0.0001})


def test_every_metric_is_an_estimate_with_its_interval(comparison: SimpleNamespace) -> None:
    table = performance_table(comparison).set_index("model")
    assert table.loc["late", "AUROC"] == "0.84 (0.77 to 0.90)"
    assert table.loc["late", "Brier score"] == "0.152 (0.130 to 0.175)"
    assert table.loc["late", "calibration in the large"] == "0.00 (-0.20 to 0.20)"
    assert table.loc["labs", "Brier score"] == ""
    assert table.loc["labs", ["fusion", "records", "patients", "events"]].tolist() == ["single", "240", "210", "84"]


def test_the_declared_fusion_stands_alone_and_the_others_in_an_appendix(comparison: SimpleNamespace) -> None:
    said = ["model", "difference", "p", "declared"]
    assert comparison_table(comparison)[said].to_numpy().tolist() == [
        ["late", "+0.07 (0.02 to 0.12)", "< 0.001", "beforehand"]
    ]
    assert comparison_table(comparison, declared=False)[said].to_numpy().tolist() == [
        ["early", "-0.02 (-0.05 to 0.01)", "0.300", "adjusted by Holm"]
    ]


def test_a_caption_leaves_nothing_to_guess(comparison: SimpleNamespace) -> None:
    words = caption(comparison, "Every model.", seed=3).replace("\u00a0", " ")
    assert words.startswith("Every model. Positive class: epilepsy (84 events in 240 records of 210 patients")
    assert "prevalence 35 %" in words
    assert "95 % intervals from a bootstrap that draws patients, not records, widened where folds share" in words
    assert words.endswith("Seed 3.")


def test_no_class_is_the_event_of_several(comparison: SimpleNamespace) -> None:
    about = Counts(240, 210, None, "100 a, 80 b, 60 c")
    comparison.answer = SimpleNamespace(difference=SimpleNamespace(counts=about))
    assert "100 a, 80 b, 60 c; none of them alone is the event" in caption(comparison, "All.", seed=0, intervals="")


def test_every_form_holds_the_same_estimates(comparison: SimpleNamespace, tmp_path) -> None:
    table, words = performance_table(comparison), caption(comparison, "Every model.", seed=3)
    written = write_tables(table, tmp_path / "a", "performance", caption=words)
    again = write_tables(table, tmp_path / "b", "performance", caption=words)
    assert [file.read_bytes() for file in written] == [file.read_bytes() for file in again]
    csv, document, tex = written
    assert "0.84 (0.77 to 0.90)" in csv.read_text(encoding="utf-8")
    assert "0.84 (0.77 to 0.90)" in tex.read_text(encoding="utf-8")
    opened = docx.Document(str(document))
    assert "0.84 (0.77 to 0.90)" in [cell.text for cell in opened.tables[0].rows[2].cells]
    assert opened.paragraphs[0].text == words
    assert opened.sections[0].page_width > opened.sections[0].page_height


def test_a_negative_number_carries_a_minus_in_print_and_a_hyphen_in_the_file(comparison: SimpleNamespace) -> None:
    table = comparison_table(comparison, declared=False)
    assert "$-$0.02 ($-$0.05 to 0.01)" in tex_text(table)
    assert "'-0.02 (-0.05 to 0.01)" in csv_text(table)


def test_no_cell_of_a_document_is_bold_and_none_has_a_star(comparison: SimpleNamespace, tmp_path) -> None:
    for number, table in enumerate((performance_table(comparison), comparison_table(comparison))):
        (file,) = write_tables(table, tmp_path, f"table{number}", caption="Every model.", forms=("docx",))
        cells = [cell for row in docx.Document(str(file)).tables[0].rows[1:] for cell in row.cells]
        runs = [run for cell in cells for paragraph in cell.paragraphs for run in paragraph.runs]
        assert runs
        assert not any(run.bold for run in runs)
        assert not any("*" in run.text for run in runs)


def test_nothing_is_bold_and_nothing_has_a_star(comparison: SimpleNamespace) -> None:
    text = tex_text(performance_table(comparison), caption="Every model.", name="performance")
    assert "textbf" not in text
    assert "*" not in text
    assert text.count("rule\n") == 3
    assert r"\label{tab:performance}" in text


def test_a_wide_table_is_scaled_and_numbers_stand_at_the_right() -> None:
    narrow = tex_text(pd.DataFrame({"model": ["late"], "records": ["240"]}))
    assert r"\begin{tabular}{lr}" in narrow
    assert "resizebox" not in narrow
    wide = tex_text(pd.DataFrame({f"c{k}": ["x"] for k in range(9)}))
    assert wide.count("{") == wide.count("}")
    assert r"\resizebox{\linewidth}{!}" in wide
