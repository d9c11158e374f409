import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cpwc_keras.errors import InputError
from cpwc_keras.io.flow_files import NonFiniteFlowError, read_flow, read_pfm, write_flow, write_pfm

FLOW = np.arange(2 * 3 * 2, dtype=np.float32).reshape(2, 3, 2) - 4.25


@pytest.mark.parametrize("suffix", [".flo", ".pfm", ".png"])
def test_round_trip_is_exact_for_sixty_fourths(tmp_path, suffix):
    write_flow(tmp_path / f"a{suffix}", FLOW)
    flow, mask = read_flow(tmp_path / f"a{suffix}")
    assert flow.dtype == mask.dtype == np.float32
    np.testing.assert_array_equal(flow, FLOW)
    np.testing.assert_array_equal(mask, np.ones((2, 3)))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([".flo", ".pfm"]),
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 7), st.integers(1, 7), st.just(2)),
        elements=st.floats(-(2.0**20), 2.0**20, width=32),
    ),
)
def test_round_trip_of_any_shape(tmp_path_factory, suffix, flow):
    path = tmp_path_factory.mktemp("flow") / f"a{suffix}"
    write_flow(path, flow)
    np.testing.assert_array_equal(read_flow(path)[0], flow)


@pytest.mark.parametrize("suffix", [".flo", ".png"])
def test_unknown_flow_is_zero_under_a_zero_mask(tmp_path, suffix):
    mask = np.array([[1, 0, 1], [0, 1, 1]], np.float32)
    write_flow(tmp_path / f"a{suffix}", FLOW, mask)
    flow, known = read_flow(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(known, mask)
    np.testing.assert_array_equal(flow, FLOW * mask[..., None])


def test_flo_is_the_format_of_opencv(tmp_path):
    cv2.writeOpticalFlow(str(tmp_path / "a.flo"), FLOW)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.flo")[0], FLOW)
    write_flow(tmp_path / "b.flo", FLOW)
    np.testing.assert_array_equal(cv2.readOpticalFlow(str(tmp_path / "b.flo")), FLOW)


def test_pfm_rows_run_upwards_and_the_sign_of_the_scale_is_the_byte_order(tmp_path):
    bottom_up = b"".join(struct.pack(">3f", *pixel) for pixel in [(5, 6, 0), (7, 8, 0), (1, 2, 0), (3, 4, 0)])
    (tmp_path / "big.pfm").write_bytes(b"PF\n2 2\n1.0\n" + bottom_up)
    flow, _ = read_flow(tmp_path / "big.pfm")
    np.testing.assert_array_equal(flow, [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    write_flow(tmp_path / "little.pfm", flow)
    assert b"-1.0\n" in (tmp_path / "little.pfm").read_bytes()[:16]
    oracle = cv2.imread(str(tmp_path / "little.pfm"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(oracle[..., ::-1][..., :2], flow)


def test_pfm_with_one_channel_is_read_but_is_no_flow(tmp_path):
    write_pfm(tmp_path / "depth.pfm", FLOW[..., 0])
    np.testing.assert_array_equal(read_pfm(tmp_path / "depth.pfm"), FLOW[..., 0])
    with pytest.raises(InputError, match="one channel"):
        read_flow(tmp_path / "depth.pfm")


def test_kitti_png_is_u_v_valid_in_rgb(tmp_path):
    write_flow(tmp_path / "a.png", np.full((1, 1, 2), [1.0, -2.0], np.float32))
    blue, green, red = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)[0, 0]
    assert (red, green, blue) == (2**15 + 64, 2**15 - 128, 1)


def test_kitti_range_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="512"):
        write_flow(tmp_path / "a.png", np.full((1, 1, 2), 600, np.float32))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".flo", ".pfm"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_flow_that_is_not_finite_is_refused(tmp_path, suffix, value):
    flow = FLOW.copy()
    flow[1, 2, 0] = value
    header = b"PIEH" + struct.pack("<2i", 3, 2)
    if suffix == ".flo":
        (tmp_path / "a.flo").write_bytes(header + flow.tobytes())
    else:
        write_pfm(tmp_path / "a.pfm", np.dstack([flow, np.zeros((2, 3), np.float32)]))
    with pytest.raises(NonFiniteFlowError, match="1 of 6 pixels"):
        read_flow(tmp_path / f"a{suffix}")


def _flo(width, height, data=b""):
    return b"PIEH" + struct.pack("<2i", width, height) + data


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("magic.flo", b"HEIP" + bytes(20), "begins with b'HEIP'"),
        ("empty.flo", b"", "begins with b''"),
        ("header.flo", b"PIEH\0\0", "12 bytes"),
        ("short.flo", _flo(3, 2, bytes(47)), "found 59 bytes, expected 60"),
        ("long.flo", _flo(3, 2, bytes(49)), "found 61 bytes, expected 60"),
        ("huge.flo", _flo(2**31 - 1, 2**31 - 1, bytes(8)), "expected 36,893"),
        ("negative.flo", _flo(-3, -2, bytes(48)), "-3×-2"),
        ("magic.pfm", b"P6\n2 2\n255\n" + bytes(12), "no PFM header"),
        ("short.pfm", b"PF\n2 2\n-1.0\n" + bytes(47), "expected 60 bytes"),
        ("huge.pfm", b"PF\n999999999 999999999\n-1.0\n" + bytes(12), "copy it again"),
        ("zero.pfm", b"PF\n1 1\n0\n" + bytes(12), "scale of 0"),
        ("magic.png", b"GIF89a" + bytes(40), "no PNG header"),
        ("a.txt", b"", "suffix '.txt'"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_flow(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_broken_and_lying_pngs(tmp_path, capfd):
    write_flow(tmp_path / "a.png", np.random.default_rng(0).normal(size=(40, 40, 2)))
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "half.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"half\.png"):
        read_flow(tmp_path / "half.png")
    (tmp_path / "bomb.png").write_bytes(data[:16] + struct.pack(">2I", 60_000, 60_000) + data[24:])
    with pytest.raises(InputError, match="60000×60000"):
        read_flow(tmp_path / "bomb.png")
    cv2.imwrite(str(tmp_path / "gray.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="8 bits and colour type 0"):
        read_flow(tmp_path / "gray.png")


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.flo", tmp_path / "folder.flo"):
        if path.stem == "folder":
            path.mkdir()
        with pytest.raises(InputError, match="cannot be opened"):
            read_flow(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_writing_into_a_file_as_if_it_were_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_flow(tmp_path / "file" / "a.flo", FLOW)


def test_real_middlebury_and_chairs(shared_data):
    flow, mask = read_flow(shared_data / "middlebury/RubberWhale/flow10.flo")
    assert flow.shape == (388, 584, 2)
    assert 0.9 < mask.mean() < 1  # its occlusions are marked unknown
    assert np.abs(flow).max() < 10
    flow, mask = read_flow(shared_data / "flyingchairs/0000002-gt.flo")
    assert mask.all()
    assert np.linalg.norm(flow, axis=-1).mean() == pytest.approx(4.35, abs=0.01)


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_only_what_makes_the_picture_is_decoded(tmp_path):
    """A text, an animation's frame of another size and a second header change nothing; a damaged chunk ends it."""
    path = tmp_path / "a.png"
    write_flow(path, np.random.default_rng(0).normal(size=(6, 7, 2)))
    whole, (flow, mask) = path.read_bytes(), read_flow(path)
    more = _chunk(b"tEXt", b"Comment\0" + b"x" * 50) + _chunk(b"acTL", struct.pack(">2I", 2, 0))
    more += _chunk(b"fcTL", struct.pack(">5I2H2B", 0, 2**20, 2**20, 0, 0, 1, 1, 0, 0))
    more += _chunk(b"IHDR", struct.pack(">2I5B", 2**20, 2**20, 16, 2, 0, 0, 0))
    path.write_bytes(whole[:33] + more + whole[33:])
    for found, expected in zip(read_flow(path), (flow, mask), strict=True):
        np.testing.assert_array_equal(found, expected)
    for place in (33 + 4, 33 + 20, 33 + len(more) + 12):
        changed = bytearray(path.read_bytes())
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(InputError, match="a broken PNG"):
            read_flow(path)


def test_a_chunk_takes_no_memory_for_the_length_it_claims(tmp_path):
    """OpenCV took 2 GB for a file of 5 kB."""
    path = tmp_path / "a.png"
    write_flow(path, np.random.default_rng(0).normal(size=(30, 30, 2)))
    data = path.read_bytes()
    path.write_bytes(data[:33] + struct.pack(">I", 2**31 + 135) + data[37:])
    asked = (
        "import resource, sys; from cpwc_keras.io.flow_files import read_flow, write_flow; import cv2\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_flow(sys.argv[1])\n"
        "except ValueError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", asked, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300_000  # kB
