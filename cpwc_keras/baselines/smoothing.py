"""Unsupervised robust smoothing of gridded data with missing values: a penalised spline in the cosine domain.

After Garcia, "Robust smoothing of gridded data in one and higher dimensions with missing values", Computational
Statistics & Data Analysis 54 (2010), the paper's reference [33]. The smoothed z minimises

    Σ w |y − z|² + s Σ |Δz|²

with reflecting borders, where the discrete cosine transform diagonalises Δ. The smoothness s minimises the score of
generalised cross-validation; outliers lose their weight by the bisquare of their studentised residuals. Garcia iterates
z ← (1 + sΔ²)⁻¹ (w (y − z) + z) with a relaxation factor; here conjugate gradients with (1 + sΔ²)⁻¹ as preconditioner
solve the same equation in fewer transforms.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage, optimize

_LEVERAGES = (0.99, 1e-6)
"""Garcia's bounds of the mean leverage, which is 1 where nothing is smoothed and 0 where all becomes a constant."""
_BISQUARE = 4.685
"""Standard deviations at which a residual has no weight left: 95 % efficiency on Gaussian noise."""
_ROBUST_STEPS = 3
_SEARCHES = 3
"""Searches for s at most, for given weights; each starts from the z of the one before."""
_SETTLED = 0.1
"""Change of log10 s that is none."""
_ITERATIONS = 100


def smooth(
    values: np.ndarray, weights: np.ndarray, robust: bool = True, tolerance: float = 1e-3
) -> tuple[np.ndarray, float]:
    """Smooth a vector field by as much as its own noise asks for.

    The plane that fits best is taken out beforehand, since reflecting borders would bend it, and put back in the end.

    Args:
        values: (rows, columns, components); what stands where the weight is 0 is not looked at.
        weights: (rows, columns) in [0, 1], 0 where data are missing.
        robust: whether outliers lose their weight.
        tolerance: iterations end at this change of the known nodes (root mean square, in the unit of the values).

    Returns:
        smoothed: (rows, columns, components) float32, filled where data were missing; 0 everywhere if all were.
        smoothness: s.
    """
    rows, columns, _ = values.shape
    # Missing rows and columns up to a length that factors well: transforms of prime length take three times as long.
    padding = [(0, fft.next_fast_len(size, real=True) - size) for size in (rows, columns)]
    weights = np.pad(np.asarray(weights, np.float32), padding)
    known = weights > 0
    bounds = np.log10([_smoothness(leverage) for leverage in _LEVERAGES])
    if not known.any():
        return np.zeros(values.shape, np.float32), float(10 ** bounds[1])
    values = np.pad(np.moveaxis(np.asarray(values, np.float32), -1, 0), ((0, 0), *padding))
    plane = _plane(np.where(known, values, 0), weights)
    values = _nearest_known(values - plane, known)
    penalty = _squared_laplacian(known.shape)
    smoothed, exponent = _fit(values, weights, penalty, _coarse(values), bounds, tolerance)
    for _ in range(_ROBUST_STEPS - 1 if robust else 0):
        trusted = weights * _bisquare(values - smoothed, known, _leverage(10**exponent))
        smoothed, exponent = _fit(values, trusted, penalty, smoothed, _around(exponent, 1, bounds), tolerance)
    return np.moveaxis(smoothed + plane, 0, -1)[:rows, :columns], float(10**exponent)


def _fit(values, weights, penalty, smoothed, bounds, tolerance) -> tuple[np.ndarray, float]:
    """Alternate between s for the present z and z for the present s."""
    exponent, near = np.inf, bounds
    for _ in range(_SEARCHES):
        former, exponent = exponent, _least_gcv(values, weights, penalty, smoothed, near)
        shrink = 1 / (1 + np.float32(10**exponent) * penalty)
        smoothed = _solve(values, weights, shrink, smoothed, tolerance)
        if abs(exponent - former) < _SETTLED:
            break
        near = _around(exponent, 0.5, bounds)
    return smoothed, exponent


def _around(exponent, reach, bounds) -> tuple[float, float]:
    return max(exponent - reach, bounds[0]), min(exponent + reach, bounds[1])


def _least_gcv(values, weights, penalty, smoothed, bounds) -> float:
    """log10 of the s with the least score of generalised cross-validation, as Garcia's section 3 has it for weights."""
    spectrum = _cosines(weights * (values - smoothed) + smoothed)

    def score(exponent):
        shrink = 1 / (1 + np.float32(10**exponent) * penalty)
        residual = values - _from_cosines(shrink * spectrum)
        freedom = max(1 - float(shrink.mean()), 1e-9)  # a single node has none
        return _dot(weights * residual, residual) / freedom**2

    return optimize.minimize_scalar(score, bounds=bounds, method="bounded", options={"xatol": _SETTLED}).x


def _solve(values, weights, shrink, smoothed, tolerance) -> np.ndarray:
    """The z with (w + sΔ²) z = w y, from a first guess.

    With P = 1 + sΔ², whose inverse is `shrink` in the cosine domain, the matrix is P + w − 1. So P times the direction
    is carried along, and an iteration needs one transform there and back.
    """
    pull = weights * (values - smoothed) + smoothed
    smoothed = _from_cosines(shrink * _cosines(pull))
    residual = weights * (values - smoothed) + smoothed - pull
    direction, image, former = np.zeros_like(values), np.zeros_like(values), np.inf
    enough = tolerance**2 * float(weights.sum())
    for _ in range(_ITERATIONS):
        step = _from_cosines(shrink * _cosines(residual))
        gain = _dot(residual, step)
        direction = step + np.float32(gain / former) * direction
        image = residual + np.float32(gain / former) * image
        product = image + (weights - 1) * direction
        curvature = _dot(direction, product)
        if curvature <= 0:  # nothing left to correct, but for rounding
            break
        length = np.float32(gain / curvature)
        smoothed += length * direction
        residual -= length * product
        former = gain
        if length**2 * _dot(weights * direction, direction) <= enough:
            break
    return smoothed


def _bisquare(residual, known, leverage) -> np.ndarray:
    """Garcia's robust weights, from the length of the residual over all components."""
    inside = residual[:, known]
    deviation = np.median(np.linalg.norm(inside - np.median(inside), axis=0))
    scale = 1.4826 * deviation * np.sqrt(1 - leverage) + np.finfo(np.float32).tiny
    ratio = np.minimum(np.linalg.norm(residual, axis=0) / (_BISQUARE * scale), 1)
    return ((1 - ratio**2) ** 2).astype(np.float32)


def _leverage(smoothness: float) -> float:
    """Mean leverage of an endless plane: the square of the one along a line, Garcia's equation 12."""
    root = np.sqrt(1 + 16 * smoothness)
    return (1 + root) / 2 / root**2


def _smoothness(leverage: float) -> float:
    """The s of that mean leverage: `_leverage` backward."""
    root = (1 + np.sqrt(1 + 8 * leverage)) / (4 * leverage)
    return (root**2 - 1) / 16


def _squared_laplacian(shape: tuple[int, int]) -> np.ndarray:
    """Eigenvalues of Δ² under the cosine transform."""
    rows, columns = (2 - 2 * np.cos(np.pi * np.arange(size) / size) for size in shape)
    return ((rows[:, None] + columns) ** 2).astype(np.float32)


def _plane(values, weights) -> np.ndarray:
    """The weighted least squares fit of each component by a plane."""
    design = np.stack([np.ones(weights.shape), *np.indices(weights.shape)])
    gram = np.einsum("irc,jrc->ij", weights * design, design)
    right = np.einsum("irc,krc->ik", weights * design, values)
    coefficients = np.linalg.lstsq(gram, right)[0]  # not `solve`: a single row has no slope across
    return np.einsum("ik,irc->krc", coefficients, design).astype(np.float32)


def _nearest_known(values, known) -> np.ndarray:
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return values[:, *nearest]


def _coarse(values) -> np.ndarray:
    """A first guess: the lowest tenth of the frequencies along each axis."""
    spectrum = _cosines(values)
    rows, columns = (-(-size // 10) for size in values.shape[1:])
    spectrum[:, rows:] = 0
    spectrum[..., columns:] = 0
    return _from_cosines(spectrum)


def _dot(a, b) -> float:
    """By `einsum`, since BLAS would wake its threads for it."""
    return float(np.einsum("kij,kij", a, b))


def _cosines(field) -> np.ndarray:
    return fft.dctn(field, axes=(1, 2), norm="ortho")


def _from_cosines(spectrum) -> np.ndarray:
    return fft.idctn(spectrum, axes=(1, 2), norm="ortho")
