import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Modality
from clinfuse.errors import ConfigError
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.metrics import auroc
from clinfuse.evaluation.robustness.damage import DAMAGES, damages_of, exchanged, spoiled
from clinfuse.evaluation.robustness.damaged import damaged
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion

CT = Modality("ct", "ct", (1, 6, 6, 8), spacing_mm=(4, 4, 5), window=(-100, 150), unit="HU", centre=20, spread=50)
EEG = Modality(
    "eeg", "eeg", (2, 4, 64), channels=("Fz", "Cz", "O1", "O2"), rate_hz=128, seconds=0.5, unit="µV", spread=20
)
BY_NAME = {damage.name: damage for damage in DAMAGES}


def pictures(records=24):
    draw = np.random.default_rng(1)
    labels = np.arange(records) % 2
    ct = np.clip(20 + 40 * draw.normal(size=(records, 1, 6, 6, 8)), -100, 150).round().astype(np.int16)
    eeg = (20 * draw.normal(size=(records, 2, 4, 64))).astype(np.float32)
    eeg[3, 1] = np.nan  # a window that was not recorded
    labs = draw.normal(size=(records, 4))
    labs[:, 0] += 2 * labels
    present = np.ones((records, 3), bool)
    present[5, 0] = False
    return Cohort.from_arrays(
        {"ct": ct, "eeg": eeg, "labs": labs},
        labels=labels,
        kinds={"ct": CT, "eeg": EEG, "labs": "ehr"},
        present=present,
        record_ids=[f"r{k:03d}" for k in range(records)],
    )


@pytest.fixture(scope="module")
def cohort():
    return pictures()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.name)
def test_every_damage_is_drawn_by_record_and_grows(cohort, damage):
    name = next(m.name for m in cohort.modalities if m.kind in damage.kinds)
    order = np.random.default_rng(0).permutation(len(cohort))
    clean = np.asarray(cohort.arrays(name), dtype=np.float64)
    distances = []
    for grade in damage.grades:
        one = spoiled(cohort, name, damage, grade, seed=3)
        again = spoiled(cohort[order], name, damage, grade, seed=3)
        assert np.array_equal(np.asarray(one.arrays(name))[order], np.asarray(again.arrays(name)), equal_nan=True)
        assert one.modality(name) == cohort.modality(name)
        assert one.names == (name,)
        worse = np.asarray(one.arrays(name), dtype=np.float64)
        distances.append(np.mean(np.abs(np.nan_to_num(worse, nan=9.0) - np.nan_to_num(clean, nan=9.0))))
    assert distances == sorted(distances)
    assert distances[0] > 0
    other = np.asarray(spoiled(cohort, name, damage, damage.grades[0], seed=4).arrays(name))
    mine = np.asarray(spoiled(cohort, name, damage, damage.grades[0], seed=3).arrays(name))
    assert not np.array_equal(other, mine, equal_nan=True)


def test_what_is_absent_stays_absent_and_types_stay_as_they_are(cohort):
    ct = spoiled(cohort, "ct", BY_NAME["noise"], 1.0, seed=0)
    assert np.asarray(ct.arrays("ct")).dtype == np.int16
    assert not ct.present[5, 0]
    assert (np.asarray(ct.arrays("ct")).min(), np.asarray(ct.arrays("ct")).max()) == (-100, 150)
    eeg = spoiled(cohort, "eeg", BY_NAME["line noise"], 1.0, seed=0)
    assert np.array_equal(eeg.window_mask("eeg"), cohort.window_mask("eeg"))
    assert not eeg.window_mask("eeg")[3, 1]


def test_parts_that_are_lost_are_gone(cohort):
    lost = np.asarray(spoiled(cohort, "ct", BY_NAME["slices lost"], 0.5, seed=0).arrays("ct"))
    empty = (lost[:5] == -100).all(axis=(1, 2, 3))
    assert (empty.sum(1) >= 4).all()
    channels = np.asarray(spoiled(cohort, "eeg", BY_NAME["channels lost"], 0.5, seed=0).arrays("eeg"))
    assert ((channels[0] == 0).all(axis=(0, 2))).sum() == 2
    cells = np.asarray(spoiled(cohort, "labs", BY_NAME["cells emptied"], 0.5, seed=0).arrays("labs"))
    assert np.isnan(cells).mean() == pytest.approx(0.5, abs=0.12)


def test_line_noise_lies_at_the_mains(cohort):
    clean = np.asarray(cohort.arrays("eeg"), dtype=np.float64)
    noisy = np.asarray(spoiled(cohort, "eeg", BY_NAME["line noise"], 1.0, seed=0).arrays("eeg"), dtype=np.float64)
    added = (noisy - clean)[0, 0, 0]
    power = np.abs(np.fft.rfft(added)) ** 2
    assert np.fft.rfftfreq(64, 1 / 128)[power.argmax()] == 50
    assert added.std() == pytest.approx(20, rel=0.01)


def test_columns_exchanged_keep_their_values_and_lose_their_patients(cohort):
    before = np.asarray(cohort.arrays("labs"))
    after = np.asarray(exchanged(cohort, "labs", 0.75, seed=1).arrays("labs"))
    assert np.allclose(np.sort(before, axis=0), np.sort(after, axis=0))
    moved = (before != after).mean()
    assert 0.5 < moved < 0.95
    order = np.random.default_rng(0).permutation(len(cohort))
    assert np.array_equal(np.asarray(exchanged(cohort[order], "labs", 0.75, seed=1).arrays("labs")), after[order])


def test_a_kind_knows_what_may_befall_it():
    assert {damage.name for damage in damages_of(CT)} == {"slices lost", "slices repeated", "noise", "shift"}
    assert {damage.name for damage in damages_of(EEG)} == {"noise", "channels lost", "line noise", "uneven gain"}


@pytest.fixture(scope="module")
def tables(cohort_of):
    cohort = cohort_of(150, strengths=(2.0, 0.5), missing=0.1)
    return cohort, cross_validate(LateFusion(combine="logit mean"), cohort, folds=3)


def test_a_spoiled_modality_costs_and_the_others_are_not_encoded_again(tables, monkeypatch):
    _, cv = tables
    encoded = []
    for classifier in cv.classifiers.values():
        whole = type(classifier).encode
        monkeypatch.setattr(
            classifier, "encode", lambda c, own=classifier, m=whole: encoded.append(c.names) or m(own, c)
        )
    found = damaged(cv)
    assert [names for names in encoded if len(names) > 1] == [("m0", "m1")] * 3
    assert len(encoded) == 3 * (1 + 2 * 6)
    worst = next(r for r in found.rows if (r.modality, r.damage, r.grade) == ("m0", "columns exchanged", 0.75))
    assert worst.change.high < 0
    assert worst.counts.records == int(cv.cohort.present[:, 0].sum())
    mild = next(r for r in found.rows if (r.modality, r.damage, r.grade) == ("m0", "columns exchanged", 0.25))
    assert worst.auroc.value < mild.auroc.value
    assert "lower the AUROC of LateFusion" in found.sentence
    assert len(found.table()) == len(found.rows) == 12
    assert damaged(cv).as_dict() == found.as_dict()


def test_a_table_that_lost_every_cell_is_absent(tables):
    _, cv = tables
    found = damaged(cv, modalities=("m0",))
    row = next(r for r in found.rows if r.grade == 0.5 and r.damage == "cells emptied")
    # One column: who lost it is answered by m1 alone, as if m0 were withheld.
    held, without = cv.predictions, cv.withheld.select(withheld="m0")
    scores, here = held.scores.copy(), held.present[:, 0]
    ids = {str(key): one for key, one in zip(cv.cohort.keys, cv.cohort.record_ids, strict=True)}
    order = [str(one) for one in held.record]
    emptied = spoiled(cv.cohort, "m0", BY_NAME["cells emptied"], 0.5, seed=0)
    gone = {str(one) for one, has in zip(emptied.record_ids, emptied.present[:, 0], strict=True) if not has}
    lost = np.array([str(ids[key]) in gone for key in order])
    scores[lost] = without.scores[lost]
    assert row.auroc.value == pytest.approx(auroc(held.y_true[here], scores[here], folds=held.fold[here]))


def test_a_modality_nobody_has_is_refused(tables):
    with pytest.raises(ConfigError, match="MODALITY_UNKNOWN"):
        damaged(tables[1], modalities=("ct",))


@pytest.mark.filterwarnings("ignore:.MODALITY_RARE")
def test_features_of_spoiled_pictures_are_computed_anew():
    cohort = pictures(40)
    cv = cross_validate(EarlyFusion(kind="I", learner="logistic"), cohort, folds=2)
    found = damaged(cv, modalities=("ct", "eeg"))
    assert len(found.rows) == 3 * 8
    assert len({row.brier.value for row in found.rows}) > 12
