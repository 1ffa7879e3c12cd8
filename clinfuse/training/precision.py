"""Whether the training pass of one network may run in bfloat16 on this machine, found out by a probe."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from clinfuse.errors import TrainingError

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_REPEATS = 3


def training_precision(network: nn.Module, loss: Callable[[], Tensor], *, asked: str) -> torch.dtype:
    """Give the number type of the training pass, ``torch.float32`` or ``torch.bfloat16``.

    ``"auto"`` gives bfloat16 only if, in one batch, no convolution has a kernel longer than its input in any
    direction, and three bfloat16 gradients of the batch, the heap disturbed between them, are finite and bit-equal.
    bfloat16 gradients of sound networks differ too much from float32 ones for a tolerance to tell.

    Parameters
    ----------
    network : nn.Module
    loss : callable
        Runs the forward pass of one batch and gives the scalar loss.
    asked : {"float32", "bfloat16", "auto"}

    Raises
    ------
    TrainingError
        ``TRAIN_PRECISION``: bfloat16 was asked for and the probe refused it.
    """
    if asked == "float32":
        return torch.float32
    if kernels_fit(network, loss) and gradients_repeat(network, loss):
        return torch.bfloat16
    if asked == "bfloat16":
        raise TrainingError(
            "TRAIN_PRECISION",
            place="training",
            rule="bfloat16 gradients must be finite and repeat bit for bit",
            found="a network for which they do not",
            remedy='Use precision = "auto" or "float32".',
        )
    return torch.float32


def kernels_fit(network: nn.Module, loss: Callable[[], Tensor]) -> bool:
    """Say whether every convolution's kernel is at most as long as its input, in every direction."""
    fits: list[bool] = []

    def look(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        kernel = module.kernel_size
        fits.append(all(k <= size for k, size in zip(kernel, arguments[0].shape[2:], strict=True)))  # type: ignore[arg-type]

    hooks = [m.register_forward_pre_hook(look) for m in network.modules() if isinstance(m, _CONVOLUTIONS)]
    try:
        with torch.no_grad():
            loss()
    finally:
        for hook in hooks:
            hook.remove()
    return all(fits)


def gradients_repeat(network: nn.Module, loss: Callable[[], Tensor]) -> bool:
    """Say whether bfloat16 gradients of one batch are finite and the same bits each time."""
    seen: list[list[Tensor]] = []
    for attempt in range(_REPEATS):
        network.zero_grad()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            with torch.autocast(next(network.parameters()).device.type, dtype=torch.bfloat16):
                value = loss()
            value.backward()
        seen.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
        # Memory that was used and given back: an uninitialised gradient would now read something else.
        torch.full((1 << 20,), float(attempt + 1) * 1e30)
    network.zero_grad()
    finite = all(bool(torch.isfinite(g).all()) for g in seen[0])
    same = all(torch.equal(a, b) for other in seen[1:] for a, b in zip(seen[0], other, strict=True))
    return finite and same
