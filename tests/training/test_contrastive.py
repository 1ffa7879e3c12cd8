"""Encoders trained without labels: the loss by its golden numbers, and what an embedding may depend on."""

import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, StorageError, TrainingError
from clinfuse.training.contrastive import DualEncoder
from clinfuse.training.contrastive_loss import ContrastiveLoss
from clinfuse.training.joint import HybridFusion, JointFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.store import load_dual_encoder, load_model, save_dual_encoder, save_model

QUICK = TrainingOptions(epochs=3, batch_size=16)
KINDS = {"labs": "ehr", "signs": "ehr", "film": "xray"}


def arrays(n: int = 48) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    shared = draw.normal(size=(n, 2))
    film = draw.normal(size=(n, 1, 16, 16)) * 0.1 + shared[:, :1, None, None]
    tables = {name: np.concatenate([shared, draw.normal(size=(n, 2))], 1) for name in ("labs", "signs")}
    return {**tables, "film": (film / 8 + 0.5).clip(0, 1).astype(np.float32)}


def present(n: int = 48) -> np.ndarray:
    return np.random.default_rng(1).random((n, 3)) > 0.2


def cohort_of(
    values: dict[str, np.ndarray], labels: np.ndarray | None = None, order: np.ndarray | None = None
) -> Cohort:
    n = len(values["labs"])
    order = np.arange(n) if order is None else order
    labels = np.arange(n) % 2 if labels is None else labels
    return Cohort.from_arrays(
        {name: array[order] for name, array in values.items()},
        present=present(n)[order],
        labels=labels[order],
        record_ids=[f"r{k:03d}" for k in order],
        patient_ids=[f"p{k // 2:03d}" for k in order],
        kinds=KINDS,
    )


def quick(**settings: object) -> DualEncoder:
    return DualEncoder(**{"features": 8, "options": QUICK, **settings})


@pytest.fixture(scope="module")
def fitted() -> DualEncoder:
    return quick().fit(cohort_of(arrays()))


def everyone(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.stack([torch.arange(n), torch.zeros(n, dtype=torch.int64)], 1), torch.ones(n, dtype=torch.bool)


def test_the_loss_of_equal_and_of_orthogonal_embeddings():
    # methods.md G24: ln 8, and ln(1 + 3/e).
    assert float(ContrastiveLoss().loss(torch.zeros(8, 8), *everyone(8))) == pytest.approx(2.07944, abs=1e-5)
    assert float(ContrastiveLoss().loss(torch.eye(4), *everyone(4))) == pytest.approx(0.74367, abs=1e-5)


def test_records_of_one_patient_are_no_negatives_of_each_other():
    targets, rows = everyone(4)
    targets[1, 0] = 0
    scores = torch.zeros(4, 4)
    scores[0, 1] = scores[1, 0] = 50.0
    # Two candidates fewer for the first two, by hand.
    expected = (2 * math.log(3) + 2 * math.log(4)) / 4
    assert float(ContrastiveLoss().loss(scores, targets, rows)) == pytest.approx(expected, abs=1e-6)


def test_negatives_that_are_alike_count_by_their_weight():
    targets, rows = everyone(3)
    targets[2, 1] = 1
    # Rows 0 and 1 have one alike and one other negative, row 2 two others.
    expected = (2 * math.log(1 + 5 + 1) + math.log(3)) / 3
    assert float(ContrastiveLoss(5.0).loss(torch.zeros(3, 3), targets, rows)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_records_have_no_loss_and_a_gradient_of_zero(count):
    targets, rows = everyone(3)
    rows[count:] = False
    scores = torch.ones(3, 3, requires_grad=True)
    loss = ContrastiveLoss().loss(scores, targets, rows)
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None
    assert float(scores.grad.abs().sum()) == 0


def test_embeddings_have_length_one_where_present_and_zero_elsewhere(fitted):
    cohort = cohort_of(arrays())
    for name, z in fitted.embed(cohort).items():
        length = np.linalg.norm(z, axis=1)
        np.testing.assert_allclose(length, cohort.present[:, cohort.names.index(name)], atol=1e-5)


@pytest.mark.parametrize("score", ["cosine", "fused"])
def test_neither_order_nor_labels_nor_stand_ins_change_a_bit(score):
    values = arrays()
    first = quick(score=score).fit(cohort_of(values)).embed(cohort_of(values))
    changed = {name: array.copy() for name, array in values.items()}
    for column, array in enumerate(changed.values()):
        array[~present()[:, column]] = 1e6
    shuffled = cohort_of(changed, labels=np.zeros(48, dtype=int) - 1, order=np.random.default_rng(5).permutation(48))
    again = quick(score=score).fit(shuffled).embed(cohort_of(values))
    for name, z in first.items():
        np.testing.assert_array_equal(z, again[name])


def test_what_belongs_together_is_more_similar(fitted):
    cohort = cohort_of(arrays())
    z = fitted.embed(cohort)
    both = cohort.present[:, :2].all(1)
    scores = fitted.similarity(("labs", "signs"), z["labs"][both][:, None], z["signs"][both][None])
    assert np.diag(scores).mean() > scores.mean() + 0.3


def test_a_stored_encoder_gives_the_same_bits(fitted, tmp_path):
    save_dual_encoder(fitted, tmp_path / "encoder")
    again = load_dual_encoder(tmp_path / "encoder")
    cohort = cohort_of(arrays())
    for name, z in fitted.embed(cohort).items():
        np.testing.assert_array_equal(again.embed(cohort)[name], z)
    with pytest.raises(StorageError, match="STORE_FORMAT"):
        load_model(tmp_path / "encoder")


def test_a_classifier_is_not_read_as_an_encoder(tmp_path):
    save_model(JointFusion(options=QUICK).fit(cohort_of(arrays())), tmp_path / "model")
    with pytest.raises(StorageError, match=r"STORE_FORMAT.*DualEncoder"):
        load_dual_encoder(tmp_path / "model")


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("kind", [JointFusion, HybridFusion])
def test_a_diagnosis_begins_with_what_was_learned_without_labels(kind, frozen, tmp_path):
    cohort = cohort_of(arrays())
    model = kind(pretraining=quick(modalities=("labs", "film")), frozen=frozen, options=QUICK)
    fitted = clone(model).fit(cohort)
    film = fitted.network_.names.index("film")
    weights = fitted.network_.encoders[film].state_dict()
    begun = fitted.pretrained_.weights("film")
    kept = [torch.equal(weights[name], begun[name]) for name in begun if name.startswith("backbone.")]
    assert all(kept) if frozen else not any(kept)
    assert ("frozen" in fitted.taxonomy()) == frozen
    plain = kind(options=QUICK).fit(cohort)
    assert not np.array_equal(plain.predict_proba(cohort), fitted.predict_proba(cohort))
    save_model(fitted, tmp_path / "model")
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict_proba(cohort), fitted.predict_proba(cohort))


def test_records_without_a_label_enter_the_pretraining():
    values, labels = arrays(), np.arange(48) % 2
    unlabelled = np.where(np.arange(48) < 32, labels, -1)
    model = JointFusion(pretraining=quick(), options=QUICK)
    with_them = clone(model).fit(cohort_of(values, labels=unlabelled)).pretrained_
    without = clone(model).fit(cohort_of(values, labels=unlabelled)[:32]).pretrained_
    whole = clone(model).fit(cohort_of(values)).pretrained_
    z = [one.embed(cohort_of(values))["labs"] for one in (with_them, whole, without)]
    np.testing.assert_array_equal(z[0], z[1])
    assert not np.array_equal(z[0], z[2])


def test_type_two_keeps_its_table_as_it_is():
    model = JointFusion(kind="II", pretraining=quick(), frozen=True, options=QUICK).fit(cohort_of(arrays()))
    assert model.taxonomy() == "joint, type II, on frozen features"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"modalities": ("labs",)}, "CONTRASTIVE_MODALITIES"),
        ({"modalities": ("labs", "mri")}, "CONTRASTIVE_MODALITIES"),
        ({"score": "euclid"}, "CONTRASTIVE_SETTING"),
        ({"alike": 0.0}, "CONTRASTIVE_SETTING"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, code):
    with pytest.raises(ConfigError, match=code):
        quick(**settings).fit(cohort_of(arrays()))


def test_nobody_with_two_modalities_is_refused():
    cohort = cohort_of(arrays())
    with pytest.raises(TrainingError, match="CONTRASTIVE_RECORDS"):
        quick().fit(cohort.withhold(np.tile([True, False, False], (48, 1))))


def test_an_encoder_brought_as_a_function_is_neither_stored_nor_frozen(tmp_path):
    own = {"film": lambda shape: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 4))}
    encoder = quick(encoders=own).fit(cohort_of(arrays()))
    with pytest.raises(StorageError, match="STORE_ENCODER"):
        save_dual_encoder(encoder, tmp_path)
    with pytest.raises(ConfigError, match="CONTRASTIVE_FROZEN"):
        encoder.kept("film")


def test_an_unfitted_encoder_says_so():
    with pytest.raises(NotFittedError, match="not fitted"):
        quick().embed(cohort_of(arrays()))
