"""FFT-Xcorr against PyMUST's `sptrack`: error on speckle shifted by known amounts, agreement, and time of a pair.

The exact engine's echoes of 388,087 scatterers, scan converted to 512 × 512 pixels of 0.308 mm (`sptrack` takes square
images only), and again with the probe moved by a fraction of a pixel: the same speckle, purely shifted.

python benchmarks/block_matching.py [--quick]
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from scipy.interpolate import RegularGridInterpolator
from simulate import PROBE, SCAN, phantom
from timing import best_seconds, row

from cpwc_keras.baselines.block_matching import SEARCHES, fft_xcorr
from cpwc_keras.data_prep.simulation.display import Display, Imager
from cpwc_keras.data_prep.simulation.engines import make_engine
from cpwc_keras.data_prep.simulation.transducer import ImageGrid

GRID = ImageGrid((512, 512), (0.308, 0.308), (256.0, 5.0))
GAIN = 0.15  # mean brightness about 0.45, as of tissue, with nothing white
SHIFTS = [(tenths / 10, 1 - tenths / 10) for tenths in range(1, 10)] + [(3.4, -7.3), (-7.3, 3.4)]
PEER = "PyMUST sptrack, same windows"


def speckle(shifts: list[tuple[float, float]]) -> np.ndarray:
    """(1 + shifts, 512, 512): the speckle as it is, and moved by each (dx, dy) in pixels."""
    engine = make_engine("exact", PROBE, SCAN)
    echoes = engine.iq(*phantom())
    images = []
    for dx, dy in [(0.0, 0.0), *shifts]:
        imager = Imager(engine, replace(GRID, probe=(GRID.probe[0] + dx, GRID.probe[1] + dy)), Display())
        images.append(imager.image(imager.normalise(echoes) * np.float32(GAIN)))
    return np.stack(images)


def interior() -> np.ndarray:
    """(512, 512) bool: well within the sector, further from the sides than a window and the motion together."""
    far, angle = GRID.polar()
    inside = (far > 30) & (far < SCAN.depth_mm - 10) & (np.abs(angle) < np.deg2rad(SCAN.sector_deg / 2 - 5))
    inside[:, :40] = inside[:, -40:] = False
    return inside


def sptrack(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(H, W, 2) flow in pixels by PyMUST, interpolated at every pixel."""
    import pymust

    parameters = pymust.utils.Param()
    parameters.update(winsize=np.array([[window, window] for window, _ in SEARCHES]), overlap=75)
    dx, dy, x, y = pymust.sptrack(np.stack([first, second], -1), parameters)
    # What it returns as centres, corner + window / 2, counts from the window's upper left edge.
    centres = (y[:, 0] - 0.5, x[0] - 0.5)
    at = RegularGridInterpolator(centres, np.stack([dx, dy], -1), bounds_error=False, fill_value=None)
    return at(np.moveaxis(np.indices(first.shape), 0, -1)).astype(np.float32)


def run(quick: bool) -> list[dict]:
    """One row: a pair by both."""
    first, second = speckle(SHIFTS[2:3])
    contenders = {"fft-xcorr": lambda: fft_xcorr(first[None], second[None]), PEER: lambda: sptrack(first, second)}
    return [row("512 × 512 pair", best_seconds(contenders, rounds=1 if quick else 3), "fft-xcorr", PEER)]


def accuracy_report(shifts: list[tuple[float, float]]) -> None:
    """Bias (mean error) and mean endpoint error of both, and how far they are from each other."""
    first, *others = speckle(shifts)
    inside = interior()
    print(f"{'shift px':>12}   {'fft-xcorr: bias x, y':>21} {'EPE':>6}   {'sptrack: bias x, y':>21} {'EPE':>6}   apart")
    largest = np.zeros(2)
    for shift, second in zip(shifts, others, strict=True):
        flows = [fft_xcorr(first[None], second[None])[0][inside], sptrack(first, second)[inside]]
        errors = [flow - np.float32(shift) for flow in flows]
        bias = np.array([error.mean(axis=0) for error in errors])
        largest = np.maximum(largest, np.abs(bias).max(axis=1))
        (ours, theirs), apart = (np.linalg.norm(error, axis=-1).mean() for error in errors), flows[0] - flows[1]
        print(
            f"{shift[0]:5.1f}, {shift[1]:5.1f}   {bias[0, 0]:+10.3f} {bias[0, 1]:+10.3f} {ours:6.3f}"
            f"   {bias[1, 0]:+10.3f} {bias[1, 1]:+10.3f} {theirs:6.3f}   {np.linalg.norm(apart, axis=-1).mean():5.3f}"
        )
    print(f"largest bias: fft-xcorr {largest[0]:.3f} px, sptrack {largest[1]:.3f} px")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three shifts, one round")
    arguments = parser.parse_args()
    accuracy_report(SHIFTS[1:-1:4] if arguments.quick else SHIFTS)
    (line,) = run(arguments.quick)
    print(f"{line['what']}: fft-xcorr {line['ours_ms']:.0f} ms, {line['ratio']:.0f} times as fast as {PEER}")


if __name__ == "__main__":
    main()
