"""Operators by name: every class in a file of the folder `operators`, and those that were registered."""

from __future__ import annotations

import difflib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NoReturn, final

from clinfuse.encoders.seeds import weights_from
from clinfuse.errors import ConfigError
from clinfuse.fusion import operators
from clinfuse.fusion.operators.base import Operator, TokenOperator


@final
@dataclass(frozen=True)
class OperatorChoice:
    """An operator by name, with what differs from its defaults.

    Parameters
    ----------
    name : str
        One of ``operator_names()``.
    features : int
        Width of the fused vector: of the learned fusion layer.
    normalise : bool
        Whether every embedding is standardised before it is fused (layer norm).
    options : mapping of str to number or text
        Further arguments of the operator, by name.

    Raises
    ------
    ConfigError
        ``OPERATOR_WIDTHS``: a width below 1.

    Examples
    --------
    >>> OperatorChoice("concat-mlp", features=16, normalise=True).features
    16
    """

    name: str
    features: int = 32
    normalise: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", dict(self.options))
        if self.features < 1:
            _refuse("OPERATOR_WIDTHS", "a fused vector is at least 1 wide", f"features={self.features}", "Widen it.")


def _own() -> Iterator[type[Operator]]:
    for name in sorted(module.name for module in pkgutil.iter_modules(operators.__path__)):
        module = import_module(f"{operators.__name__}.{name}")
        for value in vars(module).values():
            own = inspect.isclass(value) and issubclass(value, Operator) and value.__module__ == module.__name__
            if own and not inspect.isabstract(value):
                yield value


_OPERATORS: dict[str, type[Operator]] = {kind.name: kind for kind in _own()}


def operator_names() -> tuple[str, ...]:
    """Names of the operators, sorted.

    Examples
    --------
    >>> "gated" in operator_names()
    True
    """
    return tuple(sorted(_OPERATORS))


def operator_class(name: str) -> type[Operator]:
    """Give the class of an operator by name, without building it.

    Raises
    ------
    ConfigError
        ``OPERATOR_UNKNOWN``.
    """
    if name not in _OPERATORS:
        near = difflib.get_close_matches(str(name).strip().lower(), operator_names(), n=1, cutoff=0.5)
        _refuse(
            "OPERATOR_UNKNOWN",
            f"an operator out of {', '.join(operator_names())}",
            f"{name!r}",
            f"Did you mean {near[0]!r}?" if near else "Choose one of these names, or register your own.",
            place="combine",
        )
    return _OPERATORS[name]


def register_operator(name: str, kind: type[Operator]) -> None:
    """Make an operator of your own available by name in this process.

    Parameters
    ----------
    name : str
        Lower-case letters, digits, ``.`` and ``-``, beginning with a letter; not yet taken.
    kind : type
        A subclass of `Operator` or `TokenOperator`.

    Raises
    ------
    ConfigError
        ``OPERATOR_NAME`` where the name is not usable or taken; ``OPERATOR_CLASS`` where it is no operator.
    """
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", name):
        rule = "a name of lower-case letters, digits, '.' and '-', beginning with a letter"
        _refuse("OPERATOR_NAME", rule, "another name", "Choose such a name.")
    if name in _OPERATORS:
        _refuse("OPERATOR_NAME", "a name is given to one operator", f"{name!r} taken", "Choose another name.")
    if not (inspect.isclass(kind) and issubclass(kind, Operator)) or inspect.isabstract(kind):
        _refuse("OPERATOR_CLASS", "a subclass of Operator with a forward", "another object", "Give such a class.")
    if kind.needs == "tokens" and not issubclass(kind, TokenOperator):
        _refuse("OPERATOR_CLASS", "an operator on tokens is a TokenOperator", "another class", "Derive it from that.")
    _OPERATORS[name] = kind


def operator_options(name: str) -> tuple[str, ...]:
    """Names of the further options of an operator, sorted.

    Examples
    --------
    >>> operator_options("mean")
    ()
    """
    parameters = list(inspect.signature(operator_class(name)).parameters)
    return tuple(sorted(set(parameters[1:]) - {"features"}))


def resolved(choice: str | OperatorChoice, kinds: tuple[str, ...] = ()) -> OperatorChoice:
    """Give a choice in full, with the options that follow from the kinds of the modalities.

    Parameters
    ----------
    choice : str or OperatorChoice
    kinds : tuple of str
        Of the modalities, in the cohort's order; empty where they are not known.

    Raises
    ------
    ConfigError
        ``OPERATOR_UNKNOWN``.
    """
    named = choice if isinstance(choice, OperatorChoice) else OperatorChoice(choice)
    follows = operator_class(named.name).options_for(kinds) if kinds else {}
    return OperatorChoice(named.name, named.features, named.normalise, {**follows, **named.options})


def build_operator(
    choice: str | OperatorChoice, widths: tuple[int, ...], *, seed: int, features: int | None = None
) -> Operator:
    """Build an operator; the same seed gives bit-identical weights and leaves the global generator alone.

    Parameters
    ----------
    choice : str or OperatorChoice
        One of ``operator_names()``, or one with options.
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    seed : int
        Of the weights.
    features : int, optional
        Width of the fused vector; by default that of the choice.

    Raises
    ------
    ConfigError
        ``OPERATOR_UNKNOWN``, ``OPERATOR_OPTION``, ``OPERATOR_WIDTHS``, ``OPERATOR_SIZE``.

    Examples
    --------
    >>> build_operator("mean", (4, 3), features=8, seed=0).features
    8
    """
    named = choice if isinstance(choice, OperatorChoice) else OperatorChoice(choice)
    kind = operator_class(named.name)
    known = operator_options(named.name)
    wrong = sorted(set(named.options) - set(known))
    if wrong:
        rule = f"options out of {', '.join(known)}" if known else "no options"
        _refuse("OPERATOR_OPTION", rule, ", ".join(wrong), "Correct the options.", place=f"operator {named.name}")
    with weights_from(seed):
        operator = kind(widths, features=named.features if features is None else features, **named.options)
    if named.normalise:
        operator.normalise()
    return operator


def _refuse(code: str, rule: str, found: str, remedy: str, *, place: str = "fusion operator") -> NoReturn:
    raise ConfigError(code, place=place, rule=rule, found=found, remedy=remedy)
