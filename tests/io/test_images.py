import struct
import zlib

import cv2
import numpy as np
import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.io.images import read_image

RNG = np.random.default_rng(0)


def test_luma_weights_are_itu_r_601(tmp_path):
    rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    (tmp_path / "a.ppm").write_bytes(b"P6\n4 1\n255\n" + rgb.tobytes())
    image = read_image(tmp_path / "a.ppm")
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, [[0.299, 0.587, 0.114, 1]], atol=0.5 / 255)


@pytest.mark.parametrize("suffix", [".ppm", ".png", ".jpg"])
def test_against_opencv(tmp_path, suffix):
    colour = cv2.GaussianBlur(RNG.integers(0, 256, (21, 34, 3), dtype=np.uint8), (0, 0), 2)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), colour)
    oracle = cv2.cvtColor(cv2.imread(str(tmp_path / f"a{suffix}")), cv2.COLOR_BGR2GRAY) / 255
    np.testing.assert_allclose(read_image(tmp_path / f"a{suffix}"), oracle, atol=2.01 / 255)


def test_gray_8_and_16_bit_and_transparency(tmp_path):
    gray = RNG.integers(0, 2**16, (5, 7), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), gray)
    np.testing.assert_allclose(read_image(tmp_path / "deep.png"), gray / 65535, atol=1e-6)
    cv2.imwrite(str(tmp_path / "gray.png"), (gray >> 8).astype(np.uint8))
    np.testing.assert_allclose(read_image(tmp_path / "gray.png"), (gray >> 8) / 255, atol=1e-6)
    bgra = np.dstack([np.full((5, 7, 3), 100, np.uint8), np.zeros((5, 7), np.uint8)])
    cv2.imwrite(str(tmp_path / "alpha.png"), bgra)
    np.testing.assert_allclose(read_image(tmp_path / "alpha.png"), 100 / 255, atol=1e-6)


@pytest.mark.parametrize("suffix", [".ppm", ".png", ".jpg"])
def test_truncated_images_are_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="broken image") as error:
        read_image(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"P7 what is this", b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(100)])
def test_what_is_no_image(tmp_path, content):
    (tmp_path / "a.ppm").write_bytes(content)
    with pytest.raises(InputError, match="PPM, PNG or JPEG"):
        read_image(tmp_path / "a.ppm")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [8_193, 13_000, 100_000])
def test_an_image_that_claims_to_be_enormous_is_not_allocated(tmp_path, side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(png)
    with pytest.raises(InputError, match=f"{side}×{side} pixels, expected at most"):
        read_image(tmp_path / "bomb.png")


def test_missing(tmp_path):
    with pytest.raises(InputError, match="cannot be opened"):
        read_image(tmp_path / "none.png")
