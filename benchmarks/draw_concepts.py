"""Draw the figures of the documentation's concepts from the package itself, for a light and for a dark page.

python benchmarks/draw_concepts.py docs/figures

flow: the flow convention. mesh: the myocardial mesh and the motion that follows from it. composition: forward and
backward motion, and what their mean is worth. strain: the lengths that strain and MAPSE are made of.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import concept_panels as panels
import matplotlib.pyplot as plt
import numpy as np

from cpwc_keras.cli.track import demo_contour
from cpwc_keras.data.pairs import pair_from_sequence
from cpwc_keras.data_prep.simulation.pipeline import make_jobs
from cpwc_keras.data_prep.simulation.run import run
from cpwc_keras.data_prep.simulation.settings import SimulationSettings
from cpwc_keras.data_prep.simulation.templates import procedural_items
from cpwc_keras.io.cine import read
from cpwc_keras.io.sequence_file import read_sequence
from cpwc_keras.tracking.cine import track
from cpwc_keras.tracking.composition import compose
from cpwc_keras.tracking.pair import estimate_both, load_tracker

SEED, INDEX, FRAMES = 5, 3, 24
FIRST, SECOND = 2, 6  # systole: motion that can be seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    heart = simulated_heart()
    steps = both_ways(heart)
    result, loop = tracked_demo()
    matplotlib.rcParams["svg.hashsalt"] = "cpwc-keras"  # the same file each time
    matplotlib.rcParams["font.size"] = 10
    for theme in panels.THEMES:
        look = panels.Look(theme)
        for name, figure in (
            ("flow", flow_figure(look, heart)),
            ("mesh", mesh_figure(look, heart)),
            ("composition", composition_figure(look, steps)),
            ("strain", strain_figure(look, result, loop)),
        ):
            save(figure, output / f"{name}-{theme}.svg")


def save(figure, path: Path):
    """As SVG without a date, whose images the browser smooths when it enlarges them."""
    figure.savefig(path, transparent=True, bbox_inches="tight", pad_inches=0.06, metadata={"Date": None})
    plt.close(figure)
    path.write_text(path.read_text().replace("image-rendering:crisp-edges;image-rendering:pixelated", ""))


def simulated_heart():
    """A procedural heart by the surrogate engine, as a `Sequence`."""
    item = procedural_items(INDEX + 1, SEED)[INDEX]
    settings = SimulationSettings(engine="surrogate", variants=("clean",), frames=FRAMES, seed=SEED)
    folder = Path("build") / "draw_concepts"
    run(make_jobs([item], settings), folder)
    return read_sequence(folder / f"{item.name}_clean.h5")


def tracked_demo():
    """The demo's loop and its tracking by the default preset."""
    from pydicom import examples

    loop = read(examples.get_path("ybr_color"))
    return track(loop, demo_contour()), loop


def both_ways(heart):
    """Error without and with composition, and the disagreement, of the default preset on the wall's nodes, in mm."""
    frames, scale = heart.loop.frames, np.array(heart.loop.spacing_mm)[::-1]
    tracker = load_tracker()
    forward, composed, disagreement = [], [], []
    for t in range(len(frames) - 1):
        there, back = estimate_both(tracker, frames[t], frames[t + 1])
        points = heart.mesh[t].reshape(-1, 2)
        truth = heart.mesh[t + 1].reshape(-1, 2) - points
        mean, differs = compose(there, back, points)
        alone = mean + differs / 2  # F_f = d + (F_f + F_b) / 2
        for values, vectors in ((forward, alone - truth), (composed, mean - truth), (disagreement, differs)):
            values.append(np.linalg.norm(vectors * scale, axis=-1))
    return tuple(np.concatenate(values) for values in (forward, composed, disagreement))


def flow_figure(look, heart):
    """One point in two images, and the dense field as colours."""
    pair = pair_from_sequence(heart, FIRST, SECOND)
    figure, (first, second, third) = plt.subplots(1, 3, figsize=(9.6, 3.6), layout="constrained")
    node = heart.mesh[FIRST][3, 0], heart.mesh[SECOND][3, 0]
    box = panels.around(heart.mesh[FIRST].reshape(-1, 2), pair.image1.shape, 18)
    near = panels.around(np.stack(node), pair.image1.shape, 30)
    panels.show(first, look, pair.image1, near, "image 1")
    panels.show(second, look, pair.image2, near, "image 2")
    panels.point(first, node[0], panels.GOLD, "(x, y)", (9, -5))
    panels.axes_cross(first, near)
    panels.point(second, node[0], panels.FAINT)
    panels.point(second, node[1], panels.GOLD, "(x + dx, y + dy)", (9, 4))
    panels.arrow(second, node[0], node[1], panels.GOLD)
    panels.show_flow(third, look, pair.flow, pair.mask, box, "flow from image 1 to image 2")
    panels.wheel(third, look)
    return figure


def mesh_figure(look, heart):
    """The mesh on its image, three of its cells, and the motion of every pixel within."""
    pair = pair_from_sequence(heart, FIRST, SECOND)
    now, then = heart.mesh[FIRST], heart.mesh[SECOND]
    figure, (whole, close, dense) = plt.subplots(1, 3, figsize=(9.6, 3.6), layout="constrained")
    box = panels.around(now.reshape(-1, 2), pair.image1.shape, 18)
    panels.show(whole, look, pair.image1, box, "36 × 5 nodes")
    panels.draw_mesh(whole, now)
    panels.note(whole, now[0, 4], "row 0,\nseptal base", (-6, -14), "right")
    panels.note(whole, now[35, 4], "row 35,\nlateral base", (6, -14), "left")
    panels.note(whole, now[[17, 18], 4].mean(0), "rows 17, 18: apex", (0, 5), "center")
    panels.cells(close, look, pair.image1, now, then, rows=(5, 8))
    panels.show_flow(dense, look, pair.flow, pair.mask, box, "the motion of every pixel of the wall")
    panels.wheel(dense, look)
    return figure


def composition_figure(look, steps):
    """What is averaged, what that is worth, and what the disagreement says."""
    forward, composed, disagreement = steps
    figure, (sketch, gain, trust) = plt.subplots(
        1, 3, figsize=(9.6, 3.4), layout="constrained", width_ratios=[1.2, 1, 1]
    )
    panels.there_and_back(sketch, look)
    panels.cumulative(gain, look, {"forward": forward, "both": composed})
    panels.by_quantile(trust, look, disagreement, composed)
    return figure


def strain_figure(look, result, loop):
    """The contour at end-diastole and end-systole, and the two curves."""
    figure = plt.figure(figsize=(9.6, 3.6), layout="constrained")
    one, two, curves = figure.subplots(1, 3, width_ratios=[1, 1, 1.45])
    box = panels.around(result.contours.reshape(-1, 2), loop.frames.shape[1:], 26)
    for axes, frame, name in ((one, result.ed, "end-diastole"), (two, result.es, "end-systole")):
        panels.show(axes, look, loop.frames[frame] ** 0.7, box, name)
        panels.lengths(axes, result, frame)
    panels.strain_curves(curves, look, result)
    return figure


if __name__ == "__main__":
    main()
