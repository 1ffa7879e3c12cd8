"""A batch is the chosen rows as tensors, with zeros where nothing is present."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clinfuse.cohort.batch import load_batch
from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError


def test_rows_become_tensors(cohort: Cohort) -> None:
    tables = {"labs": np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)}
    batch = load_batch(cohort, [4, 3, 3], tables)
    assert len(batch) == 3
    assert {name: tuple(x.shape) for name, x in batch.inputs.items()} == {
        "kidney": (3, 2, 6, 6, 6),
        "eeg": (3, 3, 2, 64),
        "labs": (3, 5),
    }
    assert all(x.dtype == torch.float32 for x in batch.inputs.values())
    assert batch.targets.tolist() == [0, 1, 1]
    assert batch.targets.dtype == torch.int64
    assert batch.present.tolist() == cohort.present[[4, 3, 3]].tolist()
    assert batch.window_masks["eeg"].tolist() == cohort.window_mask("eeg")[[4, 3, 3]].tolist()
    assert not batch.inputs["labs"][0].any()
    np.testing.assert_array_equal(batch.inputs["labs"][1].numpy(), tables["labs"][3])
    np.testing.assert_allclose(batch.inputs["eeg"][1].numpy(), cohort.arrays("eeg")[3] / 20, rtol=1e-6)


def test_a_withheld_input_is_zeros(cohort: Cohort) -> None:
    tables = {"labs": np.ones((8, 2), dtype=np.float32)}
    nothing = load_batch(cohort.withhold(np.zeros(cohort.shape, dtype=bool)), np.arange(8), tables)
    assert not any(x.any() for x in nothing.inputs.values())
    assert not nothing.present.any()
    assert not nothing.window_masks["eeg"].any()


def test_several_labels_are_floats() -> None:
    cohort = Cohort.from_arrays(
        {"xray": np.zeros((2, 3, 3), dtype=np.float32)},
        labels=np.array([[0, 1], [1, -1]]),
        kinds={"xray": "xray"},
        classes=("a", "b"),
        task="multilabel",
    )
    batch = load_batch(cohort, np.array([True, True]))
    assert batch.targets.dtype == torch.float32
    assert batch.targets.tolist() == [[0, 1], [1, -1]]


@pytest.mark.parametrize("tables", [None, {"labs": np.ones((3, 2), dtype=np.float32)}])
def test_a_table_has_to_be_prepared(cohort: Cohort, tables: dict[str, np.ndarray] | None) -> None:
    with pytest.raises(DataError, match="BATCH_TABLE"):
        load_batch(cohort, [0], tables)
    with pytest.raises(DataError, match="NETWORK_INPUT_TABLE"):
        cohort.network_input("labs", [0])
