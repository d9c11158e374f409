"""What can be said of a tracker on a real loop without labels: after a whole beat, the heart is as it was.

The probe and the chest move too, so that it is the contour's shape, not its place, that should return: its length (the
strain goes back to 0) and the arrangement of its material points after a rigid alignment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, signal

from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.strain import Spacing, longitudinal_strain, scaled

_WIDTH = 64
"""Beats are looked for in frames reduced to this size: that of walls and chambers, not of speckle."""

_REACH = 3
"""Pixels of the reduced frames, about 5 % of a frame's side, by which two frames may be shifted against each other."""

_PAIRS = 128
"""At most so many pairs of frames are compared at each lag, spread evenly over the loop."""

_DISTINCT = 0.1
"""How far the dissimilarity must fall, as a share of its largest value, for a lag to be called a beat.

It falls by up to 0.08 in loops of smooth noise, by 0.12 and more in every stretch of two beats of a real loop.
"""


@dataclass(frozen=True)
class Closure:
    """How far a contour is from closing after whole beats.

    Attributes:
        beat: number of whole beats since end-diastole, from 1.
        frame: where that is, in frames from the start of the loop.
        strain_percent: longitudinal strain there, eq. (2); 0 is right.
        drift_mm: `shape_drift` between there and end-diastole; NaN where the spacing is unknown; 0 is right.
    """

    beat: int
    frame: float
    strain_percent: float
    drift_mm: float


def closures(contours: np.ndarray, spacing_mm: Spacing, ed: int, beat_frames: float) -> list[Closure]:
    """Strain and shape drift after each whole beat: at frame ed + k · beat, k = 1, 2, …, as far as the loop goes.

    Between two frames, points are taken to move in a straight line at an even speed.

    Args:
        contours: (T, N, 2) pixels, the same material points in every frame.
        spacing_mm: (row_mm, col_mm), or None: strain is then taken with square pixels, and there is no drift in mm.
        ed: index of the end-diastolic frame where tracking began.
        beat_frames: length of a beat in frames, by habit from `estimate_beat`.

    Returns:
        one entry a beat; none where the loop ends before the first beat is over.

    Raises:
        InputError: the contours are not (T, N, 2) or not finite, `ed` is not one of their frames, or the beat is not a
            positive number of frames.
    """
    contours = np.asarray(contours, np.float64)
    if contours.ndim != 3 or contours.shape[-1] != 2:
        raise InputError(f"Contours of a loop must be (T, N, 2) points, found an array of shape {contours.shape}.")
    if not np.isfinite(contours).all():
        raise InputError("The contours hold coordinates that are not finite numbers.")
    if not 0 <= ed < len(contours):
        raise InputError(f"End-diastole at frame {ed} is not one of the {len(contours)} frames with a contour.")
    if not (np.isfinite(beat_frames) and beat_frames > 0):
        raise InputError(f"A beat must last a positive number of frames, found {beat_frames}.")
    found = []
    for beat in range(1, int((len(contours) - 1 - ed) / beat_frames) + 1):
        frame = ed + beat * beat_frames
        before = min(int(frame), len(contours) - 2)
        contour = contours[before] + (frame - before) * (contours[before + 1] - contours[before])
        strain = longitudinal_strain(np.stack([contours[ed], contour]), spacing_mm)[1]
        drift = shape_drift(contour, contours[ed], spacing_mm) if spacing_mm else float("nan")
        found.append(Closure(beat, float(frame), float(strain), drift))
    return found


def shape_drift(contour: np.ndarray, reference: np.ndarray, spacing_mm: Spacing = None) -> float:
    """Mean distance of the same material points after a rigid alignment: mean over i of |R p_i + t − q_i|.

    Args:
        contour: (N, 2) pixels.
        reference: (N, 2) pixels, the same points at another time.
        spacing_mm: (row_mm, col_mm), or None.

    Returns:
        mm, or pixels without a spacing; 0 for any two positions of a rigid body.

    Raises:
        InputError: the two differ in shape, are not (N, 2), or are not finite.
    """
    reference = scaled(reference, spacing_mm)
    aligned = rigidly_aligned(scaled(contour, spacing_mm), reference)
    return float(np.linalg.norm(aligned - reference, axis=-1).mean())


def rigidly_aligned(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Points rotated and shifted, neither scaled nor mirrored, to where they lie closest to others in least squares.

    The minimum of Σ |R p_i + t − q_i|² over rotations R and shifts t (Kabsch, 1976). In the plane it has a closed form:
    with both sets about their centres and written as complex numbers, R is the direction of Σ conj(p_i) q_i.

    Args:
        points: (N, 2) p, in a unit that is the same along x and y.
        onto: (N, 2) q.

    Returns:
        (N, 2) float64.

    Raises:
        InputError: the two differ in shape, are not (N, 2), or are not finite.
    """
    points, onto = np.asarray(points, np.float64), np.asarray(onto, np.float64)
    if points.shape != onto.shape or points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise InputError(f"Points to align must be (N, 2) and as many, found shapes {points.shape} and {onto.shape}.")
    if not (np.isfinite(points).all() and np.isfinite(onto).all()):
        raise InputError("Points to align must be finite numbers.")
    p, q = ((side - side.mean(axis=0)) @ (1, 1j) for side in (points, onto))
    turn = np.vdot(p, q)
    turned = p * (turn / abs(turn) if turn else 1)
    return np.stack([turned.real, turned.imag], -1) + onto.mean(axis=0)


def estimate_beat(frames: np.ndarray, shortest: int = 8) -> float:
    """Length of a beat, from the images alone, so that it is the same for every tracker.

    The dissimilarity of a lag is 1 − the normalised cross-correlation of frames so far apart, at the best of all global
    shifts up to 5 % of a frame's side, averaged over the loop. The beat is the first lag, up to half of the loop, at
    which it has a distinct minimum. Minima at multiples of it, m_k at about k beats, then give the length between
    frames: the least-squares slope Σ k m_k / Σ k², each m_k being the vertex of the parabola through three lags. Frames
    that repeat their neighbour change nothing: the time they stand for has passed.

    Args:
        frames: (T, H, W), any gray scale.
        shortest: fewest frames that a beat can have.

    Returns:
        frames, a fraction; from `shortest` to about half of the loop.

    Raises:
        InputError: the frames are not (T, H, W) or not finite, they are too few for two beats, or nothing repeats.
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or not frames.size:
        raise InputError(f"The frames of a loop must be (T, H, W), found an array of shape {frames.shape}.")
    if len(frames) < 2 * shortest:
        raise InputError(
            f"The loop has {len(frames)} frames, fewer than two beats of at least {shortest} frames "
            "take; say how long a beat is."
        )
    dissimilarity = _dissimilarity(_reduced(frames))
    # Seen to rise again beyond half of the loop, too; at the longest lags, too few pairs are left.
    seen = dissimilarity[: len(frames) * 3 // 4]
    minima, _ = signal.find_peaks(-seen, prominence=max(_DISTINCT * seen.max(), 1e-4))
    minima = minima[(minima >= shortest) & (minima <= len(frames) // 2)]
    if not len(minima):
        raise InputError(
            f"No beat is seen to repeat within the {len(frames)} frames; the loop needs at least two; say how long a "
            "beat is."
        )
    return _slope_of_multiples(dissimilarity, int(minima[0]))


def _reduced(frames: np.ndarray) -> np.ndarray:
    """Frames averaged over square blocks to at most `_WIDTH` pixels a side, each with mean 0 and norm 1."""
    count, height, width = frames.shape
    block = -(-max(height, width) // _WIDTH)
    tall, wide = min(block, height), min(block, width)
    rows, cols = height // tall, width // wide
    blocks = frames[:, : rows * tall, : cols * wide].reshape(count, rows, tall, cols, wide)
    small = blocks.mean(axis=(2, 4), dtype=np.float32)
    if not np.isfinite(small).all():
        raise InputError("The frames hold values that are not finite numbers.")
    small -= small.mean(axis=(1, 2), keepdims=True)
    norm = np.linalg.norm(small, axis=(1, 2), keepdims=True)
    return np.divide(small, norm, out=small, where=norm > 0)


def _dissimilarity(frames: np.ndarray) -> np.ndarray:
    """(T,): for every lag from 0, 1 − the correlation of normalised frames at their best shift, averaged over pairs."""
    # Padded, so that no shift within reach wraps around.
    shape = [fft.next_fast_len(side + _REACH, real=True) for side in frames.shape[1:]]
    spectra = fft.rfft2(frames, s=shape)
    shifts = np.ix_(*2 * [np.arange(-_REACH, _REACH + 1)])
    result = np.zeros(len(frames))
    for lag in range(1, len(frames)):
        first = np.unique(np.linspace(0, len(frames) - 1 - lag, _PAIRS).round().astype(int))
        correlation = fft.irfft2(spectra[first + lag] * spectra[first].conj(), s=shape)
        result[lag] = 1 - correlation[:, *shifts].max(axis=(1, 2)).mean(dtype=np.float64)
    return result


def _slope_of_multiples(dissimilarity: np.ndarray, first: int) -> float:
    """Length of a beat from the minimum at lag `first` and those near its multiples."""
    beat, products, squares, k = float(first), 0.0, 0, 1
    # Only as far as the pairs of frames still fill a beat, and as there is a minimum at all.
    while (k + 1) * beat <= len(dissimilarity):
        start = round(k * beat) - first // 6
        lag = start + int(np.argmin(dissimilarity[start : start + 2 * (first // 6) + 1]))
        left, here, right = dissimilarity[lag - 1 : lag + 2]
        if not left > here <= right:
            break
        products += k * (lag + (left - right) / (left - 2 * here + right) / 2)
        squares += k * k
        beat = products / squares
        k += 1
    return float(beat)
