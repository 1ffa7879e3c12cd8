"""Bad CT series: D01 to D53 without those of radiographs.

Deviations from the list: D25 stops a cohort (FAIL), while a single series read by itself is refused (REJ). D26 refuses
only a PatientID that is another patient's of the cohort: one that nobody knows may be a pseudonym. D41 and D42 have a
code each, as a package helps only the first. Implicit VR (D38) is DICOM's default and not noted.
"""

from __future__ import annotations

from tests.faults import dicom_company, dicom_damaged, dicom_series, dicom_written

FAULTS = (*dicom_damaged.FAULTS, *dicom_written.FAULTS, *dicom_series.FAULTS, *dicom_company.FAULTS)
