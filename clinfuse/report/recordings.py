"""Figures of one recording: pages of ten seconds as they are read in a clinic, with what moved the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import mne
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from clinfuse.cohort.modality import Modality
from clinfuse.io.channels import electrode
from clinfuse.report.canvas import INK, PAGE, SOFT, Picture, bare, label, picture
from clinfuse.report.pictures import AWAY, TOWARD

PAGE_SECONDS = 10.0
MOST_PAGES = 3
MM_PER_SECOND = 25.0
_SENSITIVITIES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000)
_ROW_MM, _TALLEST_MM = 7.0, 4.5
_SIGNED = LinearSegmentedColormap.from_list("clinfuse", [AWAY, "#f4f4f4", TOWARD])
_LIGHT = LinearSegmentedColormap.from_list("clinfuse_light", ["#8fbfeb", "#ffffff", "#f5b183"])
# Longitudinal bipolar montage: left and right temporal, left and right parasagittal, midline.
CHAINS = (
    ("FP1", "F7", "T7", "P7", "O1"),
    ("FP2", "F8", "T8", "P8", "O2"),
    ("FP1", "F3", "C3", "P3", "O1"),
    ("FP2", "F4", "C4", "P4", "O2"),
    ("FZ", "CZ", "PZ"),
)


@final
@dataclass(frozen=True, eq=False)
class Traces:
    """Lines of a recording, chain by chain.

    Parameters
    ----------
    names : tuple of str
        Of the lines: a pair of electrodes, or a channel as it was recorded.
    chains : tuple of int
        Number of the chain that each line belongs to.
    data, map : ndarray, (windows, lines, time)
        µV, and the mean attribution of the electrodes of a line.
    bipolar : bool
        Whether lines are differences of neighbouring electrodes.
    """

    names: tuple[str, ...]
    chains: tuple[int, ...]
    data: np.ndarray
    map: np.ndarray
    bipolar: bool


def traces(modality: Modality, data: np.ndarray, map_: np.ndarray) -> Traces:
    """Give the lines of a recording: neighbouring electrodes from front to back, or the channels where they lack.

    A reference that all channels share falls out of the differences.
    """
    names = modality.channels or tuple(f"channel {c + 1}" for c in range(data.shape[1]))
    place = {electrode(name): c for c, name in enumerate(names)}
    pairs = [
        (number, place[front], place[back])
        for number, chain in enumerate(CHAINS)
        for front, back in pairwise(chain)
        if front in place and back in place
    ]
    if len(pairs) < len(names) // 2 or len(pairs) < 4:
        return Traces(tuple(names), (0,) * len(names), data, map_, bipolar=False)
    fronts, backs = [p[1] for p in pairs], [p[2] for p in pairs]
    return Traces(
        tuple(f"{names[front]}-{names[back]}" for _, front, back in pairs),
        tuple(p[0] for p in pairs),
        data[:, fronts] - data[:, backs],
        (map_[:, fronts] + map_[:, backs]) / 2,
        bipolar=True,
    )


def pages(modality: Modality, data: np.ndarray, map_: np.ndarray) -> list[tuple[int, int]]:
    """Give first and behind-last sample, counted through all windows, of the ten seconds that mattered most.

    At most three pages, the strongest attribution first; only what was recorded; the first page without attribution.
    """
    windows, _, samples = data.shape
    long = max(1, round(PAGE_SECONDS * (modality.rate_hz or 1.0)))
    length = max(1, long // samples) * samples if samples <= long else long
    covered = np.flatnonzero(np.abs(data).max((1, 2)) > 0)
    end = (int(covered[-1]) + 1 if len(covered) else windows) * samples
    starts = [k for k in range(0, end, length) if k == 0 or min(end, k + length) - k >= length // 2]
    strengths = np.abs(map_).sum(1).reshape(-1)
    order = sorted(starts, key=lambda k: (-float(strengths[k : k + length].sum()), k))
    kept = order[:MOST_PAGES] if np.any(map_) else order[:1]
    return [(k, min(k + length, end)) for k in kept]


def recording(modality: Modality, data: np.ndarray, map_: np.ndarray | None) -> tuple[Picture, ...]:
    """Draw the ten-second pages of a recording that mattered most, each line shaded by attribution.

    Parameters
    ----------
    modality : Modality
        Of kind eeg: channels, rate.
    data, map_ : ndarray, (windows, channel, time)
        µV, and the attribution; without a map the first page alone.
    """
    lines = traces(modality, np.asarray(data, np.float64), np.zeros_like(data) if map_ is None else map_)
    flat = lines.data.transpose(1, 0, 2).reshape(len(lines.names), -1)
    shade = _smooth(lines.map.transpose(1, 0, 2).reshape(len(lines.names), -1), modality.rate_hz or 1.0)
    strongest = max(float(np.abs(shade).max()), 1e-12)
    every = np.zeros_like(data) if map_ is None else map_
    return tuple(
        _page(modality, lines, flat[:, start:end], shade[:, start:end] / strongest, (rank, start))
        for rank, (start, end) in enumerate(pages(modality, data, every))
    )


def _smooth(map_: np.ndarray, rate_hz: float) -> np.ndarray:
    return np.asarray(gaussian_filter1d(np.asarray(map_, np.float64), max(rate_hz / 10, 1), axis=1))


def sensitivity(traces_: np.ndarray) -> int:
    """Give the usual setting, µV for each mm, at which most of a recording keeps to its line.

    Examples
    --------
    >>> sensitivity(np.full((1, 100), 30.0)), sensitivity(np.full((1, 100), 1e9))
    (7, 1000)
    """
    reach = float(np.percentile(np.abs(traces_), 95)) if traces_.size else 0.0
    return next((one for one in _SENSITIVITIES if reach / one <= _TALLEST_MM), _SENSITIVITIES[-1])


def _page(modality: Modality, lines: Traces, data: np.ndarray, shade: np.ndarray, place: tuple[int, int]) -> Picture:
    rate = modality.rate_hz or 1.0
    rank, start = place
    begin, seconds = start / rate, data.shape[1] / rate
    microvolts = sensitivity(data)
    gaps = np.array(lines.chains, dtype=float) * 0.6
    rows = np.arange(len(lines.names)) + gaps
    tall = (float(rows[-1]) + 1.2) * _ROW_MM / 25.4
    height = tall + 0.75
    wide = MM_PER_SECOND * seconds / 25.4

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.58 / PAGE, 0.42 / height, min(wide, PAGE - 1.0) / PAGE, tall / height))
        axes.set(xlim=(begin, begin + seconds), ylim=(float(rows[-1]) + 0.6, -0.6), xlabel="seconds from the start")
        axes.imshow(
            _between(rows, shade), cmap=_LIGHT, vmin=-1, vmax=1, aspect="auto", interpolation="nearest", zorder=0,
            extent=(begin, begin + seconds, float(rows[-1]) + 0.5, -0.5),
        )  # fmt: skip
        times = begin + np.arange(data.shape[1]) / rate
        for row, trace in zip(rows, data, strict=True):
            # Negative is up, as EEG is read.
            axes.plot(
                times,
                row + np.clip((trace - trace.mean()) / (microvolts * _ROW_MM), -1.4, 1.4),
                color=INK,
                linewidth=0.55,
            )
        axes.set_yticks(rows, [label(name, 12) for name in lines.names])
        axes.set(xlim=(begin, begin + seconds), ylim=(float(rows[-1]) + 0.6, -0.6))
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=8)
        axes.set_xticks(np.arange(np.ceil(begin), begin + seconds + 1e-9, 1.0))
        axes.xaxis.grid(True)
        bare(axes, "bottom")
        _calibration(axes, begin + seconds, microvolts)
        mattered = f"number {rank + 1} by attribution" if np.any(shade) else "the first page"
        title = (
            f"{begin:g} to {begin + seconds:g} s, {mattered}; {microvolts} µV/mm, {MM_PER_SECOND:g} mm/s at full size"
        )
        axes.set_title(f"{title}; negative up", fontsize=8.5, color=SOFT, loc="left", pad=4)

    alt = (
        f"{modality.name}: {len(lines.names)} {'bipolar ' if lines.bipolar else ''}traces from {begin:g} to "
        f"{begin + seconds:g} seconds, shaded by attribution."
    )
    return picture(draw, size=(PAGE, height), alt=alt, kind="png")


def _between(rows: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """Shading of all lines with nothing in the gaps between chains, five image rows to a line."""
    image = np.zeros((round(5 * (float(rows[-1]) + 1)), shade.shape[1]))
    for row, part in zip(rows, shade, strict=True):
        first = round(5 * float(row))
        image[first : first + 5] = part
    return image


def _calibration(axes: Axes, right: float, microvolts: int) -> None:
    size = 5 * microvolts
    x = right + 0.05
    axes.plot([x, x], [0.5, 0.5 - size / (microvolts * _ROW_MM)], color=INK, linewidth=1.4, clip_on=False)
    axes.text(x + 0.05, 0.15, f"{size} µV", fontsize=7.5, va="center", clip_on=False)


def summary(modality: Modality, map_: np.ndarray, bands: Mapping[str, float]) -> Picture:
    """Draw the attribution of all windows by electrode on the head, and by frequency band where it is known."""
    names = modality.channels or tuple(f"channel {c + 1}" for c in range(map_.shape[1]))
    placed = on_the_head(names)
    values = np.asarray(map_, np.float64).sum((0, 2))

    def draw(figure: Figure) -> None:
        if placed:
            head = figure.add_axes((0.02, 0.06, 0.3, 0.78))
            _topography(head, names, values)
            head.set_title("added to the log odds, by electrode", fontsize=8.5, color=SOFT, pad=6)
        if bands:
            axes = figure.add_axes((0.46, 0.2, 0.5, 0.62))
            axes.barh(
                range(len(bands)),
                list(bands.values()),
                color=[TOWARD if v > 0 else AWAY for v in bands.values()],
                height=0.6,
            )
            axes.set_yticks(range(len(bands)), list(bands))
            axes.invert_yaxis()
            axes.axvline(0, color=SOFT, linewidth=0.8)
            axes.tick_params(axis="y", length=0, labelcolor=INK)
            axes.set_title("added to the log odds, by frequency band", fontsize=8.5, color=SOFT, loc="left", pad=6)
            bare(axes, "bottom")

    told = "; ".join(f"{name} {part:+.2f}".replace("-", "−") for name, part in bands.items())
    where = " on the head" if placed else ""
    alt = f"{modality.name}: attribution of all windows{where}{f', by band: {told}' if told else ''}."
    return picture(draw, size=(PAGE * 0.8, 2.7), alt=alt, kind="png")


def on_the_head(names: Sequence[str]) -> bool:
    """Whether the name of every channel is one of the 10-20 system, so that it has a place on the head.

    Examples
    --------
    >>> on_the_head(["Fp1", "CZ", "O2", "T3"]), on_the_head(["Fp1", "Cz", "O2", "ECG"])
    (True, False)
    """
    known = {name.casefold() for name in _montage().ch_names}
    return len(names) >= 4 and all(name.casefold() in known for name in names)


def _montage() -> mne.channels.DigMontage:
    newer = "colin27_1020"  # the name since mne 1.13; the positions are the same
    return mne.channels.make_standard_montage(
        newer if newer in mne.channels.get_builtin_montages() else "standard_1020"
    )


def _topography(axes: Axes, names: Sequence[str], values: np.ndarray) -> None:
    info = mne.create_info(list(names), sfreq=1.0, ch_types="eeg", verbose="error")
    info.set_montage(_montage(), match_case=False, verbose="error")
    reach = max(float(np.abs(values).max()), 1e-12)
    mne.viz.plot_topomap(
        np.asarray(values, np.float64), info, axes=axes, show=False, cmap=_SIGNED, vlim=(-reach, reach), contours=0,
        sensors="k.", outlines="head", extrapolate="head",
    )  # fmt: skip
