import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import clinfuse
from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError, StorageError, TrainingError
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.folds import Scheme, deal, scored
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.running.identity import computing_files, describe
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.unimodal import Unimodal


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def bits(predictions: Predictions) -> tuple[bytes, ...]:
    names = ("record", "fold", "withheld", "logits", "probabilities", "y_true", "present")
    return tuple(np.ascontiguousarray(getattr(predictions, name)).tobytes() for name in names)


@pytest.fixture(scope="module")
def crossed(cohort):
    return cross_validate(LateFusion(combine="logit mean"), cohort, folds=3, repeats=2, seed=1)


def test_every_record_is_predicted_once_per_repeat_by_a_model_that_never_saw_its_patient(cohort_of):
    cohort = cohort_of(90, visits=2)
    found = cross_validate(LateFusion(combine="mean"), cohort, folds=3, repeats=2)
    for repeat in (0, 1):
        one = found.predictions.select(repeat=repeat)
        assert sorted(one.record) == sorted(cohort.keys)
        for fold in range(3):
            assert not set(one.patient[one.fold == fold]) & set(one.patient[one.fold != fold])
    assert len(found.classifiers) == 6
    assert found.predictions.fold.tolist() != sorted(found.predictions.fold.tolist())


def test_repeats_deal_the_patients_anew(crossed):
    first, second = (crossed.predictions.select(repeat=repeat) for repeat in (0, 1))
    assert (first.fold != second.fold).any()


def test_the_model_of_a_record_says_what_the_table_says(crossed, cohort):
    for row in (0, 7, 50):
        record = str(cohort.record_ids[row])
        for repeat in (0, 1):
            one = crossed.predictions.select(repeat=repeat)
            said = one.probabilities[one.record == cohort.keys[row]]
            again = crossed.classifier_for(record, repeat).predict_proba(cohort[[row]])
            assert again == pytest.approx(said, abs=1e-12)
    assert crossed.classifier_for(str(cohort.keys[7])) is crossed.classifier_for(str(cohort.record_ids[7]))


def test_withheld_predictions_are_those_of_the_cohort_with_modalities_withheld(crossed, cohort):
    assert list(dict.fromkeys(crossed.withheld.withheld.tolist())) == ["", "m1", "m0"]
    without = crossed.withheld.select(withheld="m0", repeat=0)
    masked = cohort.withhold(np.tile([False, True], (len(cohort), 1)))
    for row in (3, 30, 60):
        said = without.logits[without.record == cohort.keys[row]]
        classifier = crossed.classifier_for(str(cohort.record_ids[row]))
        assert classifier.decide(classifier.encode(masked[[row]])) == pytest.approx(said, abs=1e-12)


def test_the_order_of_the_records_leaves_no_trace(cohort_of, crossed):
    order = np.random.default_rng(0).permutation(120)
    shuffled = cohort_of(order=order)
    again = cross_validate(LateFusion(combine="logit mean"), shuffled, folds=3, repeats=2, seed=1)
    assert bits(again.withheld) == bits(crossed.withheld)


def test_another_seed_deals_otherwise(cohort, crossed):
    other = cross_validate(LateFusion(combine="logit mean"), cohort, folds=3, repeats=2, seed=2)
    assert bits(other.predictions) != bits(crossed.predictions)


@pytest.mark.slow
def test_two_workers_give_the_same_bits_and_the_same_files(cohort, crossed, tmp_path):
    model = LateFusion(combine="logit mean")
    two = cross_validate(model, cohort, folds=3, repeats=2, seed=1, workers=2)
    assert bits(two.withheld) == bits(crossed.withheld)
    record = str(cohort.record_ids[5])
    assert np.array_equal(
        two.classifier_for(record).predict_proba(cohort), crossed.classifier_for(record).predict_proba(cohort)
    )
    cross_validate(model, cohort, folds=3, seed=1, results=tmp_path / "one")
    cross_validate(model, cohort, folds=3, seed=1, workers=2, results=tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3, 4])
def test_a_stopped_run_goes_on_and_ends_with_the_same_files(cohort, tmp_path, after):
    def stop(done, total, text):
        if done == after:
            raise StoppedError

    models = {"late": LateFusion(combine="mean")}
    compare(cohort, models, folds=2, results=tmp_path / "whole")
    with pytest.raises(StoppedError):
        compare(cohort, models, folds=2, results=tmp_path / "parts", progress=stop)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").rglob("DONE")}
    assert len(finished) >= after
    compare(cohort, models, folds=2, results=tmp_path / "parts")
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == time for path, time in finished.items())


def test_what_a_killed_process_left_is_swept(cohort, fusion, tmp_path):
    orphan = tmp_path / "folds" / "0-0" / ".unfinished-LateFusion-4242"
    orphan.mkdir(parents=True)
    (orphan / "key.json").write_text("half")
    half = tmp_path / "folds" / "0-1" / "LateFusion"
    half.mkdir(parents=True)
    (half / "task.json").write_text("renamed, but not yet marked as done")
    cross_validate(fusion, cohort, folds=2, results=tmp_path)
    assert not orphan.exists()
    assert (half / "DONE").is_file()
    assert not list(tmp_path.rglob("LOCK*"))


def test_a_damaged_task_stops_the_run_until_it_may_be_done_again(cohort, fusion, tmp_path):
    before = cross_validate(fusion, cohort, folds=2, results=tmp_path)
    whole = content(tmp_path)
    file = tmp_path / "folds" / "0-1" / "LateFusion" / "predictions.parquet"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(bytes(damaged))
    with pytest.raises(StorageError, match="TASK_DAMAGED"):
        cross_validate(fusion, cohort, folds=2, results=tmp_path)
    again = cross_validate(fusion, cohort, folds=2, results=tmp_path, redo=True)
    assert bits(again.withheld) == bits(before.withheld)
    assert content(tmp_path) == whole


@pytest.mark.parametrize("change", ["settings", "data", "seed"])
def test_results_of_another_study_are_not_taken_for_this_one(cohort, cohort_of, fusion, tmp_path, change):
    cross_validate(fusion, cohort, folds=2, results=tmp_path)
    model = LateFusion(combine="mean") if change == "settings" else fusion
    records = cohort_of(seed=9) if change == "data" else cohort
    seed = 5 if change == "seed" else 0
    with pytest.raises(StorageError, match="TASK_FOREIGN"):
        cross_validate(model, records, folds=2, seed=seed, results=tmp_path)
    replaced = cross_validate(model, records, folds=2, seed=seed, results=tmp_path, redo=True)
    fresh = cross_validate(model, records, folds=2, seed=seed)
    assert bits(replaced.withheld) == bits(fresh.withheld)


def test_adding_a_model_fits_only_that_model(cohort, tmp_path):
    late = {"late": LateFusion(combine="mean")}
    compare(cohort, late, folds=2, results=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("DONE")}
    more = {**late, "vote": LateFusion(combine="majority vote")}
    compare(cohort, more, folds=2, results=tmp_path)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert len(list(tmp_path.rglob("DONE"))) == len(before) + 2


def test_models_read_from_disk_say_the_same(cohort, fusion, tmp_path):
    cross_validate(fusion, cohort, folds=2, results=tmp_path)
    again = cross_validate(fusion, cohort, folds=2, results=tmp_path)
    record = str(cohort.record_ids[11])
    said = again.predictions.probabilities[again.predictions.record == cohort.keys[11]]
    assert again.classifier_for(record).predict_proba(cohort[[11]]) == pytest.approx(said, abs=1e-12)


def test_no_id_reaches_the_results(cohort, fusion, tmp_path):
    cross_validate(fusion, cohort, folds=2, results=tmp_path)
    everything = b"".join(content(tmp_path).values())
    assert not any(str(name).encode() in everything for name in (*cohort.record_ids, *cohort.patient_ids))


class Whimsical(LogisticRegression):
    """Learns something else every time it is fitted."""

    fits = 0

    def fit(self, X, y, sample_weight=None):
        type(self).fits += 1
        super().fit(X, y, sample_weight=sample_weight)
        self.intercept_ = self.intercept_ + type(self).fits
        return self


def test_a_learner_that_cannot_be_stored_is_fitted_again_and_must_say_the_same(cohort, tmp_path):
    steady = LateFusion(combine="mean", learners={"m0": Steady(C=0.5)})
    first = cross_validate(steady, cohort, folds=2, results=tmp_path / "steady")
    about = json.loads((tmp_path / "steady/folds/0-0/LateFusion/task.json").read_text())
    assert about["stored"] is False
    assert not (tmp_path / "steady/folds/0-0/LateFusion/model").exists()
    row = 4
    said = first.predictions.probabilities[first.predictions.record == cohort.keys[row]]
    again = first.classifier_for(str(cohort.record_ids[row])).predict_proba(cohort[[row]])
    assert again == pytest.approx(said, abs=1e-9)
    moody = LateFusion(combine="mean", learners={"m0": Whimsical()})
    second = cross_validate(moody, cohort, folds=2, results=tmp_path / "moody")
    with pytest.raises(TrainingError, match="STORE_REFIT"):
        second.classifier_for(str(cohort.record_ids[row]))


class Steady(LogisticRegression):
    """A learner of the user's own."""


def test_holdout_tests_fifteen_percent_once(cohort, cohort_of):
    found = cross_validate(LateFusion(combine="mean"), cohort, validation="holdout")
    assert 0.1 < len(found.predictions) / len(cohort) < 0.2
    assert len(found.classifiers) == 1
    trained = next(key for key in cohort.keys if key not in found.predictions.record)
    with pytest.raises(DataError, match="RECORD_TRAINED"):
        found.classifier_for(str(trained))


def test_a_record_without_a_label_is_answered_by_a_model_that_never_saw_its_patient(cohort_of):
    cohort = cohort_of(60, visits=2)
    labels = np.array(cohort.labels)
    labels[1] = -1
    labels[10:12] = -1
    from clinfuse.cohort.cohort import Cohort

    unknown = Cohort.from_arrays(
        {name: cohort.arrays(name) for name in cohort.names},
        labels=labels,
        kinds=dict.fromkeys(cohort.names, "ehr"),
        record_ids=cohort.record_ids.tolist(),
        patient_ids=cohort.patient_ids.tolist(),
    )
    found = cross_validate(LateFusion(combine="mean"), unknown, folds=3)
    assert len(found.predictions) == 57
    assert found.fold_of("r0001") == found.fold_of("r0000")
    assert found.fold_of("r0010") == 0
    with pytest.raises(DataError, match="RECORD_UNKNOWN"):
        found.fold_of("r9999")
    with pytest.raises(DataError, match="REPEAT_UNKNOWN"):
        found.fold_of("r0000", repeat=3)


def test_losses_of_networks_are_kept(cohort, tmp_path):
    options = TrainingOptions(epochs=2)
    model = LateFusion(combine="mean", encoders={"m0": "mlp"}, options=options)
    found = cross_validate(model, cohort, folds=2, results=tmp_path)
    curve = json.loads((tmp_path / "folds/0-0/LateFusion/losses.json").read_text())
    assert curve == found.losses[0, 0]
    assert [point["epoch"] for point in curve["m0"]] in ([0, 1], [1, 2])
    assert curve["m0"][0]["validation_loss"] is None


def test_models_of_a_fold_share_their_fits(cohort, monkeypatch):
    fits = []
    from clinfuse.training import memo

    original = memo.shared

    def counted(key, fit):
        return original(key, lambda: fits.append(key) or fit())

    monkeypatch.setattr("clinfuse.training.single.shared", counted)
    compare(cohort, {"late": LateFusion(combine="mean")}, folds=2, best_single="m0")
    assert len(fits) == 4
    fits.clear()
    # The best single modality is chosen in three inner folds: three more fits of each.
    compare(cohort, {"late": LateFusion(combine="mean")}, folds=2)
    assert len(fits) == 4 + 2 * 2 * 3


def test_arguments_are_left_as_they_were(cohort, fusion):
    before = describe(fusion)
    cross_validate(fusion, cohort, folds=2)
    assert describe(fusion) == before
    assert not hasattr(fusion, "classes_")


def test_seeds_differ_between_folds_and_not_between_models(cohort):
    folds = deal(scored(cohort), Scheme(folds=3, repeats=2))
    seeds = [fold.seed(0, 0) for fold in folds]
    assert len(set(seeds)) == 6
    assert folds[0].seed(0, 0) == seeds[0]


def test_settings_are_told_apart():
    def build(shape):
        return shape

    def other(shape):
        return shape[0]

    models = [
        LateFusion(),
        LateFusion(combine="mean"),
        LateFusion(seed=1),
        LateFusion(options=TrainingOptions(epochs=3)),
        LateFusion(encoders={"ct": build}),
        LateFusion(encoders={"ct": other}),
        LateFusion(learners={"labs": LogisticRegression()}),
        LateFusion(learners={"labs": LogisticRegression(C=2.0)}),
        EarlyFusion(),
    ]
    found = [json.dumps(describe(model), sort_keys=True) for model in models]
    assert len(set(found)) == len(models)
    assert "0x" not in "".join(found)
    with pytest.raises(ConfigError, match="SETTING_UNKNOWN"):
        describe(object())


@pytest.mark.parametrize("name", ["", "a/b", "..", "LOCK", "con", "x" * 61, "Späte", "late."])
def test_names_that_are_no_folder_are_refused(cohort, fusion, name):
    with pytest.raises(ConfigError, match="MODEL_NAME"):
        compare(cohort, {name: fusion}, folds=2)


def test_names_that_differ_by_case_only_are_refused(cohort, fusion):
    with pytest.raises(ConfigError, match="MODEL_NAME"):
        compare(cohort, {"late": fusion, "Late": fusion}, folds=2)


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("SCHEME_VALUE", {"folds": 1}),
        ("SCHEME_VALUE", {"repeats": 0}),
        ("SCHEME_VALUE", {"validation": "bootstrap"}),
        ("WORKERS", {"workers": 0}),
    ],
)
def test_settings_out_of_range_are_refused(cohort, fusion, code, arguments):
    with pytest.raises(ConfigError, match=code):
        cross_validate(fusion, cohort, **arguments)


def test_other_code_is_another_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from clinfuse.evaluation.running import engine
    from clinfuse.evaluation.running.identity import computing_code

    assert computing_code() == computing_code()
    labels = np.arange(24) % 2
    table = np.random.default_rng(0).standard_normal((24, 2)) + labels[:, None]
    cohort = Cohort.from_arrays({"labs": table}, labels=labels, kinds={"labs": "ehr"})
    cross_validate(Unimodal("labs"), cohort, folds=2, results=tmp_path)
    monkeypatch.setattr(engine, "computing_code", lambda: "another")
    with pytest.raises(StorageError, match="TASK_FOREIGN"):
        cross_validate(Unimodal("labs"), cohort, folds=2, results=tmp_path)


def test_code_in_folders_inside_a_room_counts_too() -> None:
    package = Path(clinfuse.__file__).parent
    names = {file.relative_to(package).as_posix() for file in computing_files(package)}
    assert {
        "fusion/operators/concat.py",
        "training/loop.py",
        "encoders/eeg.py",
        "evaluation/running/fitting.py",
        "evaluation/running/inside.py",
    } <= names
    every = {file.relative_to(package).as_posix() for file in package.rglob("*.py")}
    assert {name for name in every if name.split("/")[0] in ("encoders", "fusion", "training")} <= names
