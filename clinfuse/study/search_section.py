"""``[search]``: settings that are chosen inside every fold, on inner folds of its training patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import pandas as pd
from pydantic import Field

from clinfuse.cohort.strict import Strict
from clinfuse.errors import ConfigError

if TYPE_CHECKING:
    from clinfuse.training.classifiers import FusionClassifier

Value = str | bool | int | float
# What a study file calls a training option that has another name in TrainingOptions, or stands in another section.
_RENAMED = {"training.class_weights": "options.class_weight", "missing.hide": "options.hide"}


@final
class RangeSection(Strict):
    """Numbers to draw from: ``{ low = 0.0001, high = 0.01, log = true }``."""

    low: Annotated[float, Field(strict=False)]
    high: Annotated[float, Field(strict=False)]
    log: bool = False
    whole: bool = False


Values = Annotated[tuple[Value, ...], Field(strict=False, min_length=1)] | RangeSection


@final
class SearchSection(Strict):
    """How settings are searched for, and which, by model."""

    method: Literal["grid", "random", "halving", "optuna"] = "grid"
    metric: Literal["log_loss", "auroc"] = "log_loss"
    tries: Annotated[int, Field(ge=1)] = 20
    models: dict[str, Annotated[dict[str, Values], Field(min_length=1)]] = Field(default_factory=dict)

    def candidates(self, model: str) -> int:
        """Give how many combinations of settings are tried for a model in one fold; 1 where none are searched for."""
        if model not in self.models:
            return 1
        if self.method in ("random", "optuna"):
            return self.tries
        count = 1
        for values in self.models[model].values():
            count *= len(values) if isinstance(values, tuple) else 1
        return count

    def tuned(self, name: str, model: FusionClassifier, *, inner_folds: int, seed: int) -> FusionClassifier:
        """Give the model with a search around it, or as it is where none is asked for.

        Raises
        ------
        ConfigError
            ``SEARCH_SETTING``, ``SEARCH_VALUE``, with the key of the study file as its place; and what the model
            refuses of a value.
        """
        from clinfuse.training.search_settings import Range, check_settings
        from clinfuse.training.tuned import Tuned

        if name not in self.models:
            return model
        settings: dict[str, Any] = {}
        for key, values in self.models[name].items():
            drawn = isinstance(values, RangeSection)
            place = _RENAMED.get(key, key.replace("training.", "options.", 1).replace("networks.", "encoders.", 1))
            settings[place] = Range(**values.model_dump()) if isinstance(values, RangeSection) else list(values)
            try:
                check_settings(model, {place: settings[place]}, drawn=drawn and self.method in ("random", "optuna"))
            except ConfigError as error:
                raise error.at(f"study.search.models.{name}.{key}") from None
        return Tuned(
            model,
            settings,
            search=self.method,
            metric=self.metric,
            tries=self.tries,
            inner_folds=inner_folds,
            seed=seed,
        )


def settings_table(settings: Mapping[str, Mapping[tuple[int, int], Mapping[str, Any]]]) -> pd.DataFrame:
    """Give one row per model, setting and value that was chosen, with the number of folds that chose it.

    Parameters
    ----------
    settings : mapping of str to mapping of (int, int) to mapping
        By model and by repeat and fold, as in `CrossValidation.settings`.

    Examples
    --------
    >>> settings_table({"late": {(0, 0): {"combine": "mean"}, (0, 1): {"combine": "mean"}}}).to_numpy().tolist()
    [['late', 'combine', 'mean', '2 of 2']]
    """
    rows = []
    for model, places in settings.items():
        often = Counter((name, str(value)) for chosen in places.values() for name, value in chosen.items())
        for (name, value), count in sorted(often.items()):
            rows.append((model, name, value, f"{count} of {len(places)}"))
    return pd.DataFrame(rows, columns=["model", "setting", "chosen", "folds"])
