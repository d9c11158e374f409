"""FlyingChairs and FlyingThings3D, both layouts each."""

import pickle

import cv2
import numpy as np
import pytest

from cpwc_keras.data import chairs, things
from cpwc_keras.data.displacement import displacement_amplitude, remove_large_displacements
from cpwc_keras.errors import InputError
from cpwc_keras.io.flow_files import write_flow

RNG = np.random.default_rng(0)


def _image(path, size=(6, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), RNG.integers(0, 256, (*size, 3), dtype=np.uint8))


def _chairs(folder, names, first="_img1", second="_img2", flow="_flow.flo", motion=1.0):
    for number, name in enumerate(names, start=1):
        _image(folder / f"{name}{first}.ppm")
        _image(folder / f"{name}{second}.ppm")
        write_flow(folder / f"{name}{flow}", np.full((6, 8, 2), number * motion))


@pytest.mark.parametrize("names", [("_img1", "_img2", "_flow.flo"), ("-img0", "-img1", "-gt.flo")])
@pytest.mark.parametrize("folder", ["", "data"])
def test_chairs_layouts(tmp_path, names, folder):
    _chairs(tmp_path / folder, ["00001", "00002"], *names)
    (tmp_path / "FlyingChairs_train_val.txt").write_text("1\n2\n")
    items = chairs.find(tmp_path)
    assert [item.name for item in items] == ["00001", "00002"]
    assert [item.split for item in items] == ["train", "validation"]
    assert [item.patient for item in items] == ["00001", "00002"]
    pair = pickle.loads(pickle.dumps(items[1])).read()
    np.testing.assert_array_equal(pair.flow, np.full((6, 8, 2), 2.0))
    first = cv2.cvtColor(cv2.imread(str(items[1].files[0])), cv2.COLOR_BGR2GRAY) / 255
    np.testing.assert_allclose(pair.image1, first, atol=1.01 / 255)
    assert pair.mask.all() and pair.name == "00002"


def test_chairs_split_file_must_fit(tmp_path):
    _chairs(tmp_path, ["00001", "00002"])
    for text in ("1\n", "1\n3\n"):
        (tmp_path / "FlyingChairs_train_val.txt").write_text(text)
        with pytest.raises(InputError, match="1 or 2 for each of the 2 pairs"):
            chairs.find(tmp_path)


def test_chairs_with_a_missing_or_smaller_image(tmp_path):
    _chairs(tmp_path, ["00001"])
    (item,) = chairs.find(tmp_path)
    _image(tmp_path / "00001_img2.ppm", (6, 7))
    with pytest.raises(InputError, match=r"00001_img2\.ppm: found 7×6 pixels, expected 8×6 pixels"):
        item.read()
    (tmp_path / "00001_img2.ppm").unlink()
    with pytest.raises(InputError, match=r"00001_img2\.ppm: cannot be opened"):
        item.read()


def test_chairs_with_a_flow_of_another_size(tmp_path):
    _chairs(tmp_path, ["00001"])
    write_flow(tmp_path / "00001_flow.flo", np.zeros((6, 9, 2)))
    with pytest.raises(InputError, match="a flow of 9×6 pixels, expected 8×6"):
        chairs.find(tmp_path)[0].read()


def test_things_full_layout(tmp_path):
    for part in ("TRAIN", "TEST"):
        for camera, letter in (("left", "L"), ("right", "R")):
            for frame in range(6, 9):
                _image(tmp_path / "frames_cleanpass" / part / "A/0000" / camera / f"{frame:04d}.png")
                flow = tmp_path / "optical_flow" / part / "A/0000/into_future" / camera
                write_flow(flow / f"OpticalFlowIntoFuture_{frame:04d}_{letter}.pfm", np.full((6, 8, 2), float(frame)))
    items = things.find(tmp_path)
    assert len(items) == 2 * 2 * 2  # the last frame of a scene has no next image
    item = next(item for item in items if item.name == "TRAIN/A/0000/right/0007")
    assert (item.split, item.patient) == ("train", "TRAIN/A/0000")
    assert [path.name for path in item.files] == ["0007.png", "0008.png", "OpticalFlowIntoFuture_0007_R.pfm"]
    np.testing.assert_array_equal(item.read().flow, 7.0)


def test_things_subset_layout(tmp_path):
    for frame in range(3):
        _image(tmp_path / "train/image_clean/left" / f"{frame:07d}.png")
    for frame in (0, 1):
        write_flow(tmp_path / "train/flow/left/into_future" / f"{frame:07d}.flo", np.full((6, 8, 2), frame + 0.5))
    items = things.find(tmp_path)
    assert [item.name for item in items] == ["train/left/0000000", "train/left/0000001"]
    np.testing.assert_array_equal(items[1].read().flow, 1.5)
    assert items[1].files[1].name == "0000002.png"


@pytest.mark.parametrize("find", [chairs.find, things.find])
def test_wrong_empty_and_missing_folder(tmp_path, find):
    with pytest.raises(InputError, match="found an empty folder, expected "):
        find(tmp_path)
    (tmp_path / "holiday").mkdir()
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"found 1 folder \(holiday\) and 1 \.txt file, expected "):
        find(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find(tmp_path / "none")
    with pytest.raises(InputError, match="found a file"):
        find(tmp_path / "a.txt")


def test_displacement_is_the_90th_percentile_of_known_pixels(tmp_path):
    flow = np.zeros((10, 100, 2), np.float32)
    flow[..., 0] = np.arange(1000).reshape(10, 100)
    mask = np.ones((10, 100))
    mask[5:] = 0
    _chairs(tmp_path, ["00001"])
    write_flow(tmp_path / "00001_flow.flo", flow, mask)
    assert displacement_amplitude(chairs.find(tmp_path)[0]) == pytest.approx(450, abs=1)


def test_pairs_that_move_too_far_are_left_out(tmp_path):
    _chairs(tmp_path / "data", ["00001", "00002", "00003", "00004"], motion=10.0)
    broken = np.zeros((6, 8, 2), np.float32)
    broken[0, 0] = np.nan
    write_flow(tmp_path / "data/00004_flow.flo", broken)
    items, cache, calls = chairs.find(tmp_path), tmp_path / "displacement.json", []
    kept = remove_large_displacements(items, 30.0, cache, lambda: calls.append(1))
    assert [item.name for item in kept] == ["00001", "00002"]  # 10√2 and 20√2; not 30√2, not NaN
    assert len(calls) == 4
    assert remove_large_displacements(items, 30.0, cache, lambda: calls.append(1)) == kept
    assert len(calls) == 4  # remembered
    write_flow(tmp_path / "data/00001_flow.flo", np.full((7, 8, 2), 99.0))
    assert [item.name for item in remove_large_displacements(items, 30.0, cache)] == ["00002"]
    cache.write_text("[1]")
    with pytest.raises(InputError, match="remove it"):
        remove_large_displacements(items, 30.0, cache)


def test_a_truncated_flow_is_not_taken_for_a_large_one(tmp_path):
    _chairs(tmp_path, ["00001"])
    (tmp_path / "00001_flow.flo").write_bytes(b"PIEH")
    with pytest.raises(InputError, match=r"00001_flow\.flo"):
        remove_large_displacements(chairs.find(tmp_path))


def test_real_chairs(shared_data):
    items = chairs.find(shared_data / "flyingchairs")
    assert len(items) == 6
    assert [item.name[-1] for item in remove_large_displacements(items)] == ["0", "1", "2", "3", "4"]
    pair = items[2].read()
    assert pair.image1.shape == (384, 512)
    rows, cols = np.mgrid[:384, :512].astype(np.float32)
    warped = cv2.remap(pair.image2, cols + pair.flow[..., 0], rows + pair.flow[..., 1], cv2.INTER_LINEAR)
    inside = (
        cv2.remap(np.ones_like(pair.image2), cols + pair.flow[..., 0], rows + pair.flow[..., 1], cv2.INTER_LINEAR) == 1
    )
    before, after = (np.abs(image - pair.image1)[inside].mean() for image in (pair.image2, warped))
    assert after < 0.5 * before  # forward flow: image2 warped by it shows image1
