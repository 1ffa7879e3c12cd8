"""From what ``cohort.toml`` says of a source to the modality it becomes."""

from __future__ import annotations

from clinfuse.cohort.declarations import AnySource, CtSource, EegSource, EhrSource, MaskSource, MrSource
from clinfuse.cohort.modality import Column, Modality

# A network sees a signal in steps of its usual amplitude, 20 µV.
EEG_SPREAD_UV = 20.0


def modality_of(name: str, source: AnySource, columns: tuple[Column, ...] = ()) -> Modality:
    """The modality a section declares.

    Parameters
    ----------
    name : str
    source : AnySource
        Its section.
    columns : tuple of Column
        ehr only: the columns its table gave.

    Returns
    -------
    Modality
        With the shape, unit and scale of what is prepared from it.

    Raises
    ------
    ConfigError
        ``MODALITY_SHAPE``, ``MODALITY_COLUMNS``.
    """
    if isinstance(source, EhrSource):
        return Modality(name, "ehr", (len(columns),), columns=columns)
    if isinstance(source, EegSource):
        samples = round(source.segments.seconds * source.rate_hz)
        return Modality(
            name,
            "eeg",
            (source.segments.count, len(source.electrodes), samples),
            channels=source.electrodes,
            rate_hz=source.rate_hz,
            seconds=source.segments.seconds,
            unit="µV",
            spread=EEG_SPREAD_UV,
            reference=source.reference,
            band_hz=source.band_hz or (0.0, 0.0),
            notch_hz=source.notch_hz or 0.0,
            least_channels=source.least_channels,
            mirror=source.mirror,
        )
    if isinstance(source, CtSource | MrSource | MaskSource):
        return _volume(name, source)
    return Modality(
        name,
        "xray",
        (1, *source.size),
        spacing_mm=source.spacing_mm or (),
        unit="grey",
        centre=0.5,
        spread=0.5,
        mirror=source.mirror,
    )


def _volume(name: str, source: CtSource | MrSource | MaskSource) -> Modality:
    if isinstance(source, CtSource):
        low, high = source.window_hu
        return Modality(
            name,
            "ct",
            (1, *source.size),
            spacing_mm=source.spacing_mm,
            window=source.window_hu,
            unit="HU",
            centre=(low + high) / 2,
            spread=(high - low) / 2,
            mirror=source.mirror,
        )
    if isinstance(source, MrSource):
        shape = (1, *source.size)
        return Modality(name, "mr", shape, spacing_mm=source.spacing_mm, unit="arbitrary", mirror=source.mirror)
    return Modality(
        name,
        "mask",
        (len(source.names), *source.size),
        channels=source.names,
        spacing_mm=source.spacing_mm,
        unit="label",
        mirror=source.mirror,
    )
