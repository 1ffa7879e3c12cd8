import numpy as np
import pytest
from scipy import special

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.metrics import auroc
from clinfuse.evaluation.robustness.absence import Mechanism, finding, informative_score, simulate_absence
from clinfuse.evaluation.robustness.regimes import regimes
from clinfuse.training.late import LateFusion

D = np.array([1.0, 0.8, 1.5])
NAMES = ("m0", "m1", "m2")


def binormal(records, seed=0, missing=0.0):
    draw = np.random.default_rng(seed)
    labels = (np.arange(records) % 5 < 2).astype(int)
    z = (2 * labels[:, None] - 1) * D / 2 + draw.normal(size=(records, 3))
    return Cohort.from_arrays(
        {name: z[:, [k]] for k, name in enumerate(NAMES)},
        labels=labels,
        kinds=dict.fromkeys(NAMES, "ehr"),
        present=draw.random((records, 3)) >= missing,
        sites=[("east", "west", "north")[k % 3] for k in range(records)],
        record_ids=[f"r{k:05d}" for k in range(records)],
    )


@pytest.fixture(scope="module")
def cohort():
    return binormal(600, missing=0.1)


MECHANISMS = (
    Mechanism("MCAR", rate=0.3),
    Mechanism("MAR", rate=0.4, strength=1.5, column=("m0", "m0 1")),
    Mechanism("MNAR label", rate=0.25, strength=-2.0),
    Mechanism("MNAR value", rate=0.5, strength=2.0),
)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=str)
@pytest.mark.parametrize("records", [60, 600])
def test_the_realised_rate_is_the_one_asked_for(mechanism, records):
    found = simulate_absence(binormal(records, missing=0.1), mechanism, seed=4)
    assert found.realised
    for name, rate in found.realised.items():
        assert abs(rate - mechanism.rate) <= 0.02, name


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=str)
def test_a_record_meets_the_same_fate_in_any_order(cohort, mechanism):
    order = np.random.default_rng(0).permutation(len(cohort))
    one = simulate_absence(cohort, mechanism, seed=2).kept
    assert np.array_equal(one[order], simulate_absence(cohort[order], mechanism, seed=2).kept)
    assert not np.array_equal(one, simulate_absence(cohort, mechanism, seed=3).kept)
    assert one[~cohort.present].all()  # nothing is taken from who never had it


def rise(x, lost):
    """Slope of the log odds of loss in x, by Newton's method."""
    beta = np.zeros(2)
    columns = np.stack([np.ones_like(x), x], axis=1)
    for _ in range(30):
        p = special.expit(columns @ beta)
        beta += np.linalg.solve((columns * (p * (1 - p))[:, None]).T @ columns, columns.T @ (lost - p))
    return beta[1]


def test_each_mechanism_depends_on_what_it_says():
    cohort = binormal(8000)
    value = np.asarray(cohort.arrays("m1"))[:, 0]
    other = np.asarray(cohort.arrays("m0"))[:, 0]
    standard = (other - other.mean()) / other.std()
    own = (value - value.mean()) / value.std()

    def lost(mechanism):
        return ~simulate_absence(cohort, mechanism).kept[:, 1]

    plain = lost(Mechanism("MCAR", rate=0.3))
    assert rise(standard, plain) == pytest.approx(0, abs=0.1)
    assert rise(finding(cohort), plain) == pytest.approx(0, abs=0.15)
    assert rise(standard, lost(Mechanism("MAR", strength=1.5, column=("m0", "m0 1")))) == pytest.approx(1.5, abs=0.15)
    assert rise(finding(cohort), lost(Mechanism("MNAR label", strength=-2.0))) == pytest.approx(-2.0, abs=0.2)
    assert rise(own, lost(Mechanism("MNAR value", strength=2.0))) == pytest.approx(2.0, abs=0.2)


def test_the_table_that_decides_is_never_lost(cohort):
    found = simulate_absence(cohort, Mechanism("MAR", column=("m0", "m0 1")))
    assert found.kept[:, 0].all()
    assert set(found.realised) == {"m1", "m2"}


def test_a_site_lacks_what_it_has_not_got(cohort):
    found = simulate_absence(cohort, Mechanism("block", sites=("west",), modalities=("m2",)))
    west = cohort.sites == "west"
    assert not (found.kept[west, 2] & cohort.present[west, 2]).any()
    assert found.kept[~west].all()
    assert found.kept[:, :2].all()


def test_what_a_modality_says_is_its_informative_direction():
    cohort = binormal(2000)
    score, value = informative_score(cohort, "m2"), np.asarray(cohort.arrays("m2"))[:, 0]
    assert np.corrcoef(score, value)[0, 1] == pytest.approx(1)
    assert (score.mean(), score.std()) == pytest.approx((0, 1), abs=1e-9)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"kind": "random"}, "MECHANISM_VALUE"),
        ({"rate": 1.0}, "MECHANISM_VALUE"),
        ({"kind": "MAR"}, "MECHANISM_VALUE"),
        ({"kind": "block"}, "MECHANISM_VALUE"),
        ({"kind": "MAR", "column": ("m0", "crp")}, "MECHANISM_COLUMN"),
        ({"kind": "block", "sites": ("south",)}, "MECHANISM_SITE"),
        ({"modalities": ("ct",)}, "MODALITY_UNKNOWN"),
    ],
)
def test_what_cannot_be_meant_is_refused(cohort, wrong, code):
    with pytest.raises(ConfigError, match=code):
        simulate_absence(cohort, Mechanism(**wrong))


@pytest.fixture(scope="module")
def regimented():
    cohort = binormal(240, seed=3)
    fusion = LateFusion(combine="logit mean")
    shift = Mechanism("MNAR label", rate=0.5, strength=-3.0)
    return cohort, fusion, regimes({"late": fusion}, cohort, missing=Mechanism(rate=0.5), shift=shift, folds=3, seed=1)


def test_every_regime_is_there_on_the_same_records(regimented):
    _, _, found = regimented
    assert [(row.trained, row.tested) for row in found.rows] == [
        ("as it is", "as it is"),
        ("as it is", "MCAR, 50 %"),
        ("MCAR, 50 %", "MCAR, 50 %"),
        ("MCAR, 50 %", "as it is"),
        ("MCAR, 50 %", "MNAR label, 50 %"),
    ]
    assert {row.counts.records for row in found.rows} == {240}
    assert all(abs(rate - 0.5) <= 0.02 for one in found.realised.values() for rate in one.values())
    assert len(found.table()) == 5
    assert found.rows[0].as_dict()["change"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_missing_tests_cost_and_who_has_nothing_left_stays(regimented):
    _, _, found = regimented
    plain, tested, both, trained, _ = found.rows
    assert tested.change.high < 0
    assert both.change.high < 0
    assert plain.nothing_left == trained.nothing_left == 0
    assert tested.nothing_left == pytest.approx(240 / 8, abs=15)
    assert abs(trained.change.value) < abs(tested.change.value)


def test_a_regime_is_what_training_on_a_masked_cohort_gives(regimented):
    cohort, fusion, found = regimented
    cv = cross_validate(fusion, cohort, folds=3, seed=1)
    kept = simulate_absence(cv.cohort, Mechanism(rate=0.5), seed=1).kept
    scores = np.zeros(len(cohort))
    codes = np.zeros(len(cohort), dtype=int)
    for (_, number), fold in cv.folds.items():
        classifier = fusion.__class__(combine="logit mean", seed=fold.seed(0, 1))
        classifier.fit(cv.cohort.withhold(kept)[fold.train])
        logits = classifier.decide(classifier.encode(cv.cohort.withhold(kept)[fold.test]))
        scores[fold.test], codes[fold.test] = logits[:, 1] - logits[:, 0], number
    row = found.rows[2]
    assert row.auroc.value == pytest.approx(auroc(cv.cohort.labels, scores, folds=codes), abs=1e-12)
