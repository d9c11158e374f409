"""Is the truth of simulated sequences true? For every pair of neighbouring frames: warp the second back by the flow.

python benchmarks/simulation_truth.py FOLDER_OF_SEQUENCES

Over the myocardium, the difference to the first frame has to fall and the correlation with it to rise. Frames that do
not move (at most a hundredth of a pixel on average) are counted apart: there is nothing to gain.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from scipy import ndimage

from cpwc_keras.data.catalog import open_dataset
from cpwc_keras.data.pairs import pair_from_sequence
from cpwc_keras.fields import pixel_grid
from cpwc_keras.types import FramePair, Sequence

STILL_PX = 0.01


def look(pair: FramePair) -> tuple[float, float, float, float, float]:
    """Mean motion in px, then difference and correlation over the myocardium without and with the warp."""
    inside = (pair.mask > 0) & (cv2.erode((pair.image1 > 0).astype(np.uint8), np.ones((5, 5))) > 0)
    # Cubic splines: bilinear interpolation would blur away more than a motion of a tenth of a pixel changes.
    at = pixel_grid(pair.mask.shape) + pair.flow
    warped = ndimage.map_coordinates(pair.image2, [at[..., 1], at[..., 0]], order=3, mode="nearest")
    first = pair.image1[inside]
    values = [np.linalg.norm(pair.flow[inside], axis=-1).mean()]
    for second in (pair.image2[inside], warped[inside]):
        values += [np.abs(first - second).mean(), np.corrcoef(first, second)[0, 1]]
    return tuple(map(float, values))


def check(sequence: Sequence) -> np.ndarray:
    """(T - 1, 5): `look` at each pair of neighbouring frames."""
    return np.array([look(pair_from_sequence(sequence, t, t + 1)) for t in range(len(sequence) - 1)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    items = open_dataset("sequences", parser.parse_args().folder)
    print(f"{'sequence':36} {'px':>5} {'pairs':>5} {'better':>6}  {'|difference|':>16}  {'correlation':>15}")
    everything = []
    for item in items:
        values = check(item.read())
        moving = values[values[:, 0] > STILL_PX]
        better = int((moving[:, 3] < moving[:, 1]).sum())
        everything.append(moving)
        px, *values = moving.mean(0)
        raw, raw_r, warped, warped_r = (f"{value:.3f}" for value in values)
        print(f"{item.name:36} {px:5.2f} {len(moving):5} {better:6}  {raw:>7} → {warped}  {raw_r:>7} → {warped_r}")
    moving = np.concatenate(everything)
    better = int((moving[:, 3] < moving[:, 1]).sum())
    print(
        f"{len(items)} sequences: the flow lowers the difference in {better} of {len(moving)} moving pairs; mean "
        f"correlation {moving[:, 2].mean():.3f} without it, {moving[:, 4].mean():.3f} with it"
    )


if __name__ == "__main__":
    main()
