"""Many models at once say what each pair of them says."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clinfuse.errors import DataError
from clinfuse.evaluation.answer import paired_difference
from clinfuse.evaluation.scores import metric_interval
from clinfuse.evaluation.side_by_side import side_by_side


@pytest.fixture
def models(predictions_of):
    draw = np.random.default_rng(0)
    labels = np.tile([0, 1], 60)
    folds = np.arange(120) // 2 % 5
    return {
        name: predictions_of(labels, draw.normal(size=120) + strength * labels, model=name, folds=folds)
        for name, strength in (("labs", 0.5), ("late", 1.5))
    }


@pytest.mark.parametrize("metric", ["auroc", "brier", "calibration_slope"])
def test_a_pair_has_the_difference_that_it_has_alone(models, metric):
    found = side_by_side(models, reference="labs", metrics=[metric], draws=300)
    alone = paired_difference(models["late"], models["labs"], metric=metric, draws=300)
    assert found.differences["late", metric] == alone.estimate
    assert found.p["late", metric] == alone.p


def test_one_model_has_the_interval_that_it_has_alone(models):
    one = {"late": models["late"]}
    found = side_by_side(one, reference="late", metrics=["auroc", "auprc"], draws=300)
    assert found.estimates["late", "auroc"] == metric_interval(models["late"], "auroc", draws=300)
    assert found.estimates["late", "auprc"] == metric_interval(models["late"], "auprc", draws=300)
    assert not found.differences


def test_the_order_of_records_does_not_matter(models):
    turned = {name: one.rows(np.arange(120)[::-1]) for name, one in models.items()}
    first, second = (side_by_side(one, reference="labs", draws=200) for one in (models, turned))
    for name in (*first.estimates, *first.differences):
        one, other = ({**found.estimates, **found.differences}[name] for found in (first, second))
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-9)


def test_parted_classes_have_an_interval_of_some_width(predictions_of):
    labels = np.tile([0, 1], 20)
    found = side_by_side({"m": predictions_of(labels, 9.0 * labels)}, reference="m", metrics=["auroc"], draws=100)
    assert found.estimates["m", "auroc"].low < 1


def test_the_table_holds_every_model_and_metric(models):
    table = side_by_side(models, reference="labs", metrics=["auroc", "brier"], draws=100).table()
    assert len(table) == 4
    assert (table.loc[table["model"] == "labs", "against labs"] == "").all()


def test_other_records_and_an_unknown_reference_are_refused(models):
    with pytest.raises(DataError, match="REFERENCE_UNKNOWN"):
        side_by_side(models, reference="ct")
    turned = replace(models["late"], y_true=1 - models["late"].y_true)
    with pytest.raises(DataError, match="PAIR_RECORDS"):
        side_by_side({**models, "late": turned}, reference="labs")


def test_the_benchmark_prints_its_figures():
    script = Path(__file__).parents[2] / "benchmarks" / "bootstrap.py"
    done = subprocess.run([sys.executable, script, "--quick", "--json"], capture_output=True, text=True, check=True)
    assert [one["name"] for one in json.loads(done.stdout)] == ["statistics_s", "auroc_speed_vs_loop"]
