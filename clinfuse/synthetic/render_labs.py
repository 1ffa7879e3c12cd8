"""Laboratory values: three add up to the latent, four show the shared factors, the others say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import pandas as pd

from clinfuse.synthetic.draws import normals, uniforms
from clinfuse.synthetic.latent import Latents
from clinfuse.synthetic.settings import FACTORS, SyntheticSettings


@final
@dataclass(frozen=True)
class LabColumn:
    """One column of the laboratory table.

    Parameters
    ----------
    name : str
    unit : str
    kind : {"number", "category", "yes/no"}
    centre, spread : float
        A standardised value x is written as ``centre + spread * x``.
    shows : str
        ``"latent"``, ``"noise"`` or the name of a shared factor.
    normal : tuple of float
        Reference range.
    code : str
        What the messy export calls it.
    """

    name: str
    unit: str
    kind: Literal["number", "category", "yes/no"]
    centre: float
    spread: float
    shows: str
    normal: tuple[float, float]
    code: str


COLUMNS = (
    LabColumn("crp", "mg/L", "number", 40.0, 9.0, "latent", (0.0, 5.0), "CRP"),
    LabColumn("lactate", "mmol/L", "number", 2.5, 0.5, "latent", (0.5, 2.2), "LAK"),
    LabColumn("d_dimer", "mg/L", "number", 1.6, 0.35, "latent", (0.0, 0.5), "DDIM"),
    LabColumn("sodium", "mmol/L", "number", 140.0, 3.0, "noise", (135.0, 145.0), "NA"),
    LabColumn("potassium", "mmol/L", "number", 4.3, 0.4, "noise", (3.5, 5.1), "K"),
    LabColumn("glucose", "mmol/L", "number", 6.0, 0.9, "noise", (3.9, 7.8), "GLU"),
    LabColumn("weight", "kg", "number", 76.0, 9.0, "size", (-np.inf, np.inf), "GEW"),
    LabColumn("waist", "cm", "number", 92.0, 8.0, "build", (-np.inf, np.inf), "BAUCH"),
    LabColumn("age", "a", "number", 58.0, 10.0, "age", (-np.inf, np.inf), "ALTER"),
    LabColumn("pulse", "1/min", "number", 74.0, 8.0, "rhythm", (60.0, 100.0), "PULS"),
    LabColumn("ward", "", "category", 0.0, 1.0, "noise", (-np.inf, np.inf), "STATION"),
    LabColumn("smoker", "", "yes/no", 0.0, 1.0, "noise", (-np.inf, np.inf), "RAUCHER"),
)
PROXY = LabColumn("procalcitonin", "µg/L", "number", 1.2, 0.25, "proxy", (0.0, 0.5), "PCT")
PROXIED = "crp"
INFORMATIVE = tuple(column.name for column in COLUMNS if column.shows == "latent")
WARDS = ("medical", "neurology", "surgery")
_DECIMALS = 3


def lab_table(settings: SyntheticSettings, latents: Latents) -> pd.DataFrame:
    """Laboratory values of every record, present or not.

    Parameters
    ----------
    settings : SyntheticSettings
    latents : Latents

    Returns
    -------
    DataFrame, (records, columns)
        Numbers as float64 with three decimals; ``ward`` as text; ``smoker`` as ``"yes"`` or ``"no"``; None where a
        cell is empty. Indexed by record id.
    """
    n, views = len(latents), latents.views[:, -1]
    noise = normals(settings.seed, "labs noise", n, len(COLUMNS))
    choice = uniforms(settings.seed, "labs choices", n, len(COLUMNS))
    measured = uniforms(settings.seed, "labs other cells", n, len(COLUMNS)) >= settings.empty_cells
    columns: dict[str, np.ndarray] = {}
    for position, column in enumerate(COLUMNS):
        values: np.ndarray
        if column.kind == "category":
            values = np.asarray(WARDS, dtype=object)[(choice[:, position] * len(WARDS)).astype(int)]
        elif column.kind == "yes/no":
            values = np.where(choice[:, position] < 0.3, "yes", "no").astype(object)
        else:
            standard = noise[:, position]
            if column.shows == "latent":
                standard = latents.columns[:, INFORMATIVE.index(column.name)]
                measured[:, position] = latents.cells[:, INFORMATIVE.index(column.name)]
            elif column.shows in FACTORS:
                standard = views[:, FACTORS.index(column.shows)]
            values = np.round(column.centre + column.spread * standard, _DECIMALS).astype(object)
        columns[column.name] = values
    measured[~measured.any(axis=1), -1] = True  # a row without any value would be an absent modality
    empty = np.full(n, None, dtype=object)
    cells = {name: np.where(measured[:, k], values, empty) for k, (name, values) in enumerate(columns.items())}
    if settings.proxy:
        cells[PROXY.name] = _proxy(settings, latents)
    return pd.DataFrame(cells, index=pd.Index(latents.record_ids, name="record_id"), dtype=object)


def columns_of(settings: SyntheticSettings) -> tuple[LabColumn, ...]:
    """The columns of the laboratory table of a cohort, in order."""
    return (*COLUMNS, PROXY) if settings.proxy else COLUMNS


def _proxy(settings: SyntheticSettings, latents: Latents) -> np.ndarray:
    """A column that knows of the label only what crp, measured or not, told it; None where its cell is empty."""
    n = len(latents)
    own = normals(settings.seed, "labs proxy", n, 1)[:, 0]
    shown = settings.proxy * latents.columns[:, INFORMATIVE.index(PROXIED)] + np.sqrt(1 - settings.proxy**2) * own
    measured = uniforms(settings.seed, "labs proxy cells", n, 1)[:, 0] >= settings.empty_cells
    values = np.round(PROXY.centre + PROXY.spread * shown, _DECIMALS).astype(object)
    return np.where(measured, values, np.full(n, None, dtype=object))


def sex_of(latents: Latents) -> np.ndarray:
    """Sex of every record's patient, ``"f"`` or ``"m"``, (records,): the sign of the build of the first record."""
    first = np.searchsorted(latents.patient, latents.patient)
    return np.where(latents.views[first, -1, FACTORS.index("build")] < 0, "f", "m")


def age_of(latents: Latents) -> np.ndarray:
    """Age of every record's patient in whole years, int64 (records,): that shown by the labs of the first record."""
    column = next(column for column in COLUMNS if column.name == "age")
    shown = latents.views[np.searchsorted(latents.patient, latents.patient), -1, FACTORS.index("age")]
    return np.rint(column.centre + column.spread * shown).astype(np.int64)
