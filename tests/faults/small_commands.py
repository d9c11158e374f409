"""A small run of each command that writes, in a folder with what it needs; its output goes to `out`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import yaml

from cpwc_keras.io.contours import Contour, write_contour

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))
from affine_hearts import SHAPE, mesh_at_rest, write

_TINY = {
    "network_options": {"skip_connections": False, "context_levels": [], "finest_level": 5, "search_range": 1},
    "datasets": {"speckle": ""}, "crop": [64, 64], "batch_size": 1, "log_every": 1, "checkpoint_every": 2, "steps": 4,
    "validation_pairs": 1,
}  # fmt: skip
_QUICK = ("--elements", 8, "--beams", 24, "--density", 1, "--frames", 2, "--variants", "clean")

__all__ = ["COMMANDS", "hidden", "provide", "write"]

COMMANDS = {
    "track": ("data/p0_clean.h5", "--contour", "ed.json", "--tracker", "farneback", "-o", "out"),
    "contour": ("data/p0_clean.h5", "--loop", "data/p0_clean.h5", "-o", "out/contour.json"),
    "evaluate": ("zero", "--dataset", "sequences=data", "--no-videos", "-o", "out"),
    "simulate": ("--procedural", 1, *_QUICK, "-o", "out"),
    "prepare": ("chairs-like", "--pairs", 2, "--size", 64, 64, "--workers", 1, "-o", "out"),
    "pretrain": ("--config", "tiny.yaml", "-o", "out"),
}


def provide(folder: Path) -> None:
    """Write what the commands read."""
    write(folder / "data", seeds=(0,))
    wall = mesh_at_rest()[:, 0]
    write_contour(folder / "ed.json", Contour(np.asarray(wall), 0, SHAPE))
    (folder / "tiny.yaml").write_text(yaml.safe_dump(_TINY))


def hidden(folder: Path) -> list[str]:
    """Whatever a command should have taken away."""
    return [path.name for path in folder.rglob(".*")]
