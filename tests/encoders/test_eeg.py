"""Signal encoders: the published size of EEGNet, causality, norm limits, and what is learned before training."""

from __future__ import annotations

import pytest
import torch

from clinfuse.encoders.choice import build_encoder
from clinfuse.encoders.eeg import EEGNet, LogPower, TemporalConvNet
from clinfuse.errors import ConfigError, DataError


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("channels", "time", "classes", "parameters"), [(22, 1125, 4, 3700), (22, 1000, 4, 3444), (64, 128, 4, 2388)]
)
def test_eegnet_has_the_parameters_of_its_paper(channels: int, time: int, classes: int, parameters: int) -> None:
    # EEGNet-8,2 with kernel 64 (Lawhern et al. 2018), one output per class.
    network = EEGNet((channels, time), features=classes)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == parameters


def test_eegnet_gives_one_token_for_every_32_samples_and_their_mean_is_the_embedding() -> None:
    network = EEGNet((5, 200), features=4).eval()
    x = draw(3, 5, 200)
    assert network.tokens(x).shape == (3, 6, 4)
    torch.testing.assert_close(network.tokens(x).mean(1), network(x), rtol=0, atol=1e-5)


def test_eegnet_filters_never_act_with_more_than_their_norm() -> None:
    network = EEGNet((5, 200), features=4, max_norm=(1.0, 0.25)).eval()
    x = draw(2, 5, 200)
    with torch.no_grad():
        network.head.weight.mul_(1e3)
        first = network(x)
        network.head.weight.mul_(1e3)
        torch.testing.assert_close(network(x), first)
        assert bool((network.head.limited().norm(dim=1) <= 0.25 + 1e-6).all())
    spatial = network.backbone[4]
    with torch.no_grad():
        spatial.weight.copy_(10 * torch.ones_like(spatial.weight))
        limited = spatial(torch.ones(1, 8, 5, 1)).flatten()
    torch.testing.assert_close(limited, torch.full((16,), 5 / 5**0.5))


def test_eegnet_never_uses_a_filter_longer_than_the_window() -> None:
    assert EEGNet((2, 40), features=3)(draw(1, 2, 40)).shape == (1, 3)


@pytest.mark.parametrize("name", ["eegnet", "log-power", "tcn"])
def test_any_length_from_the_shortest_on(name: str) -> None:
    for time in (32, 33, 77, 640):
        encoder = build_encoder(name, (3, time), seed=0, features=4).eval()
        assert encoder(draw(2, 3, time)).shape == (2, 4)
        assert torch.isfinite(encoder.tokens(draw(2, 3, time))).all()
    with pytest.raises(ConfigError, match=r"ENCODER_SHAPE.*at least"):
        build_encoder(name, (3, 7), seed=0)


def test_log_power_standardises_what_it_was_adapted_to() -> None:
    network = LogPower((3, 128), features=4).eval()
    windows = draw(200, 3, 128) * torch.linspace(0.5, 3.0, 200)[:, None, None]
    network.adapt(windows)
    with torch.no_grad():
        powers = network.pooled(windows) * 64**0.5
    torch.testing.assert_close(powers.mean(0), torch.zeros(64), rtol=0, atol=1e-4)
    torch.testing.assert_close(powers.std(0, correction=0), torch.ones(64), rtol=0, atol=1e-4)


def test_log_power_survives_windows_without_power() -> None:
    network = LogPower((3, 128), features=4).eval()
    network.adapt(torch.zeros(4, 3, 128))
    assert torch.isfinite(network(torch.zeros(2, 3, 128))).all()
    x = torch.zeros(2, 3, 128, requires_grad=True)
    network(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_log_power_does_not_see_the_sign_of_a_signal() -> None:
    network = LogPower((3, 128), features=4).eval()
    x = draw(2, 3, 128)
    torch.testing.assert_close(network(x), network(-x))


def test_log_power_starts_with_slow_and_fast_waves() -> None:
    network = LogPower((1, 256), features=2, sources=32, kernel=64)
    response = torch.fft.rfft(network.backbone[1].weight[:, 0].detach(), n=512).abs()
    peaks = response.argmax(1) / 512
    assert peaks.min() < 0.04
    assert peaks.max() > 0.35
    torch.testing.assert_close(network.backbone[1].weight.detach().norm(dim=(1, 2)), torch.ones(32))


def test_the_temporal_network_is_causal() -> None:
    network = TemporalConvNet((3, 200), features=4).eval()
    x = draw(1, 3, 200)
    changed = x.clone()
    changed[..., 120:] += 5
    with torch.no_grad():
        before, after = network.backbone(x), network.backbone(changed)
    assert torch.equal(before[..., :120], after[..., :120])
    assert not torch.equal(before[..., 120:], after[..., 120:])


def test_a_window_of_another_shape_is_refused() -> None:
    for network in (EEGNet((3, 64), features=2), LogPower((3, 64), features=2), TemporalConvNet((3, 64), features=2)):
        with pytest.raises(DataError, match="ENCODER_INPUT"):
            network(torch.zeros(2, 3, 65))
    with pytest.raises(DataError, match="ENCODER_INPUT"):
        LogPower((3, 64), features=2).adapt(torch.zeros(2, 4, 64))


def test_log_power_is_the_power_of_the_filtered_window() -> None:
    network = LogPower((3, 400), features=4).eval()
    x = draw(2, 3, 400)
    spatial, temporal = network.backbone
    around = torch.cat([x[..., -31:], x], -1)  # filtered as a circle, which a transform of the whole window does
    direct = torch.log(temporal(spatial(around)).square().mean(-1))
    torch.testing.assert_close(network.pooled(x) * 64**0.5, direct, atol=1e-4, rtol=1e-4)
