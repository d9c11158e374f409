"""Turn the result of a training run into a preset: half precision, and a card with its measured errors.

python benchmarks/make_preset.py RUN_FOLDER NAME --command "cpwc-keras pretrain …" [--pairs N]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import preset

import cpwc_keras.models
from cpwc_keras.baselines.catalog import BASELINES
from cpwc_keras.models.weights_file import load_network, save_network
from cpwc_keras.tracking.pair import NetworkTracker

PRESETS = Path(cpwc_keras.models.__file__).parent / "presets"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--command", required=True, help="the command that makes these weights again")
    parser.add_argument("--saw", required=True, help="the data, in a sentence")
    parser.add_argument("--hours", required=True, help="how long it took, and on what")
    parser.add_argument("--pairs", type=int, default=64)
    arguments = parser.parse_args()
    trained = load_network(arguments.run / "network.h5")
    path = PRESETS / f"{arguments.name}.h5"
    save_network(trained, path, dtype="float16")
    # Measured on what is shipped, after rounding to half precision.
    shipped = NetworkTracker(load_network(path))
    errors = preset.measure({"this preset": shipped, **BASELINES}, arguments.pairs)
    record = json.loads((arguments.run / "experiment.json").read_text())
    card = {
        "network": type(trained).__name__,
        "parameters": trained.count_params(),
        "status": "provisional: trained for about an hour on two cores; to be replaced",
        "saw": arguments.saw,
        "licence": "Apache-2.0",
        "steps": record["experiment"]["steps"],
        "seed": record["experiment"]["seed"],
        "time": arguments.hours,
        "command": arguments.command,
        "versions": record["versions"],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "endpoint_error_px": {name: round(error, 3) for name, error in errors.items()},
        "measured_on": f"{arguments.pairs} unseen speckle pairs of 256×256, seed {preset.UNSEEN_SEED} "
        "(benchmarks/preset.py); not on hearts with known motion",
        "intended_use": "research and trying the software; not for diagnosis",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(card, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
