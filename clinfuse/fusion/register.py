"""Parts of your own by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from clinfuse.encoders import choice as encoders
from clinfuse.fusion.choice import register_operator
from clinfuse.fusion.fill import Fill
from clinfuse.fusion.missing import register_fill
from clinfuse.fusion.operators.base import Operator


def register(name: str, part: encoders.Factory, *, kinds: Sequence[str] = ()) -> None:
    """Make an encoder, an operator or a fill of your own available by name in this process.

    Parameters
    ----------
    name : str
        Lower-case letters, digits, ``.`` and ``-``, beginning with a letter; not yet taken.
    part : type or callable
        A subclass of `Operator` or `Fill`; or, of an encoder, ``factory(input_shape, *, features, **options) ->
        nn.Module``: an `Encoder`, or any module that maps (batch, and the input shape) to (batch, features).
    kinds : sequence of str
        Kinds of modality an encoder can encode; by default all.

    Raises
    ------
    ConfigError
        ``OPERATOR_NAME``, ``OPERATOR_CLASS``; ``FILL_CLASS``; ``ENCODER_NAME``, ``ENCODER_KIND``, ``ENCODER_CALLABLE``.

    Examples
    --------
    >>> from torch import nn
    >>> register("plain", lambda shape, *, features: nn.Sequential(nn.Flatten(), nn.LazyLinear(features)))
    >>> "plain" in encoders.encoder_names("ehr")
    True
    """
    if isinstance(part, type) and issubclass(part, Operator):
        register_operator(name, part)
        return
    if isinstance(part, type) and issubclass(part, Fill):
        register_fill(name, part)
        return
    given = {"kinds": tuple(kinds)} if kinds else {}
    encoders.register(name, cast("encoders.Factory", part), **given)
