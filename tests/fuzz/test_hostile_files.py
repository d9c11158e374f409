"""What fuzzing found, each with the sentence it now gets."""

import json
import warnings
import zipfile

import h5py
import numpy as np
import pytest
from dataset_layouts import write_ted
from fuzz import arrays, hdf5_files, hostile, recordings

import cpwc_keras
from cpwc_keras.data import alessandrini, ted, things
from cpwc_keras.data.survey import survey
from cpwc_keras.errors import InputError
from cpwc_keras.io.flow_files import read_flow, write_flow
from cpwc_keras.io.images import read_image
from cpwc_keras.io.mat_files import mat_shape, read_mat
from cpwc_keras.io.sector import require_moderate
from cpwc_keras.io.video import read_video


def refused(read, path, found):
    with pytest.raises(InputError, match=found) as error:
        read(path)
    assert path.stem[:80] in str(error.value) and "\n" not in str(error.value)


@pytest.fixture(scope="module")
def dicoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dicom")
    recordings.dicom_hostile(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("bomb", "pixels"),
        ("rows", "pixels"),
        ("bits0", "broken DICOM"),
        ("nested", "DICOM"),
        ("frames", "pixels"),
    ],
)
def test_dicoms_that_lie(dicoms, name, found):
    refused(cpwc_keras.read, dicoms / f"{name}.dcm", found)


@pytest.mark.parametrize("name", ["edge", "below"])
def test_a_region_beside_the_frame_is_not_believed(dicoms, name):
    assert cpwc_keras.read(dicoms / f"{name}.dcm").frames.shape == recordings.SHAPE


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_spacings_and_rates_that_cannot_be_are_unknown(dicoms):
    for name in ("spacing", "spacing0"):
        assert cpwc_keras.read(dicoms / f"{name}.dcm").spacing_mm is None
    assert cpwc_keras.read(dicoms / "rate.dcm").frame_rate_hz is None
    assert cpwc_keras.read(dicoms / "vector.dcm").frame_rate_hz is None


def test_medical_images_that_unpack_to_much_or_lead_elsewhere(tmp_path):
    recordings.medical_hostile(tmp_path)
    for name in ("bomb.nii.gz", "bomb.mha", "huge.mha"):
        refused(cpwc_keras.read, tmp_path / name, "pixels")
    refused(cpwc_keras.read, tmp_path / "name.mhd", "the name of one file")
    for name in ("nul.mhd", "fifo.mhd"):
        refused(cpwc_keras.read, tmp_path / name, "missing")


def test_a_video_names_no_other_file(tmp_path):
    recordings.video_seeds(tmp_path)
    (tmp_path / "a.mp4").rename(tmp_path / "other.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile other.mp4\nfile other.mp4\n")
    refused(read_video, tmp_path / "list.mp4", "cannot be decoded")
    assert len(read_video(tmp_path / "other.mp4")) == 4


def test_hdf5_that_lies_elsewhere_or_unpacks_to_much(tmp_path):
    hdf5_files.sequence_hostile(tmp_path)
    link = "a link in place of 'mesh'"
    for name, found in {
        "bomb": "pixels in", "no_storage": "pixels in|bytes of", "big_chunk": "bytes of 'frames'",
        "virtual": "elsewhere", "storage": "elsewhere", "external": link, "fifo": link, "soft": link,
        "ed_0": "broken file", "ed_3": "broken file", "frame_rate_hz_0": "frame_rate_hz",
    }.items():  # fmt: skip
        refused(cpwc_keras.read, tmp_path / f"x_{name}.h5", found)


def test_hdf5_that_its_library_does_not_survive(tmp_path):
    """A chunk of 0 bytes before its checksum (a crash), a text of 0 bytes in a heap (a search without end)."""
    (seed,) = [path for path in hdf5_files.sequence_seeds(tmp_path) if path.stem == "mesh"]
    content = seed.read_bytes()
    with h5py.File(seed) as file:
        chunk = file["frames"].id.get_chunk_info(0)
    key = chunk.size.to_bytes(4, "little") + bytes(4) + bytes(8)
    at = content.index(key)
    for name, place, value in (("chunk", at, 0), ("heap", content.index(b"GCOL") + 24, 2**64 - 16)):
        path = tmp_path / f"{name}.h5"
        width = 4 if name == "chunk" else 8
        path.write_bytes(content[:place] + value.to_bytes(width, "little") + content[place + width :])
        refused(cpwc_keras.read, path, "broken")


def test_mat_files_that_lie_elsewhere_or_unpack_to_much(tmp_path):
    arrays.mat_hostile(tmp_path)
    for name in ("external", "fifo", "cycle"):
        assert read_mat(tmp_path / f"x_{name}.mat", "X_gt") == {}
        assert mat_shape(tmp_path / f"x_{name}.mat", "X_gt") == ()
    for name, found in {
        "x_empty": "bytes of",
        "x_vast": "chunks",
        "bomb": "a variable of",
        "many": "variables",
    }.items():
        refused(lambda path: read_mat(path, "X_gt"), tmp_path / f"{name}.mat", found)
    for name in ("inf", "nan", "vast", "large", "minus", "text"):
        path = tmp_path / f"grid_{name}.mat"
        refused(lambda path: alessandrini._read_geometry(path), path, "no pixelsize")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused(lambda path: alessandrini._read_geometry(path), tmp_path / "grid_huge.mat", "a spacing of")
    refused(lambda path: alessandrini.read_trajectory(path, path), tmp_path / "far.mat", "far beyond")


def test_pictures_that_unpack_to_much(tmp_path):
    arrays.flow_hostile(tmp_path)
    refused(read_flow, tmp_path / "bomb.png", "25000×25000 pixels")
    refused(read_flow, tmp_path / "zero.png", "broken PNG")
    arrays.image_hostile(tmp_path)
    refused(read_image, tmp_path / "gray13000.png", "13000×13000 pixels")


def test_a_header_that_names_a_file_which_cannot_be(tmp_path):
    """A survey asks of each file whether it is there."""
    write_ted(tmp_path)
    (header,) = tmp_path.rglob("*_4CH_sequence.mhd")
    header.write_text(header.read_text().replace(header.with_suffix(".raw").name, "n" * 300))
    found = survey(ted.find(tmp_path), tmp_path)
    (sentence,) = found.unreadable.values()
    assert "the name of one file beside the header" in sentence


def test_names_that_are_no_numbers_are_no_frames(tmp_path):
    folder = tmp_path / "optical_flow/TRAIN/A/0000/into_future/left"
    for number in ("0006", "0007", "²", "x"):
        write_flow(folder / f"OpticalFlowIntoFuture_{number}_L.pfm", np.zeros((2, 3, 2)))
    assert [item.name for item in things.find(tmp_path)] == ["TRAIN/A/0000/left/0006"]


def test_what_is_moderate():
    require_moderate("a", 2**26, 1)
    require_moderate("a", 2**27, 2**18)
    for pixels, stored in ((2**26 + 1, 1), (2**30 + 1, 2**40)):
        with pytest.raises(InputError, match="pixels"):
            require_moderate("a", pixels, stored)


def test_a_keras_file_calls_nothing(tmp_path, monkeypatch):
    """Keras' own reader looks up what the file names, and imports it; ours never asks Keras."""
    import keras

    from cpwc_keras.models.weights_file import load_network

    monkeypatch.setattr(keras.saving, "load_model", None)
    canary = tmp_path / "canary"
    for module, name in (("os", "system"), ("builtins", "eval"), ("keras.layers", "Lambda"), ("keras", "Sequential")):
        path = tmp_path / f"{name}.keras"
        content = {"module": module, "class_name": name, "config": {"command": f"touch {canary}"}}
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(content))
            archive.writestr("model.weights.h5", hostile.code(canary))
        refused(load_network, path, f"a model of class {name}")
    with zipfile.ZipFile(tmp_path / "options.keras", "w") as archive:
        content = {"class_name": "CPWCNet", "config": {"initializer": {"module": "os", "class_name": "system"}}}
        archive.writestr("config.json", json.dumps(content))
    refused(load_network, tmp_path / "options.keras", "a network with the options")
    assert not canary.exists()


def test_a_network_of_enormous_size_is_not_built(tmp_path):
    from cpwc_keras.models.weights_file import FORMAT, load_network, read_card

    path = tmp_path / "n.h5"
    for number, options in enumerate(({"search_range": 3000}, {"image_channels": 10**7}, {"dtype": "float99"})):
        with h5py.File(path, "w") as file:
            file.attrs.update(format=FORMAT, version=1, network="CPWCNet", config=json.dumps(options), card="[" * 9999)
        refused(load_network, path, "options" if number == 2 else "enormous")
    refused(read_card, path, "broken file")


@pytest.mark.filterwarnings("error")
def test_a_node_that_is_a_signalling_nan_is_unknown(tmp_path):
    arrays.mat_seeds(tmp_path)
    path = tmp_path / "a.mat"
    node, nan = next(iter(read_mat(path, "X_gt")["X_gt"][5:6, 0, 1])), (0x7FF0_0000_0000_0001).to_bytes(8, "little")
    content = path.read_bytes()
    assert content.count(node.tobytes()) == 1
    path.write_bytes(content.replace(node.tobytes(), nan))
    assert np.isnan(alessandrini.read_trajectory(path, path).mesh).sum() == 1
