import pytest
import torch
from torch import nn

from clinfuse.errors import TrainingError
from clinfuse.training.precision import gradients_repeat, kernels_fit, training_precision


def loss_of(network, x):
    return lambda: network(x).float().square().mean()


def sound():
    return nn.Sequential(nn.Conv3d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv3d(16, 16, 3, padding=1))


def kernel_larger_than_its_map():
    return nn.Sequential(nn.MaxPool3d(4), nn.Conv3d(16, 16, 3, padding=1))


def test_a_network_whose_kernels_fit_may_use_bfloat16():
    network, x = sound(), torch.randn(2, 16, 8, 8, 8)
    assert kernels_fit(network, loss_of(network, x))
    assert gradients_repeat(network, loss_of(network, x))
    assert training_precision(network, loss_of(network, x), asked="auto") == torch.bfloat16


def test_a_kernel_longer_than_its_input_is_refused():
    network, x = kernel_larger_than_its_map(), torch.randn(2, 16, 8, 8, 8)
    assert not kernels_fit(network, loss_of(network, x))
    assert training_precision(network, loss_of(network, x), asked="auto") == torch.float32
    with pytest.raises(TrainingError, match="TRAIN_PRECISION"):
        training_precision(network, loss_of(network, x), asked="bfloat16")


def test_gradients_that_are_not_finite_are_refused():
    network = nn.Sequential(nn.Linear(4, 4))

    def loss():
        return (network(torch.ones(2, 4)) * torch.inf).sum()

    assert not gradients_repeat(network, loss)


def test_gradients_that_differ_from_time_to_time_are_refused():
    network = nn.Sequential(nn.Linear(4, 1))
    calls = []

    def loss():
        calls.append(1)
        return network(torch.full((2, 4), float(len(calls)))).sum()

    assert not gradients_repeat(network, loss)


def test_float32_needs_no_probe():
    assert training_precision(nn.Linear(1, 1), lambda: pytest.fail("probed"), asked="float32") == torch.float32


def test_the_probe_leaves_no_gradient_behind():
    network, x = sound(), torch.randn(2, 16, 8, 8, 8)
    training_precision(network, loss_of(network, x), asked="auto")
    assert all(p.grad is None for p in network.parameters())
