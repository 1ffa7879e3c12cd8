"""The kinds of modality there are: how each is prepared, summarised and described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd

from clinfuse.cohort import features as summary
from clinfuse.cohort import prepare
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.prepare import Prepared
from clinfuse.cohort.resample import canonical
from clinfuse.errors import ConfigError
from clinfuse.io.policies import VIEW_TERMS
from clinfuse.io.values import Radiograph, Signal, Volume

Value: TypeAlias = Volume | Radiograph | Signal | pd.Series


@final
@dataclass(frozen=True)
class DataKind:
    """Everything the cohort has to know about one kind of modality.

    Parameters
    ----------
    name : str
        ``ct``, ``mr``, ``xray``, ``mask``, ``eeg`` or ``ehr``.
    dtype : dtype
        Of a stored input: the smallest that is exact.
    prepare : callable, (value, modality) -> Prepared
        Stateless.
    names : callable, modality -> (names, units)
        Of the summary features.
    summarise : callable, (value, prepared, modality) -> ndarray of float64, (features,)
        From a file's value and what was prepared from it.
    describe : callable, value -> mapping of str to float
        What the file says of itself; for the audit only.
    wrap : callable, (array, windows, modality) -> value
        A prepared array as the value it could have come from, for cohorts made from arrays.
    """

    name: str
    dtype: np.dtype
    prepare: Callable[[Any, Modality], Prepared]
    names: Callable[[Modality], summary.Names]
    summarise: Callable[[Any, Prepared, Modality], np.ndarray]
    describe: Callable[[Any], Mapping[str, float]]
    wrap: Callable[[np.ndarray, np.ndarray, Modality], Any]


def kind_of(modality: Modality) -> DataKind:
    """The kind of a modality.

    Raises
    ------
    ConfigError
        ``KIND_FILES`` for ``ehr``, whose rows are joined before and never read from files.
    """
    if modality.kind not in _KINDS:
        raise ConfigError(
            "KIND_FILES",
            place=f"modality {modality.name}",
            rule="a kind that lies in files",
            found="kind ehr",
            remedy="Read the columns through `Cohort.arrays`.",
        )
    return _KINDS[modality.kind]


def feature_names(modality: Modality) -> summary.Names:
    """Names and units of the summary features of any modality, ``ehr`` among them."""
    return summary.ehr_names(modality) if modality.kind == "ehr" else kind_of(modality).names(modality)


def _volume_facts(value: Volume) -> dict[str, float]:
    across, along = value.array.shape[:2]
    x, y, z = value.spacing_mm
    facts = {"columns": across, "rows": along, "slices": value.array.shape[2]}
    return {**facts, "spacing_x_mm": x, "spacing_y_mm": y, "spacing_z_mm": z}


def _radiograph_facts(value: Radiograph) -> dict[str, float]:
    rows, columns = value.array.shape
    view = float(VIEW_TERMS.index(value.view))
    across, down = value.spacing_mm[1], value.spacing_mm[0]
    return {"columns": columns, "rows": rows, "spacing_y_mm": down, "spacing_x_mm": across, "view": view}


def _signal_facts(value: Signal) -> dict[str, float]:
    return {
        "duration_s": value.whole_seconds or value.seconds,
        "rate_hz": value.rate_hz,
        "channels": len(value.channels),
    }


def _affine(modality: Modality) -> np.ndarray:
    return np.diag([*(modality.spacing_mm or (1.0, 1.0, 1.0)), 1.0])


def _wrap_ct(array: np.ndarray, windows: np.ndarray, modality: Modality) -> Volume:
    return Volume(array[0], _affine(modality), "HU")


def _wrap_mr(array: np.ndarray, windows: np.ndarray, modality: Modality) -> Volume:
    return Volume(array[0], _affine(modality), "arbitrary")


def _wrap_mask(array: np.ndarray, windows: np.ndarray, modality: Modality) -> Volume:
    labels = np.zeros(array.shape[1:], dtype=np.int16)
    for row, channel in enumerate(array):
        labels[channel > 0] = row + 1
    return Volume(labels, _affine(modality), "label")


def _wrap_xray(array: np.ndarray, windows: np.ndarray, modality: Modality) -> Radiograph:
    spacing = modality.spacing_mm or (0.0, 0.0)
    return Radiograph(array[0], (spacing[0], spacing[1]))


def _wrap_eeg(array: np.ndarray, windows: np.ndarray, modality: Modality) -> Signal:
    names = modality.channels or tuple(f"channel {k + 1}" for k in range(modality.shape[1]))
    samples = array[windows].transpose(1, 0, 2).reshape(len(names), -1)
    return Signal(samples, modality.rate_hz or 1.0, names)


def _summarise_mask(value: Volume, prepared: Prepared, modality: Modality) -> np.ndarray:
    labels, spacing = canonical(value)
    return summary.mask_features(labels, spacing, modality)


_KINDS = {
    kind.name: kind
    for kind in (
        DataKind(
            name="ct",
            dtype=np.dtype(np.int16),
            prepare=prepare.prepare_ct,
            names=summary.ct_names,
            summarise=lambda value, prepared, modality: summary.ct_features(prepared.array, modality),
            describe=_volume_facts,
            wrap=_wrap_ct,
        ),
        DataKind(
            name="mr",
            dtype=np.dtype(np.float32),
            prepare=prepare.prepare_mr,
            names=summary.mr_names,
            summarise=lambda value, prepared, modality: summary.mr_features(prepared.array, modality),
            describe=_volume_facts,
            wrap=_wrap_mr,
        ),
        DataKind(
            name="xray",
            dtype=np.dtype(np.float32),
            prepare=prepare.prepare_xray,
            names=summary.xray_names,
            summarise=lambda value, prepared, modality: summary.xray_features(prepared.array, modality),
            describe=_radiograph_facts,
            wrap=_wrap_xray,
        ),
        DataKind(
            name="mask",
            dtype=np.dtype(np.uint8),
            prepare=prepare.prepare_mask,
            names=summary.mask_names,
            summarise=_summarise_mask,
            describe=_volume_facts,
            wrap=_wrap_mask,
        ),
        DataKind(
            name="eeg",
            dtype=np.dtype(np.float32),
            prepare=prepare.prepare_eeg,
            names=summary.eeg_names,
            summarise=lambda value, made, modality: summary.eeg_features(made.array, made.windows, modality),
            describe=_signal_facts,
            wrap=_wrap_eeg,
        ),
    )
}
