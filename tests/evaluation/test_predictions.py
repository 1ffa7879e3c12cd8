from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.errors import DataError, StorageError
from clinfuse.evaluation.predictions import Predictions


def same(first, second):
    names = ("model", "repeat", "fold", "record", "patient", "site", "withheld", "y_true", "present")
    numbers = ("logits", "probabilities")
    return (
        all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)
        and all(getattr(first, name).tobytes() == getattr(second, name).tobytes() for name in numbers)
        and (first.classes, first.task, first.modalities) == (second.classes, second.task, second.modalities)
    )


@settings(max_examples=25, deadline=None)
@given(scores=st.lists(st.floats(-700, 700, allow_subnormal=True), min_size=1, max_size=20))
def test_a_table_survives_the_disk_bit_for_bit_and_its_bytes_depend_on_nothing_else(
    scores, predictions_of, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("table")
    table = predictions_of(np.arange(len(scores)) % 2, scores)
    first, second = table.to_parquet(folder / "a.parquet"), table.to_parquet(folder / "b.parquet")
    back = Predictions.from_parquet(first)
    assert same(back, table)
    assert first.read_bytes() == second.read_bytes()
    assert back.to_parquet(folder / "c.parquet").read_bytes() == first.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["a.parquet", "b.parquet", "c.parquet"]


def test_several_labels_survive_the_disk(tmp_path):
    n = 4
    table = Predictions(
        *(np.full(n, text) for text in ("joint",)),
        repeat=np.zeros(n),
        fold=np.zeros(n),
        record=np.array([f"R-{i}" for i in range(n)]),
        patient=np.array([f"P-{i}" for i in range(n)]),
        site=np.full(n, "east"),
        withheld=np.full(n, "ct+eeg"),
        y_true=np.array([[0, 1, -1]] * n),
        logits=np.ones((n, 3)),
        probabilities=np.full((n, 3), 0.7),
        present=np.ones((n, 2), bool),
        classes=("nodule", "effusion", "oedema"),
        task="multilabel",
        modalities=("ct", "eeg"),
    )
    assert same(Predictions.from_parquet(table.to_parquet(tmp_path / "t.parquet")), table)
    assert not table.used.any()


def test_a_damaged_file_is_refused_without_a_word_of_its_content(predictions_of, tmp_path):
    file = predictions_of([0, 1], [0.5, 1.5]).to_parquet(tmp_path / "t.parquet")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(StorageError, match="PREDICTIONS_READ") as raised:
        Predictions.from_parquet(file)
    assert "R-00000" not in str(raised.value)
    assert raised.value.__cause__ is None
    with pytest.raises(StorageError, match="PREDICTIONS_READ"):
        Predictions.from_parquet(tmp_path / "absent.parquet")
    with pytest.raises(StorageError, match="PREDICTIONS_WRITE"):
        predictions_of([0, 1], [0.5, 1.5]).to_parquet(tmp_path / "no folder" / "t.parquet")


def test_arrays_are_frozen_and_own_their_content(predictions_of):
    labels = np.array([0, 1])
    table = predictions_of(labels, [0.5, 1.5])
    labels[0] = 1
    assert table.y_true.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        table.logits[0, 0] = 3


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("PREDICTIONS_NAN", {"logits": np.array([[0, np.nan], [0, 1.0]])}),
        ("PREDICTIONS_NAN", {"probabilities": np.array([[0.5, 0.5], [np.nan, np.nan]])}),
        ("PREDICTIONS_SUM", {"probabilities": np.array([[0.5, 0.5], [0.5, 0.6]])}),
        ("PREDICTIONS_RANGE", {"probabilities": np.array([[0.5, 0.5], [-0.5, 1.5]])}),
        ("PREDICTIONS_LABEL", {"y_true": np.array([0, 2])}),
        ("PREDICTIONS_SHAPE", {"fold": np.array([0])}),
        ("PREDICTIONS_SHAPE", {"present": np.ones((2, 3), bool)}),
        ("PREDICTIONS_TASK", {"task": "regression"}),
        ("PREDICTIONS_TWICE", {"record": np.array(["R-1", "R-1"])}),
        ("PREDICTIONS_STRADDLE", {"patient": np.array(["P-1", "P-1"]), "fold": np.array([0, 1])}),
    ],
)
def test_what_cannot_be_true_is_refused(code, change, predictions_of):
    table = predictions_of([0, 1], [0.5, 1.5])
    with pytest.raises(DataError, match=code):
        replace(table, **change)


def test_the_same_patient_may_change_folds_between_repeats(predictions_of):
    table = predictions_of([0, 1], [0.5, 1.5])
    twice = replace(table, repeat=np.array([0, 1]), fold=np.array([0, 1]), patient=np.array(["P-1", "P-1"]))
    assert twice.repeats == (0, 1)


def test_selecting_and_joining(predictions_of):
    late, joint = predictions_of([0, 1], [0.5, 1.5]), predictions_of([0, 1], [0.1, 0.2], model="joint")
    without = predictions_of([0, 1], [0.0, 0.3], withheld="m1")
    both = Predictions.concat([late, joint, without])
    assert both.models == ("late", "joint")
    assert len(both) == 6
    assert same(both.select(model="late", withheld=""), late)
    assert both.select(withheld="m1").used.tolist() == [[True, False]] * 2
    assert both.select(withheld="").used.all()
    with pytest.raises(DataError, match="PREDICTIONS_NONE"):
        both.select(model="early")
    with pytest.raises(DataError, match="PREDICTIONS_MIXED"):
        Predictions.concat([late, replace(joint, modalities=("x", "y"))])
    with pytest.raises(DataError, match="PREDICTIONS_TWICE"):
        Predictions.concat([late, late])


def test_the_frame_has_a_row_for_each_prediction_and_a_column_for_each_number(predictions_of):
    frame = predictions_of([0, 1], [0.5, 1.5]).frame()
    assert frame["logit finding"].tolist() == [0.5, 1.5]
    assert frame.columns.tolist()[:7] == ["model", "repeat", "fold", "record", "patient", "site", "withheld"]
