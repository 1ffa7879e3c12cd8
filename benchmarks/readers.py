"""How fast files become arrays: ratios to other readers, taken in one run on the same files.

    python benchmarks/readers.py            # about three minutes; installs SimpleITK into .peers/ first
    python benchmarks/readers.py --json

- ct_first_read_vs_simpleitk: our time over its time for a CT of 200 slices of 512 x 512 pixels of 16 bits.
  Ours is decoded in the guarded process, checked, in HU as float32; SimpleITK gives integers and checks nothing.
- ct_first_read_speed_vs_monai: the time of MONAI's PydicomReader over ours, on the same series.
- ct_first_read_vs_pydicom: our time over that of a plain loop of pydicom over the slices (no target).
- cache_read_vs_numpy_load: opening a prepared source and touching every value, over `numpy.load` of the same bytes.
- eeg_speed_vs_mne_chain: MNE's time over ours from an EDF file of one hour, 19 channels and 256 Hz to 0.5-40 Hz at 128;
  ours is read in the guarded process.
- eeg_rms_difference: what the two results differ by, of their RMS, without the first and last 3.3 s.
- index_ms_per_record: joining 10,000 records with a DICOM film and a table row each; headers only.
- index_mb, index_mb_of_films_16_times_as_large: the peak memory of that process (no target).

Every figure is a ratio of medians of seven turns in which the readers take alternate places.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

TURNS = 7
SLICES, SIZE = 200, 512
CHANNELS, RATE = 19, 256
RECORDS = 10_000
TARGETS: dict[str, tuple[str, float]] = {
    "ct_first_read_vs_simpleitk": ("<=", 1.0),
    "ct_first_read_speed_vs_monai": (">=", 3.0),
    "cache_read_vs_numpy_load": ("<=", 1.3),
    "eeg_speed_vs_mne_chain": (">=", 3.2),
    "eeg_rms_difference": ("<=", 0.01),
    "index_ms_per_record": ("<=", 2.0),
}
PEERS = Path(__file__).parent.parent / ".peers"
Take = Callable[[], float]


def timed(work: Callable[[], object]) -> Take:
    """Give a function that does the work once and says how long it took, s."""

    def once() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return once


def medians(takes: dict[str, Take]) -> dict[str, float]:
    """Give the median time of each, after one turn that does not count; every turn begins with another one."""
    names = list(takes)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(TURNS + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            seconds = takes[name]()
            if turn:
                found[name].append(seconds)
    return {name: statistics.median(each) for name, each in found.items()}


class Peer:
    """Another library in an environment of its own, that reads when it is told to."""

    def __init__(self, packages: tuple[str, ...], script: str, *arguments: str) -> None:
        place = PEERS / Path(script).stem
        python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not python.exists():
            venv.create(place, with_pip=True)
            alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True, env=alone)
        command = [str(python), str(Path(__file__).parent / "peers" / script), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self) -> float:
        """Have it read once; seconds by its own clock."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the peer has no streams")
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def visit(number: int) -> Any:
    """Give what the header of a synthetic file says."""
    from clinfuse.synthetic.dicom_files import Visit

    return Visit(f"P{number:05d}", "f", np.datetime64("2024-03-01T09:00:00"), f"study {number}", 0)


def write_series(folder: Path) -> list[Path]:
    """Write a CT of random tissue."""
    from clinfuse.synthetic.dicom_files import SeriesHeader, write_ct
    from clinfuse.synthetic.settings import SyntheticSettings

    settings = SyntheticSettings(ct_size=(SIZE, SIZE, SLICES))
    tissue = np.random.default_rng(0).normal(40, 20, size=settings.ct_size).astype(np.float32)
    files = [folder / f"{number:04d}.dcm" for number in range(SLICES)]
    write_ct(files, tissue, visit(0), settings, SeriesHeader())
    return files


def ct_figures() -> dict[str, float]:
    """Compare first reads of one series."""
    import pydicom
    from monai.data import PydicomReader

    from clinfuse.io.guard import Guard
    from clinfuse.io.policies import CtPolicy

    with TemporaryDirectory() as place:
        files = write_series(Path(place))
        guard, peer, monai = Guard(), Peer(("SimpleITK", "numpy"), "simpleitk_series.py", place), PydicomReader()
        takes: dict[str, Take] = {
            "ours": timed(lambda: guard.read("ct", files, CtPolicy())),
            "simpleitk": peer,
            "monai": timed(lambda: monai.get_data(monai.read(place))),
            "pydicom": timed(lambda: [pydicom.dcmread(file).pixel_array for file in files]),
        }
        seconds = medians(takes)
        guard.close()
        peer.close()
    return {
        "ct_first_read_vs_simpleitk": seconds["ours"] / seconds["simpleitk"],
        "ct_first_read_speed_vs_monai": seconds["monai"] / seconds["ours"],
        "ct_first_read_vs_pydicom": seconds["ours"] / seconds["pydicom"],
        "ct_first_read_s": seconds["ours"],
    }


def write_recording(file: Path) -> None:
    """Write an hour of noise in 19 channels at 256 Hz."""
    from edfio import Edf, EdfSignal

    from clinfuse.cohort.recording_keys import TEN_TWENTY

    draw = np.random.default_rng(0)
    samples = np.cumsum(draw.normal(0, 1, size=(CHANNELS, 3600 * RATE)), axis=1)
    samples = 20 * (samples - np.linspace(0, 1, samples.shape[1]) * samples[:, -1:]) / samples.std(axis=1)[:, None]
    signals = [
        EdfSignal(row, RATE, label=f"EEG {name}", physical_dimension="uV", physical_range=(-400, 400))
        for name, row in zip(TEN_TWENTY, np.clip(samples, -399, 399), strict=True)
    ]
    Edf(signals).write(file)


def eeg_figures() -> dict[str, float]:
    """Compare the way from an EDF file to a filtered signal at a lower rate."""
    import mne

    from clinfuse.cohort.band import Band, filtered_at_rate
    from clinfuse.io.guard import Guard
    from clinfuse.io.policies import EegPolicy

    with TemporaryDirectory() as place:
        file = Path(place) / "recording.edf"
        write_recording(file)
        guard = Guard()

        def ours() -> np.ndarray:
            signal = guard.read("eeg", [file], EegPolicy())
            return filtered_at_rate(signal.array, signal.rate_hz, Band(0.5, 40.0), 128.0)

        def theirs() -> np.ndarray:
            raw = mne.io.read_raw_edf(file, preload=True, verbose="CRITICAL")
            return 1e6 * raw.filter(0.5, 40.0, verbose="CRITICAL").resample(128.0, verbose="CRITICAL").get_data()

        one, other = ours(), theirs()
        seconds = medians({"ours": timed(ours), "mne": timed(theirs)})
        guard.close()
    inner = slice(round(3.3 * 128), -round(3.3 * 128))
    apart = np.sqrt(((one - other)[:, inner] ** 2).mean()) / np.sqrt((other[:, inner] ** 2).mean())
    return {"eeg_speed_vs_mne_chain": seconds["mne"] / seconds["ours"], "eeg_rms_difference": float(apart)}


def cache_figures() -> dict[str, float]:
    """Compare opening a prepared source with loading its bytes."""
    from clinfuse.cohort.cache import Cache
    from clinfuse.cohort.modality import Modality
    from clinfuse.cohort.prepared_source import Draft, load

    modality = Modality("ct", "ct", (1, 96, 96, 96))
    rows = 100

    def fill(draft: Draft) -> None:
        draw = np.random.default_rng(0)
        for row in range(rows):
            array = draw.integers(-1000, 1000, size=modality.shape, dtype=np.int16)
            draft.put(row, array, np.ones(1, dtype=bool), np.zeros(1))

    with TemporaryDirectory() as place:
        cache = Cache(Path(place))
        cache.obtain(modality, "0" * 16, rows, 1, np.dtype(np.int16), fill=fill)
        (made,) = [folder for folder in cache.base.iterdir() if folder.is_dir()]
        takes = {
            "ours": timed(lambda: int(load(made).array.max())),
            "numpy": timed(lambda: int(np.load(made / "array.npy").max())),
        }
        seconds = medians(takes)
    return {"cache_read_vs_numpy_load": seconds["ours"] / seconds["numpy"]}


def write_export(folder: Path, film: int) -> None:
    """Write a visit, a film of ``film`` x ``film`` pixels and a table row for each of many records."""
    from clinfuse.synthetic.dicom_files import write_xray
    from clinfuse.synthetic.settings import SyntheticSettings

    settings = SyntheticSettings(xray_size=film)
    grey = np.random.default_rng(0).integers(0, 2800, size=(film, film)).astype(np.float32)
    (folder / "xray").mkdir()
    lines = ["record_id,patient_id,finding,CRP"]
    for number in range(RECORDS):
        lines.append(f"R{number:05d},P{number:05d},{'no' if number % 3 else 'yes'},{number % 50}")
        write_xray(folder / "xray" / f"{number:05d}.dcm", grey, visit(number), settings)
    (folder / "records.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "cohort.toml").write_text(EXPORT, encoding="utf-8")


def index_figures() -> dict[str, float]:
    """Join many records in a process of its own, with small films and with larger ones."""
    found = {}
    for name, film in (("small", 32), ("large", 128)):
        with TemporaryDirectory() as place:
            write_export(Path(place), film)
            said = subprocess.run([sys.executable, "-c", INDEX, place], stdout=subprocess.PIPE, text=True, check=True)
            found[name] = json.loads(said.stdout)
    return {
        "index_ms_per_record": 1000 * statistics.median(found["small"]["seconds"]) / RECORDS,
        "index_mb": found["small"]["mb"],
        "index_mb_of_films_16_times_as_large": found["large"]["mb"],
    }


EXPORT = """
[records]
table = "records.csv"
patient_id = "patient_id"
record_id = "record_id"

[label]
column = "finding"
positive = ["yes"]

[modalities.xray]
kind = "xray"
folder = "xray"

[modalities.labs]
kind = "ehr"
table = "records.csv"
record_id = "record_id"
columns.CRP = "number"
"""
INDEX = """
import json, sys, time
from pathlib import Path
from clinfuse.cohort.folder import read_export
seconds = []
for _ in range(5):
    began = time.perf_counter()
    read_export(Path(sys.argv[1]))
    seconds.append(time.perf_counter() - began)
status = Path("/proc/self/status")
peak = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")] if status.exists() else []
print(json.dumps({"seconds": seconds, "mb": int(peak[0].split()[1]) / 1024 if peak else float("nan")}))
"""


def measure() -> list[dict[str, object]]:
    """Give every figure with its target."""
    values = {**ct_figures(), **cache_figures(), **eeg_figures(), **index_figures()}
    return [figure(name, value) for name, value in values.items()]


def figure(name: str, value: float) -> dict[str, object]:
    """Give a figure, and whether it holds where it has a target."""
    if name not in TARGETS:
        return {"name": name, "value": value, "target": "", "holds": True}
    sign, bound = TARGETS[name]
    return {
        "name": name,
        "value": value,
        "target": f"{sign} {bound}",
        "holds": value <= bound if sign == "<=" else value >= bound,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = measure()
    if given.json:
        print(json.dumps(figures))
        return
    for one in figures:
        print(f"{one['name']:40} {one['value']:10.3g}   {one['target']!s:8} {'' if one['holds'] else 'MISSED'}")


if __name__ == "__main__":
    main()
