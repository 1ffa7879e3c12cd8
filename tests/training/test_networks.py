"""What the networks hand to the training loop."""

import numpy as np
import pytest
import torch

from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.base import merged
from clinfuse.encoders.choice import build_encoder
from clinfuse.fusion.operators.elementwise import MeanFusion
from clinfuse.training.loop import TrainingRows, train
from clinfuse.training.networks import JointNetwork, embed, embed_tokens
from clinfuse.training.objective import Objective
from clinfuse.training.options import TrainingOptions

OPTIONS = TrainingOptions(epochs=1, batch_size=8, learning_rate=1e-9, dropout=0)


def loss_with(penalty):
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal((16, 2)) for name in ("a", "b")}
    cohort = Cohort.from_arrays(arrays, labels=np.tile([0, 1], 8), kinds=dict.fromkeys(arrays, "ehr"))
    data = TrainingRows(cohort, cohort.labels, {name: x.astype(np.float32) for name, x in arrays.items()})
    encoders = {name: build_encoder("mlp", (2,), seed=0, features=2) for name in arrays}
    torch.manual_seed(0)
    operator = MeanFusion((2, 2), features=2)
    operator.penalty = lambda z, present: torch.tensor(penalty)
    network = JointNetwork(encoders, operator, 2, dropout=0, single_heads=False)
    network.eval()
    network.train = lambda mode=True: network
    objective = Objective(False, np.array([0.5, 0.5]), False)
    return train(network, data, objective, options=OPTIONS, seed=0)[0].training_loss


def test_what_an_operator_adds_to_the_loss_is_added():
    assert loss_with(3.0) - loss_with(0.0) == pytest.approx(3.0, abs=1e-5)


def test_tokens_of_windows_follow_each_other_and_those_of_absent_ones_are_no_tokens():
    encoder = build_encoder("log-power", (2, 128), seed=0, features=4).eval()
    x = torch.randn(3, 2, 2, 128, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True], [False, True], [False, False]])
    found = embed_tokens(encoder, x, mask)
    assert found.shape == (3, 16, 5)
    torch.testing.assert_close(found[0, :8, :4], encoder.tokens(x[0, :1])[0])
    torch.testing.assert_close(found[1, 8:, :4], encoder.tokens(x[1, 1:])[0])
    assert torch.equal(found[..., 4] > 0, mask.repeat_interleave(8, 1))
    assert not found[~mask.repeat_interleave(8, 1)].any()


def test_of_many_windows_neighbours_that_exist_are_averaged():
    encoder = build_encoder("log-power", (2, 128), seed=0, features=4).eval()
    x = torch.randn(2, 3, 2, 128, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True, False], [False, True, False]])
    found = embed_tokens(encoder, x, mask)
    assert found.shape == (2, 12, 5)
    pairs = encoder.tokens(x[0, :1])[0].unflatten(0, (4, 2)).mean(1)
    torch.testing.assert_close(found[0, :4, :4], pairs)
    assert torch.equal(found[..., 4], mask.repeat_interleave(4, 1).float())
    assert not found[~mask.repeat_interleave(4, 1)].any()
    half = torch.ones(1, 17, 2)
    half[0, 1::2] = 0
    assert torch.equal(merged(half), torch.ones(1, 9, 2))


def test_tokens_without_windows_all_exist_and_their_mean_is_the_embedding_of_an_image():
    encoder = build_encoder("resnet10-narrow", (1, 16, 16), seed=0, features=4).eval()
    x, nothing = torch.rand(2, 1, 16, 16), torch.zeros(0, dtype=torch.bool)
    found = embed_tokens(encoder, x, nothing)
    assert bool((found[..., 4] == 1).all())
    torch.testing.assert_close(found[..., :4].mean(1), embed(encoder, x, nothing))
