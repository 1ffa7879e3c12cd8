"""Early fusion with a model of its own for each modality: the average of what early fusion and these say."""

import numpy as np
import pytest

from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.store import load_model, save_model


@pytest.mark.parametrize("kind", ["I", "II"])
def test_it_is_the_average_of_early_fusion_and_the_mean_logits_of_single_models(kind, make_embedding_cohort, tmp_path):
    cohort = make_embedding_cohort(80)
    early, late = EarlyFusion(kind=kind), LateFusion(combine="logit mean")
    both = EarlyFusion(kind=kind, single_heads=True).fit(cohort)
    expected = np.mean([model.fit(cohort).decide(model.encode(cohort)) for model in (early, late)], axis=0)
    np.testing.assert_allclose(both.decide(both.encode(cohort)), expected, rtol=0, atol=1e-9)
    save_model(both, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.taxonomy() == both.taxonomy() == "hybrid (early + late)"
    np.testing.assert_array_equal(again.predict_proba(cohort), both.predict_proba(cohort))


def test_a_cohort_that_lacks_a_modality_altogether_is_answered(make_embedding_cohort):
    cohort = make_embedding_cohort(80, missing=0.0)
    model = EarlyFusion(kind="I", single_heads=True).fit(cohort)
    withheld = cohort.withhold(np.tile([True, False], (80, 1)))
    np.testing.assert_array_equal(model.predict_proba(cohort.without("source2")), model.predict_proba(withheld))


def test_networks_of_single_models_have_loss_curves(make_films):
    from clinfuse.training.options import TrainingOptions

    model = EarlyFusion(single_heads=True, options=TrainingOptions(epochs=1, copies=1)).fit(make_films(32))
    assert set(model.loss_curves_) == {"film, half 1", "film, half 2", "film, alone"}
