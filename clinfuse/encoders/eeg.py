"""Encoders of one window of a signal: EEGNet, log band power, and a temporal convolutional network."""

from __future__ import annotations

import math
from typing import cast, final

import torch
from torch import Tensor, nn

from clinfuse.encoders.backbone import BackboneEncoder, stretches
from clinfuse.errors import ConfigError

_CHUNK = 64
_FLOOR = 1e-6


class SignalEncoder(BackboneEncoder):
    """An encoder of windows (channel, time), long enough for its filters and pools.

    Parameters
    ----------
    input_shape : tuple of int
        ``(channel, time)`` of one window.
    features : int
        Width of the embedding.
    shortest : int
        Fewest samples a window may have.

    Raises
    ------
    ConfigError
        ``ENCODER_SHAPE`` where the shape is not that of a window, or the window is too short.
    """

    def __init__(self, input_shape: tuple[int, ...], *, features: int, shortest: int) -> None:
        super().__init__(input_shape, features=features)
        if len(input_shape) != 2 or input_shape[1] < shortest:
            raise ConfigError(
                "ENCODER_SHAPE",
                place="signal encoder",
                rule=f"a window has shape (channel, time) with at least {shortest} samples",
                found=f"shape {tuple(input_shape)}",
                remedy="Lengthen the windows or choose another encoder.",
            )


@final
class EEGNet(SignalEncoder):
    """EEGNet with group norm: temporal filters, spatial filters under a norm limit, a separable convolution.

    Where the original normalises over the batch, this one normalises each window alone, with as many parameters, so
    that a prediction does not depend on its batch. With one output per class the parameters are those of the paper.

    Parameters
    ----------
    input_shape : tuple of int
        ``(channel, time)`` of one window, at least 32 samples.
    features : int
        Width of the embedding.
    filters : tuple of int
        Temporal filters F1, spatial filters for each of them D, and filters of the separable convolution F2.
    kernel : int
        Samples of a temporal filter; the paper takes half a second. Never longer than the window.
    dropout : float
        Share of the responses set to zero in training, after either block.
    max_norm : tuple of float
        Largest norm of a spatial filter, and of the weights of one output.

    References
    ----------
    Lawhern VJ, Solon AJ, Waytowich NR, et al. EEGNet: a compact convolutional neural network for EEG-based
    brain-computer interfaces. J Neural Eng 2018;15:056013, doi 10.1088/1741-2552/aace8c.

    Examples
    --------
    >>> network = EEGNet((22, 1125), features=4)
    >>> sum(parameter.numel() for parameter in network.parameters())
    3700
    """

    head: MaxNormLinear

    def __init__(
        self,
        input_shape: tuple[int, ...],
        *,
        features: int = 32,
        filters: tuple[int, int, int] = (8, 2, 16),
        kernel: int = 64,
        dropout: float = 0.25,
        max_norm: tuple[float, float] = (1.0, 0.25),
    ) -> None:
        super().__init__(input_shape, features=features, shortest=32)
        channels, time = input_shape
        temporal, depth, pointwise = filters
        wide = temporal * depth
        self.backbone = nn.Sequential(
            nn.Unflatten(1, (1, channels)),
            _same(min(kernel, time)),
            nn.Conv2d(1, temporal, (1, min(kernel, time)), bias=False),
            _norm(temporal),
            MaxNormConv(temporal, wide, channels, limit=max_norm[0]),
            _norm(wide),
            nn.ELU(),
            nn.AvgPool2d((1, 4)),
            nn.Dropout(dropout),
            _same(min(16, time // 4)),
            nn.Conv2d(wide, wide, (1, min(16, time // 4)), groups=wide, bias=False),
            nn.Conv2d(wide, pointwise, 1, bias=False),
            _norm(pointwise),
            nn.ELU(),
            nn.AvgPool2d((1, 8)),
            nn.Dropout(dropout),
            nn.Flatten(2),
        )
        self.steps = time // 4 // 8
        self.head = MaxNormLinear(pointwise * self.steps, features, limit=max_norm[1])

    def pooled(self, x: Tensor) -> Tensor:
        """Give every filter's response at every step, float32 (batch, filters * steps)."""
        return cast("Tensor", self.backbone(x)).flatten(1)

    def tokens(self, x: Tensor) -> Tensor:
        """Give the embedding of every step of 32 samples, float32 (batch, steps, features); their mean is forward's."""
        self._check(x)
        response = cast("Tensor", self.backbone(x))
        weight = self.head.limited().unflatten(1, (-1, self.steps))
        return torch.einsum("bct,fct->btf", response, weight) * self.steps + self.head.bias


@final
class MaxNormLinear(nn.Linear):
    """A linear map whose rows never act with more than a given norm; what is stored is not limited."""

    def __init__(self, inputs: int, outputs: int, *, limit: float) -> None:
        super().__init__(inputs, outputs)
        self.limit = limit

    def limited(self) -> Tensor:
        """Give the weights that act, float32 (outputs, inputs)."""
        return torch.renorm(self.weight, 2, 0, self.limit)

    def forward(self, x: Tensor) -> Tensor:
        """Give the map of ``x``, float32 (batch, outputs)."""
        return nn.functional.linear(x, self.limited(), self.bias)


@final
class MaxNormConv(nn.Conv2d):
    """Spatial filters over all channels, for each temporal filter its own, that never act with more than a norm."""

    def __init__(self, inputs: int, outputs: int, channels: int, *, limit: float) -> None:
        super().__init__(inputs, outputs, (channels, 1), groups=inputs, bias=False)
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        """Give the filtered signal, float32 (batch, outputs, 1, time)."""
        return nn.functional.conv2d(x, torch.renorm(self.weight, 2, 0, self.limit), groups=self.groups)


@final
class LogPower(SignalEncoder):
    """Logarithm of the power behind learned spatial and temporal filters, then a linear map.

    Few parameters and cheap; on band power planted at some electrodes it came closest to the best possible answer.
    Temporal filters start as a bank of short waves from slow to fast.

    Parameters
    ----------
    input_shape : tuple of int
        ``(channel, time)`` of one window, at least 16 samples.
    features : int
        Width of the embedding.
    sources : int
        Pairs of one spatial and one temporal filter.
    kernel : int
        Samples of a temporal filter, never longer than the window; longer ones fitted noise from 200 records.
    dropout : float
        Share of the log powers set to zero in training.

    References
    ----------
    Schirrmeister RT, Springenberg JT, Fiederer LDJ, et al. Deep learning with convolutional neural networks for EEG
    decoding and visualization. Hum Brain Mapp 2017;38:5391-5420, doi 10.1002/hbm.23730 (the shallow network).

    Examples
    --------
    >>> LogPower((19, 640), features=8)(torch.zeros(2, 19, 640)).shape
    torch.Size([2, 8])
    """

    centre: Tensor
    spread: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        *,
        features: int = 32,
        sources: int = 64,
        kernel: int = 32,
        dropout: float = 0.25,
    ) -> None:
        super().__init__(input_shape, features=features, shortest=16)
        channels, time = input_shape
        length = min(kernel, time)
        temporal = nn.Conv1d(sources, sources, length, groups=sources, bias=False)
        with torch.no_grad():
            temporal.weight.copy_(_waves(sources, length)[:, None])
        self.backbone = nn.Sequential(nn.Conv1d(channels, sources, 1, bias=False), temporal)
        self.register_buffer("centre", torch.zeros(sources))
        self.register_buffer("spread", torch.ones(sources))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(sources, features)

    @torch.no_grad()
    def adapt(self, x: Tensor) -> None:
        """Learn the mean and spread of each log power from present training windows (batch, channel, time)."""
        self._check(x)
        powers = torch.cat([self._log_power(part) for part in x.split(_CHUNK)]).double()
        self.centre.copy_(powers.mean(0))
        spread = powers.std(0, correction=0)
        self.spread.copy_(torch.where(spread > _FLOOR, spread, torch.ones_like(spread)))

    def pooled(self, x: Tensor) -> Tensor:
        """Give the standardised log powers of the window over the root of their number, float32 (batch, sources)."""
        return self._standardised(self._log_power(x))

    def tokens(self, x: Tensor) -> Tensor:
        """Give the embedding of each of up to 8 stretches of the window, float32 (batch, stretches, features)."""
        self._check(x)
        powers = stretches(self.backbone(x).square(), 8)
        return cast("Tensor", self.head(self._standardised(torch.log(powers + _FLOOR))))

    def _log_power(self, x: Tensor) -> Tensor:
        """Log of the mean power of each source, float32 (batch, sources), by Parseval's theorem.

        The power of a filtered window is the window's power spectrum times the filter's: several times faster than
        filtering sample by sample, above all in training.
        """
        spatial, temporal = (cast("nn.Conv1d", layer).weight for layer in self.backbone.children())
        time = x.shape[-1]
        spectrum = torch.fft.rfft(x.float())
        real, imaginary = (torch.matmul(spatial[:, :, 0], part) for part in (spectrum.real, spectrum.imag))
        response = torch.fft.rfft(temporal[:, 0].float(), n=time).abs().square()
        # The one-sided spectrum holds every frequency but the first (and, of an even length, the last) once for two.
        twice = torch.full((spectrum.shape[-1],), 2.0 / time**2, device=x.device)
        twice[0] = 1.0 / time**2
        if time % 2 == 0:
            twice[-1] = 1.0 / time**2
        power = (real.square() + imaginary.square()) * (response * twice)
        return torch.log(power.sum(-1) + _FLOOR)

    def _standardised(self, powers: Tensor) -> Tensor:
        # Narrow inputs keep the head slow beside the filters, which would else stay as they were drawn.
        scale = self.spread * math.sqrt(self.head.in_features)
        return cast("Tensor", self.dropout((powers - self.centre) / scale))


@final
class TemporalConvNet(SignalEncoder):
    """A temporal convolutional network: dilated causal convolutions in residual blocks, then the mean over time.

    Parameters
    ----------
    input_shape : tuple of int
        ``(channel, time)`` of one window, at least 8 samples.
    features : int
        Width of the embedding.
    width : int
        Channels of every block.
    blocks : int
        Residual blocks; block b looks 2 ** b samples apart.
    kernel : int
        Samples each convolution sees.
    dropout : float
        Share of the responses set to zero in training.

    References
    ----------
    Bai S, Kolter JZ, Koltun V. An empirical evaluation of generic convolutional and recurrent networks for sequence
    modeling. arXiv 1803.01271, 2018.

    Examples
    --------
    >>> TemporalConvNet((19, 640), features=8)(torch.zeros(2, 19, 640)).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        *,
        features: int = 32,
        width: int = 24,
        blocks: int = 5,
        kernel: int = 5,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(input_shape, features=features, shortest=8)
        layers = [_CausalBlock(width, kernel, 2**position, dropout) for position in range(blocks)]
        self.backbone = nn.Sequential(nn.Conv1d(input_shape[0], width, 1), *layers)
        self.head = nn.Linear(width, features)

    def pooled(self, x: Tensor) -> Tensor:
        """Give the mean response over time, float32 (batch, width)."""
        return cast("Tensor", self.backbone(x)).mean(2)

    def tokens(self, x: Tensor) -> Tensor:
        """Give the embedding of each of up to 16 stretches of the window, float32 (batch, stretches, features)."""
        self._check(x)
        return cast("Tensor", self.head(stretches(self.backbone(x), 16)))


@final
class _CausalBlock(nn.Module):
    """Two dilated convolutions that see only the past, added to what came in."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        past = nn.ConstantPad1d(((kernel - 1) * dilation, 0), 0.0)
        self.branch = nn.Sequential(
            past,
            nn.Conv1d(width, width, kernel, dilation=dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
            past,
            nn.Conv1d(width, width, kernel, dilation=dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast("Tensor", self.branch(x))


def _norm(channels: int) -> nn.GroupNorm:
    # One group: the power of a filter relative to the others is what the signal says, and more groups would erase it.
    return nn.GroupNorm(1, channels)


def _same(kernel: int) -> nn.ZeroPad2d:
    return nn.ZeroPad2d(((kernel - 1) // 2, kernel // 2, 0, 0))


def _waves(count: int, length: int) -> Tensor:
    """Unit-norm waves under a Hann window, (count, length): from one and a half cycles a filter to 0.4 a sample."""
    bands = max(1, count // 4)
    slow = min(1.5 / length, 0.4)
    rates = slow * (0.4 / slow) ** (torch.arange(count).remainder(bands) / max(1, bands - 1))
    phases = 2 * math.pi * torch.rand(count, 1)
    waves = torch.cos(2 * math.pi * rates[:, None] * torch.arange(length) + phases)
    waves = waves * torch.hann_window(length + 2, periodic=False)[1:-1]
    waves = waves - waves.mean(1, keepdim=True)
    return waves / waves.norm(dim=1, keepdim=True).clamp(min=_FLOOR)
