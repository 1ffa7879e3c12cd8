"""Logistic regressions of an outcome on a logit, one for every weighting of the same records."""

from __future__ import annotations

import numpy as np

_STEPS = 60
# Newton's method doubles the digits that are right: after a step of this size, nothing above 1e-10 is left to do.
_SETTLED = 1e-6
_STEEPEST = 1e4
_LONGEST = 5.0
_RUNAWAY = 1e6
_EXPANDED = 1.0


def calibration_lines(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray, *, free_slope: bool) -> np.ndarray:
    """Give intercept and slope of every draw, float64 (draws, 2), NaN without a finite optimum.

    Parameters
    ----------
    labels, logits : ndarray, (records,)
        0 or 1, and finite.
    weights : ndarray of float64, (draws, records)
    free_slope : bool
        Whether the slope is fitted; else it is 1 and the logit an offset.
    """
    start = _newton(labels, logits, np.ones((1, len(labels))), _begin(1, free_slope=free_slope), free_slope=free_slope)
    beta = _begin(len(weights), free_slope=free_slope)
    if len(weights) > 1 and np.isfinite(start).all():
        beta = _expanded(labels, logits, weights, start[0], free_slope=free_slope)
    return _newton(labels, logits, weights, beta, free_slope=free_slope)


def _begin(draws: int, *, free_slope: bool) -> np.ndarray:
    return np.tile([0.0, 0.0 if free_slope else 1.0], (draws, 1))


def _newton(
    labels: np.ndarray, logits: np.ndarray, weights: np.ndarray, beta: np.ndarray, *, free_slope: bool
) -> np.ndarray:
    """Newton's method from ``beta``; a draw that has settled is left alone, so none depends on the others."""
    beta = beta.copy()
    design = np.stack([np.ones_like(logits), logits, logits**2], axis=1)
    settled = np.zeros(len(weights), dtype=bool)
    for _ in range(_STEPS):
        p = beta[:, :1] + beta[:, 1:] * logits
        np.clip(p, -500, 500, out=p)
        np.negative(p, out=p)
        np.exp(p, out=p)
        p += 1
        np.reciprocal(p, out=p)
        # Residuals are taken record by record: a difference of two sums would hide that there is no optimum.
        gradient = (weights * (labels - p)) @ design[:, :2]
        p *= 1 - p
        p *= weights
        step = _step(gradient, p @ design, free_slope=free_slope)
        step[settled] = 0
        largest = np.abs(step).max(1)
        beta += step * np.minimum(1, _LONGEST / np.maximum(largest, 1e-300))[:, None]
        settled |= largest < _SETTLED
        if settled.all():
            break
    beta[~settled | (np.abs(beta).max(1) > _STEEPEST)] = np.nan
    return beta


def _step(gradient: np.ndarray, curvature: np.ndarray, *, free_slope: bool) -> np.ndarray:
    a, b, c = curvature.T
    step = np.zeros_like(gradient)
    with np.errstate(divide="ignore", invalid="ignore"):
        if free_slope:
            determinant = a * c - b**2
            step[:, 0] = (c * gradient[:, 0] - b * gradient[:, 1]) / determinant
            step[:, 1] = (a * gradient[:, 1] - b * gradient[:, 0]) / determinant
        else:
            step[:, 0] = gradient[:, 0] / a
    return np.where(np.isfinite(step), step, _RUNAWAY)


def _expanded(
    labels: np.ndarray, logits: np.ndarray, weights: np.ndarray, start: np.ndarray, *, free_slope: bool
) -> np.ndarray:
    """Where Newton's method may begin: the optimum of each draw's expansion to third order about that of all records.

    The expansion needs a few sums of every draw, where a step of the true function needs every record's exponential.
    """
    p = 1 / (1 + np.exp(-np.clip(start[0] + start[1] * logits, -500, 500)))
    first = p * (1 - p)
    derivatives = (labels - p, first, first * (1 - 2 * p), first * (1 - 6 * first))
    powers = [logits**power for power in range(5)]
    sums = [[weights @ (one * powers[k]) for k in range(order + 2)] for order, one in enumerate(derivatives)]
    away = np.zeros((len(weights), 2))
    for _ in range(8):
        gradient, curvature = _polynomial(sums, away)
        step = _step(gradient, curvature, free_slope=free_slope)
        away += np.clip(step, -_EXPANDED, _EXPANDED)
    # Far from all records the expansion says nothing.
    far = ~np.isfinite(away).all(1) | (np.abs(away).max(1) >= _EXPANDED)
    return np.where(far[:, None], _begin(len(weights), free_slope=free_slope), start + away)


def _polynomial(sums: list[list[np.ndarray]], away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (draws, 2) and curvature (draws, 3) of the expansion at a distance from its centre."""
    u, v = away.T
    slope = [
        sums[0][k]
        - (u * sums[1][k] + v * sums[1][k + 1])
        - (u**2 * sums[2][k] + 2 * u * v * sums[2][k + 1] + v**2 * sums[2][k + 2]) / 2
        - _cubic(u, v, sums[3][k : k + 4]) / 6
        for k in (0, 1)
    ]
    bend = [
        sums[1][k]
        + (u * sums[2][k] + v * sums[2][k + 1])
        + (u**2 * sums[3][k] + 2 * u * v * sums[3][k + 1] + v**2 * sums[3][k + 2]) / 2
        for k in (0, 1, 2)
    ]
    return np.stack(slope, axis=1), np.stack(bend, axis=1)


def _cubic(u: np.ndarray, v: np.ndarray, sums: list[np.ndarray]) -> np.ndarray:
    return u**3 * sums[0] + 3 * u**2 * v * sums[1] + 3 * u * v**2 * sums[2] + v**3 * sums[3]
