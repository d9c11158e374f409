"""Draw what simulations are made of: the paper's Fig. 1 (mesh on a mask), Fig. 2 (artifacts) and Fig. 5 (strain).

python benchmarks/draw_simulation.py CAMUS_FOLDER OUTPUT_FOLDER [--sequences SIMULATED]

CAMUS_FOLDER is CAMUS as published. Fig. 1 and 5 need no simulated image: strain follows from the meshes. Fig. 2 shows
the first two patients of SIMULATED, a folder that `cpwc-keras simulate --templates camus` has written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from cpwc_keras.data import camus
from cpwc_keras.data_prep.conversion.recordings import sequence_of
from cpwc_keras.data_prep.simulation.settings import VARIANTS
from cpwc_keras.data_prep.simulation.stills import cycle_of_stills
from cpwc_keras.data_prep.simulation.templates import find_templates
from cpwc_keras.evaluation.strain import longitudinal_strain
from cpwc_keras.io.sequence_file import read_sequence
from cpwc_keras.segmentation import contours_from_labels
from cpwc_keras.types import CineLoop, DatasetItem

FRAMES, SEED = 40, 0  # what `cpwc-keras simulate` takes by default


def stills_of_templates(root: Path) -> list[DatasetItem]:
    """The ED-ES items of the patients that are templates, in their order."""
    of_patient = {item.patient: item for item in camus.find(root) if item.name.endswith("_4CH_ED-ES")}
    return [of_patient[item.patient] for item in find_templates("camus", root)]


def draw_mesh(loop: CineLoop, mesh: np.ndarray):
    """Fig. 1: nodes of the end-diastolic mesh (yellow) on the contours of the mask (green)."""
    figure, axes = plt.subplots(figsize=(7, 7), layout="constrained")
    axes.imshow(loop.frames[loop.ed], cmap="gray", vmin=0, vmax=1)
    for contour in contours_from_labels(loop.labels[loop.ed]):
        axes.plot(*contour.T, color="limegreen", linewidth=1.5)
    axes.plot(*mesh.reshape(-1, 2).T, ".", color="yellow", markersize=3)
    (left, top), (right, bottom) = mesh.min((0, 1)) - 25, mesh.max((0, 1)) + 25
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    axes.set_title(f"{loop.patient}: 36 × 5 nodes between the contours of its mask")
    return figure


def draw_strain(strain: np.ndarray):
    """Fig. 5: strain (N, T) of every template over the normalised beat, with mean and limits of agreement (black)."""
    time = np.linspace(0, 1, strain.shape[1])
    mean, spread = strain.mean(0), 1.96 * strain.std(0, ddof=1)
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    axes.plot(time, strain.T, linewidth=0.8, alpha=0.6)
    axes.plot(time, mean, color="black", linewidth=2.5, label="mean")
    axes.plot(time, mean - spread, "--", color="black", linewidth=2, label="limits of agreement (mean ± 1.96 SD)")
    axes.plot(time, mean + spread, "--", color="black", linewidth=2)
    axes.axhline(0, color="gray", linewidth=0.5)
    axes.set(xlabel="normalised time", ylabel="global longitudinal strain (%)", xlim=(0, 1))
    axes.set_title(f"{len(strain)} simulated patients, endocardium")
    axes.legend(loc="lower right")
    return figure


def draw_artifacts(folder: Path, stills: dict[str, DatasetItem]):
    """Fig. 2: two patients at end-diastole, as recorded, simulated, and simulated with a reverberation (arrows)."""
    patients = sorted(path.name.removesuffix("_clean.h5") for path in folder.glob("*_clean.h5"))[:2]
    figure, rows = plt.subplots(
        len(patients), 3, figsize=(13, 4.6 * len(patients)), layout="constrained", squeeze=False
    )
    for row, patient in zip(rows, patients, strict=True):
        recorded = stills[patient].read()
        clean, artifact = (read_sequence(folder / f"{patient}_{name}.h5").loop.frames[0] for name in VARIANTS)
        pictures = {"recorded": recorded.frames[recorded.ed], "simulated": clean, "with reverberation": artifact}
        for axes, (name, picture) in zip(row, pictures.items(), strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{patient}, {name}")
        added = ndimage.gaussian_filter(artifact - clean, 6)
        place = np.unravel_index(added.argmax(), added.shape)[::-1]
        row[2].annotate("", place, np.add(place, (70, -70)), arrowprops={"color": "gold", "width": 2, "headwidth": 9})
    return figure


def strain_of(item: DatasetItem) -> np.ndarray:
    """Strain (T + 1,) over the beat of a template's endocardium; the last frame is the first one of the next beat."""
    stills = sequence_of(item.read(), item)
    mesh = cycle_of_stills(stills, item.patient, FRAMES, SEED).mesh
    contours = np.concatenate([mesh, mesh[:1]])[:, :, 0]
    return longitudinal_strain(contours, stills.loop.spacing_mm)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--sequences", type=Path)
    arguments = parser.parse_args()
    items = stills_of_templates(arguments.data)
    strain = np.stack([strain_of(item) for item in items])
    first = items[0].read()
    mesh = sequence_of(first, items[0]).mesh[first.ed]
    arguments.output.mkdir(parents=True, exist_ok=True)
    figures = {"fig1_mesh": draw_mesh(first, mesh), "fig5_strain": draw_strain(strain)}
    if arguments.sequences:
        figures["fig2_artifacts"] = draw_artifacts(arguments.sequences, {item.patient: item for item in items})
    for name, figure in figures.items():
        figure.savefig(arguments.output / f"{name}.png", dpi=100)
        print(arguments.output / f"{name}.png")
    peak = strain.min(1)
    print(f"peak strain of {len(peak)} templates: mean {peak.mean():.1f} %, SD {peak.std(ddof=1):.1f}, "
          f"{peak.min():.1f} to {peak.max():.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
