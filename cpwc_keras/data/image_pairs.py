"""Two images and the flow between them: the form FlyingChairs and FlyingThings3D share."""

from __future__ import annotations

from pathlib import Path

from cpwc_keras.errors import bad_file
from cpwc_keras.io.flow_files import read_flow
from cpwc_keras.io.images import read_image
from cpwc_keras.types import FramePair


def read_image_pair(image1: Path, image2: Path, flow: Path, name: str = "") -> FramePair:
    """Read two images as gray and the flow from the first to the second.

    Raises:
        InputError: a file is missing or broken, the sizes differ, or the flow is not finite.
    """
    first, second = read_image(image1), read_image(image2)
    if second.shape != first.shape:
        raise bad_file(image2, _size(second), f"{_size(first)} as in {image1.name}")
    motion, mask = read_flow(flow)
    if mask.shape != first.shape:
        raise bad_file(flow, f"a flow of {_size(mask)}", f"{_size(first)} as in {image1.name}")
    return FramePair(first, second, motion, mask, name=name)


def _size(array) -> str:
    return f"{array.shape[1]}×{array.shape[0]} pixels"
