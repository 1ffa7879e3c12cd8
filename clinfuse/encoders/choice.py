"""Encoders by name: what a modality may be encoded with, and the one place where they are built."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, cast, final

import torch
from torch import Tensor, nn

from clinfuse.encoders.backbone import BackboneEncoder
from clinfuse.encoders.base import Encoder
from clinfuse.encoders.eeg import EEGNet, LogPower, TemporalConvNet
from clinfuse.encoders.image import DenseNetEncoder, EfficientNetEncoder, ResNetEncoder, SmallConv
from clinfuse.encoders.seeds import weights_from
from clinfuse.encoders.tabular import TableMLP
from clinfuse.encoders.weights import load_weights
from clinfuse.errors import ConfigError

Factory = Callable[..., nn.Module]

_AXES = {"ct": 4, "mr": 4, "mask": 4, "xray": 3, "eeg": 2, "ehr": 1}
_IMAGES = ("ct", "mr", "xray", "mask")
_DEFAULTS = {
    "ct": "small-conv",
    "mr": "small-conv",
    "mask": "small-conv",
    "xray": "resnet10-narrow",
    "eeg": "log-power",
    "ehr": "mlp",
}
_FULL = (64, 128, 256, 512)
# Stands for the file where the weights have been stored with a model and need no file any more.
WITH_THE_MODEL = "with the model"


@final
@dataclass(frozen=True)
class EncoderChoice:
    """An encoder by name, with what differs from its defaults.

    Parameters
    ----------
    name : str
        One of ``encoder_names(kind)``.
    features : int
        Width of the embedding.
    weights : str
        Path of a local safetensors file with the weights to begin with; empty to draw them from the seed.
    options : mapping of str to number, text or sequence of numbers
        Further arguments of the encoder, by name.
    frozen : bool
        Whether the weights of the file are kept as they are; only the linear head is then trained.

    Raises
    ------
    ConfigError
        ``ENCODER_FEATURES``; ``ENCODER_FROZEN`` and ``ENCODER_NORM`` where there are no weights to keep.

    Examples
    --------
    >>> EncoderChoice("resnet18", features=64).features
    64
    """

    name: str
    features: int = 32
    weights: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    frozen: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", dict(self.options))
        if self.features < 1:
            _refuse("ENCODER_FEATURES", "an embedding is at least 1 wide", f"features={self.features}", "Widen it.")
        if self.frozen and not self.weights:
            _refuse(
                "ENCODER_FROZEN",
                "only weights that come from a file are kept frozen",
                "frozen=True without weights",
                "Give weights, or leave frozen out.",
            )
        if self.options.get("norm") == "fixed" and not self.weights:
            _refuse(
                "ENCODER_NORM",
                'norm = "fixed" uses the statistics that come with weights',
                "no weights",
                "Give weights, or leave norm out.",
            )


@final
@dataclass(frozen=True)
class _Registered:
    factory: Factory
    kinds: tuple[str, ...]

    def unknown(self, options: Iterable[str]) -> list[str]:
        """Give those of the options that the factory does not take, sorted; none where it takes any."""
        parameters = list(inspect.signature(self.factory).parameters.values())
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        return [] if takes_any else sorted(set(options) - set(self.options))

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options, sorted, without the input shape, the width and what the name itself fixes."""
        fixed = {"features", *(self.factory.keywords if isinstance(self.factory, partial) else {})}
        parameters = list(inspect.signature(self.factory).parameters.values())[1:]
        named = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
        return tuple(sorted(set(named) - fixed))


_ENCODERS: dict[str, _Registered] = {
    "densenet121": _Registered(DenseNetEncoder, _IMAGES),
    "eegnet": _Registered(EEGNet, ("eeg",)),
    "efficientnet-b0": _Registered(EfficientNetEncoder, _IMAGES),
    "log-power": _Registered(LogPower, ("eeg",)),
    "mlp": _Registered(TableMLP, ("ehr",)),
    "resnet10": _Registered(partial(ResNetEncoder, blocks=(1, 1, 1, 1), widths=_FULL), _IMAGES),
    "resnet10-narrow": _Registered(partial(ResNetEncoder, blocks=(1, 1, 1, 1)), _IMAGES),
    "resnet18": _Registered(partial(ResNetEncoder, blocks=(2, 2, 2, 2), widths=_FULL), _IMAGES),
    "resnet34": _Registered(partial(ResNetEncoder, blocks=(3, 4, 6, 3), widths=_FULL), _IMAGES),
    "small-conv": _Registered(SmallConv, _IMAGES),
    "tcn": _Registered(TemporalConvNet, ("eeg",)),
}


def register(name: str, factory: Factory, *, kinds: tuple[str, ...] = tuple(_AXES)) -> None:
    """Make an encoder of your own available by name in this process.

    Parameters
    ----------
    name : str
        Lower-case letters, digits, ``.`` and ``-``, beginning with a letter; not yet taken.
    factory : callable
        ``factory(input_shape, *, features, **options) -> nn.Module``: an ``Encoder``, or any module that maps
        (batch, and the input shape) to (batch, features).
    kinds : tuple of str
        Kinds of modality it can encode; by default all.

    Raises
    ------
    ConfigError
        ``ENCODER_NAME`` where the name is not usable or taken; ``ENCODER_KIND`` where a kind does not exist;
        ``ENCODER_CALLABLE`` where the factory cannot be called.

    Examples
    --------
    >>> register("flat", lambda shape, *, features: nn.Sequential(nn.Flatten(), nn.LazyLinear(features)))
    >>> build_encoder("flat", (2, 3, 3), seed=0).features
    32
    """
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", name):
        rule = "a name of lower-case letters, digits, '.' and '-', beginning with a letter"
        _refuse("ENCODER_NAME", rule, "another name", "Choose such a name.")
    if name in _ENCODERS:
        _refuse("ENCODER_NAME", "a name is given to one encoder", f"{name!r} taken", "Choose another name.")
    if not kinds or not set(kinds) <= set(_AXES):
        _refuse("ENCODER_KIND", f"kinds out of {', '.join(_AXES)}", "another kind or none", "Correct the kinds.")
    if not callable(factory):
        _refuse("ENCODER_CALLABLE", "a factory is called with the input shape", "no callable", "Give a class.")
    _ENCODERS[name] = _Registered(factory, tuple(kinds))


def encoder_names(kind: str) -> tuple[str, ...]:
    """Names of the encoders for a kind of modality, sorted.

    Raises
    ------
    ConfigError
        ``ENCODER_KIND``.

    Examples
    --------
    >>> encoder_names("ehr")[-1]
    'mlp'
    """
    _known(kind)
    return tuple(sorted(name for name, entry in _ENCODERS.items() if kind in entry.kinds))


def default_encoder(kind: str) -> str:
    """Name of the encoder a kind of modality gets where none is chosen.

    Raises
    ------
    ConfigError
        ``ENCODER_KIND``.

    Examples
    --------
    >>> default_encoder("ct")
    'small-conv'
    """
    _known(kind)
    return _DEFAULTS[kind]


def build_encoder(
    choice: str | EncoderChoice | Callable[[tuple[int, ...]], nn.Module],
    input_shape: tuple[int, ...],
    *,
    seed: int,
    features: int = 32,
) -> Encoder:
    """Build an encoder; the same seed gives bit-identical weights and leaves every global generator alone.

    Parameters
    ----------
    choice : str, EncoderChoice or callable
        A name, a name with options, or ``input_shape -> nn.Module`` for a network of your own.
    input_shape : tuple of int
        Of one input without the batch axis.
    seed : int
        Of the weights.
    features : int
        Width of the embedding where the choice does not say.

    Returns
    -------
    Encoder
        In training mode. Its ``features`` are what a network of your own gives.

    Raises
    ------
    ConfigError
        ``ENCODER_UNKNOWN``, ``ENCODER_OPTION``, ``ENCODER_SHAPE``, ``ENCODER_CALLABLE``, ``ENCODER_OUTPUT``.
    StorageError
        See ``clinfuse.encoders.weights.load_weights``.

    Examples
    --------
    >>> build_encoder("eegnet", (19, 640), seed=1)(torch.zeros(2, 19, 640)).shape
    torch.Size([2, 32])
    """
    shape = tuple(int(size) for size in input_shape)
    if not 1 <= len(shape) <= 4 or min(shape) < 1:
        _refuse("ENCODER_SHAPE", "an input has 1 to 4 axes, none empty", f"shape {shape}", "Check the preparation.")
    if isinstance(choice, nn.Module) or not (isinstance(choice, str | EncoderChoice) or callable(choice)):
        rule = "a name, an EncoderChoice or a callable that gets the input shape and gives a network"
        _refuse("ENCODER_CALLABLE", rule, "a built network or another object", "Give the class, not its object.")
    with weights_from(seed):
        if not isinstance(choice, str | EncoderChoice):
            return _as_encoder(choice(shape), shape)
        named = EncoderChoice(choice, features=features) if isinstance(choice, str) else choice
        encoder = _as_encoder(_make(named, shape), shape)
    if named.weights not in ("", WITH_THE_MODEL):
        load_weights(encoder, named.weights)
    if named.frozen:
        _freeze(encoder)
    return encoder


@final
class BroughtEncoder(Encoder):
    """A network from outside as an encoder; what it gives is checked on every call.

    Parameters
    ----------
    network : nn.Module
        Maps float32 (batch, and the input shape) to (batch, features).
    input_shape : tuple of int
        Of one input without the batch axis.

    Raises
    ------
    ConfigError
        ``ENCODER_OUTPUT`` where it gives anything else, or fails on an input of this shape.
    """

    def __init__(self, network: nn.Module, input_shape: tuple[int, ...]) -> None:
        super().__init__(input_shape, features=_width(network, input_shape))
        self.network = network

    def adapt(self, x: Tensor) -> None:
        """Let the network learn its statistics, where it has a method ``adapt`` for this."""
        learn = getattr(self.network, "adapt", None)
        if callable(learn):
            learn(x)

    def forward(self, x: Tensor) -> Tensor:
        """Give the embedding, float32 (batch, features)."""
        z = self.network(x)
        if not isinstance(z, Tensor) or z.shape != (len(x), self.features):
            _no_vector()
        return z

    def tokens(self, x: Tensor) -> Tensor:
        """Give the network's own tokens where it has a method ``tokens``, else the embedding as the only token."""
        parts = getattr(self.network, "tokens", None)
        return cast("Tensor", parts(x)) if callable(parts) else self(x)[:, None]


def _as_encoder(network: object, shape: tuple[int, ...]) -> Encoder:
    if isinstance(network, Encoder):
        return network
    if not isinstance(network, nn.Module):
        _refuse("ENCODER_CALLABLE", "the callable gives an nn.Module", "another object", "Return the network.")
    return BroughtEncoder(network, shape)


def _width(network: nn.Module, shape: tuple[int, ...]) -> int:
    mode = network.training
    network.eval()
    try:
        with torch.no_grad():
            z = network(torch.zeros(2, *shape))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        found = f"{type(error).__name__} on a batch of 2"
        rule = f"the network takes inputs of shape {shape}, batch first"
        _refuse("ENCODER_OUTPUT", rule, found, "Correct the network, or the preparation of this modality.")
    network.train(mode)
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != 2 or z.shape[1] < 1:
        _no_vector()
    return int(z.shape[1])


def _make(choice: EncoderChoice, shape: tuple[int, ...]) -> nn.Module:
    valid = sorted(name for name, e in _ENCODERS.items() if len(shape) in {_AXES[kind] for kind in e.kinds})
    if choice.name not in valid:
        near = difflib.get_close_matches(choice.name.strip().lower(), valid, n=1, cutoff=0.5)
        _refuse(
            "ENCODER_UNKNOWN",
            f"an encoder for inputs with {len(shape)} axes: {', '.join(valid)}",
            f"{choice.name!r}",
            f"Did you mean {near[0]!r}?" if near else "Choose one of these names, or register your own.",
        )
    entry = _ENCODERS[choice.name]
    wrong = entry.unknown(choice.options)
    if wrong:
        rule = f"options out of {', '.join(entry.options)}" if entry.options else "no options"
        _refuse("ENCODER_OPTION", rule, ", ".join(wrong), "Correct the options.", place=f"encoder {choice.name}")
    try:
        return entry.factory(shape, features=choice.features, **choice.options)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, ConfigError):
            raise
        found = f"{type(error).__name__} while it was built"
        rule = f"options and an input of shape {shape} that this encoder can be built with"
        _refuse("ENCODER_OPTION", rule, found, "Correct the options.", place=f"encoder {choice.name}")


def _freeze(encoder: Encoder) -> None:
    if isinstance(encoder, BackboneEncoder):
        encoder.freeze()
    else:
        encoder.requires_grad_(False)


def _known(kind: str) -> None:
    if kind not in _AXES:
        _refuse("ENCODER_KIND", f"a kind out of {', '.join(_AXES)}", "another kind", "Correct the kind.")


def _no_vector() -> NoReturn:
    rule = "a network gives one vector per input, shape (batch, features)"
    _refuse("ENCODER_OUTPUT", rule, "another output", "End it with pooling and a linear layer.")


def _refuse(code: str, rule: str, found: str, remedy: str, *, place: str = "encoder") -> NoReturn:
    raise ConfigError(code, place=place, rule=rule, found=found, remedy=remedy) from None
