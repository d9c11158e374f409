"""Whether a run that was started again learns as the recorded one: the first steps of its loss, beside a preset's.

python benchmarks/compare_curve.py RUN_FOLDER PRESET [--stage 1] [--steps 1000]

Ends with exit code 1 if the loss is further away than chance explains, 2 if the two cannot be compared.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cpwc_keras.errors import InputError
from cpwc_keras.models.presets import CURVE_SUFFIX, presets_folder
from cpwc_keras.studies.learning_curve import compare, read_curves, read_log


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("preset", help="name of a preset, or a .curve.json")
    parser.add_argument("--stage", type=int, default=1, help="of the preset's training, from 1")
    parser.add_argument("--steps", type=int, default=1000)
    given = parser.parse_args()
    named = Path(given.preset)
    path = named if named.suffix == ".json" else presets_folder() / f"{given.preset}{CURVE_SUFFIX}"
    try:
        curves = read_curves(path)
        if not 1 <= given.stage <= len(curves):
            raise InputError(f"{path}: found {len(curves)} stages, expected stage {given.stage} among them.")
        comparison = compare(read_log(given.run), curves[given.stage - 1], given.steps)
    except InputError as error:
        parser.exit(2, f"Error: {error}\n")
    print(f"{given.run}: {comparison}.")
    sys.exit(0 if comparison.matches else 1)


if __name__ == "__main__":
    main()
