"""Numbers that stand in print or follow by hand: docs/statistics.md lists which test holds which."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import clinfuse.evaluation.metrics as m
from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.statistics.intervals import auroc_interval, proportion_interval
from clinfuse.evaluation.statistics.significance import adjusted_p, delong, mcnemar, nadeau_bengio
from clinfuse.training.unimodal import Unimodal

ROOT = Path(__file__).parents[2]
LISTED = tuple(f"G{number:02}" for number in (*range(1, 17), 43, 44, 47, 48))
LISTED += ("G43", "G44", "G47", "G48")
LINE = re.compile(r"^\| (G\d\d) \| .+? \| .+? \| `(tests/\S+\.py)::(test_\w+)` \|$", re.MULTILINE)

# Albumin, total protein, K-G score, outcome of the 43 complete records of DeLong, DeLong and Clarke-Pearson 1988
# (doi:10.2307/2531595) as printed in the SAS/STAT manual, LOGISTIC procedure.
OBSTRUCTION = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


@pytest.fixture(scope="module")
def obstruction():
    table = np.array(OBSTRUCTION.split(), dtype=float).reshape(-1, 4)
    return delong(table[:, 3].astype(int), 10 - table[:, 2], table[:, 0], table[:, 1])


def test_delong_reproduces_the_published_example(obstruction):
    """G01: DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595.

    Data and the overall test as printed in the SAS/STAT manual, LOGISTIC procedure, "Comparing Receiver Operating
    Characteristic Curves".
    """
    assert obstruction.values == pytest.approx([0.725806, 0.736559, 0.647849], abs=1e-6)
    assert np.sqrt(np.diag(obstruction.covariance)) == pytest.approx([0.1028, 0.0927, 0.1000], abs=5e-5)
    interval = obstruction.interval(0, scale="plain")
    assert (interval.low, interval.high) == pytest.approx((0.5243, 0.9273), abs=5e-5)
    every = obstruction.compare_all()
    assert (every.statistic, every.p) == pytest.approx((2.5340, 0.2817), abs=5e-5)
    one = obstruction.compare(0, 1)
    assert (abs(one.statistic), one.p) == pytest.approx((0.11278, 0.91021), abs=5e-6)
    other = obstruction.compare(1, 2)
    assert (other.statistic, other.p) == pytest.approx((1.59003, 0.11183), abs=5e-6)


def test_delong_by_hand():
    """G02: by hand, from the placement values 1, 0.5 and 1, 0.5 (doi:10.2307/2531595)."""
    found = delong([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert found.values[0] == 0.75
    assert found.covariance[0, 0] == pytest.approx(0.125, abs=1e-12)
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(0.35355, abs=5e-6)


def test_nadeau_bengio():
    """G03: by the formula of Nadeau and Bengio 2003, doi:10.1023/A:1024068626366; without its correction 3.46410."""
    d = [0.03, 0.01, 0.04, -0.01, 0.02, 0.05, 0, 0.02, 0.03, 0.01]
    found = nadeau_bengio(d, train=90, test=10)
    assert (found.statistic, found.p) == pytest.approx((2.38416, 0.04095), abs=5e-6)
    plain = nadeau_bengio(d, train=1e12, test=1e-12)
    assert (plain.statistic, plain.p) == pytest.approx((3.46410, 0.00711), abs=5e-6)


def test_nadeau_bengio_reproduces_the_scikit_learn_example():
    """G04: scikit-learn, example "Statistical comparison of models using grid search"."""
    from sklearn.datasets import make_moons
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(kernel=kernel, random_state=0), X, y, scoring="roc_auc", cv=folds)
        for kernel in ("rbf", "linear")
    )
    found = nadeau_bengio(rbf - linear, train=90, test=10)
    assert found.statistic == pytest.approx(0.750, abs=1e-3)
    assert found.p / 2 == pytest.approx(0.227, abs=1e-3)


def test_mcnemar_corrected_exact_and_mid_p():
    """G05: [[101, 121], [59, 33]] and [[59, 6], [16, 80]] by statsmodels.

    The second table and the 21 children are the examples of Fagerland, Lydersen and Laake 2013,
    doi:10.1186/1471-2288-13-91, which gives corrected .077, exact .070, mid-p .039 of the children.
    """
    corrected, exact = mcnemar([[101, 121], [59, 33]]), mcnemar([[59, 6], [16, 80]])
    assert (corrected.statistic, corrected.p) == pytest.approx((20.6722, 5.45e-6), rel=1e-3)
    assert exact.statistic == 6
    assert exact.p == pytest.approx(0.05248, abs=5e-6)
    assert mcnemar([[59, 6], [16, 80]], method="mid-p").p == pytest.approx(0.035, abs=5e-4)
    children = [[1, 1], [7, 12]]
    for method, expected in (("corrected", 0.077), ("exact", 0.070), ("mid-p", 0.039)):
        assert mcnemar(children, method=method).p == pytest.approx(expected, abs=5e-4)


def test_adjusted_p_values():
    """G06: by hand, Holm 1979 and Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x."""
    p = (0.01, 0.04, 0.03, 0.005)
    assert adjusted_p(p) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-12)
    assert adjusted_p(p, method="bh") == pytest.approx([0.02, 0.04, 0.04, 0.02], abs=1e-12)


def test_proportions():
    """G07: closed forms of Wilson 1927, doi:10.1080/01621459.1927.10502953, and Clopper and Pearson 1934."""
    none, most = proportion_interval(0, 20), proportion_interval(9, 10)
    assert (none.low, none.high) == pytest.approx((0, 0.16113), abs=5e-6)
    assert (most.low, most.high) == pytest.approx((0.59585, 0.98212), abs=5e-6)
    exact = proportion_interval(0, 20, method="exact").high
    assert exact == pytest.approx(0.16843, abs=5e-6)
    assert exact == pytest.approx(1 - 0.025 ** (1 / 20), abs=1e-12)


def test_net_benefit_of_the_worked_examples():
    """G08: by hand, and the manual of dcurves: its data df_binary, model cancerpredmarker.

    Vickers and Elkin 2006, doi:10.1177/0272989X06295361. Of the 750 patients, 105 with cancer, only the counts at four
    thresholds enter: true and false positives 96 and 320 at .05, 87 and 193 at .10, 75 and 98 at .20, 57 and 36 at .35.
    """
    labels = [1] * 20 + [0] * 80
    assert m.net_benefit(labels, [0.9] * 50 + [0.1] * 50, 0.2) == pytest.approx(0.125, abs=1e-12)
    assert m.net_benefit_treat_all(0.25, 0.2) == pytest.approx(0.0625, abs=1e-12)
    between = np.array([0.01, 0.07, 0.15, 0.25, 0.4])
    risks = np.concatenate([np.repeat(between, [9, 9, 12, 18, 57]), np.repeat(between, [325, 127, 95, 62, 36])])
    outcomes = np.repeat([1, 0], [105, 645])
    curve = m.decision_curve(outcomes, risks, thresholds=(0.05, 0.10, 0.20, 0.35))
    assert curve.model == pytest.approx([0.105544, 0.087407, 0.067333, 0.050154], abs=5e-7)
    assert curve.treat_all == pytest.approx([0.094737, 0.044444, -0.075, -0.323077], abs=5e-7)


def test_brier_average_precision_and_auroc_of_the_manual():
    """G09: scikit-learn, examples of brier_score_loss, average_precision_score and roc_auc_score."""
    labels, scores = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    assert m.auroc(labels, scores) == 0.75
    assert m.auprc(labels, scores) == pytest.approx(5 / 6, abs=1e-9)
    assert m.brier([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]) == pytest.approx(0.0375, abs=1e-12)


def test_expected_calibration_error_of_the_manual():
    """G10: torchmetrics, example of BinaryCalibrationError; doi:10.1609/aaai.v29i1.9602."""
    for norm, expected in (("l1", 0.2900), ("l2", 0.2918), ("max", 0.3167)):
        found = m.ece([0, 0, 1, 1, 1], [0.25, 0.25, 0.55, 0.75, 0.75], bins=2, edges="width", norm=norm)
        assert found == pytest.approx(expected, abs=5e-5)


def test_calibration_slope_and_intercept_move_as_they_must():
    """G12: by hand. Doubled logits halve the slope, logits moved by 1 move the intercept by -1.

    Cox 1958, doi:10.1093/biomet/45.3-4.562.
    """
    draw = np.random.default_rng(3)
    labels = np.tile([0, 1], 100)
    logits = np.round(draw.normal(size=200) + labels, 1)
    assert m.calibration_slope(labels, 2 * logits) == pytest.approx(m.calibration_slope(labels, logits) / 2, abs=1e-6)
    moved = m.calibration_intercept(labels, logits + 1)
    assert moved == pytest.approx(m.calibration_intercept(labels, logits) - 1, abs=1e-6)


def test_predictive_values_at_another_prevalence():
    """G14: Huang et al. 2020, doi:10.1038/s41598-020-78888-w: sensitivity .873, specificity .902, PPV .924."""
    positive, negative = m.predictive_values(0.873, 0.902, 0.5771)
    assert positive == pytest.approx(0.924, abs=5e-4)
    assert negative == pytest.approx(0.8388, abs=5e-4)
    assert m.predictive_values(0.873, 0.902, 0.15)[0] == pytest.approx(0.6112, abs=5e-5)
    # The same from decisions about 1,000 records of each class, which accuracy follows.
    labels = np.repeat([1, 0], 1000)
    called = np.concatenate([np.arange(1000) < 873, np.arange(1000) >= 902])
    assert m.ppv(labels, called, prevalence=0.15) == pytest.approx(0.6112, abs=5e-5)
    assert m.npv(labels, called, prevalence=0.5771) == pytest.approx(0.8388, abs=5e-4)
    accuracy = 0.5771 * m.recall(labels, called) + (1 - 0.5771) * m.specificity(labels, called)
    assert accuracy == pytest.approx(0.8853, abs=5e-5)


def test_hanley_and_mcneil():
    """G15: by the formula of Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747."""
    error, interval = auroc_interval(0.947, 110, 80)
    assert error == pytest.approx(0.01600, abs=5e-6)
    assert (interval.low, interval.high) == pytest.approx((0.9156, 0.9784), abs=5e-5)


@pytest.mark.parametrize("columns", [1000, pytest.param(5000, marks=pytest.mark.slow)])
def test_columns_chosen_on_all_records_find_something_in_noise(columns):
    """G43: 60 records of noise, columns chosen outside the folds; inside them nothing is found.

    Ambroise and McLachlan 2002, doi:10.1073/pnas.102102699.
    """
    draw = np.random.default_rng(0)
    values, labels = draw.normal(size=(60, columns)), np.tile([0, 1], 30)
    chosen = SelectKBest(k=20).fit(values, labels).get_support()

    def reached(array, learner):
        cohort = Cohort.from_arrays({"labs": array}, labels=labels, kinds={"labs": "ehr"})
        found = cross_validate(Unimodal("labs", learner=learner), cohort, folds=5).predictions
        return m.auroc(found.y_true, found.scores, folds=found.fold)

    assert reached(values[:, chosen], LogisticRegression()) > 0.9
    assert 0.3 < reached(values, make_pipeline(SelectKBest(k=20), LogisticRegression())) < 0.7


def golden_lines():
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    return LINE.findall(page.partition("\n## Golden numbers\n")[2])


def test_every_golden_number_has_its_line():
    assert set(LISTED) <= {number for number, _, _ in golden_lines()}


@pytest.mark.parametrize(("number", "file", "name"), golden_lines())
def test_a_line_names_a_test_that_says_where_its_number_comes_from(number, file, name):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert len(found) == 1
    said = ast.get_docstring(found[0]) or ""
    assert number in said
    assert re.search(r"doi:10\.|by hand|scikit-learn|torchmetrics|by the formula|methods", said)
