"""EEG recordings as EDF files."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
from edfio import Edf, EdfSignal, Patient, Recording

from clinfuse.synthetic.render_eeg import CHANNELS

HIGHEST_UV = 400.0


def write_eeg(file: Path, signal: np.ndarray, *, rate_hz: int, patient: str, time: np.datetime64) -> None:
    """Write one recording.

    Parameters
    ----------
    file : Path
        Its folder exists.
    signal : ndarray of float32, (channel, time)
        µV; cut at ±400 and stored to 0.012 µV.
    rate_hz : int
    patient : str
        Number of the patient in the EEG laboratory.
    time : datetime64[s]
        Start of the recording.
    """
    samples = np.clip(signal.astype(np.float64), -HIGHEST_UV, HIGHEST_UV)
    start: datetime.datetime = time.astype("datetime64[s]").item()
    recording = Edf(
        [
            EdfSignal(
                row,
                rate_hz,
                label=f"EEG {name}",
                physical_dimension="uV",
                physical_range=(-HIGHEST_UV, HIGHEST_UV),
                prefiltering="HP:0.5Hz",
            )
            for row, name in zip(samples, CHANNELS, strict=True)
        ],
        patient=Patient(code=patient, name="Synthetic"),
        recording=Recording(startdate=start.date(), equipment_code="clinfuse_synthetic"),
        starttime=start.time(),
        data_record_duration=1,
    )
    recording.write(file)
