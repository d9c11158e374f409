"""What Numba keeps on disk is used where it is whole, and does no harm where it is not."""

import importlib.util
import os
import subprocess
import sys
import warnings

import numba
import numba.core.caching
import pytest

from cpwc_keras import compiled

SOURCE = """
from cpwc_keras.compiled import njit

@njit()
def twice(number):
    return 2 * number
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A function of a module that is imported anew at each call, as in a new process, and whether it was kept."""
    path = tmp_path / "module_with_kernel.py"
    path.write_text(SOURCE)
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", "")

    def call():
        compiled._warn.cache_clear()
        spec = importlib.util.spec_from_file_location("module_with_kernel", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.twice(21) == 42
        return sum(module.twice.stats.cache_hits.values())

    call.folder = tmp_path / "__pycache__"
    return call


def test_code_is_kept(load):
    assert load() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load() == 1


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: data[:-400] + bytes(len(data[-400:]))],
    ids=["empty", "truncated", "garbled"],
)
def test_damaged_code_is_compiled_anew(load, kind, damage):
    load()
    (file,) = load.folder.glob(f"*.{kind}")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(match=r"compiled anew, since what was kept of it in .* is damaged"):
        assert load() == 0
    assert load() == 1  # and was kept again


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("place", [0, 31, 32, 0.2, 0.5, 0.8, -1])
def test_a_single_changed_bit_is_noticed(load, kind, place):
    """In the index, it could lead to the code of other types."""
    load()
    (file,) = load.folder.glob(f"*.{kind}")
    data = bytearray(file.read_bytes())
    data[int(place * len(data)) if isinstance(place, float) else place] ^= 1
    file.write_bytes(data)
    with pytest.warns(match=r"damaged"):
        assert load() == 0
    assert load() == 1


def test_code_of_another_numba_or_source_is_replaced_in_silence(load, monkeypatch):
    load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(numba, "__version__", "0.0")
        assert [load(), load()] == [0, 1]
        source = load.folder.parent / "module_with_kernel.py"
        source.write_text(SOURCE + "\n")
        assert [load(), load()] == [0, 1]


def test_folder_that_takes_nothing(load, monkeypatch):
    def full(self, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(numba.core.caching.IndexDataCacheFile, "_open_for_write", full)
    with pytest.warns(match=r"at every start, since it cannot be kept in .*NUMBA_CACHE_DIR"):
        assert load() == 0


def test_no_folder_at_all(tmp_path):
    """Numba cannot even be asked to cache where neither the source's folder nor the user's can be written."""
    nowhere = tmp_path / "file"
    nowhere.touch()
    (tmp_path / "module_with_kernel.py").write_text(SOURCE)
    (tmp_path / "__pycache__").touch()  # no folder can be made here
    done = subprocess.run(
        [sys.executable, "-c", "import module_with_kernel; print(module_with_kernel.twice(21))"],
        cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"HOME": str(nowhere), "XDG_CACHE_HOME": str(nowhere), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.stdout == "42\n", done.stderr
    assert "at every start, since it cannot be kept" in done.stderr
