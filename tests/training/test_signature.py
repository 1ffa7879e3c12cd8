"""A model refuses a cohort whose inputs mean something else than those it was trained on."""

from dataclasses import replace

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column, Modality
from clinfuse.errors import DataError
from clinfuse.training.store import load_model, train_final
from clinfuse.training.unimodal import Unimodal

CRP, WARD = Column("CRP", unit="mg/L"), Column("ward", "category", levels=("ER", "ICU"))
LABS = Modality("labs", "ehr", (2,), columns=(CRP, WARD))


def cohort_of(modality):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    values = np.stack([rng.standard_normal(60) + labels, rng.integers(0, 2, 60)], axis=1).astype(float)
    return Cohort.from_arrays({"labs": values}, labels=labels, kinds={"labs": modality})


@pytest.mark.parametrize(
    "other",
    [
        replace(LABS, columns=(WARD, CRP)),
        replace(LABS, columns=(replace(CRP, unit="mg/dL"), WARD)),
        replace(LABS, columns=(CRP, replace(WARD, levels=("ICU", "Xray")))),
    ],
    ids=["columns swapped", "another unit", "other levels"],
)
def test_another_meaning_is_refused_by_a_fitted_and_by_a_stored_model(other, tmp_path):
    model = train_final(Unimodal("labs"), cohort_of(LABS), tmp_path / "model")
    for one in (model, load_model(tmp_path / "model")):
        with pytest.raises(DataError, match=r"MODALITY_CHANGED.*labs"):
            one.predict_proba(cohort_of(other))


def test_the_reference_range_and_the_mirror_are_no_part_of_the_meaning(tmp_path):
    shown = replace(LABS, columns=(replace(CRP, normal=(0.0, 5.0)), WARD), mirror=True)
    train_final(Unimodal("labs"), cohort_of(LABS), tmp_path / "model")
    again = load_model(tmp_path / "model").predict_proba(cohort_of(shown))
    np.testing.assert_array_equal(again, load_model(tmp_path / "model").predict_proba(cohort_of(LABS)))
