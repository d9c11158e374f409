"""What an HDF5 file may claim, and that looking for what HDF5 does not survive costs a header little."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from fuzz.hdf5_files import endless_heaps, sequence_seeds, sparse_sequence

from cpwc_keras.errors import InputError
from cpwc_keras.io.hdf5_input import load_dataset, open_hdf5, require_harmless
from cpwc_keras.io.sequence_file import read_sequence, sequence_header


def _load(path, name="a"):
    with open_hdf5(path, "numbers") as file:
        return load_dataset(path, file, name, None, "numbers")


def _write(path, shape, dtype="f4", **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", shape, dtype, **options)
    return path


def test_what_was_never_written_is_the_fill_value(tmp_path):
    """(40, 256, 256) frames of which one is stored; of the motion nothing: 1,100 bytes for each one of the file."""
    sparse_sequence(tmp_path / "a.h5", (40, 256, 256))
    sequence = read_sequence(tmp_path / "a.h5")
    assert (tmp_path / "a.h5").stat().st_size * 1100 < 4 * sequence.flows.size
    np.testing.assert_array_equal(sequence.loop.frames[0], np.full((256, 256), np.float32(100) / np.float32(255)))
    np.testing.assert_array_equal(sequence.loop.frames[1:], np.full((39, 256, 256), np.float32(7) / np.float32(255)))
    assert not sequence.flows.any() and not sequence.masks.any()


@pytest.mark.parametrize("options", [{}, {"chunks": (64, 64)}, {"chunks": (64, 64), "compression": "gzip"}])
def test_nothing_written_is_read_up_to_a_limit(tmp_path, options):
    path = _write(tmp_path / "a.h5", (1024, 1024), fillvalue=2.5, **options)
    np.testing.assert_array_equal(_load(path), np.full((1024, 1024), 2.5, np.float32))
    _write(path, (2**14, 2**14), **options | ({"chunks": (1024, 1024)} if options else {}))
    with pytest.raises(InputError, match=r"0 bytes of 'a', expected enough for shape \(16384, 16384\)"):
        _load(path)


def test_chunks_that_hold_more_than_deflate_can_are_refused(tmp_path):
    """Beside unwritten chunks, too: 60 bytes stand for the one MiB that each chunk claims."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", (64, 2**20), "u1", chunks=(1, 2**20), compression="gzip")
        for index in range(3):
            data.id.write_direct_chunk((index, 0), b"x" * 60)
    with pytest.raises(InputError, match="180 bytes of 'a'"):
        _load(path)


def test_contiguous_data_are_whole(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(100_000)
    np.testing.assert_array_equal(_load(path), np.arange(100_000))
    whole = path.read_bytes()
    at = whole.index((800_000).to_bytes(8, "little"))
    path.write_bytes(whole[:at] + (80_000).to_bytes(8, "little") + whole[at + 8 :])
    with pytest.raises(InputError, match="80,000 bytes of 'a'"):
        _load(path)


def test_countless_chunks_are_refused(tmp_path):
    """HDF5 1.14 takes four kilobytes for each one, even if nothing was written."""
    assert _load(_write(tmp_path / "a.h5", (2**16,), "u1", chunks=(1,))).shape == (2**16,)
    _write(tmp_path / "a.h5", (2**16 + 1,), "u1", chunks=(1,))
    with pytest.raises(InputError, match="'a' in 65,537 chunks"):
        _load(tmp_path / "a.h5")


@pytest.mark.parametrize("name", ["heap_zero", "heap_overflow", "heap_reserved", "heap_square", "heap_lengths"])
def test_lists_of_texts_without_end(tmp_path, name):
    """Each of these kept an earlier version, or HDF5 itself, busy for ever."""
    seed = next(path for path in sequence_seeds(tmp_path) if path.stem == "mesh").read_bytes()
    path = tmp_path / "bad.h5"
    path.write_bytes(endless_heaps(tmp_path, seed)[name])
    for read in (sequence_header, read_sequence, lambda path: require_harmless(path, "weights")):
        with pytest.raises(InputError, match=r"broken list of texts|lengths of unusual size"):
            read(path)


def test_a_header_is_read_without_the_rest_of_the_file(tmp_path):
    """An unsound list in the midst of the data matters only to who reads the data."""
    path = tmp_path / "a.h5"
    sparse_sequence(path, (20, 1024, 1024), 20, compression=None)
    with h5py.File(path) as file:
        place = file["frames"].id.get_chunk_info(15).byte_offset
    with open(path, "r+b") as file:
        file.seek(place + 12_345)
        file.write(b"GCOL\1\0\0\0" + (4096).to_bytes(8, "little") + bytes(16))
    assert sequence_header(path).shape == (20, 1024, 1024)
    with pytest.raises(InputError, match="broken list of texts"):
        read_sequence(path)
    with pytest.raises(InputError, match="broken list of texts"):
        require_harmless(path, "weights")


@pytest.mark.parametrize("before", range(9))
def test_a_list_that_begins_in_one_block_and_goes_on_in_the_next(tmp_path, before):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(3 << 20, np.uint8)
        place = file["a"].id.get_offset()
    start = (2 << 20) - before
    assert place < start
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(b"GCOL\1\0\0\0" + (4096).to_bytes(8, "little") + bytes(16))
    with pytest.raises(InputError, match="broken list of texts"):
        _load(path)


_EXIT = """
import ctypes, sys
from cpwc_keras.io.hdf5_input import open_hdf5
def keep(thing):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
try:
    with open_hdf5(sys.argv[1], "numbers"):
        pass
except ValueError as error:
    keep(error)
reading = open_hdf5(sys.argv[2], "numbers")
keep(reading.__enter__())
keep(reading)
"""


def test_what_is_kept_until_the_end_does_not_crash_the_interpreter(tmp_path):
    """A traceback of a broken file, and a file that nobody has closed, as some library may keep them."""
    good, broken = _write(tmp_path / "good.h5", (3,)), tmp_path / "broken.h5"
    broken.write_bytes(good.read_bytes()[:600])
    done = subprocess.run([sys.executable, "-c", _EXIT, broken, good], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
