import json
import platform
from pathlib import Path

import numpy as np
import pytest

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.record import versions, write_json


def test_versions_name_what_computed():
    found = versions()
    assert found["python"] == platform.python_version() and found["numpy"] == np.__version__
    assert found["cpwc-keras"] == cpwc_keras.__version__


def test_what_is_written_is_read_again(tmp_path):
    content = {"a": [1, 2.5, None, True, "é"], "b": {"c": (1, 2)}, "d": np.float32(0.5), "e": np.int64(3)}
    write_json(tmp_path / "r.json", content)
    text = (tmp_path / "r.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [1, 2.5, None, True, "é"], "b": {"c": [1, 2]}, "d": 0.5, "e": 3}
    assert "é" in text and text.endswith("}\n")


def test_what_json_lacks(tmp_path):
    content = {"x": [float("nan"), -float("inf"), np.float64("nan"), np.float32("inf")], "path": Path("a") / "b.h5"}
    write_json(tmp_path / "r.json", content)

    def never(constant):
        raise AssertionError(constant)

    read = json.loads((tmp_path / "r.json").read_text(), parse_constant=never)
    assert read == {"x": [None] * 4, "path": str(Path("a") / "b.h5")}


def test_anything_else_is_a_programming_error_and_leaves_no_file(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "r.json", {"x": object()})
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_way_is_one_sentence(tmp_path):
    (tmp_path / "r.json").mkdir()
    with pytest.raises(InputError, match=r"r\.json: cannot be written"):
        write_json(tmp_path / "r.json", {})
