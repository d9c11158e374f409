"""What the loop engine changes: error and time of a preset carrying a wall through simulated recordings, either way.

python benchmarks/loop_error.py SEQUENCES [PRESET] [--limit N]

The plain way is that of `loop.plain`: whole images, pair by pair, each direction by itself, in float32, with Keras'
own operations.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from loop import plain
from preset_on_sequences import main

from cpwc_keras.data.catalog import open_dataset
from cpwc_keras.ops import native
from cpwc_keras.tracking.cine import track
from cpwc_keras.tracking.pair import as_tracker
from cpwc_keras.types import CineLoop


def _compare(sequences: str, preset: str, limit: int) -> None:
    items = open_dataset("sequences", sequences)
    recordings = [items[i].read() for i in np.linspace(0, len(items) - 1, min(limit, len(items))).astype(int)]
    ways = _ways(preset)
    errors, seconds = {name: [] for name in ways}, dict.fromkeys(ways, 0.0)
    for recording in recordings:
        loop = CineLoop(recording.loop.frames, recording.loop.spacing_mm, recording.loop.frame_rate_hz)
        step = np.asarray(loop.spacing_mm)[::-1]
        for name, way in ways.items():
            way(CineLoop(loop.frames[:2], loop.spacing_mm), recording.mesh[0])  # traced for this size of image
            start = time.perf_counter()
            carried = way(loop, recording.mesh[0])
            seconds[name] += time.perf_counter() - start
            errors[name].append(np.linalg.norm((carried - recording.mesh) * step, axis=-1)[1:].mean())
    frames = sum(len(recording) - 1 for recording in recordings)
    print(f"{preset}: the wall of {len(recordings)} recordings, carried from frame 0 through {frames} steps in all")
    first = next(iter(ways))
    for name in ways:
        error, took = np.mean(errors[name]), seconds[name]
        print(
            f"{name:34} {error:.4f} mm ({100 * (error / np.mean(errors[first]) - 1):+5.2f} %), "
            f"{took / frames:.3f} s a step ({seconds[first] / took:.2f} times as fast)"
        )


def _ways(preset: str) -> dict:
    """Each takes a loop and a mesh (36, 5, 2) at its first frame, and returns (T, 36, 5, 2)."""
    with native.portable():
        model = as_tracker(preset, "float32")[0].model

    def the_plain_way(loop, mesh):
        with native.portable():
            return plain(model, loop, mesh)

    ways = {"plain Keras, float32": the_plain_way}
    for precision, reach in (("float32", 1), ("bfloat16", 1), ("bfloat16", 3)):
        tracker = as_tracker(preset, precision)[0]
        ways[f"track, {precision}, --reach {reach}"] = lambda loop, mesh, tracker=tracker, reach=reach: (
            track(loop, mesh, tracker, frame=0, es=1, reach=reach).points
        )
    return ways


if __name__ == "__main__":
    main(__doc__, _compare, limit=4, of="recordings, evenly from all")
