"""Methods by name: every class in a file of the folder `methods`."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import NoReturn

from clinfuse.cohort.modality import Modality
from clinfuse.errors import ConfigError
from clinfuse.explain import methods
from clinfuse.explain.methods.base import Method

DEFAULT = "integrated-gradients"
WITHOUT_GRADIENTS = "occlusion"


def _own() -> dict[str, type[Method]]:
    found = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(methods.__path__)):
        module = import_module(f"{methods.__name__}.{name}")
        for _, part in inspect.getmembers(module, inspect.isclass):
            if issubclass(part, Method) and part.__module__ == module.__name__ and not inspect.isabstract(part):
                found[part.name] = part
    return dict(sorted(found.items()))


_METHODS = _own()


def method_names() -> tuple[str, ...]:
    """Give the names of all methods, sorted.

    Examples
    --------
    >>> method_names()[:3]
    ('deep-lift', 'feature-ablation', 'grad-cam')
    """
    return tuple(_METHODS)


def chosen_methods(asked: str | Mapping[str, str], modalities: Mapping[str, Modality]) -> dict[str, Method]:
    """Give the method of every modality.

    Parameters
    ----------
    asked : str or mapping of str to str
        One name for all modalities that it can look into, the others keeping the default; or names by modality.
    modalities : mapping of str to Modality

    Raises
    ------
    ConfigError
        ``ATTRIBUTE_METHOD``: a method, or a modality, that there is not, or a method that cannot look into it.
    """
    if isinstance(asked, str):
        method = built_method(asked)
        return {name: method if m.kind in method.kinds else built_method(DEFAULT) for name, m in modalities.items()}
    unknown = [name for name in asked if name not in modalities]
    if unknown:
        _refuse(f"methods by the names {', '.join(modalities)}", "another modality")
    result = {}
    for name, modality in modalities.items():
        result[name] = built_method(asked.get(name, DEFAULT))
        if modality.kind not in result[name].kinds:
            able = [other for other, each in _METHODS.items() if modality.kind in each.kinds]
            _refuse(f"for modality {name} one of {', '.join(able)}", asked[name])
    return result


def built_method(name: str) -> Method:
    """Give a method by name.

    Raises
    ------
    ConfigError
        ``ATTRIBUTE_METHOD``.
    """
    if name not in _METHODS:
        _refuse(f"a method out of {', '.join(_METHODS)}", "another name")
    return _METHODS[name]()


def _refuse(rule: str, found: str) -> NoReturn:
    raise ConfigError("ATTRIBUTE_METHOD", place="attribute", rule=rule, found=found, remedy="Correct methods.")
