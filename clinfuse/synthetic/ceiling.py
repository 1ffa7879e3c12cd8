"""The best AUROC that any reader of the inputs can reach: closed forms, and the true posterior where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit, log_expit, logsumexp, ndtr
from scipy.stats import binom, rankdata

from clinfuse.synthetic.latent import LABS, Latents, absence_log_odds
from clinfuse.synthetic.settings import INFORMATIVE_COLUMNS, MODALITIES, SyntheticSettings

_NODES, _NODE_WEIGHTS = hermegauss(64)


def complete_auroc(separations: Sequence[float]) -> float:
    """Best AUROC when every modality of a subset is there: Phi(sqrt(sum d^2 / 2)).

    Parameters
    ----------
    separations : sequence of float
        Distance d between the class means of each modality of the subset, in standard deviations.

    Returns
    -------
    float

    References
    ----------
    Green DM, Swets JA. Signal detection theory and psychophysics. Wiley, 1966 (equal-variance binormal model).

    Examples
    --------
    >>> round(complete_auroc([1.0, 0.8, 1.5]), 5)
    0.91844
    """
    return float(ndtr(np.sqrt(np.square(np.asarray(separations, dtype=np.float64)).sum() / 2)))


def mixture_auroc(squared: np.ndarray, weights: np.ndarray) -> float:
    """Best AUROC of records that differ in what is present, absence having nothing to do with the finding.

    With D_S the summed squared separations of pattern S and w_S its share,
    sum over S and T of w_S w_T Phi(sqrt((D_S + D_T) / 4)). A record with nothing to read has D = 0.

    Parameters
    ----------
    squared : ndarray of float64, (patterns,)
        D of each pattern.
    weights : ndarray of float64, (patterns,)
        Share of each pattern; any positive scale.

    Returns
    -------
    float

    Examples
    --------
    >>> round(mixture_auroc(np.array([1.0, 0.0]), np.array([0.85, 0.15])), 4)
    0.7369
    """
    share = weights / weights.sum()
    return float(share @ ndtr(np.sqrt((squared[:, None] + squared[None, :]) / 4)) @ share)


def expected_auroc(settings: SyntheticSettings, names: Sequence[str], present: np.ndarray | None = None) -> float:
    """Best AUROC of a subset of modalities where absence is completely at random.

    Empty laboratory cells count as the share of the labs' squared separation they take away.

    Parameters
    ----------
    settings : SyntheticSettings
        With a closed form (``settings.closed_form``).
    names : sequence of str
        Modalities that may be read.
    present : ndarray of bool, (records, modalities), optional
        The pattern of each record; without it the declared rates count.

    Returns
    -------
    float
    """
    chosen = np.array([name in names for name in MODALITIES])
    patterns, shares = _declared_patterns(settings) if present is None else _counted_patterns(present)
    full = np.square(np.asarray(settings.separations)) * chosen
    parts = np.arange(INFORMATIVE_COLUMNS + 1) / INFORMATIVE_COLUMNS
    chance = binom.pmf(np.arange(INFORMATIVE_COLUMNS + 1), INFORMATIVE_COLUMNS, 1 - settings.empty_cells)
    other = patterns @ np.where(np.arange(len(MODALITIES)) == LABS, 0.0, full)
    squared = other[:, None] + patterns[:, [LABS]] * full[LABS] * parts
    return mixture_auroc(squared.ravel(), (shares[:, None] * chance).ravel())


def realised_auroc(latents: Latents, settings: SyntheticSettings, names: Sequence[str], present: np.ndarray) -> float:
    """Best AUROC of given records: closed form over their own patterns, or the true posterior on them.

    Parameters
    ----------
    latents : Latents
    settings : SyntheticSettings
    names : sequence of str
        Modalities that may be read.
    present : ndarray of bool, (records, modalities)
        What can be read of each record.

    Returns
    -------
    float
        NaN where there is no closed form and only one class.
    """
    if not settings.closed_form:
        return area(latents.labels, posterior_logit(latents, settings, names, present))
    chosen = np.array([name in names for name in MODALITIES])
    squared = (np.square(np.asarray(settings.separations)) * latents.share * present * chosen).sum(axis=1)
    values, counts = np.unique(squared.round(12), return_counts=True)
    return mixture_auroc(values, counts.astype(np.float64))


def posterior_logit(
    latents: Latents,
    settings: SyntheticSettings,
    names: Sequence[str],
    present: np.ndarray,
    evidence: np.ndarray | None = None,
) -> np.ndarray:
    """Log-likelihood ratio of the finding given all that can be read of a subset, its absences included.

    Parameters
    ----------
    latents : Latents
    settings : SyntheticSettings
    names : sequence of str
        Modalities that may be read.
    present : ndarray of bool, (records, modalities)
    evidence : ndarray of float64, (records, modalities), optional
        What a reader sees of each latent; the truth when not given. Not read where absent.

    Returns
    -------
    ndarray of float64, (records,)
        0 where nothing is known.
    """
    chosen = np.array([name in names for name in MODALITIES])
    readable = present & chosen
    seen = np.where(readable, latents.evidence if evidence is None else evidence, 0.0)
    share = latents.share * readable
    if settings.xor:
        return _xor_logit(settings, seen, share)
    half = np.asarray(settings.separations) / 2
    offsets = settings.site_shift * np.arange(settings.sites)
    logs = []
    for sign in (1.0, -1.0):
        means = sign * half + offsets[:, None]
        logs.append(logsumexp(seen @ means.T - share @ (np.square(means) / 2).T, axis=1))
    return logs[0] - logs[1] + _absence_logit(settings, seen, present, chosen)


def area(labels: np.ndarray, scores: np.ndarray) -> float:
    """AUROC of scores: the chance that one with the finding scores higher, ties counted half.

    Parameters
    ----------
    labels : ndarray of int, (n,)
        0 or 1.
    scores : ndarray of float64, (n,)

    Returns
    -------
    float
        NaN with one class only.

    References
    ----------
    Hanley JA, McNeil BJ. Radiology 1982;143:29-36. doi 10.1148/radiology.143.1.7063747

    Examples
    --------
    >>> area(np.array([0, 1, 1]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    positive = labels == 1
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def _counted_patterns(present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    patterns, counts = np.unique(present, axis=0, return_counts=True)
    return patterns.astype(np.float64), counts.astype(np.float64)


def _declared_patterns(settings: SyntheticSettings) -> tuple[np.ndarray, np.ndarray]:
    count = len(MODALITIES)
    patterns = (np.arange(1, 2**count)[:, None] >> np.arange(count)) & 1
    missing = np.asarray(settings.missing)
    shares = np.prod(np.where(patterns == 1, 1 - missing, missing), axis=1)
    return patterns.astype(np.float64), shares / shares.sum()


def _xor_logit(settings: SyntheticSettings, seen: np.ndarray, share: np.ndarray) -> np.ndarray:
    ct, labs = (
        settings.separations[m] / 2 * seen[:, m] - share[:, m] * (settings.separations[m] / 2) ** 2 / 2
        for m in (0, LABS)
    )
    ct_low, labs_low = (logs - settings.separations[m] * seen[:, m] for logs, m in ((ct, 0), (labs, LABS)))
    differ = np.logaddexp(ct + labs_low, ct_low + labs)
    same = np.logaddexp(ct + labs, ct_low + labs_low)
    return differ - same


def _absence_logit(
    settings: SyntheticSettings, seen: np.ndarray, present: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    if settings.mechanism == "MNAR":
        return _pattern_log(settings, present, chosen, 1.0) - _pattern_log(settings, present, chosen, 0.0)
    if settings.mechanism == "MAR" and not chosen[LABS]:
        return _blind_pattern_log(settings, present, chosen, 1.0) - _blind_pattern_log(settings, present, chosen, -1.0)
    return np.zeros(len(seen))


def _pattern_log(settings: SyntheticSettings, present: np.ndarray, chosen: np.ndarray, label: float) -> np.ndarray:
    """Log probability of the absences among the chosen modalities given the label, patterns with nothing redrawn."""
    odds = absence_log_odds(settings, np.array([label]), np.zeros(1))[0]
    single = np.where(present, log_expit(-odds), log_expit(odds))
    logs = np.where(chosen, single, 0.0).sum(axis=1)
    nothing = float(np.prod(expit(odds)))
    rest = float(np.prod(expit(odds[~chosen])))
    left = np.where((present & chosen).any(axis=1), 1.0, 1.0 - rest)
    with np.errstate(divide="ignore"):
        return logs + np.log(left) - np.log1p(-nothing)


def _blind_pattern_log(settings: SyntheticSettings, present: np.ndarray, chosen: np.ndarray, sign: float) -> np.ndarray:
    """The same where absence follows laboratory values that are not read: averaged over these values."""
    parts = np.arange(INFORMATIVE_COLUMNS + 1) / INFORMATIVE_COLUMNS
    chance = binom.pmf(np.arange(INFORMATIVE_COLUMNS + 1), INFORMATIVE_COLUMNS, 1 - settings.empty_cells)
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    total = np.zeros(len(patterns))
    for site in range(settings.sites):
        centre = sign * settings.separations[LABS] / 2 + settings.site_shift * site
        for part, weight in zip(parts, chance, strict=True):
            values = centre * part + np.sqrt(part) * _NODES
            odds = absence_log_odds(settings, np.zeros(len(values)), values)[:, None, :]
            single = np.where(patterns[None], expit(-odds), expit(odds))
            total += weight * (_NODE_WEIGHTS @ np.where(chosen, single, 1.0).prod(axis=2))
    return np.log(total)[which.reshape(-1)]
