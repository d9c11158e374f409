"""Can the network learn? One FlyingChairs pair by heart, with the curve.

python benchmarks/overfit.py IMAGE1 IMAGE2 FLOW [--steps N] [--output FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from cpwc_keras.data.pipeline import FixedPairs
from cpwc_keras.io.flow_files import read_flow
from cpwc_keras.io.images import read_image
from cpwc_keras.models import CPWCNet
from cpwc_keras.training.loop import LoopSettings, fit
from cpwc_keras.types import FramePair


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("image1", "image2", "flow"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--output", type=Path, default=Path("build/overfit"))
    arguments = parser.parse_args()
    flow, mask = read_flow(arguments.flow)
    pair = FramePair(read_image(arguments.image1), read_image(arguments.image2), flow, mask)
    keras.utils.set_random_seed(0)
    settings = LoopSettings(
        steps=arguments.steps, batch_size=1, learning_rate=3e-4, schedule="linear", clipnorm=1.0, validate_every=20,
        checkpoint_every=100,
    )  # fmt: skip
    arguments.output.mkdir(parents=True, exist_ok=True)
    source = FixedPairs([pair])
    fit(CPWCNet(weight_decay=0.0), source, settings, arguments.output, identity={}, validation=source)
    lines = [json.loads(line) for line in (arguments.output / "log.jsonl").read_text().splitlines()]
    curve = [(line["step"], line["validation_epe"]) for line in lines if "validation_epe" in line]
    zero = next(line["validation_epe_zero"] for line in lines if "validation_epe" in line)
    print(f"zero flow {zero:.2f} px; " + "; ".join(f"step {step}: {error:.2f} px" for step, error in curve))
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(*zip((0, zero), *curve, strict=True))
    axes.axhline(1, color="gray", linewidth=0.8)
    axes.set(xlabel="step", ylabel="endpoint error (px)", ylim=(0, None), title="One pair learnt by heart")
    figure.savefig(arguments.output / "curve.png", dpi=150)


if __name__ == "__main__":
    main()
