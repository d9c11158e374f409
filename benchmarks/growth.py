"""How time and memory grow with frames, image size, batch and cores: the exponent of a power law through the points.

python benchmarks/growth.py [--json FILE]

Each point is a process of its own, so that its peak memory is its own. Time and memory are those of tracking: what
importing TensorFlow and loading the network take is not in them. Only for Linux, whose kernel keeps the peak.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from timing import in_a_process

from cpwc_keras.types import CineLoop

SIZE = 256
POINTS = {
    "frames": (4, 8, 16, 32, 64),
    "pixels": (128**2, 256**2, 384**2, 512**2),
    "batch": (1, 2, 4, 8),
}


def measure(along: str, value: int) -> tuple[float, float]:
    """Seconds of tracking, and the peak memory in MiB above what the process held with its network loaded."""
    from loop import loop

    from cpwc_keras.tracking.carry import REACH
    from cpwc_keras.tracking.cine import track
    from cpwc_keras.tracking.pair import as_tracker

    run = as_tracker(None, "float32")[0]
    _forget_peak()
    loaded = _peak_mib()
    if along in ("frames", "cores"):
        images, contour = loop(value if along == "frames" else 8, (SIZE, SIZE))
        # No two frames alike, as in any recording: else pairs would be skipped, the more the longer the loop.
        images.frames[:] += np.linspace(0, 0.01, len(images), dtype=np.float32)[:, None, None]
        track(CineLoop(images.frames[: REACH + 2], images.spacing_mm), contour, run, frame=0)

        def call():
            track(images, contour, run, frame=0)
    else:
        side = round(value**0.5) if along == "pixels" else SIZE // 2
        batch = value if along == "batch" else 1
        first, second = np.random.default_rng(0).random((2, batch, side, side), dtype=np.float32)

        def call():
            run(first, second)

        call()
    took = []
    for _ in range(1 if along == "frames" else 3):
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return min(took), max(_peak_mib() - loaded, 1.0)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> float:
    """Of this process; `resource.getrusage` would begin with the peak of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def exponent(values, measured) -> float:
    """Of the power law through the points, by least squares of their logarithms."""
    return float(np.polyfit(np.log(values), np.log(measured), 1)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        along, value = options.point[0], int(options.point[1])
        if along == "cores":
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:value])
        print(json.dumps(measure(along, value)))
        return
    table = run()
    show(table)
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")


def run() -> list[dict]:
    """A row for each of frames, pixels, batch and cores."""
    points = dict(POINTS)
    if hasattr(os, "sched_setaffinity"):
        cores = len(os.sched_getaffinity(0))
        points["cores"] = tuple(
            sorted({2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores})
        )
    table = []
    for along, values in points.items():
        seconds, memory = zip(*(in_a_process(__file__, "--point", along, str(value)) for value in values), strict=True)
        several = len(values) > 1
        table.append(
            {
                "along": along, "values": values, "seconds": seconds, "peak_mib": memory,
                "time_exponent": exponent(values, seconds) if several else None,
                "memory_exponent": exponent(values, memory) if several else None,
            }
        )  # fmt: skip
    return table


def show(table: list[dict]) -> None:
    """Print the rows, a line each."""
    for line in table:
        points = ", ".join(
            f"{value:,}: {seconds:.2f} s {memory:,.0f} MiB"
            for value, seconds, memory in zip(line["values"], line["seconds"], line["peak_mib"], strict=True)
        )
        exponents = (
            f"time ~ {line['along']}^{line['time_exponent']:.2f}, memory ~ ^{line['memory_exponent']:.2f}"
            if line["time_exponent"] is not None
            else "one point only"
        )
        print(f"{line['along']:8} {exponents}   ({points})")


if __name__ == "__main__":
    main()
