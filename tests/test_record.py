import io
import json
import platform
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.files import MADE_WITH
from cpwc_keras.record import figure_metadata, marked_picture, versions, write_json


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


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_marked_picture_is_the_same_picture(suffix, shape):
    plain = cv2.imencode(suffix, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))[1].tobytes()
    picture = Image.open(io.BytesIO(marked_picture(plain)))
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(Image.open(io.BytesIO(plain))))
    said = picture.info["Software"] if suffix == ".png" else picture.info["comment"].decode()
    assert said == MADE_WITH


def test_only_these_are_marked():
    with pytest.raises(ValueError, match="neither a PNG nor a JPEG"):
        marked_picture(b"GIF89a")


def test_figures_say_what_made_them(tmp_path):
    figure = Figure(figsize=(1, 1))
    for kind in figure.canvas.get_supported_filetypes():
        if kind == "pgf":  # needs LaTeX
            continue
        path = tmp_path / f"a.{kind}"
        figure.savefig(path, metadata=figure_metadata(path.suffix))
        told = MADE_WITH.encode() in path.read_bytes()
        assert told == (kind in {"png", "pdf", "svg", "ps", "eps"}), kind
