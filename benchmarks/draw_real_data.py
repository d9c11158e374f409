"""Draw what the readers make of real data: a picture for each of the parts that are there.

python benchmarks/draw_real_data.py DATA_FOLDER OUTPUT_FOLDER

DATA_FOLDER holds any of camus/ (as published), alessandrini2018/ (motion without images), loops/ or single cine files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from cpwc_keras.data.catalog import open_dataset
from cpwc_keras.errors import InputError
from cpwc_keras.io.cine import read
from cpwc_keras.mesh import TRIANGLES, dense_flow, mesh_from_labels
from cpwc_keras.types import CineLoop, Trajectory

ARROW_STEP = 9


def arrows(axes, flow: np.ndarray, mask: np.ndarray) -> None:
    """The motion at every few pixels of the mask, to scale."""
    y, x = np.nonzero(mask[::ARROW_STEP, ::ARROW_STEP] > 0.5)
    y, x = y * ARROW_STEP, x * ARROW_STEP
    axes.quiver(x, y, *flow[y, x].T, angles="xy", scale_units="xy", scale=1, color="tab:cyan", width=0.002)


def draw_labels(loop: CineLoop):
    """ED and ES with their meshes, and the flow that follows from the two."""
    figure, panels = plt.subplots(1, 3, figsize=(15, 5), layout="constrained")
    meshes = [mesh_from_labels(loop.labels[t], loop.spacing_mm) for t in (loop.ed, loop.es)]
    for axes, t, mesh, name in zip(panels, (loop.ed, loop.es), meshes, ("ED", "ES"), strict=False):
        axes.imshow(loop.frames[t], cmap="gray")
        axes.triplot(*mesh.reshape(-1, 2).T, TRIANGLES, linewidth=0.5, color="gold")
        axes.set_title(f"{loop.patient} {name}, 36×5 mesh")
    panels[2].imshow(loop.frames[loop.ed], cmap="gray")
    arrows(panels[2], *dense_flow(*meshes, loop.frames.shape[1:]))
    panels[2].set_title("flow ED → ES")
    return figure


def draw_trajectory(motion: Trajectory, first: int = 3, second: int = 6):
    """The flow between two frames, forward and backward."""
    figure, panels = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for axes, (a, b) in zip(panels, ((first, second), (second, first)), strict=True):
        flow, mask = dense_flow(motion.mesh[a], motion.mesh[b], motion.image_shape)
        axes.imshow(mask, cmap="gray", vmax=3)
        arrows(axes, flow, mask)
        mean = np.hypot(*flow[mask > 0.5].T).mean()
        axes.set_title(f"frame {a} → {b}, mean motion {mean:.2f} px")
    return figure


def draw_loop(loop: CineLoop, count: int = 4):
    """A few frames, evenly spaced."""
    figure, panels = plt.subplots(1, count, figsize=(4 * count, 4), layout="constrained")
    for axes, t in zip(panels, np.linspace(0, len(loop) - 1, count).astype(int), strict=True):
        axes.imshow(loop.frames[t], cmap="gray", vmin=0, vmax=1)
        axes.set_title(f"frame {t} of {len(loop)}")
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    figures = {}
    for name, folder in (("camus", "camus"), ("alessandrini-motion", "alessandrini2018")):
        try:
            item = open_dataset(name, arguments.data / folder)[0]
        except InputError as error:
            print(error)
            continue
        recording = item.read()
        figures[name] = draw_labels(recording) if isinstance(recording, CineLoop) else draw_trajectory(recording)
    for path in sorted(arguments.data.rglob("*")):
        if path.suffix in (".dcm", ".mp4") or path.name.endswith("half_sequence.nii.gz"):
            figures[path.name.split(".")[0]] = draw_loop(read(path))
    for name, figure in figures.items():
        figure.savefig(arguments.output / f"{name}.png", dpi=80)
        print(arguments.output / f"{name}.png")


if __name__ == "__main__":
    main()
