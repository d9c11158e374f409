"""Texts by hypothesis: any table, experiment or header is read or refused by one sentence."""

import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpwc_keras.data.labelled_loops import read_info
from cpwc_keras.errors import InputError
from cpwc_keras.io.contour_import import import_contour
from cpwc_keras.io.contours import MAX_POINTS, Contour, check_points
from cpwc_keras.io.input_file import open_input, read_json
from cpwc_keras.io.metaimage import read_metaimage
from cpwc_keras.training.experiment import load_experiment

NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(repr),
    st.sampled_from(["", "-", "1e999", "9" * 5000, "0x1", "1_0", "٣", "²", '"', "a", " ", "\0", "3,5"]),
)
QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def read_or_sentence(read, path):
    try:
        read(path)
    except InputError as error:
        text = str(error)
        assert "\n" not in text and len(text) < 2000 and path.stem in text


@QUICK
@given(
    st.lists(st.lists(NUMBERS, max_size=4), max_size=8),
    st.sampled_from(",;\t "),
    st.sampled_from(["x,y", "X,y,frame", ""]),
)
def test_any_table(tmp_path_factory, rows, separator, header):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    lines = [header.replace(",", separator), *(separator.join(row) for row in rows)]
    path.write_text("\n".join(lines))
    read_or_sentence(import_contour, path)


VALUES = st.recursive(
    st.one_of(
        NUMBERS,
        st.sampled_from(["null", "true", ".nan", ".inf", "2001-99-99", "!!binary x", "!x y", "*a", "&a 1", "x: y: z"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: f"[{', '.join(values)}]"),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=2).map(
            lambda values: "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"
        ),
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "network",
        "network_options",
        "datasets",
        "epochs",
        "crop",
        "spacings",
        "ema",
        "seed",
        "simulation",
        "learning_rate",
        "x",
        "? [a]",
    ]
)


@QUICK
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_experiment(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("experiment") / "experiment.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in values.items()))
    try:
        load_experiment("transfer", path).identity()
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000


FIELDS = (
    "NDims",
    "DimSize",
    "ElementType",
    "ElementSpacing",
    "CompressedData",
    "ElementNumberOfChannels",
    "HeaderSize",
)


@QUICK
@given(
    st.dictionaries(st.sampled_from(FIELDS), st.lists(NUMBERS, max_size=4).map(" ".join)),
    st.sampled_from(["LOCAL", "x", "n" * 300, ""]),
)
def test_any_metaimage_header(tmp_path_factory, fields, data):
    path = tmp_path_factory.mktemp("header") / "header.mha"
    known = {"DimSize": "4 3 2", "ElementType": "MET_UCHAR"} | fields
    path.write_text(
        "".join(f"{name} = {value}\n" for name, value in known.items()) + f"ElementDataFile = {data}\n" + "\x01" * 24
    )
    read_or_sentence(read_metaimage, path)


@QUICK
@given(st.lists(st.tuples(st.sampled_from(["ED", "ES", "FrameRate", "X"]), NUMBERS), max_size=4))
def test_any_cfg(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("info") / "info.cfg"
    path.write_text("".join(f"{name}: {value}\n" for name, value in lines))
    read_or_sentence(read_info, path)


def test_aliases_that_multiply_are_refused_before_they_do(tmp_path):
    path = tmp_path / "bomb.yaml"
    rows = [
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]"
        for old, new in zip(string.ascii_lowercase, string.ascii_lowercase[1:], strict=False)
    ]
    path.write_text("a: &a [x]\n" + "\n".join(rows) + "\nepochs: *z\n")
    with pytest.raises(InputError, match=r"bomb\.yaml: found an alias"):
        load_experiment("transfer", path)


def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(InputError, match=rf"{name}.*no ordinary file"), open_input(tmp_path / name):
            pass


def test_json_is_bounded_in_size_depth_and_digits(tmp_path):
    path = tmp_path / "a.json"
    for content in ("[" * 100_000, "9" * 10_000, "[1, 2", "\ufeffx"):
        path.write_text(content)
        with pytest.raises(InputError, match=r"a\.json: found no valid JSON \(.*expected a list"):
            read_json(path, "a list")
    path.write_text("[" + " " * 100 + "]")
    with pytest.raises(InputError, match="at most 50"):
        read_json(path, "a list", 50)


def test_no_one_draws_so_many_points(tmp_path):
    import numpy as np

    points = np.stack([np.arange(MAX_POINTS + 1.0), np.zeros(MAX_POINTS + 1)], axis=1)
    with pytest.raises(InputError, match="a curve of 2,001 points"):
        check_points(Contour(points).points)
    with pytest.raises(InputError, match="a coordinate of"):
        check_points(np.array([[0, 0], [1e7, 1], [5, 9]]))
