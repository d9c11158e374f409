"""Still images as gray arrays: PPM, PGM, PNG, JPEG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.input_file import open_input

IMAGE_SUFFIXES = (".ppm", ".pgm", ".png", ".jpg", ".jpeg")
_MAX_PIXELS = 2**26  # a larger still is none of a dataset's


def read_image(path: str | Path) -> np.ndarray:
    """Read an image as gray.

    Colour becomes luma by ITU-R 601 (0.299 R + 0.587 G + 0.114 B), rounded to 8 bits as a gray file would hold it;
    transparency is dropped; 16-bit gray keeps its depth.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        InputError: missing, truncated, or not one of these formats.
    """
    from PIL import JpegImagePlugin, PngImagePlugin, PpmImagePlugin

    readers: dict[bytes, Any] = dict.fromkeys((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), PpmImagePlugin.PpmImageFile)
    readers |= {b"\x89P": PngImagePlugin.PngImageFile, b"\xff\xd8": JpegImagePlugin.JpegImageFile}
    with open_input(path) as (file, _):
        # By content, and not by `Image.open`, which knows decoders that start Ghostscript, and has limits of its own.
        reader = readers.get(file.read(2))
        if reader is None:
            raise bad_file(path, "no image that can be recognised", "a PPM, PNG or JPEG file")
        file.seek(0)
        try:
            with reader(file) as image:
                if image.width * image.height > _MAX_PIXELS:
                    raise bad_file(path, f"{image.width}×{image.height} pixels", f"at most {_MAX_PIXELS:,}")
                if image.mode.startswith("I"):
                    return np.asarray(image, dtype=np.float32) / np.float32(65535)
                return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)
        except InputError:
            raise
        except (OSError, ValueError, SyntaxError) as error:
            raise bad_file(
                path, f"a broken image ({error})", "a whole PPM, PNG or JPEG file", "copy it again"
            ) from error
