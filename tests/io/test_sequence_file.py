import h5py
import numpy as np
import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.io.sequence_file import read_sequence, sequence_header, write_sequence
from cpwc_keras.types import CineLoop, Sequence

RNG = np.random.default_rng(0)


def _sequence(dense=False):
    frames = RNG.integers(0, 256, (3, 8, 9), dtype=np.uint8).astype(np.float32) / np.float32(255)
    loop = CineLoop(
        frames, (0.3, 0.4), 50.0, RNG.integers(0, 4, frames.shape, dtype=np.uint8), 0, 2, "A4C", "patient0001",
        notes=("Spacing was assumed.", "So was the rate."), sector=RNG.random(frames.shape[1:]) > 0.3,
    )  # fmt: skip
    if dense:
        masks = (RNG.random((2, 8, 9)) > 0.5).astype(np.float32)
        return Sequence(loop, flows=RNG.normal(size=(2, 8, 9, 2)).astype(np.float32), masks=masks)
    mesh = RNG.normal(size=(3, 36, 5, 2)).astype(np.float32)
    mesh[1, 3, 2] = np.nan
    return Sequence(loop, mesh=mesh, vendor="GE", variant="clean")


@pytest.fixture
def path(tmp_path):
    write_sequence(tmp_path / "a.h5", _sequence())
    return tmp_path / "a.h5"


@pytest.mark.parametrize("dense", [False, True])
def test_round_trip(tmp_path, dense):
    written = _sequence(dense)
    write_sequence(tmp_path / "a.h5", written, {"licence": "CC0-1.0", "seed": 7})
    read = read_sequence(tmp_path / "a.h5")
    for name in ("frames", "labels", "sector"):
        np.testing.assert_array_equal(getattr(read.loop, name), getattr(written.loop, name))
    for name in ("spacing_mm", "frame_rate_hz", "ed", "es", "view", "patient", "notes"):
        assert getattr(read.loop, name) == getattr(written.loop, name)
    for name in ("mesh", "flows", "masks"):
        if getattr(written, name) is None:
            assert getattr(read, name) is None
        else:
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
            assert getattr(read, name).dtype == np.float32
    assert (read.vendor, read.variant) == (written.vendor, written.variant)
    header = sequence_header(tmp_path / "a.h5")
    assert (header.shape, header.motion) == ((3, 8, 9), "flows" if dense else "mesh")
    assert header.attributes == {"licence": "CC0-1.0", "seed": 7}


def test_what_is_unknown_stays_unknown(tmp_path):
    write_sequence(tmp_path / "a.h5", Sequence(CineLoop(np.zeros((2, 4, 4), np.float32)), mesh=np.zeros((2, 36, 5, 2))))
    loop = read_sequence(tmp_path / "a.h5").loop
    assert (loop.spacing_mm, loop.frame_rate_hz, loop.labels, loop.ed, loop.es) == (None,) * 5
    assert (loop.view, loop.patient, loop.notes) == ("", "", ())


def test_attributes_of_the_format_cannot_be_overwritten(tmp_path):
    with pytest.raises(ValueError, match="spacing_mm"):
        write_sequence(tmp_path / "a.h5", _sequence(), {"spacing_mm": (1, 1)})
    assert not list(tmp_path.iterdir())


def test_writing_fails_without_leaving_anything(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_sequence(tmp_path / "file" / "a.h5", _sequence())
    with pytest.raises(TypeError):
        write_sequence(tmp_path / "a.h5", _sequence(), {"bad": object()})
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def _replace(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return change


def _huge(file):
    del file["frames"]
    file.create_dataset("frames", shape=(100_000, 100_000, 1000), dtype=np.uint8, chunks=(1, 100, 100))


def _external_storage(file):
    del file["frames"]
    file.create_dataset("frames", shape=(3, 8, 9), dtype=np.uint8, external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.attrs.update(format_version=2), "version 2"),
        (lambda f: f.attrs.update(format="something"), "format something"),
        (lambda f: f.attrs.update(spacing_mm=(0.3, -0.4)), "spacing_mm"),
        (lambda f: f.attrs.update(spacing_mm=0.3), "spacing_mm"),
        (lambda f: f.attrs.update(frame_rate_hz=np.nan), "frame_rate_hz"),
        (lambda f: f.attrs.update(frame_rate_hz="fast"), "broken file"),
        (lambda f: f.attrs.update(ed=3), "ed frame 3"),
        (lambda f: f.pop("mesh"), "either 'mesh'"),
        (lambda f: f.pop("frames"), "no dataset 'frames'"),
        (_replace("mesh", np.zeros((2, 36, 5, 2), np.float32)), "mesh of shape"),
        (_replace("mesh", np.full((3, 36, 5, 2), np.inf, np.float32)), "infinite mesh"),
        (_replace("mesh", np.zeros((3, 36, 5, 2))), "float64"),
        (_replace("labels", np.zeros((3, 8, 8), np.uint8)), "labels of shape"),
        (_replace("frames", np.zeros((8, 9), np.uint8)), "frames of shape"),
        (_replace("frames", h5py.ExternalLink("elsewhere.h5", "/frames")), "link in place of 'frames'"),
        (_replace("mesh", h5py.SoftLink("/frames")), "link in place of 'mesh'"),
        (_external_storage, "stored elsewhere"),
        (_huge, "pixels in all"),
    ],
)
def test_files_that_are_not_right(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(InputError, match=message) as error:
        read_sequence(path)
    assert str(path) in str(error.value)


def test_flow_that_is_not_finite(tmp_path):
    sequence = _sequence(dense=True)
    sequence.flows[0, 0, 0, 0] = np.nan
    write_sequence(tmp_path / "a.h5", sequence)
    with pytest.raises(InputError, match="NaN or infinite flow"):
        read_sequence(tmp_path / "a.h5")


@pytest.mark.parametrize("keep", [0, 7, 100, 0.5, 0.95])
def test_truncated_or_not_hdf5(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    with pytest.raises(InputError, match="HDF5"):
        read_sequence(path)


def test_a_flipped_byte_in_the_data_is_found(path):
    with h5py.File(path) as file:
        chunk = file["mesh"].id.get_chunk_info(1)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="broken file"):
        read_sequence(path)


def test_missing(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        sequence_header(tmp_path / "none.h5")
