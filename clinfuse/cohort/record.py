"""One record: one patient at one index time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from clinfuse.cohort.kinds import Value
from clinfuse.errors import ClinfuseError, DataError

if TYPE_CHECKING:
    from clinfuse.cohort.cohort import Cohort


@final
@dataclass(frozen=True, eq=False, repr=False)
class PatientRecord:
    """One record of a cohort; it shows itself by its key.

    Parameters
    ----------
    cohort : Cohort
        Of this one record alone, so that a classifier can be asked about it.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> labs = {"labs": np.array([[1.0], [np.nan]])}
    >>> cohort = Cohort.from_arrays(labs, labels=[1, 0], kinds={"labs": "ehr"})
    >>> cohort[0].has("labs"), cohort[1].has("labs"), cohort[0].label
    (True, False, 1)
    """

    cohort: Cohort

    @property
    def record_id(self) -> str:
        """As the hospital writes it: identifying."""
        return str(self.cohort.record_ids[0])

    @property
    def patient_id(self) -> str:
        """As the hospital writes it: identifying."""
        return str(self.cohort.patient_ids[0])

    @property
    def key(self) -> str:
        """``R-`` and ten characters: the name of the record everywhere else."""
        return str(self.cohort.keys[0])

    @property
    def patient_key(self) -> str:
        """``P-`` and ten characters."""
        return str(self.cohort.patient_keys[0])

    @property
    def has_label(self) -> bool:
        """Whether what is predicted is known; for several labels, whether all are."""
        return bool((np.asarray(self.cohort.labels[0]) >= 0).all())

    @property
    def label(self) -> int | np.ndarray:
        """Index of the class, or 0/1 per label if multilabel; -1 where unknown."""
        label = self.cohort.labels[0]
        return label if isinstance(label, np.ndarray) else int(label)

    @property
    def site(self) -> str:
        """Empty text where unknown."""
        return str(self.cohort.sites[0])

    @property
    def attributes(self) -> pd.Series:
        """The declared subgroup columns."""
        return self.cohort.attributes.iloc[0]

    def has(self, modality: str) -> bool:
        """Whether this record has the modality."""
        return bool(self.cohort.present[0, self.cohort.names.index(self.cohort.modality(modality).name)])

    def load(self, modality: str) -> Value:
        """The modality of this record in full resolution, read from its files.

        Returns
        -------
        Volume, Radiograph, Signal or Series
            By kind; a health-record row is a float64 Series by column, NaN where empty.

        Raises
        ------
        DataError
            ``RECORD_ABSENT`` where the record does not have it.
        ClinfuseError
            The reader's, with modality and key, where a file can no longer be read.
        """
        place = f"modality {modality}, record {self.key}"
        if not self.has(modality):
            raise DataError(
                "RECORD_ABSENT",
                place=place,
                rule="a modality this record has",
                found="an absent one",
                remedy="Ask `has` first.",
            )
        try:
            return self.cohort.load(modality, 0)
        except ClinfuseError as error:
            raise error.at(place) from None

    def __repr__(self) -> str:
        have = ", ".join(name for name in self.cohort.names if self.has(name)) or "nothing"
        return f"PatientRecord({self.key}: {have})"
