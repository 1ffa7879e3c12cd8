"""The tables and the ``cohort.toml`` of a tidy cohort folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from clinfuse.synthetic.latent import Latents
from clinfuse.synthetic.layout import Layout
from clinfuse.synthetic.render_eeg import WINDOWS
from clinfuse.synthetic.render_labs import WARDS, LabColumn, age_of, columns_of, lab_table, sex_of
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings

LABELS = ("no finding", "finding")


def write_tidy_tables(folder: Path, settings: SyntheticSettings, latents: Latents, layout: Layout) -> None:
    """Write ``cohort.toml``, ``records.csv`` and ``labs.csv``.

    Parameters
    ----------
    folder : Path
        Exists.
    settings : SyntheticSettings
    latents : Latents
    layout : Layout
    """
    records = pd.DataFrame(
        {
            "record_id": layout.record_ids,
            "patient_id": layout.patient_ids,
            "index_time": [str(time).replace("T", " ") for time in layout.times],
            "site": [f"site {chr(ord('A') + number)}" for number in latents.sites],
            "age": age_of(latents),
            "sex": sex_of(latents),
            "finding": np.asarray(LABELS)[latents.labels],
        }
    )
    pd.concat([records, _excluded(settings, records)], ignore_index=True).to_csv(
        folder / "records.csv", index=False, lineterminator="\n"
    )
    labs = lab_table(settings, latents)[latents.present[:, MODALITIES.index("labs")]]
    labs.to_csv(folder / "labs.csv", lineterminator="\n")
    (folder / "cohort.toml").write_text(_contract(settings), encoding="utf-8", newline="\n")


def _excluded(settings: SyntheticSettings, records: pd.DataFrame) -> pd.DataFrame:
    first = len(records) + 1
    return pd.DataFrame(
        {
            "record_id": [f"R{first + k:04d}" for k in range(settings.excluded)],
            "patient_id": [f"Q{first + k:04d}" for k in range(settings.excluded)],
            "index_time": "",
            "site": "site A",
            "age": 60,
            "sex": "f",
            "finding": LABELS[0],
        }
    )


def column_line(
    column: LabColumn, levels: tuple[str, ...] = WARDS, yes: str = "yes", no: str = "no", **more: str
) -> str:
    """One column as an inline table of ``cohort.toml``.

    Parameters
    ----------
    column : LabColumn
    levels : tuple of str
        Of a category column.
    yes, no : str
        Of a yes/no column.
    **more : str
        Further keys and their values as TOML writes them.

    Returns
    -------
    str
    """
    parts = {"kind": f'"{column.kind}"'} if column.kind != "number" else {}
    if column.unit:
        parts["unit"] = f'"{column.unit}"'
    if np.isfinite(column.normal).all():
        parts["normal"] = f"[{column.normal[0]}, {column.normal[1]}]"
    if column.kind == "category":
        parts["levels"] = "[" + ", ".join(f'"{level}"' for level in levels) + "]"
    if column.kind == "yes/no":
        parts |= {"yes": f'["{yes}"]', "no": f'["{no}"]'}
    parts |= more
    return "{ " + ", ".join(f"{key} = {value}" for key, value in parts.items()) + " }"


def grid_lines(settings: SyntheticSettings) -> dict[str, str]:
    """The lines of ``cohort.toml`` that fix the shape of ct, xray and eeg inputs.

    They are coarser than the files: at 24 x 24 x 16 voxels a network found the lesion as well as at 32 x 32 x 24
    (cross-validated AUROC 0.753 and 0.754 on a cohort that no published figure uses), in less than half the time.
    """
    across, along, slices = (settings.ct_size[0] * 3 // 8, settings.ct_size[1] * 3 // 8, settings.ct_size[2] * 2 // 3)
    spacing = f"[{_mm(352, across)}, {_mm(352, along)}, {_mm(192, slices)}]"
    film = settings.xray_size // 2
    return {
        "ct": f"spacing_mm = {spacing}\nsize = [{across}, {along}, {slices}]\nwindow_hu = [0, 400]\n",
        "xray": f"size = [{film}, {film}]\nspacing_mm = {_mm(352, film)}\n",
        "eeg": f'channels = "10-20"\nreference = "average"\nrate_hz = {settings.eeg_rate_hz // 2}\n'
        f"segments = {{ seconds = {settings.window_seconds}, count = {WINDOWS} }}\n",
    }


def _mm(extent: float, count: int) -> str:
    return f"{extent / count:.6f}".rstrip("0").rstrip(".") + ("" if extent % count else ".0")


def _contract(settings: SyntheticSettings) -> str:
    grids = grid_lines(settings)
    columns = "".join(f"columns.{column.name} = {column_line(column)}\n" for column in columns_of(settings))
    return f"""# A synthetic cohort in the tidy form. What is predicted, and where each source lies.

[tables]
dates = "%Y-%m-%d %H:%M:%S"

[records]
table = "records.csv"
patient_id = "patient_id"
record_id = "record_id"
index_time = "index_time"
site = "site"
attributes = {{ age = "age", sex = "sex" }}

[label]
column = "finding"
positive = ["finding"]

[modalities.ct]
kind = "ct"
files = "ct/{{record_id}}/*.dcm"
{grids["ct"]}
[modalities.xray]
kind = "xray"
files = "xray/{{record_id}}.dcm"
{grids["xray"]}
[modalities.eeg]
kind = "eeg"
files = "eeg/{{record_id}}.edf"
{grids["eeg"]}
[modalities.labs]
kind = "ehr"
table = "labs.csv"
record_id = "record_id"
{columns}"""
