"""Site by site, by time and as declared: who is tested, what is saved of it, and what is said of what is left out."""

import json

import numpy as np
import pytest

import clinfuse as cf
from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError, StorageError
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.folds import Scheme, deal, scored
from clinfuse.evaluation.partition import Splits
from clinfuse.evaluation.subgroups.groups import numbered
from clinfuse.training.late import LateFusion
from clinfuse.training.unimodal import Unimodal

KINDS = {"m0": "ehr", "m1": "ehr"}
ASKED = {
    "folds": {"folds": 3, "repeats": 2},
    "holdout": {"validation": "holdout"},
    "sites": {"validation": "sites"},
    "temporal": {"validation": "temporal", "share": 0.3},
    "column": {"validation": "column"},
}
every = pytest.mark.parametrize("scheme", sorted(ASKED))


def make(n=90, order=None):
    """Three sites, one of which has healthy patients only; a few patients move, come again or change sides."""
    draw = np.random.default_rng(0)
    take = np.arange(n) if order is None else order
    owner = np.concatenate([np.arange(n - 10), np.arange(10)])
    site = np.array(["east", "west", "south"])[owner % 3]
    site[n - 3 :] = "west"
    labels = ((owner // 3) % 3 == 0).astype(int) * (owner % 3 != 2)
    values = labels[:, None] * 1.5 + draw.normal(size=(n, 1))
    return Cohort.from_arrays(
        {"m0": values[take], "m1": draw.normal(size=(n, 1))[take]},
        labels=labels[take],
        kinds=KINDS,
        record_ids=[f"r{k:03d}" for k in take],
        patient_ids=[f"p{owner[k]:03d}" for k in take],
        sites=site[take].tolist(),
        times=(np.datetime64("2020-01-01") + np.arange(n))[take],
        splits=np.where(np.arange(n) % 4 == 0, "test", "train")[take].tolist(),
    )


@pytest.fixture(scope="module")
def cohort():
    return make()


@every
def test_what_is_saved_is_the_partition_that_was_used(scheme, cohort, tmp_path):
    found = cross_validate(Unimodal("m0"), cohort, results=tmp_path, **ASKED[scheme])
    again = Splits.from_json(tmp_path / "splits.json")
    assert again == found.splits
    patient = dict(zip(cohort.keys.tolist(), cohort.patient_keys.tolist(), strict=True))
    for part in again.parts:
        fold = found.folds[part.repeat, part.fold]
        assert set(part.test) == set(found.cohort.keys[fold.test])
        assert set(part.train) == set(found.cohort.keys[fold.train])
        assert not {patient[key] for key in part.train} & {patient[key] for key in part.test}
        here = (found.predictions.repeat == part.repeat) & (found.predictions.fold == part.fold)
        assert set(found.predictions.record[here]) == set(part.test)
    text = (tmp_path / "splits.json").read_text()
    assert not any(f'"{name}"' in text for name in (*cohort.record_ids, *cohort.patient_ids))


@every
def test_the_hash_is_that_of_the_partition_and_not_of_the_order(scheme, cohort):
    shuffled = make(order=np.random.default_rng(1).permutation(90))
    whole = {**ASKED[scheme], "seed": 3}
    one, two = (Splits.of(scored(c), s, deal(scored(c), s)) for c, s in ((cohort, Scheme(**whole)),) * 2)
    other = Splits.of(scored(shuffled), Scheme(**whole), deal(scored(shuffled), Scheme(**whole)))
    assert one.hash == two.hash == other.hash
    reseeded = Scheme(**{**whole, "seed": 4})
    drawn = scheme in ("folds", "holdout")
    assert (Splits.of(scored(cohort), reseeded, deal(scored(cohort), reseeded)).hash != one.hash) == drawn


def test_a_file_that_was_changed_is_not_believed(cohort, tmp_path):
    scheme = Scheme(folds=3)
    splits = Splits.of(scored(cohort), scheme, deal(scored(cohort), scheme))
    file = splits.to_json(tmp_path / "splits.json")
    said = json.loads(file.read_text())
    said["parts"][0]["test"].append(said["parts"][0]["train"].pop())
    file.write_text(json.dumps(said))
    for content in (file.read_text(), "{}", "[", '{"parts": [1]}'):
        file.write_text(content)
        with pytest.raises(StorageError, match="SPLITS_READ"):
            Splits.from_json(file)
    with pytest.raises(StorageError, match="SPLITS_WRITE"):
        splits.to_json(file / "below" / "splits.json")


def test_a_site_of_one_class_is_predicted_named_and_left_out_of_the_mean(cohort):
    found = compare(cohort, {"late": LateFusion(combine="mean")}, validation="sites")
    one = found["late"]
    numbers = dict(zip(one.cohort.sites.tolist(), numbered(one.cohort.sites).tolist(), strict=True))
    south = numbers["south"]
    assert one.splits.left_out == (f"site {south}",)
    assert any(f"Site {south} has one class only (positive)" in text for text in found.notices)
    assert not any(name in str((one.splits, found.notices)) for name in ("south", "east", "west"))
    there = one.predictions.site == "south"
    assert there.sum() > 10
    areas = [
        cf.metrics.auroc(one.predictions.y_true[rows], one.predictions.scores[rows], folds=one.predictions.fold[rows])
        for rows in (np.ones(len(there), bool), ~there)
    ]
    assert areas[0] == areas[1]
    rows = {row.metric: row.value for row in found.rows if row.model == "late"}
    assert rows["auroc"] == pytest.approx(areas[1])


def test_a_fold_of_events_alone_has_no_say_in_average_precision():
    labels, scores, folds = [0, 1, 1, 1, 1], [0.4, 0.3, 0.1, 0.2, 0.3], [0, 0, 1, 1, 1]
    assert cf.metrics.auprc(labels, scores, folds=folds) == cf.metrics.auprc(labels[:2], scores[:2]) == 0.5


def test_who_was_seen_elsewhere_too_is_counted_and_belongs_to_no_fold(cohort):
    found = cross_validate(Unimodal("m0"), cohort, validation="sites")
    (text,) = [text for text in found.splits.notices if "several sites" in text]
    owners = {o for o in cohort.patient_ids if len(set(cohort.sites[cohort.patient_ids == o])) > 1}
    lost = np.isin(cohort.patient_ids, list(owners))
    assert text.startswith(f"{lost.sum()} records of {len(owners)} patients")
    assert set(found.splits.untested) == set(cohort.keys[lost])
    with pytest.raises(DataError, match="RECORD_TRAINED"):
        found.classifier_for(str(cohort.record_ids[np.flatnonzero(lost)[0]]))
    record = str(cohort.record_ids[5])
    assert found.folds[0, found.fold_of(record)].site == cohort.sites[5]


def test_one_division_and_sites_choose_the_best_single_modality_too(cohort):
    models = {"late": LateFusion(combine="mean")}
    for asked in ("temporal", "column", "sites"):
        found = compare(cohort, models, validation=asked)
        assert set(found.comparator.chosen) == set(found["late"].folds)
        assert set(found.comparator.chosen.values()) == {"m0"}


@pytest.mark.parametrize(
    "asked",
    [
        {"validation": "random"},
        {"validation": "sites", "repeats": 2},
        {"validation": "temporal", "share": 1.0},
        {"validation": "temporal", "since": "spring"},
    ],
)
def test_a_scheme_that_cannot_be_is_refused(asked, cohort):
    with pytest.raises(ConfigError, match="SCHEME_VALUE"):
        cross_validate(Unimodal("m0"), cohort, **asked)


def test_times_that_are_none_are_refused():
    with pytest.raises(DataError, match="INDEX_TIME"):
        Cohort.from_arrays({"m0": np.ones((2, 1))}, labels=[0, 1], kinds={"m0": "ehr"}, times=["soon", "later"])
