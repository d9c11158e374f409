"""Dense motion out of ``tracking.h5``."""

import h5py
import numpy as np
import pytest
from fuzz.hdf5_files import tracking_seeds

from cpwc_keras.errors import InputError
from cpwc_keras.inspection import inspect_flow
from cpwc_keras.io.tracking_file import is_tracked_motion, read_tracked_motion


@pytest.fixture
def path(tmp_path):
    return next(path for path in tracking_seeds(tmp_path) if path.stem == "mesh")


def test_what_is_read(path):
    motion = read_tracked_motion(path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(motion.flows, file["flow"][()])
        np.testing.assert_array_equal(motion.contours, file["points"][:, :, 0])
    assert (motion.spacing_mm, motion.frame_rate_hz) == ((0.3, 0.2), 50.0)
    assert is_tracked_motion(path) and len(inspect_flow(path)) == 2


@pytest.mark.parametrize("rate", [0.0, -1.0, np.nan, np.inf])
def test_a_rate_that_is_none(path, rate):
    with h5py.File(path, "r+") as file:
        file.attrs["frame_rate_hz"] = rate
    for read in (read_tracked_motion, inspect_flow):
        with pytest.raises(InputError, match=r"frame_rate_hz .*expected a positive number"):
            read(path)


def test_without_rate_and_spacing(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["frame_rate_hz"], file.attrs["spacing_mm"]
    motion = read_tracked_motion(path)
    assert motion.spacing_mm is None and motion.frame_rate_hz is None


def _replace(name, **options):
    def change(file):
        del file[name]
        file.create_dataset(name, **options)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replace("points", data=np.zeros((2, 9, 2), np.float32)), r"points \(2, 9, 2\)"),
        (_replace("points", data=np.zeros((3, 9), np.float32)), r"points \(3, 9\)"),
        (_replace("flow", data=np.zeros((2, 5, 6, 2))), "float64"),
        (_replace("flow", data=np.full((2, 5, 6, 2), np.nan, np.float32)), "NaN or infinite flow"),
        (_replace("flow", shape=(2, 2**15, 2**15, 2), dtype="f4", chunks=(1, 512, 512, 2)), "pixels"),
        (lambda file: file.__delitem__("flow"), "no dense motion"),
        (lambda file: file.attrs.update(format="something else"), "format something else"),
        (lambda file: file.attrs.update(spacing_mm=[0.3, -0.3]), "spacing_mm"),
    ],
)
def test_files_that_are_not_right(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(InputError, match=message):
        read_tracked_motion(path)


def test_links_are_not_followed(path):
    with h5py.File(path, "r+") as file:
        del file["flow"]
        file["flow"] = h5py.ExternalLink("elsewhere.h5", "/flow")
    with pytest.raises(InputError, match="a link in place of 'flow'"):
        read_tracked_motion(path)


def test_missing_and_foreign(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_tracked_motion(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("text")
    assert not is_tracked_motion(tmp_path / "text.h5")
    with pytest.raises(InputError, match="HDF5"):
        inspect_flow(tmp_path / "text.h5")
