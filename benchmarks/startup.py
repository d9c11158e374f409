"""Where the seconds go, from `cpwc-keras track` typed to its result on the demo's loop.

python benchmarks/startup.py [--rounds 3] [--json FILE]

For each engine, the stages of one run in a process of its own, one after the other, and the whole command beside them;
of several rounds the fastest. The other engines' networks are exported before, as they are once in a lifetime.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import in_a_process

RUNS = {"dis": ("dis", "keras"), "keras": (None, "keras"), "openvino": (None, "openvino"), "onnx": (None, "onnx")}
"""Tracker and engine of each."""


def stages(run: str) -> dict[str, float]:
    """Seconds of each stage, and how many seconds the process was old when it began with the first."""
    started = time.clock_gettime(time.CLOCK_BOOTTIME) - _born()
    tracker, engine = RUNS[run]
    took, clock = {"Python": started}, time.perf_counter()

    def done(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        took[stage], clock = now - clock, now

    from pydicom import examples

    import cpwc_keras.cli.main  # noqa: F401, as the command does
    from cpwc_keras.cli.track import demo_contour
    from cpwc_keras.io.cine import read
    from cpwc_keras.tracking.cine import place_contour, track
    from cpwc_keras.tracking.output import write_results
    from cpwc_keras.tracking.pair import as_tracker, names_network

    done("imports, without the network's")
    loop = read(Path(examples.get_path("ybr_color")))
    contour = place_contour(loop, demo_contour())
    done("reading the loop")
    if names_network(tracker) and engine == "keras":
        from cpwc_keras.quiet import import_keras_quietly

        import_keras_quietly()
    done("importing Keras and TensorFlow")
    tracker, _ = as_tracker(tracker, engine=engine)
    done("loading the network")
    first, later = [], []
    result = track(
        loop, contour, tracker, on_progress=lambda *_: (later if first else first).append(time.perf_counter())
    )
    took["the first frame, with what is compiled then"] = first[0] - clock
    clock = first[0]
    done("the other frames")
    with tempfile.TemporaryDirectory() as folder:
        write_results(result, loop, Path(folder), {}, "")
    done("pictures, video and tables")
    return took


def _born() -> float:
    """When this process began, in seconds since the machine did."""
    ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    return int(ticks) / os.sysconf("SC_CLK_TCK")


def command(run: str) -> float:
    """Seconds of the whole command."""
    tracker, engine = RUNS[run]
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(sys.executable).with_name("cpwc-keras"))
        line = [program, "demo", "-o", folder, "--engine", engine]
        start = time.perf_counter()
        subprocess.run([*line, *(["--tracker", tracker] if tracker else [])], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=RUNS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(stages(given.one)))
        return
    table = {}
    for run in RUNS:
        command(run)  # what is compiled or exported once is, and the files are in the memory
        rounds = [in_a_process(__file__, "--one", run) for _ in range(given.rounds)]
        table[run] = {stage: min(each[stage] for each in rounds) for stage in rounds[0]}
        table[run]["the whole command"] = min(command(run) for _ in range(given.rounds))
    print(f"{'seconds':46}" + "".join(f"{run:>10}" for run in table))
    for stage in table["dis"]:
        print(f"{stage:46}" + "".join(f"{table[run][stage]:10.2f}" for run in table))
    if given.json:
        given.json.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
