"""Settings to search in: their names, their values, and a copy of a classifier that has some of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, NoReturn, final

import numpy as np
from sklearn.base import clone

from clinfuse.encoders.choice import EncoderChoice
from clinfuse.errors import ConfigError
from clinfuse.fusion.choice import OperatorChoice
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.learners import LearnerChoice

# What a name alone stands for, where a part of it is to be set.
_CHOICES: Mapping[str, Callable[[str], Any]] = {
    "encoder": EncoderChoice,
    "encoders": EncoderChoice,
    "learner": LearnerChoice,
    "learners": LearnerChoice,
}


@final
@dataclass(frozen=True)
class Range:
    """Numbers to draw a setting from, for searches that draw.

    Parameters
    ----------
    low, high : float
        Both may be drawn.
    log : bool
        Whether the logarithm is drawn evenly.
    whole : bool
        Whether only whole numbers are drawn.

    Raises
    ------
    ConfigError
        ``SEARCH_VALUE``.

    Examples
    --------
    >>> Range(1e-4, 1e-2, log=True).high
    0.01
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        finite = all(isinstance(one, int | float) and math.isfinite(one) for one in (self.low, self.high))
        if not finite or self.low >= self.high or (self.log and self.low <= 0):
            refuse("SEARCH_VALUE", "range", "a lower and a higher number, above 0 where log = true", "others")

    def rvs(self, *, random_state: Any = None) -> float | int:
        """Give one number; the name and the argument are those that scikit-learn's random search asks for."""
        share = np.random.default_rng(random_state.randint(2**31)).random()
        if self.whole:
            low, high = self._scaled(self.low - 0.5 + 1e-9), self._scaled(self.high + 0.5 - 1e-9)
            return round(self._unscaled(low + share * (high - low)))
        low, high = self._scaled(self.low), self._scaled(self.high)
        return min(max(self._unscaled(low + share * (high - low)), self.low), self.high)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _unscaled(self, value: float) -> float:
        return math.exp(value) if self.log else value


def check_settings(model: FusionClassifier, settings: Mapping[str, Any], *, drawn: bool) -> None:
    """Refuse settings that the classifier does not have, and values that cannot be written down.

    Parameters
    ----------
    model : FusionClassifier
    settings : mapping of str to sequence or Range
    drawn : bool
        Whether the search draws, so that ranges can be used.

    Raises
    ------
    ConfigError
        ``SEARCH_SETTING``, ``SEARCH_VALUE``; and what the classifier's own settings refuse.
    """
    if not isinstance(settings, Mapping) or not settings:
        refuse("SEARCH_SETTING", "settings", "at least one setting with its values", "none")
    for name, values in settings.items():
        place = f"setting {name}"
        if isinstance(values, Range):
            if not drawn:
                refuse("SEARCH_VALUE", place, "a list of values, where every one of them is tried", "a range")
            changed(model, {name: values.low if not values.whole else round(values.low)})
            continue
        if isinstance(values, str) or not isinstance(values, list | tuple) or not values:
            refuse("SEARCH_VALUE", place, "a list of values", "something else")
        for value in values:
            if not (value is None or isinstance(value, str | bool | int | float)):
                refuse("SEARCH_VALUE", place, "texts, numbers, true, false or nothing", "something else")
            changed(model, {name: value})


def changed(model: FusionClassifier, settings: Mapping[str, Any]) -> FusionClassifier:
    """Give an unfitted copy of a classifier with other settings.

    Parameters
    ----------
    model : FusionClassifier
    settings : mapping of str to value
        By name: a parameter (``combine``), one of a scikit-learn learner (``learner__C``), or, after a dot, a part of
        one: a training option (``options.learning_rate``), an entry (``learners.labs``, ``encoders.ct``), a part of
        one that is named (``combine.features``, ``learner.options.leaves``, ``encoders.ct.features``). Of a calibrated
        classifier, its ``method`` and ``by`` too.

    Raises
    ------
    ConfigError
        ``SEARCH_SETTING``: no such setting.

    Examples
    --------
    >>> from clinfuse.training.late import LateFusion
    >>> changed(LateFusion(), {"combine": "mean", "options.epochs": 7}).options.epochs
    7
    """
    copy: FusionClassifier = clone(model)
    if isinstance(copy, Calibrated):
        own = {name: value for name, value in settings.items() if name in ("method", "by")}
        inner = {name: value for name, value in settings.items() if name not in own}
        return copy.set_params(model=changed(copy.model, inner), **own)
    for name in sorted(settings):
        head, _, rest = name.partition(".")
        value = settings[name]
        if rest:
            own = copy.get_params(deep=False)
            if head not in own:
                _unknown(name, list(own))
            value = _placed(own[head], rest, value, name)
        try:
            copy.set_params(**{head: value})
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            unknown = head
        else:
            continue
        _unknown(unknown, list(copy.get_params(deep=False)))
    return copy


def _placed(current: Any, path: str, value: Any, name: str) -> Any:
    """A parameter with one part of it replaced."""
    head, _, rest = path.partition(".")
    if isinstance(current, str) and current:
        current = _CHOICES.get(name.partition(".")[0], OperatorChoice)(current)
    if is_dataclass(current) and not isinstance(current, type):
        known = [field.name for field in fields(current)]
        if head not in known:
            _unknown(name, known)
        part = _placed(getattr(current, head), rest, value, name) if rest else value
        return replace(current, **{head: part})
    if current is None or isinstance(current, Mapping):
        entries = dict(current or {})
        entries[head] = _placed(entries.get(head), rest, value, name) if rest else value
        return entries
    return _unknown(name, [])


def _unknown(name: str, known: list[str]) -> NoReturn:
    rule = f"one of {', '.join(sorted(known))}" if known else "a setting of the classifier"
    refuse("SEARCH_SETTING", f"setting {name}", rule, "another name")


def refuse(code: str, place: str, rule: str, found: str) -> NoReturn:
    """Refuse what a search is told.

    Raises
    ------
    ConfigError
        Always, with this code.
    """
    raise ConfigError(code, place=f"search, {place}", rule=rule, found=found, remedy="Correct the settings.")
