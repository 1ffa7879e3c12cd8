"""A chest film with one opacity in the right lung whose brightness is the latent."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from clinfuse.synthetic.draws import generator
from clinfuse.synthetic.settings import SyntheticSettings

EXTENT_MM = 352.0
DISC_RADIUS_MM = 30.0
DISC_HOME_MM = (10.0, -72.0)  # down, towards the patient's left
DISC_REACH_MM = 18.0
GREY = 600.0
GREY_STEP = 200.0
HIGHEST_GREY = 2800
_EDGE_MM = 2.5
_AIR, _TISSUE, _LUNG, _HEART, _BONE = 100.0, 1100.0, -550.0, 550.0, 350.0


def disc_centre(settings: SyntheticSettings, row: int) -> tuple[float, float]:
    """Where the opacity of a record lies, mm down and to the patient's left of the centre of the film.

    Parameters
    ----------
    settings : SyntheticSettings
    row : int
        Number of the record, from 0.

    Returns
    -------
    tuple of float
    """
    shift = generator(settings.seed, "xray disc", row).uniform(-DISC_REACH_MM, DISC_REACH_MM, 2)
    return float(DISC_HOME_MM[0] + shift[0]), float(DISC_HOME_MM[1] + shift[1])


def axis_mm(settings: SyntheticSettings) -> np.ndarray:
    """Pixel centres along either axis, mm from the centre of the film, float32."""
    count = settings.xray_size
    return ((np.arange(count) + 0.5) * EXTENT_MM / count - EXTENT_MM / 2).astype(np.float32)


def disc_profile(settings: SyntheticSettings, centre: tuple[float, float]) -> np.ndarray:
    """Share of the opacity in every pixel, float32 (y, x): 1 inside, 0 outside."""
    axis = axis_mm(settings)
    distance = np.sqrt((axis[:, None] - centre[0]) ** 2 + (axis[None, :] - centre[1]) ** 2)
    return _soft((distance - DISC_RADIUS_MM) / _EDGE_MM)


def render_xray(settings: SyntheticSettings, row: int, z: float, views: np.ndarray) -> np.ndarray:
    """Render the chest film of a record.

    Parameters
    ----------
    settings : SyntheticSettings
    row : int
        Number of the record, from 0.
    z : float
        Latent: the opacity adds max(600 + 200 z, 0) grey values.
    views : ndarray of float64, (factors,)
        What this modality shows of size (width), build (absorption), age (height of the lungs) and rhythm (heart).

    Returns
    -------
    ndarray of float32, (y, x)
        Grey values in [0, 2800], bright where the beam was absorbed.
    """
    draw = generator(settings.seed, "xray", row)
    axis = axis_mm(settings)
    y, x = axis[:, None], axis[None, :]
    size, build, age, rhythm = settings.factor_strength * np.asarray(views)
    wide, tall = 145 + 10 * size, 105 + 8 * age
    film = np.full((len(axis), len(axis)), _AIR, dtype=np.float32)
    film += (_TISSUE + 70 * build) * _soft((np.abs(x) - wide + 0.06 * y) / _EDGE_MM)
    for side in (-1, 1):
        film += _LUNG * _ellipse(y - 5, x - side * 72, tall, 60.0)
    film += _HEART * _ellipse(y - 45, x - 12, 50 + 5 * rhythm, 34 + 5 * rhythm)
    film += _BONE * _soft((np.abs(x) - 12) / _EDGE_MM)
    film += max(GREY + GREY_STEP * z, 0.0) * disc_profile(settings, disc_centre(settings, row))
    texture = gaussian_filter(draw.standard_normal(film.shape, dtype=np.float32), 4 * len(axis) / 128)
    film += 25 / texture.std() * texture
    film += 40 * draw.standard_normal(film.shape, dtype=np.float32)
    return np.clip(film, 0, HIGHEST_GREY)


def _soft(outside: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(np.clip(outside, -30, 30)))).astype(np.float32)


def _ellipse(y: np.ndarray, x: np.ndarray, tall: float, wide: float) -> np.ndarray:
    return _soft((np.sqrt((y / tall) ** 2 + (x / wide) ** 2) - 1) * wide / _EDGE_MM)
