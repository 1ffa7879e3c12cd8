"""What is known about a synthetic cohort: the latents, where they were planted, and the best that can be reached."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Modality
from clinfuse.errors import DataError, StorageError
from clinfuse.synthetic.ceiling import expected_auroc, realised_auroc
from clinfuse.synthetic.latent import Latents, draw_latents
from clinfuse.synthetic.layout import Layout
from clinfuse.synthetic.oracle import OracleScores, read_evidence
from clinfuse.synthetic.planted import Planted, distractor, planted
from clinfuse.synthetic.render_labs import INFORMATIVE
from clinfuse.synthetic.settings import FACTORS, MODALITIES, SyntheticSettings

_FOLDER = "truth"
_SETTINGS, _LATENTS, _FILES, _DONE = "settings.json", "latents.csv", "files.json", "DONE"


@final
@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about a synthetic cohort.

    Parameters
    ----------
    settings : SyntheticSettings
    latents : Latents
        One row per record, its ``record_ids`` as the cohort's files have them.
    files : dict of str to dict of str to tuple of str
        By record id and modality, paths relative to the cohort folder (a CT slice by slice from the feet upwards).
    """

    settings: SyntheticSettings
    latents: Latents
    files: dict[str, dict[str, tuple[str, ...]]]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of every array here."""
        return MODALITIES

    def rows(self, records: Sequence[str] | np.ndarray) -> np.ndarray:
        """Positions of records by id, int64.

        Raises
        ------
        DataError
            ``SYNTHETIC_RECORD`` where an id belongs to no record of this cohort.
        """
        places = {record: place for place, record in enumerate(self.latents.record_ids)}
        unknown = sum(str(record) not in places for record in records)
        if unknown:
            raise _no_record(unknown)
        return np.array([places[str(record)] for record in records], dtype=np.int64)

    def ceiling(
        self,
        names: Sequence[str],
        present: np.ndarray | None = None,
        *,
        records: Sequence[str] | np.ndarray | None = None,
    ) -> float:
        """Best AUROC that a reader of some modalities can reach.

        Closed form over the patterns of presence where absence is completely at random; else the AUROC of the true
        posterior, absences included, on the same records. A record with none of the modalities counts as one that
        is answered with the prevalence.

        Parameters
        ----------
        names : sequence of str
            Modalities that may be read.
        present : ndarray of bool, (n, modalities), optional
            What can be read of each record; order of `names` of this class. Without it, as the cohort was made; and
            where `records` is not given either, the declared rates of absence.
        records : sequence of str, optional
            Ids of the records, in the order of `present`; needed where there is no closed form, and lets the count of
            empty laboratory cells be theirs.

        Returns
        -------
        float

        Raises
        ------
        DataError
            ``SYNTHETIC_RECORD``; ``SYNTHETIC_RECORDS`` where records are needed and not given.
        """
        if records is None and self.settings.closed_form:
            return expected_auroc(self.settings, names, present)
        if records is None and present is not None and len(present) != len(self.latents):
            raise DataError(
                "SYNTHETIC_RECORDS",
                place="ceiling",
                rule="the ids of the records, since the best possible AUROC of this cohort depends on them",
                found="none",
                remedy="Pass records=cohort.record_ids.",
            )
        rows = np.arange(len(self.latents)) if records is None else self.rows(records)
        latents = self.latents.take(rows)
        return realised_auroc(latents, self.settings, names, latents.present if present is None else present)

    def ceiling_of(self, cohort: Cohort, names: Sequence[str] | None = None) -> float:
        """Best AUROC on the records of a cohort with what these records have.

        Parameters
        ----------
        cohort : Cohort
            Some or all records of this cohort.
        names : sequence of str, optional
            Modalities that may be read, by default all of the cohort.

        Returns
        -------
        float
        """
        chosen = cohort.names if names is None else tuple(names)
        return self.ceiling(chosen, _presence(cohort), records=cohort.record_ids)

    def oracle_scores(self, cohort: Cohort) -> OracleScores:
        """Measure the planted quantities of records with the true masks, from the files that were written.

        Parameters
        ----------
        cohort : Cohort
            Some or all records of this cohort.

        Returns
        -------
        OracleScores
            In the order of the cohort's records.
        """
        rows = self.rows(cohort.record_ids)
        evidence = read_evidence(self.settings, cohort, rows, self.files)
        return OracleScores(self.settings, self.latents.take(rows), _presence(cohort), evidence)

    def planted(self, record_id: str, modality: str) -> Planted:
        """Where the signal of a record was planted.

        Parameters
        ----------
        record_id : str
        modality : {"ct", "xray", "eeg", "labs"}

        Returns
        -------
        Planted

        Raises
        ------
        DataError
            ``SYNTHETIC_RECORD``.
        """
        return planted(self.settings, int(self.rows([record_id])[0]), modality)

    def planted_mask(self, record_id: str, modality: Modality) -> np.ndarray:
        """Where the signal of a record was planted in its prepared input, bool in the shape of ``modality``."""
        return self.planted(record_id, modality.name).mask(modality)

    def distractor_mask(self, record_id: str, modality: Modality) -> np.ndarray:
        """Where the CT of a record shows a lesion that says nothing, bool in the shape of ``modality``; all False
        where there is none.
        """
        if not self.settings.distractor:
            return np.zeros(modality.shape, dtype=bool)
        return distractor(self.settings, int(self.rows([record_id])[0])).mask(modality)


def truth_of(settings: SyntheticSettings) -> Truth:
    """Give the truth of a cohort that was made as arrays.

    Parameters
    ----------
    settings : SyntheticSettings
        Of level ``"embedding"``.

    Returns
    -------
    Truth
    """
    return Truth(settings, draw_latents(settings), {})


def has_truth(folder: Path) -> bool:
    """Whether a cohort folder is that of a synthetic cohort, written completely.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool

    Examples
    --------
    >>> has_truth(Path("no such folder"))
    False
    """
    return (Path(folder) / _FOLDER / _DONE).is_file()


def read_truth(folder: Path) -> Truth:
    """Read what is known about a synthetic cohort.

    Parameters
    ----------
    folder : Path
        The folder that holds ``cohort.toml``.

    Returns
    -------
    Truth

    Raises
    ------
    StorageError
        ``TRUTH_ABSENT``, ``TRUTH_READ``.
    """
    if not has_truth(folder):
        raise StorageError(
            "TRUTH_ABSENT",
            place="truth",
            rule="a synthetic cohort, written completely",
            found="another folder",
            remedy="Only synthetic cohorts have a truth; make one with make_cohort.",
        )
    place = Path(folder) / _FOLDER
    try:
        said = json.loads((place / _SETTINGS).read_text(encoding="utf-8"))["settings"]
        table = pd.read_csv(place / _LATENTS, dtype=str, keep_default_na=False)
        listed = json.loads((place / _FILES).read_text(encoding="utf-8"))
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in said.items()}
        settings = SyntheticSettings(**fields)
        files = {record: {name: tuple(paths) for name, paths in of.items()} for record, of in listed.items()}
        return Truth(settings, _from_table(table), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StorageError(
            "TRUTH_READ",
            place="truth",
            rule="the files that make_cohort wrote",
            found="files that say something else",
            remedy="Make the cohort again in a new folder.",
        ) from None


def write_identity(folder: Path, settings: SyntheticSettings) -> None:
    """Write which cohort a folder is going to hold, before anything else is written."""
    said = {"identity": settings.identity, "settings": settings.said}
    _write_json(Path(folder) / _FOLDER / _SETTINGS, said)


def read_identity(folder: Path) -> str:
    """Identity of the settings a folder was begun with, empty where it holds no synthetic cohort."""
    try:
        return str(json.loads((Path(folder) / _FOLDER / _SETTINGS).read_text(encoding="utf-8"))["identity"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def is_complete(folder: Path, settings: SyntheticSettings) -> bool:
    """Whether a folder holds the whole cohort of these settings."""
    return has_truth(folder) and read_identity(folder) == settings.identity


def write_truth(folder: Path, latents: Latents, layout: Layout, settings: SyntheticSettings) -> None:
    """Write the latents and the list of files, by the record ids that the cohort's own files have."""
    place = Path(folder) / _FOLDER
    table = _to_table(latents)
    table["record_id"], table["patient_id"] = layout.record_ids, layout.patient_ids
    for name in MODALITIES[:2]:
        spots = np.array([planted(settings, row, name).centre_mm for row in range(len(latents))])
        for axis, values in zip(("x", "y", "z")[: spots.shape[1]], spots.T, strict=True):
            table[f"planted_{name}_{axis}_mm"] = values
    table.to_csv(place / _LATENTS, index=False, lineterminator="\n")
    listed: dict[str, dict[str, tuple[str, ...]]] = {}
    for row, record in enumerate(layout.record_ids):
        here = [name for m, name in enumerate(MODALITIES[:3]) if latents.present[row, m]]
        listed[str(record)] = {name: layout.paths[name][row] for name in here}
    _write_json(place / _FILES, listed)


def write_done(folder: Path) -> None:
    """Mark a cohort folder as complete."""
    (Path(folder) / _FOLDER / _DONE).write_text("complete\n", encoding="ascii", newline="\n")


def _write_json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")


def _view_columns() -> list[str]:
    return [f"view_{name}_{factor}" for name in MODALITIES for factor in FACTORS]


def _to_table(latents: Latents) -> pd.DataFrame:
    columns: dict[str, np.ndarray] = {
        "record_id": latents.record_ids,
        "patient_id": latents.patient_ids,
        "patient": latents.patient,
        "visit": latents.visit,
        "label": latents.labels,
        "site": latents.sites,
    }
    for position, name in enumerate(MODALITIES):
        columns[f"z_{name}"] = latents.z[:, position]
        columns[f"present_{name}"] = latents.present[:, position].astype(np.int64)
    for position, name in enumerate(INFORMATIVE):
        columns[f"x_{name}"] = latents.columns[:, position]
        columns[f"measured_{name}"] = latents.cells[:, position].astype(np.int64)
    views = latents.views.reshape(len(latents), -1)
    return pd.DataFrame({**columns, **dict(zip(_view_columns(), views.T, strict=True))})


def _from_table(table: pd.DataFrame) -> Latents:
    def numbers(names: Sequence[str], dtype: type) -> np.ndarray:
        # Text is converted by numpy: every bit of a number comes back, whatever the version of pandas.
        return np.stack([table[name].to_numpy(dtype=str).astype(dtype) for name in names], axis=1)

    def several(prefix: str, names: Sequence[str], dtype: type = float) -> np.ndarray:
        return numbers([f"{prefix}_{name}" for name in names], dtype)

    whole = numbers(["patient", "visit", "label", "site"], int)

    return Latents(
        record_ids=table["record_id"].to_numpy(dtype=str),
        patient_ids=table["patient_id"].to_numpy(dtype=str),
        patient=whole[:, 0],
        visit=whole[:, 1],
        labels=whole[:, 2],
        z=several("z", MODALITIES),
        columns=several("x", INFORMATIVE),
        cells=several("measured", INFORMATIVE, int) == 1,
        present=several("present", MODALITIES, int) == 1,
        sites=whole[:, 3],
        views=numbers(_view_columns(), float).reshape(len(table), len(MODALITIES), len(FACTORS)),
    )


def _presence(cohort: Cohort) -> np.ndarray:
    present = np.zeros((len(cohort), len(MODALITIES)), dtype=bool)
    for position, name in enumerate(cohort.names):
        present[:, MODALITIES.index(name)] = cohort.present[:, position]
    return present


def _no_record(count: int) -> DataError:
    return DataError(
        "SYNTHETIC_RECORD",
        place="truth",
        rule="ids of records of this synthetic cohort",
        found=f"{count} other",
        remedy="Use the truth of the same cohort.",
    )
