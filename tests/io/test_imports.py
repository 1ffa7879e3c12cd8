from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "monai", "sklearn", "captum", "matplotlib", "mne")
PROGRAM = """
import sys
import clinfuse.io.dicom, clinfuse.io.nifti, clinfuse.io.eeg, clinfuse.io.ehr, clinfuse.io.tables
print([name for name in {heavy!r} if name in sys.modules])
"""


def test_reading_files_loads_nothing_that_learns_or_draws() -> None:
    program = PROGRAM.format(heavy=HEAVY)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
