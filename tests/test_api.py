"""What `import cpwc_keras` offers, and that a few lines of it do what the README says."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cpwc_keras as cpwc
from cpwc_keras.io.input_file import file_state, sha256
from cpwc_keras.io.video import write_video
from cpwc_keras.viz.report import NotebookFigure

HEAVY = ("keras", "tensorflow", "jax", "numba", "cv2", "matplotlib", "scipy", "h5py", "numpy", "PIL", "pydicom")
ANGLE = np.linspace(np.pi, 2 * np.pi, 25)
ARCH = np.stack([40 + 20 * np.cos(ANGLE), 60 + 40 * np.sin(ANGLE)], -1)


def shrinking(first, second):
    """Each step brings everything a tenth of the way to (40, 60)."""
    step = np.sign(second[:, 0, 0] - first[:, 0, 0])[:, None, None, None]
    grid = np.stack(np.meshgrid(np.arange(first.shape[2]), np.arange(first.shape[1])), -1) - [40, 60]
    return np.where(step > 0, -0.1 * grid, grid / 0.9 - grid).astype(np.float32)


def example(frames=5, spacing=(0.5, 0.5), rate=20.0, **fields):
    ramp = np.arange(frames, dtype=np.float32)[:, None, None] / 100
    loop = cpwc.CineLoop(np.broadcast_to(ramp, (frames, 80, 90)).copy(), spacing, rate, **fields)
    return loop, cpwc.track(loop, ARCH, shrinking, es=3, reach=1)


def test_importing_the_package_is_light():
    program = f"import sys, cpwc_keras; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_what_the_package_offers_is_listed_typed_and_documented():
    listed = [name for name in dir(cpwc) if not name.startswith("_")]
    assert listed == sorted(set(cpwc.__all__) - {"__version__"}) == sorted(cpwc._LAZY)
    for name in listed:
        offered = getattr(cpwc, name)
        assert inspect.getdoc(offered) and offered.__module__ == cpwc._LAZY[name]
        if inspect.isfunction(offered):
            signature = inspect.signature(offered)
            annotations = [parameter.annotation for parameter in signature.parameters.values()]
            assert inspect.Signature.empty not in [*annotations, signature.return_annotation], name
    with pytest.raises(AttributeError, match="tracks"):
        cpwc.tracks  # noqa: B018


def test_type_checkers_see_the_same_names_in_the_same_places():
    tree = ast.parse(Path(cpwc.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == cpwc._LAZY


def test_a_result_says_what_was_found():
    _, result = example(notes=("Of <b>nobody</b>.",))
    assert result.gls == pytest.approx(100 * (0.9**3 - 1), abs=1e-3)
    assert "GLS -27.1 %" in repr(result) and "ED, ES 0, 3" in repr(result) and len(repr(result)) < 200
    html = result._repr_html_()
    assert "<b>-27.1 %</b>" in html and "Of &lt;b&gt;nobody&lt;/b&gt;." in html
    assert html.count("<tr>") == html.count("</tr>") == len(result.describe())
    assert html.endswith("</ul>") and html.count("<li>") == len(result.notes)


def test_tables_of_a_result(tmp_path):
    _, result = example()
    text = result.to_csv()
    assert result.to_csv(tmp_path / "new" / "strain.csv") is None
    assert (tmp_path / "new" / "strain.csv").read_bytes().decode() == text
    header, *lines = text.splitlines()
    assert header.split(",") == list(result.columns) and len(lines) == len(result)
    values = np.array([line.split(",") for line in lines], float)
    np.testing.assert_allclose(values, np.stack(list(result.columns.values()), -1), atol=6e-6)
    np.testing.assert_allclose(result.columns["strain_percent"], 100 * (0.9 ** np.arange(5) - 1), atol=1e-3)

    read = json.loads(result.to_json())
    assert read == json.loads(json.dumps(result.summary)) and read["gls_percent"] == result.gls
    assert read["versions"]["cpwc-keras"] == cpwc.__version__ and read["engine"] is None
    assert result.to_json(tmp_path / "summary.json") is None
    assert (tmp_path / "summary.json").read_text(encoding="utf-8") == result.to_json()


def test_a_loop_without_time_has_no_seconds():
    _, result = example(spacing=None, rate=None)
    assert all(line.split(",")[1] == "" for line in result.to_csv().splitlines()[1:])
    assert "length_px" in result.columns and np.isnan(result.columns["time_s"]).all()


def test_plots_are_shown_written_and_not_kept_in_memory(tmp_path):
    _, result = example()
    for name in ("strain.png", "STRAIN.SVG"):
        figure = result.plot(tmp_path / name, title="A title")
        assert (tmp_path / name).stat().st_size > 5000
    assert isinstance(figure, NotebookFigure) and figure.get_suptitle() == "A title"
    assert figure._repr_png_().startswith(b"\x89PNG")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
    with pytest.raises(cpwc.InputError, match=r"strain\.docx: found the suffix '.docx', expected .*png"):
        result.plot(tmp_path / "strain.docx")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_result_is_saved_as_by_the_command(tmp_path):
    source = tmp_path / "heart.dcm"
    source.write_bytes(b"abc")
    loop, result = example(source=str(source), source_state=file_state(source))
    written = result.save(tmp_path / "out", loop)
    assert sorted(path.name for path in written) == sorted(path.name for path in (tmp_path / "out").iterdir())
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["input_sha256"].startswith("ba7816bf") and summary["gls_percent"] == result.gls
    assert (tmp_path / "out" / "strain.csv").read_bytes().decode() == result.to_csv()

    picture = result.draw(loop, 3)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3 and picture.shape[0] >= 720
    shorter = cpwc.CineLoop(loop.frames[:4])
    for use in (lambda: result.save(tmp_path / "other", shorter), lambda: result.draw(shorter, 0)):
        with pytest.raises(cpwc.InputError, match="The loop has 4 frames, the result 5"):
            use()
    for frame in (-1, 5):
        with pytest.raises(cpwc.InputError, match=r"no frame .*0-4"):
            result.draw(loop, frame)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"another"), lambda path: path.unlink()])
def test_a_result_is_not_said_to_be_of_a_file_that_has_changed(change, tmp_path):
    source = tmp_path / "heart.mp4"
    write_video(source, np.random.default_rng(0).integers(0, 255, (3, 80, 96, 3), np.uint8), 25)
    loop = cpwc.read(source)
    result = cpwc.track(loop, ARCH, shrinking, es=2)

    def told():
        result.save(tmp_path / "out", loop)
        return json.loads((tmp_path / "out" / "summary.json").read_text())["input_sha256"]

    assert told() == sha256(source)
    change(source)
    assert told() is None


def texture(shift):
    x, y = np.meshgrid(np.arange(64) - shift[0], np.arange(48) - shift[1])
    return (0.5 + 0.25 * np.sin(x / 2.3 + y / 5) + 0.25 * np.sin(y / 1.9 - x / 7)).astype(np.float32)


@pytest.mark.parametrize("as_uint8", [False, True])
def test_the_flow_of_two_images_points_forward(as_uint8):
    pair = [texture((0, 0)), texture((1.5, -0.75))]
    if as_uint8:
        pair = [(image * 255).round().astype(np.uint8) for image in pair]
    flow = cpwc.estimate_flow(*pair, cpwc.load_tracker("dis"))
    assert flow.shape == (48, 64, 2) and flow.dtype == np.float32
    np.testing.assert_allclose(np.median(flow[8:-8, 8:-8], axis=(0, 1)), [1.5, -0.75], atol=0.15)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.zeros((4, 4, 3)), r"shape \(4, 4, 3\)"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        (np.full((4, 4), 255.0), "float64 from 255.0 to 255.0"),
        (np.full((4, 4), np.nan), "float64 from nan"),
        (np.zeros((4, 4), int), "int64 from 0 to 0"),
        ([["a"]], "image holds <U1"),
    ],
)
def test_what_is_no_image_is_refused(image, found):
    with pytest.raises(cpwc.InputError, match=found):
        cpwc.estimate_flow(np.zeros((4, 4)), image, "zero")


@given(st.tuples(*[st.integers(1, 20)] * 4))
def test_images_of_two_sizes_are_refused(sizes):
    first, second = np.zeros(sizes[:2]), np.zeros(sizes[2:])
    if first.shape == second.shape:
        assert not cpwc.estimate_flow(first, second, "zero").any()
    else:
        with pytest.raises(cpwc.InputError, match="the same size"):
            cpwc.estimate_flow(first, second, "zero")


def test_contours_are_written_and_read(tmp_path):
    cpwc.write_contour(tmp_path / "ed.json", cpwc.Contour(ARCH, 2, (80, 90)))
    read = cpwc.read_contour(tmp_path / "ed.json")
    np.testing.assert_allclose(read.points, ARCH, atol=1e-3)
    assert read.frame == 2 and "c_pwc_net_procedural" in cpwc.list_presets()


def test_a_loop_is_short_and_nameless_in_a_notebook():
    loop = cpwc.CineLoop(np.zeros((3, 4, 5), np.float32), (0.5, 0.25), 40.0, patient="Doe", source="/data/Doe.dcm")
    assert repr(loop) == "<CineLoop of 3 frames of 4×5, pixel 0.5×0.25 mm, frame rate 40 Hz>"
    assert repr(cpwc.CineLoop(loop.frames)).endswith("pixel unknown, frame rate unknown>")
