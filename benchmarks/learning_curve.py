"""Learning curves of training runs as a picture, and what twice the steps would bring if they went on as they go.

python benchmarks/learning_curve.py RUN... -o curves.png

RUN is a folder of `cpwc-keras pretrain` or `transfer`, finished or not. The validation error is taken to fall as a
power of the steps, fitted to its last two thirds; what is printed for twice the steps is this extrapolation and no
measurement.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import atomic_path
from cpwc_keras.studies.learning_curve import read_log, read_validations

_LATER = 1 / 3
_COLUMNS = 3
_SMOOTHED = 25  # lines of the log


def extrapolated(step: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """The exponent of the power law through the later points, and its value at twice the last step."""
    later = step >= _LATER * step[-1]
    slope, level = np.polyfit(np.log(step[later]), np.log(error[later]), 1)
    return float(slope), float(np.exp(level + slope * np.log(2 * step[-1])))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    try:
        curves = [(run, read_log(run), read_validations(run)) for run in options.runs]
        _draw(curves, options.output)
    except InputError as error:
        parser.exit(2, f"Error: {error}\n")


def _draw(curves: list[tuple], output: Path) -> None:
    columns = min(_COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.6 * columns, 3.1 * rows), squeeze=False, layout="constrained")
    known = figure.canvas.get_supported_filetypes()
    if output.suffix[1:].lower() not in known:
        raise bad_file(output, f"the ending {output.suffix!r}", f"that of a picture: {', '.join(sorted(known))}")
    for axis, (run, curve, measured) in zip(axes.flat, curves, strict=False):
        width = min(_SMOOTHED, len(curve.epe))
        smooth = np.convolve(curve.epe, np.ones(width) / width, "valid")
        axis.plot(curve.step[width - 1 :], smooth, color="0.7", label=f"training pairs, mean of {width} lines")
        axis.set(title=run.name, xlabel="steps", ylabel="endpoint error (px)", ylim=(0, None))
        if len(measured):
            axis.plot(measured[:, 0], measured[:, 1], "o-", ms=3, color="tab:blue", label="validation")
            axis.axhline(measured[-1, 2], ls=":", color="0.5", label="zero flow")
        if len(measured) > 4:
            slope, twice = extrapolated(measured[:, 0], measured[:, 1])
            axis.plot(2 * measured[-1, 0], twice, "x", color="tab:blue", label="twice the steps, extrapolated")
            print(
                f"{run.name}: {measured[-1, 1]:.3f} px after {measured[-1, 0]:,.0f} steps; error ~ steps^{slope:.2f}, "
                f"so {twice:.3f} px after twice as many (extrapolated)"
            )
    entries = {label: line for axis in axes.flat for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    for axis in axes.flat[len(curves) :]:
        axis.axis("off")
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=len(entries), frameon=False)
    with atomic_path(output) as beside:
        figure.savefig(beside, dpi=120)


if __name__ == "__main__":
    main()
