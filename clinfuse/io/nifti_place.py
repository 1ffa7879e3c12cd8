"""Where the voxels of a NIfTI image lie in the patient: which of its two affines holds, or what the user said."""

from __future__ import annotations

import numpy as np

from clinfuse.io.nifti_bytes import refuse
from clinfuse.io.nifti_header import NiftiHeader
from clinfuse.io.policies import VolumePolicy
from clinfuse.io.values import Remark
from clinfuse.shapes import Affine

_AXES = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
_SMALLEST_MM, _LARGEST_MM = 0.01, 100.0
# A hundredth of a voxel at each of a hundred voxels adds up to one: sizes that differ by more are different.
_SAME_SIZE = 0.01
# Volume of a voxel with edges of length 1.
_FLAT = 1e-6
# Cosine between two axes: resampling by size alone is off by less than a twentieth of the way.
_UPRIGHT = 0.05


def place_of(header: NiftiHeader, policy: VolumePolicy) -> tuple[Affine, tuple[Remark, ...]]:
    """Affine (4, 4) float64, voxel index to RAS+ mm, and what there is to say about it.

    Raises
    ------
    DataError
        ``NIFTI_ORIENTATION``, ``NIFTI_FORMS``, ``NIFTI_AFFINE``, ``NIFTI_SPACING``.
    """
    sform, qform, remarks = header.sform, header.qform, []
    for form in (sform, qform):
        if form is not None and not _invertible(form):
            refuse("NIFTI_AFFINE", "a finite affine that can be inverted", "another one")
    if sform is not None and qform is not None and _apart(sform, qform, header.shape):
        sform, qform = _chosen(sform, qform, policy.form)
        remarks.append(Remark("NIFTI_FORMS", f"sform and qform differ; the {policy.form} is used, as declared."))
    affine = sform if sform is not None else qform
    if affine is None:
        affine = _declared(header, policy.orientation)
        text = f"The file does not say its orientation; {policy.orientation} is used, as declared."
        remarks.append(Remark("NIFTI_ORIENTATION", text))
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if sizes.min() < _SMALLEST_MM or sizes.max() > _LARGEST_MM:
        refuse("NIFTI_SPACING", f"voxels of {_SMALLEST_MM:g} to {_LARGEST_MM:g} mm", "smaller or larger ones")
    return affine, (*remarks, *_doubts(affine, sizes, header.voxel_mm))


def _invertible(form: Affine) -> bool:
    if not np.isfinite(form).all():
        return False
    edges = np.linalg.norm(form[:3, :3], axis=0)
    return bool(edges.min() > 0 and abs(np.linalg.det(form[:3, :3] / edges)) > _FLAT)


def _apart(one: Affine, other: Affine, shape: tuple[int, ...]) -> bool:
    """Whether a corner lies a voxel apart when both are laid on the same centre."""
    half = np.array(shape[:3]) / 2
    shift = np.abs(one[:3, :3] - other[:3, :3]) @ half
    return bool(shift.max() > np.linalg.norm(one[:3, :3], axis=0).min())


def _chosen(sform: Affine, qform: Affine, form: str) -> tuple[Affine | None, Affine | None]:
    if form == "sform":
        return sform, None
    if form == "qform":
        return None, qform
    refuse(
        "NIFTI_FORMS",
        "sform and qform that say the same",
        "two that differ in direction or voxel size",
        'Write `form = "sform"` in this modality to use the first, or "qform" for the second.',
    )


def _declared(header: NiftiHeader, orientation: str) -> Affine:
    """From axis codes and ``pixdim``, with the centre of the image at 0."""
    if not orientation:
        refuse(
            "NIFTI_ORIENTATION",
            "an sform or qform with a code above 0",
            "neither: left and right are unknown",
            'Write `orientation = "RAS"` in this modality if the first axis runs to the patient\'s right, the second '
            "to anterior and the third to superior, or the three letters that hold.",
        )
    if not (np.isfinite(header.voxel_mm).all() and header.voxel_mm.min() > 0):
        refuse("NIFTI_SPACING", "the size of a voxel in pixdim", "none")
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, letter in enumerate(orientation):
        row, sign = _AXES[letter]
        affine[row, column] = sign * header.voxel_mm[column]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(header.shape[:3]) - 1) / 2)
    return affine


def _doubts(affine: Affine, sizes: np.ndarray, voxel_mm: np.ndarray) -> list[Remark]:
    doubts = []
    if not np.allclose(sizes, voxel_mm, rtol=_SAME_SIZE, atol=0):
        text = "The affine gives other voxel sizes than pixdim; the affine is used."
        doubts.append(Remark("NIFTI_PIXDIM", text))
    cosines = (affine[:3, :3] / sizes).T @ (affine[:3, :3] / sizes) - np.eye(3)
    if np.abs(cosines).max() > _UPRIGHT:
        text = "The axes of the image are not at right angles; it is resampled as if they were."
        doubts.append(Remark("NIFTI_SHEAR", text))
    return doubts
