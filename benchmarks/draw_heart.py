"""Draw a procedural heart: its template, its ultrasound by the exact engine, and its true motion.

python benchmarks/draw_heart.py OUTPUT.png [--index N]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from cpwc_keras.data.pairs import pair_from_sequence
from cpwc_keras.data_prep.simulation.pipeline import make_jobs
from cpwc_keras.data_prep.simulation.run import run
from cpwc_keras.data_prep.simulation.settings import SimulationSettings
from cpwc_keras.data_prep.simulation.templates import procedural_items
from cpwc_keras.io.sequence_file import read_sequence

SEED, FRAMES, ARROW_STEP = 5, 24, 7


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--index", type=int, default=3)
    arguments = parser.parse_args()
    item = procedural_items(arguments.index + 1, SEED)[arguments.index]
    settings = SimulationSettings(variants=("clean",), frames=FRAMES, seed=SEED)
    folder = Path("build") / "draw_heart"
    run(make_jobs([item], settings), folder)
    sequence = read_sequence(folder / f"{item.name}_clean.h5")
    template = item.load(SEED, FRAMES)

    ejection = sequence.loop.es // 2
    pair = pair_from_sequence(sequence, ejection - 1, ejection + 2)
    figure, panels = plt.subplots(1, 3, figsize=(15, 4.4), layout="constrained")
    titles = ("template", "simulated, end-diastole", "simulated, ejection, and its true motion (three frames)")
    pictures = (template.frames[0], sequence.loop.frames[0], pair.image1)
    for axes, title, picture in zip(panels, titles, pictures, strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_title(title)
    y, x = np.nonzero(pair.mask[::ARROW_STEP, ::ARROW_STEP])
    y, x = y * ARROW_STEP, x * ARROW_STEP
    panels[2].quiver(x, y, *pair.flow[y, x].T, angles="xy", scale_units="xy", scale=0.7, color="gold", width=0.002)
    figure.savefig(arguments.output, dpi=75)


if __name__ == "__main__":
    main()
