import struct

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from cpwc_keras.errors import InputError
from cpwc_keras.io.mat_files import mat_shape, read_mat

NODES = np.random.default_rng(0).normal(size=(4, 3, 5))


def _write_v73(path, variables):
    """A v7.3 file as MATLAB writes it: HDF5 behind a 512-byte text header, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            file[name.replace(".", "/")] = np.asarray(value).T
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512))


@pytest.mark.parametrize("version", ["5", "5 compressed", "7.3"])
def test_variables_and_fields(tmp_path, version):
    path = tmp_path / "a.mat"
    if version == "7.3":
        _write_v73(path, {"X": NODES, "S.grid": [[5.0, 6.0]]})
    else:
        grid = np.array([5, 6], np.uint16)
        struct_ = {"text": "abc", "grid": grid, "nested": {"a": 1}, "cells": np.array([1, "a"], object)}
        savemat(path, {"X": NODES, "S": struct_, "Y": 1}, do_compression="compressed" in version)
    values = read_mat(path, "X", "S.grid", "S.none", "none")
    assert sorted(values) == ["S.grid", "X"]
    np.testing.assert_array_equal(values["X"], NODES)
    np.testing.assert_array_equal(values["S.grid"], [5, 6])
    assert mat_shape(path, "X") == NODES.shape
    assert mat_shape(path, "none") == ()


def test_what_is_not_real_numbers_is_left_out(tmp_path):
    savemat(tmp_path / "a.mat", {"X": "text", "Z": 1j * NODES, "S": {"text": "abc", "n": 3}})
    assert list(read_mat(tmp_path / "a.mat", "X", "Z", "S.text", "S.n")) == ["S.n"]
    _write_v73(tmp_path / "b.mat", {"Z": 1j * NODES, "n": 3.0})
    assert list(read_mat(tmp_path / "b.mat", "Z", "n")) == ["n"]


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_every_class_of_numbers(tmp_path, dtype):
    values = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    savemat(tmp_path / "a.mat", {"a": np.zeros(3, "u1"), "X": values})
    read = read_mat(tmp_path / "a.mat", "X")["X"]
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)


def test_a_damaged_type_code_is_a_sentence_and_not_a_crash(tmp_path):
    savemat(tmp_path / "a.mat", {"X": NODES})
    data = bytearray((tmp_path / "a.mat").read_bytes())
    tag = data.index(struct.pack("<2I", 9, NODES.nbytes))
    data[tag + 1] = 0x6C
    (tmp_path / "a.mat").write_bytes(data)
    with pytest.raises(InputError, match="values of type"):
        read_mat(tmp_path / "a.mat", "X")


def test_against_scipy_on_real_files(shared_data):
    folder = shared_data / "alessandrini2018"
    for path in sorted(folder.glob("ground_truth/*_normal.mat"))[::5]:
        expected = loadmat(path)["X_gt"]
        np.testing.assert_array_equal(read_mat(path, "X_gt")["X_gt"], expected)
        assert mat_shape(path, "X_gt") == expected.shape
    for path in sorted(folder.glob("info/*.mat")):
        expected = loadmat(path, squeeze_me=True)["USInfo"][()]
        fields = ("pixelsize", "gridsize", "x", "z", "ED1")
        read = read_mat(path, *(f"USInfo.{field}" for field in fields))
        for field in fields:
            np.testing.assert_array_equal(read[f"USInfo.{field}"], expected[field])


@pytest.mark.parametrize("keep", [0, 50, 130, 300])
def test_truncated(tmp_path, keep):
    savemat(tmp_path / "a.mat", {"X": NODES}, do_compression=True)
    (tmp_path / "a.mat").write_bytes((tmp_path / "a.mat").read_bytes()[:keep])
    with pytest.raises(InputError, match=r"a\.mat"):
        read_mat(tmp_path / "a.mat", "X")


def test_not_matlab(tmp_path):
    (tmp_path / "a.mat").write_bytes(bytes(1000))
    with pytest.raises(InputError, match="no MATLAB header"):
        read_mat(tmp_path / "a.mat", "X")


@pytest.mark.filterwarnings("error")
def test_a_number_beyond_its_class_is_infinite(tmp_path):
    """A damaged exponent, in a variable that says it is of single precision but is stored in double."""
    savemat(tmp_path / "a.mat", {"X": np.full((2, 3), 1e300)})
    data = bytearray((tmp_path / "a.mat").read_bytes())
    at = data.index(struct.pack("<2I", 6, 8)) + 8  # the array's flags; its class is in the lowest byte
    assert data[at] == 6
    data[at] = 7
    (tmp_path / "a.mat").write_bytes(data)
    values = read_mat(tmp_path / "a.mat", "X")["X"]
    assert values.dtype == np.float32 and np.isinf(values).all()
