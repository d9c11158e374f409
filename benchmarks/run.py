"""All speeds, each as a ratio against a named peer in the same run.

python benchmarks/run.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

import block_matching
import geometry
import growth
import loop
import network
import simulate


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for continuous integration")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"))
    arguments = parser.parse_args()
    rows = [
        line for module in (geometry, network, loop, simulate, block_matching) for line in module.run(arguments.quick)
    ]
    print(f"{platform.machine()}, {os.cpu_count()} cores; best of several rounds, contenders taking turns\n")
    print(f"{'what':52} {'ours':>22} {'ms':>9}   {'peer':40} {'ms':>9}  {'peer / ours':>11}")
    for line in rows:
        print(
            f"{line['what']:52} {line['ours']:>22} {line['ours_ms']:9.2f}   {line['peer']:40} {line['peer_ms']:9.2f}"
            f"  {line['ratio']:11.2f}"
        )
    grown = []
    if not arguments.quick:
        print()
        growth.show(grown := growth.run())
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"speeds": rows, "growth": grown}, indent=2) + "\n")


if __name__ == "__main__":
    main()
