"""Small datasets as they lie on the disk, for the tests of what reads and converts them."""

from __future__ import annotations

import numpy as np
from data.test_labelled_datasets import _write as write_labelled
from data.test_motion_datasets import _alessandrini as write_alessandrini
from data.test_motion_datasets import _medicaid as write_medicaid
from test_mesh import SHAPE, horseshoe_labels

__all__ = ["write_alessandrini", "write_camus", "write_labelled", "write_medicaid", "write_ted"]


def beating_labels(n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """(T, H, W) uint8 each: speckle, and a ventricle that becomes smaller from frame to frame."""
    images = np.random.default_rng(n_frames).integers(0, 256, (n_frames, *SHAPE), dtype=np.uint8)
    return images, np.stack([horseshoe_labels(inner=30 - k, outer=50 - k, legs=60 - 2 * k) for k in range(n_frames)])


def write_camus(root, name="patient0001", chamber="4CH", half_sequence=False, damage=None):
    """A patient at ED and ES, and all four frames in between if asked for; `damage` changes the labels in place."""
    images, labels = beating_labels(4)
    if damage:
        damage(labels)
    stem = root / name / f"{name}_{chamber}"
    for instant, frame in (("ED", 0), ("ES", 3)):
        write_labelled(stem.with_name(f"{stem.name}_{instant}"), images[frame], labels[frame])
    if half_sequence:
        write_labelled(stem.with_name(f"{stem.name}_half_sequence"), images, labels)
    (root / name / f"Info_{chamber}.cfg").write_text("ED: 1\nES: 4\nFrameRate: 50\n")


def write_ted(root, name="patient001"):
    """A patient whose cycle has three frames."""
    write_labelled(root / name / f"{name}_4CH_sequence", *beating_labels(3), (0.15, 0.31, 1.0), ".mhd")
    (root / name / f"{name}_4CH_info.cfg").write_text("ED: 1\nES: 3\n")
