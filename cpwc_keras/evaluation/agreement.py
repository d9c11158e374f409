"""How well clinical indices agree with their reference over patients (paper, III-D.2), and the paper's rank tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from cpwc_keras.errors import InputError


@dataclass(frozen=True)
class Agreement:
    """An estimate against its reference, in the unit of both.

    Attributes:
        n: number of pairs.
        bias: mean of estimate − reference.
        sd: their standard deviation σ.
        mae: mean of |estimate − reference|.
        mae_sd: their standard deviation, the σ of the paper's "mae ± σ".
        r: Pearson's correlation coefficient.
        lower: lower 95 % limit of agreement.
        upper: upper 95 % limit of agreement.
    """

    n: int
    bias: float
    sd: float
    mae: float
    mae_sd: float
    r: float
    lower: float
    upper: float


def agreement(estimate: np.ndarray, reference: np.ndarray) -> Agreement:
    """Bias, mean absolute error, correlation and limits of agreement (III-D.2; Bland and Altman, 1986).

    With the differences d_i = estimate_i − reference_i, means over the n pairs and standard deviations with n − 1::

        bias = mean(d)        σ = sd(d)        mae = mean(|d|) ± sd(|d|)        limits = bias ± 1.96 σ
        r = cov(estimate, reference) / (sd(estimate) · sd(reference))

    Args:
        estimate: (n,), one value a patient.
        reference: (n,), in the same order.

    Returns:
        the agreement of the pairs without a NaN; `n` tells how many they are. NaN stands where there are too few: for
        everything without a pair, for the deviations and limits with one, for r with fewer than three (through two
        points there is always a line) or where either side does not vary.

    Raises:
        InputError: the two are not one-dimensional and equally long.
    """
    estimate, reference = _pairs(estimate, reference)
    difference = estimate - reference
    bias, sd = _mean_and_sd(difference)
    mae, mae_sd = _mean_and_sd(np.abs(difference))
    varies = len(difference) >= 3 and np.ptp(estimate) > 0 and np.ptp(reference) > 0
    r = float(np.corrcoef(estimate, reference)[0, 1]) if varies else float("nan")
    return Agreement(len(difference), bias, sd, mae, mae_sd, r, bias - 1.96 * sd, bias + 1.96 * sd)


def wilcoxon(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p-value of the Wilcoxon signed-rank test of paired values, as under the paper's Table IV.

    It is SciPy's `stats.wilcoxon`: equal pairs are left out of the ranks; the p-value is exact for small samples.

    Args:
        a: (n,), such as the errors of one method, a value a patient.
        b: (n,), those of another method on the same patients.

    Returns:
        the p-value; pairs with a NaN are left out, 1 where all pairs are equal (nothing speaks for a difference), NaN
        with fewer than two pairs.

    Raises:
        InputError: the two are not one-dimensional and equally long.
    """
    a, b = _pairs(a, b)
    if len(a) < 2:
        return float("nan")
    return 1.0 if np.array_equal(a, b) else float(stats.wilcoxon(a, b).pvalue)


def mann_whitney(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p-value of the Mann-Whitney U rank test of independent samples, as under the paper's Table V.

    It is SciPy's `stats.mannwhitneyu`.

    Args:
        a: (n,), such as the errors of one method.
        b: (m,), those of another method, perhaps on other patients.

    Returns:
        the p-value; NaN values are left out, 1 where all values are the same, NaN with fewer than two values on a side.

    Raises:
        InputError: a sample is not one-dimensional.
    """
    a, b = (sample[~np.isnan(sample)] for sample in (_sample(a), _sample(b)))
    if min(len(a), len(b)) < 2:
        return float("nan")
    return 1.0 if np.ptp(np.concatenate([a, b])) == 0 else float(stats.mannwhitneyu(a, b).pvalue)


def _sample(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 1:
        raise InputError(f"A sample must be a row of numbers, found an array of shape {values.shape}.")
    return values


def _pairs(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both samples without the pairs of which either is NaN."""
    a, b = _sample(a), _sample(b)
    if len(a) != len(b):
        raise InputError(f"Paired samples must be equally long, found {len(a)} and {len(b)} values.")
    known = ~(np.isnan(a) | np.isnan(b))
    return a[known], b[known]


def _mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    mean = float(values.mean()) if len(values) else float("nan")
    return mean, float(values.std(ddof=1)) if len(values) > 1 else float("nan")
