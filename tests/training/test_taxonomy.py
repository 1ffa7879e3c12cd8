"""The decision procedure after Huang et al. 2020 (doi 10.1038/s41746-020-00341-z), edge cases included."""

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.choice import EncoderChoice, build_encoder
from clinfuse.encoders.weights import save_weights
from clinfuse.errors import ConfigError
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import HybridFusion, JointFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.store import load_model, save_model
from clinfuse.training.taxonomy import FusionInput, fusion_class
from clinfuse.training.unimodal import Unimodal

PREDICTION = FusionInput("prediction")
ORIGINAL = FusionInput("original")
EXTRACTED = FusionInput("extracted")
TRAINED = FusionInput("extracted", loss_reaches=True)
ABOVE_FROZEN = FusionInput("extracted", loss_reaches=True, frozen=True)
QUICK = TrainingOptions(epochs=1, batch_size=16, copies=1)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([PREDICTION, PREDICTION], "late"),
        ([ORIGINAL, ORIGINAL], "early, type I"),
        ([EXTRACTED, ORIGINAL], "early, type II"),  # frozen features of a network and raw records to LightGBM
        ([PREDICTION, ORIGINAL], "early, type II"),  # a network's probability and raw records: not late
        ([TRAINED, TRAINED], "joint, type I"),
        ([TRAINED, ORIGINAL], "joint, type II"),  # end-to-end embedding and the raw vector
        ([ABOVE_FROZEN, TRAINED], "joint, type I, on frozen features"),
    ],
)
def test_the_class_follows_from_what_the_final_model_is_given(inputs, words):
    assert fusion_class(inputs) == words


def test_nothing_has_no_class():
    with pytest.raises(ConfigError, match="TAXONOMY_EMPTY"):
        fusion_class([])


def test_type_two_of_tables_alone_is_type_one(make_embedding_cohort):
    model = EarlyFusion(options=QUICK)
    assert model.taxonomy() == "early, type II"
    assert model.fit(make_embedding_cohort(60)).taxonomy() == "early, type I"


def test_a_fitted_classifier_says_what_was_done(make_films, tmp_path):
    cohort: Cohort = make_films(32)
    assert EarlyFusion(options=QUICK).fit(cohort).taxonomy() == "early, type II"
    assert JointFusion(kind="II", options=QUICK).fit(cohort).taxonomy() == "joint, type II"
    file = tmp_path / "film.safetensors"
    save_weights(build_encoder("small-conv", (1, 16, 16), seed=3), file)
    frozen = {"film": EncoderChoice("small-conv", weights=str(file), frozen=True)}
    model = JointFusion(encoders=frozen, options=QUICK)
    assert model.taxonomy() == "joint, type I, on frozen features"
    assert model.fit(cohort).taxonomy() == "joint, type I, on frozen features"
    assert HybridFusion(encoders=frozen, options=QUICK).taxonomy() == "hybrid (joint + late), on frozen features"
    assert np.isfinite(model.predict_proba(cohort)).all()


def test_a_model_on_frozen_weights_is_stored_whole_and_without_the_place_of_their_file(make_films, tmp_path):
    cohort: Cohort = make_films(32)
    file = save_weights(build_encoder("small-conv", (1, 16, 16), seed=3), tmp_path / "film.safetensors")
    frozen = {"film": EncoderChoice("small-conv", weights=str(file), frozen=True)}
    models = (JointFusion(encoders=frozen, options=QUICK), Unimodal("film", encoder=frozen["film"], options=QUICK))
    for number, model in enumerate(models):
        save_model(model.fit(cohort), tmp_path / f"model {number}")
        assert "film.safetensors" not in (tmp_path / f"model {number}" / "model.json").read_text()
    file.unlink()
    for number, model in enumerate(models):
        again = load_model(tmp_path / f"model {number}")
        np.testing.assert_array_equal(again.predict_proba(cohort), model.predict_proba(cohort))
