import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from cpwc_keras.errors import InputError
from cpwc_keras.io.medical import gray_frames, read_image_stack, stack_length

LOOP = np.random.default_rng(0).integers(0, 256, (4, 5, 6), dtype=np.uint8)  # T, H, W


def _write(path, array, spacing, compress=False):
    image = sitk.GetImageFromArray(array, isVector=False)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path), compress)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mhd", "a.mha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int16])
def test_loops_come_back_in_time_row_column_with_their_spacing(tmp_path, name, dtype):
    path = _write(tmp_path / name, LOOP.astype(dtype), (0.3, 0.4, 1.0))
    frames, spacing_mm, frame_time_s = read_image_stack(path)
    assert frames.dtype == dtype
    np.testing.assert_array_equal(frames, LOOP)
    assert spacing_mm == pytest.approx((0.4, 0.3))  # row first
    assert frame_time_s is None
    assert stack_length(path) == 4


def test_compressed_metaimage_and_still_image(tmp_path):
    path = _write(tmp_path / "z.mhd", LOOP, (1.0, 1.0, 1.0), compress=True)
    np.testing.assert_array_equal(read_image_stack(path)[0], LOOP)
    path = _write(tmp_path / "still.nii.gz", LOOP[0], (0.3, 0.4))
    np.testing.assert_array_equal(read_image_stack(path)[0], LOOP[:1])


@pytest.mark.parametrize(("unit", "seconds"), [(8, 20.0), (16, 0.02), (24, 2e-5), (0, None)])
def test_frame_time_is_taken_only_with_its_unit(tmp_path, unit, seconds):
    path = _write(tmp_path / "a.nii", LOOP[:, None], (0.3, 0.4, 1.0, 20.0))
    data = bytearray(path.read_bytes())
    data[123] = 2 | unit  # xyzt_units
    path.write_bytes(data)
    frames, _, frame_time_s = read_image_stack(path)
    np.testing.assert_array_equal(frames, LOOP)
    assert frame_time_s == (None if seconds is None else pytest.approx(seconds))


def test_a_spacing_of_one_by_one_means_unknown(tmp_path):
    assert read_image_stack(_write(tmp_path / "a.mhd", LOOP, (1.0, 1.0, 1.0)))[1] is None
    assert read_image_stack(_write(tmp_path / "b.mhd", LOOP, (1.0, 0.5, 1.0)))[1] == (0.5, 1.0)


def test_colour_becomes_luma(tmp_path):
    rgb = np.zeros((2, 3, 3), np.uint8)
    rgb[..., 1] = 200
    sitk.WriteImage(sitk.GetImageFromArray(rgb, isVector=True), str(tmp_path / "a.mha"))
    np.testing.assert_allclose(read_image_stack(tmp_path / "a.mha")[0], 0.587 * 200, rtol=1e-6)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mhd", "z.mhd", "a.mha"])
def test_truncated_files_are_refused(tmp_path, name, capfd):
    path = _write(tmp_path / name, LOOP, (1.0, 1.0, 1.0), compress=name == "z.mhd")
    data = {"a.mhd": tmp_path / "a.raw", "z.mhd": tmp_path / "z.zraw"}.get(name, path)
    content = data.read_bytes()
    data.write_bytes(content[: len(content) - 30])
    with pytest.raises(InputError) as error:
        read_image_stack(path)
    assert str(data) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("NDims = 3", "NDims = 93", None),  # SimpleITK's own parser overruns memory here
        ("DimSize = 6 5 4", "DimSize = 6 5 4 3 2", "6 × 5 × 4 × 3 × 2"),
        ("DimSize = 6 5 4", "DimSize = 60000 50000 40000", "60000 × 50000 × 40000"),
        ("DimSize = 6 5 4", "DimSize = 6 -5 4", "6 × -5 × 4"),
        ("DimSize = 6 5 4", "DimSize = six", "six"),
        ("MET_UCHAR", "MET_OTHER", "MET_OTHER"),
        ("ElementSpacing = 0.3", "ElementSpacing = nan", "spacing"),
        ("BinaryData = True", "BinaryData = False", "bare binary"),
        ("ElementDataFile", "Element", "no 'ElementDataFile'"),
    ],
)
def test_damaged_metaimage_headers(tmp_path, field, value, message):
    path = _write(tmp_path / "a.mhd", LOOP, (0.25, 0.5, 1.0))
    text = path.read_text().replace("0.25 0.5", "0.3 0.4")
    assert field in text
    path.write_text(text.replace(field, value))
    if message is None:
        np.testing.assert_array_equal(read_image_stack(path)[0], LOOP)
        return
    with pytest.raises(InputError, match=message):
        read_image_stack(path)


def test_metaimage_byte_order(tmp_path):
    path = _write(tmp_path / "a.mhd", LOOP.astype(np.int16), (0.3, 0.4, 1.0))
    (tmp_path / "a.raw").write_bytes(LOOP.astype(">i2").tobytes())
    path.write_text(path.read_text().replace("BinaryDataByteOrderMSB = False", "BinaryDataByteOrderMSB = True"))
    np.testing.assert_array_equal(read_image_stack(path)[0], LOOP)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), LOOP)


def test_a_header_that_claims_more_than_there_is(tmp_path):
    path = _write(tmp_path / "a.nii", LOOP, (1.0, 1.0, 1.0))
    data = bytearray(path.read_bytes())
    data[42:48] = struct.pack("<3h", 30000, 30000, 30000)
    path.write_bytes(data)
    with pytest.raises(InputError, match="30000 × 30000 × 30000"):
        read_image_stack(path)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(InputError, match=r"30000 × 30000 × 30000|pixels in all"):
        read_image_stack(tmp_path / "b.nii.gz")


@pytest.mark.parametrize("target", ["/etc/hostname", "../secret.raw", "LIST", "%03d.raw 1 4 1"])
def test_a_metaimage_that_points_elsewhere_is_not_followed(tmp_path, target):
    path = _write(tmp_path / "a.mhd", LOOP, (1.0, 1.0, 1.0))
    path.write_text(path.read_text().replace("a.raw", target))
    with pytest.raises(InputError, match="beside the header"):
        read_image_stack(path)


def test_missing_data_volume_suffix_and_rubbish(tmp_path):
    path = _write(tmp_path / "a.mhd", LOOP, (1.0, 1.0, 1.0))
    (tmp_path / "a.raw").unlink()
    with pytest.raises(InputError, match=r"pixel data a\.raw is missing"):
        read_image_stack(path)
    path = _write(tmp_path / "volume.nii", np.zeros((3, 4, 5, 6), np.uint8), (1.0, 1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="6 × 5 × 4 × 3"):
        read_image_stack(path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match="suffix"):
        read_image_stack(tmp_path / "a.txt")
    (tmp_path / "rubbish.nii.gz").write_bytes(b"\x1f\x8b rubbish")
    with pytest.raises(InputError, match=r"rubbish\.nii\.gz"):
        read_image_stack(tmp_path / "rubbish.nii.gz")
    with pytest.raises(InputError, match="cannot be opened"):
        read_image_stack(tmp_path / "none.mhd")


def test_gray_levels_are_checked():
    np.testing.assert_allclose(gray_frames("a", np.array([0.0, 255.0])), [0, 1])
    for bad in ([-1.0, 3.0], [0.0, 256.0], [0.0, np.nan]):
        with pytest.raises(InputError, match="0 to 255"):
            gray_frames("a", np.array(bad))


def test_the_real_half_sequence(shared_data):
    path = shared_data / "camus/half_sequence_2ch/patient0500_2CH_half_sequence.nii.gz"
    frames, spacing_mm, frame_time_s = read_image_stack(path)
    assert frames.shape == (15, 422, 512)
    assert spacing_mm == pytest.approx((0.308, 0.308))
    assert frame_time_s is None
    lit = frames[0] > 0
    assert lit[10].sum() < lit[250].sum()  # upright: the sector widens downwards from its apex
