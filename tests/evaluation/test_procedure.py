"""Whether what is held out reaches what is learned: leaky classifiers are found, and none that is shipped."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold

from clinfuse.cohort.changed import changed, relabelled
from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column, Modality
from clinfuse.evaluation.audit.checks import audit
from clinfuse.evaluation.audit.procedure import audit_procedure
from clinfuse.evaluation.audit.shuffle import Shuffled, label_shuffle
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import HybridFusion, JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.unimodal import Unimodal

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
BRIEF = TrainingOptions(epochs=1, batch_size=16, copies=1)
SHIPPED = {
    "single": lambda: Unimodal("labs", options=BRIEF),
    "early": lambda: EarlyFusion(kind="I", learner="logistic", options=BRIEF),
    "joint": lambda: JointFusion(options=BRIEF),
    "late": lambda: LateFusion(combine="mean", learners={"labs": "logistic", "vitals": "logistic"}, options=BRIEF),
    "hybrid": lambda: HybridFusion(options=BRIEF),
}


@pytest.fixture
def leaky(monkeypatch):
    """Give the leaky classifiers, imported as the benchmark imports them."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from simulation_figures import leaky

    return leaky


def test_the_figures_of_the_benchmark_are_counts_and_shares_of_what_was_found(leaky):
    from simulation_figures import leaks

    listed = [("clean", 0), ("clean", 1), ("data", "a"), ("data", "b"), ("procedure", "c"), ("shipped", "d")]
    found = leaks.figures([*listed, ("power", ("order", 100, 0.7))], [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.25])
    assert found == {
        "data_leaks_found": 2.0,
        "procedure_leaks_found": 1.0,
        "false_alarm_rate": 0.5,
        "shipped_classifiers_with_alarm": 0.0,
        "audit_power_order_100_0.7": 0.25,
    }
    assert leaks.one(("clean", 0)) == 0.0
    assert leaks.power_of("order", 100, 0.9, range(2)) == 1.0


def codes(found):
    return [(one.code, one.severity) for one in found.findings]


@pytest.mark.parametrize("name", ["scaler on all", "imputer on all", "stopped on the test fold"])
def test_a_classifier_that_looks_at_held_out_records_is_found(leaky, name):
    cohort = leaky.table_cohort()
    found = audit(cohort, model=leaky.COUNTED[name](cohort))
    assert codes(found) == [("PROCEDURE_SEES_TEST", "stop")]
    assert "their inputs" in found.findings[0].text
    assert ("their labels" in found.findings[0].text) == (name == "stopped on the test fold")
    assert found.checks == 14


def test_columns_chosen_beforehand_are_found_where_a_function_chooses_them(leaky):
    cohort = leaky.table_cohort()
    assert codes(audit_procedure(leaky.selected_on_all, cohort)) == [("PROCEDURE_SEES_TEST", "stop")]
    assert audit_procedure(leaky.selected_on_all(cohort), cohort).findings == ()


def test_a_classifier_that_remembers_that_draws_or_that_looks_at_its_batch_is_found(leaky):
    cohort = leaky.table_cohort()
    leaky.Running.seen.clear()
    assert codes(audit_procedure(leaky.Running(), cohort)) == [("PROCEDURE_REMEMBERS", "stop")]
    assert codes(audit_procedure(leaky.ByBatch(), cohort)) == [("PROCEDURE_BY_BATCH", "stop")]

    class Draws(leaky.Honest):
        def measured_on(self, cohort):
            return cohort.arrays("labs") + np.random.default_rng().normal()

    assert codes(audit_procedure(Draws(), cohort)) == [("PROCEDURE_DRAWS", "warning")]


def test_inner_folds_that_divide_patients_are_found_and_those_of_patients_are_not(leaky):
    cohort = leaky.table_cohort(columns=6)
    found = audit_procedure(leaky.FoldsByRow(), cohort)
    assert codes(found) == [("PROCEDURE_BY_ROW", "warning")]
    assert "GridSearchCV" in found.findings[0].text
    assert dict(found.facts)["folds inside that divide patients"] == "GridSearchCV"

    class ByPatient(leaky.Honest):
        def chosen(self, cohort):
            search = GridSearchCV(LogisticRegression(), {"C": [1e-3, 0.1, 10.0]}, cv=GroupKFold(3), scoring="roc_auc")
            return search.fit(self.prepared(cohort), cohort.labels, groups=cohort.groups)

    class OncePerPatient(leaky.Honest):
        def chosen(self, cohort):
            _, first = np.unique(cohort.groups, return_index=True)
            search = GridSearchCV(LogisticRegression(), {"C": [1e-3, 0.1, 10.0]}, cv=3, scoring="roc_auc")
            return search.fit(self.prepared(cohort)[first], cohort.labels[first])

    for honest in (ByPatient(), OncePerPatient()):
        assert audit_procedure(honest, cohort).findings == ()
    alone = cohort[np.unique(cohort.groups, return_index=True)[1]]
    assert audit_procedure(leaky.FoldsByRow(), alone).findings == ()


def test_an_honest_classifier_is_left_as_it_was_and_raises_no_alarm(leaky):
    cohort, model = leaky.table_cohort(), leaky.Honest()
    found = audit_procedure(model, cohort)
    assert found.findings == ()
    assert "predictions compared" in str(found)
    assert vars(model) == {}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_no_shipped_classifier_raises_an_alarm(leaky, name):
    found = audit_procedure(SHIPPED[name](), leaky.table_cohort(records=60, columns=4))
    assert found.findings == ()
    assert "everything learned compared" in str(found)


def test_changed_records_differ_in_what_was_asked_for_and_no_others_do():
    draw = np.random.default_rng(0)
    arrays = {
        "film": draw.random((9, 1, 4, 4)).astype(np.float32),
        "eeg": draw.normal(size=(9, 2, 3, 8)).astype(np.float32),
    }
    arrays["labs"] = np.stack([draw.normal(size=9), np.arange(9) % 3], axis=1)
    columns = (Column("CRP"), Column("ward", "category", levels=("a", "b", "c")))
    kinds = {"film": "xray", "eeg": "eeg", "labs": Modality("labs", "ehr", (2,), columns=columns)}
    cohort = Cohort.from_arrays(arrays, labels=np.arange(9) % 2, kinds=kinds)
    rows, rest = np.arange(6, 9), np.arange(6)
    other = changed(cohort, rows, "inputs", "labels")
    assert other.fingerprint != cohort.fingerprint
    assert other[rest].fingerprint == cohort[rest].fingerprint
    assert other.record_ids.tolist() == cohort.record_ids.tolist()
    assert other.labels[rows].tolist() == (1 - cohort.labels[rows]).tolist()
    for name in cohort.names:
        here = other.present[rows, cohort.names.index(name)]
        assert here.sum() == 2
        assert other.arrays(name).dtype == cohort.arrays(name).dtype
        assert (other.arrays(name)[rows][here] != cohort.arrays(name)[rows][here]).any()
        np.testing.assert_array_equal(other.features(name).values[rest], cohort.features(name).values[rest])
        assert [other[row].has(name) for row in (6, 7, 8)] == here.tolist()
        value = other[int(rows[here][0])].load(name)
        assert type(value) is type(cohort[0].load(name))
    assert set(other.arrays("labs")[:, 1][~np.isnan(other.arrays("labs")[:, 1])]) <= {0.0, 1.0, 2.0}
    assert (other.window_mask("eeg").any(1) == other.present[:, 1]).all()
    turned = changed(cohort, rows, "order")
    assert turned.record_ids[rows].tolist() == cohort.record_ids[rows[::-1]].tolist()
    assert turned.fingerprint == cohort.fingerprint
    hidden = cohort.withhold(np.ones((9, 3), bool) & (np.arange(9) > 0)[:, None])
    assert not changed(hidden, rows, "inputs").present[0].any()
    assert relabelled(cohort, 1 - cohort.labels).labels.tolist() == (1 - cohort.labels).tolist()


@pytest.mark.parametrize(
    "name", ["early", "single", *(pytest.param(name, marks=pytest.mark.slow) for name in ("hybrid", "joint", "late"))]
)
def test_labels_of_other_patients_are_worth_nothing_to_a_shipped_classifier(leaky, name):
    """G47: the whole pipeline on permuted labels of patients gives an AUROC whose interval holds 0.5."""
    found = label_shuffle(SHIPPED[name](), leaky.table_cohort(records=80, columns=4), folds=2, seed=1)
    assert found.chance
    assert (found.records, found.patients) == (80, 40)
    assert "as it must be" in str(found)


def test_columns_chosen_on_everybody_give_noise_an_auroc_far_above_one_half():
    """G43: n = 60, p = 5000; chosen on everybody the AUROC is above 0.9, inside the folds it is that of chance."""
    draw = np.random.default_rng(0)
    values, labels = draw.normal(size=(60, 5000)), draw.permutation(np.arange(60) % 2)
    scores = np.zeros((2, 60))
    for train, test in StratifiedKFold(5).split(values, labels):
        for place, rows in enumerate((np.arange(60), train)):
            chosen = np.argsort(-np.abs(np.corrcoef(values[rows].T, labels[rows])[-1, :-1]))[:10]
            fitted = LogisticRegression().fit(values[np.ix_(train, chosen)], labels[train])
            scores[place, test] = fitted.decision_function(values[np.ix_(test, chosen)])
    assert roc_auc_score(labels, scores[0]) > 0.9
    assert 0.3 < roc_auc_score(labels, scores[1]) < 0.7


def test_a_shuffle_that_beats_chance_says_so():
    found = Shuffled(Estimate(0.9, 0.8, 0.95), 10, 10)
    assert not found.chance
    assert "look for a leak" in str(found)
