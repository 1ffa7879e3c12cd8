"""A trunk in HU with one enhancing lesion whose contrast is the latent, and a vessel whose contrast is not."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from clinfuse.synthetic.draws import generator
from clinfuse.synthetic.settings import SyntheticSettings

EXTENT_MM = (352.0, 352.0, 192.0)
LESION_RADIUS_MM = 26.0
LESION_HOME_MM = (50.0, 0.0, -58.0)  # left, posterior, superior
LESION_REACH_MM = 15.0
CONTRAST_HU = 180.0
CONTRAST_STEP_HU = 60.0
_EDGE_MM = 3.0
_AIR, _FAT, _TISSUE, _LUNG, _HEART, _BONE = -1000.0, -100.0, 45.0, -820.0, 60.0, 280.0


def lesion_centre(settings: SyntheticSettings, row: int) -> tuple[float, float, float]:
    """Where the lesion of a record lies, mm left, posterior and superior of the centre of the scan.

    Parameters
    ----------
    settings : SyntheticSettings
    row : int
        Number of the record, from 0.

    Returns
    -------
    tuple of float
    """
    shift = generator(settings.seed, "ct lesion", row).uniform(-LESION_REACH_MM, LESION_REACH_MM, 3)
    x, y, z = np.asarray(LESION_HOME_MM) + shift
    return float(x), float(y), float(z)


def distractor_centre(settings: SyntheticSettings, row: int) -> tuple[float, float, float]:
    """Where the lesion that says nothing lies, on the other side of the trunk, in the same coordinates."""
    shift = generator(settings.seed, "ct distractor", row).uniform(-LESION_REACH_MM, LESION_REACH_MM, 3)
    x, y, z = np.asarray(LESION_HOME_MM) * (-1, 1, 1) + shift
    return float(x), float(y), float(z)


def axes_mm(settings: SyntheticSettings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxel centres along left, posterior and superior, mm from the centre of the scan."""
    left, posterior, superior = (
        ((np.arange(count) + 0.5) * extent / count - extent / 2).astype(np.float32)
        for count, extent in zip(settings.ct_size, EXTENT_MM, strict=True)
    )
    return left, posterior, superior


def lesion_profile(settings: SyntheticSettings, centre: tuple[float, float, float]) -> np.ndarray:
    """Share of the lesion's contrast in every voxel, float32 (left, posterior, superior): 1 inside, 0 outside."""
    left, posterior, superior = axes_mm(settings)
    distance = np.sqrt(
        (left[:, None, None] - centre[0]) ** 2
        + (posterior[None, :, None] - centre[1]) ** 2
        + (superior[None, None, :] - centre[2]) ** 2
    )
    return _soft(distance, LESION_RADIUS_MM)


def render_ct(settings: SyntheticSettings, row: int, z: float, views: np.ndarray) -> np.ndarray:
    """Render the CT of a record.

    Parameters
    ----------
    settings : SyntheticSettings
    row : int
        Number of the record, from 0.
    z : float
        Latent: the lesion adds max(180 + 60 z, 0) HU.
    views : ndarray of float64, (factors,)
        What this modality shows of size (width of the trunk), build (its depth), age (height of the lungs) and rhythm
        (size of the heart).

    Returns
    -------
    ndarray of float32, (left, posterior, superior)
        HU.
    """
    draw = generator(settings.seed, "ct", row)
    left, posterior, superior = axes_mm(settings)
    x, y, height = left[:, None, None], posterior[None, :, None], superior[None, None, :]
    size, build, age, rhythm = settings.factor_strength * np.asarray(views)
    wide, deep = 140 + 10 * size, 100 + 7 * build
    body = np.full(settings.ct_size, _AIR, dtype=np.float32)
    body[np.broadcast_to((x / wide) ** 2 + (y / deep) ** 2 <= 1, body.shape)] = _FAT
    body[np.broadcast_to((x / (wide - 14)) ** 2 + (y / (deep - 14)) ** 2 <= 1, body.shape)] = _TISSUE
    tall = 55 + 8 * age
    for side in (-1, 1):
        lung = ((x - side * 62) / 46) ** 2 + (y / 66) ** 2 + ((height - 42) / tall) ** 2 <= 1
        body[lung] = _LUNG
    heart = 40 + 5 * rhythm
    body[(x - 15) ** 2 + (y + 20) ** 2 + ((height - 30) / 1.1) ** 2 <= heart**2] = _HEART
    body[np.broadcast_to(x**2 + (y - 68) ** 2 <= 16**2, body.shape)] = _BONE
    for _ in range(6):
        spot = np.array([draw.choice((-1, 1)) * 62, 0.0, 42.0]) + draw.uniform(-28, 28, 3)
        body[(x - spot[0]) ** 2 + (y - spot[1]) ** 2 + (height - spot[2]) ** 2 <= draw.uniform(6, 9) ** 2] = _TISSUE
    body += _vessel(draw, x, y, height)
    body += max(CONTRAST_HU + CONTRAST_STEP_HU * z, 0.0) * lesion_profile(settings, lesion_centre(settings, row))
    if settings.distractor:
        body += _distractor(settings, row)
    texture = gaussian_filter(draw.standard_normal(settings.ct_size, dtype=np.float32), 1.2)
    body += 12 / texture.std() * texture
    body += 25 * draw.standard_normal(settings.ct_size, dtype=np.float32)
    return np.clip(body, -1024, 3071)


def _soft(distance: np.ndarray, radius: float) -> np.ndarray:
    return (1 / (1 + np.exp(np.clip((distance - radius) / _EDGE_MM, -30, 30)))).astype(np.float32)


def _distractor(settings: SyntheticSettings, row: int) -> np.ndarray:
    """The contrast of the second lesion, with a latent of its own that no label knows."""
    latent = generator(settings.seed, "ct distractor contrast", row).standard_normal()
    contrast = max(CONTRAST_HU + CONTRAST_STEP_HU * latent, 0.0)
    return np.float32(contrast) * lesion_profile(settings, distractor_centre(settings, row))


def _vessel(draw: np.random.Generator, x: np.ndarray, y: np.ndarray, height: np.ndarray) -> np.ndarray:
    centre = np.array([-55.0, 0.0]) + draw.uniform(-15, 15, 2)
    contrast = max(CONTRAST_HU + CONTRAST_STEP_HU * draw.standard_normal(), 0.0)
    across = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
    return contrast * _soft(across, 11.0) * (height < -15)
