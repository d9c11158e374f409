"""Looking into flow fields: what is computed for the panels, from whatever it is given."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.errors import InputError
from cpwc_keras.files import atomic_hdf5
from cpwc_keras.inspection import inspect_flow
from cpwc_keras.io.flow_files import write_flow
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.types import CineLoop, FramePair, Sequence
from cpwc_keras.viz.flow_inspector import PANELS

SHAPE = (40, 56)
SPACING = (0.5, 0.25)


@pytest.fixture
def pattern():
    """An image that is different everywhere, smooth enough to be interpolated."""
    y, x = np.indices(SHAPE, np.float32)
    return 0.5 + 0.25 * np.sin(x / 3) * np.cos(y / 4) + 0.2 * np.sin((x + y) / 5)


def constant(dx, dy, count=None):
    shape = SHAPE if count is None else (count, *SHAPE)
    return np.broadcast_to(np.array([dx, dy], np.float32), (*shape, 2)).copy()


def sequence_of(frames, dx, dy):
    """A mesh that moves by the same vector from frame to frame."""
    row, layer = np.mgrid[0:36, 0:5]
    mesh = np.stack([8 + row, 6 + 5 * layer], -1).astype(np.float32)
    trajectory = np.stack([mesh + np.float32(t) * np.array([dx, dy], np.float32) for t in range(len(frames))])
    return Sequence(CineLoop(frames, SPACING, 50.0, ed=0, es=1), mesh=trajectory)


def test_mm_follow_both_spacings():
    view = inspect_flow(constant(2, 3), spacing_mm=SPACING).view()
    assert view.unit == "mm"
    np.testing.assert_allclose(view.shown, np.broadcast_to([0.5, 1.5], (*SHAPE, 2)))
    assert view.full_color == pytest.approx(np.hypot(0.5, 1.5))
    assert inspect_flow(constant(3, 4), spacing_mm=SPACING, unit="px").view().full_color == pytest.approx(5)


def test_warping_by_the_true_motion_leaves_nothing(pattern):
    moved = np.roll(pattern, 2, axis=1)  # to the right by 2 px
    before, after = inspect_flow(constant(2, 0), frames=[pattern, moved]).view().differences
    inside = np.s_[:, 3:-3]
    assert np.abs(after[inside]).max() < 1e-6
    assert np.abs(before[inside]).mean() > 0.05


@settings(max_examples=20, deadline=None)
@given(st.floats(-4, 4), st.floats(-4, 4), st.floats(-2, 2), st.floats(-2, 2))
def test_disagreement_is_where_there_and_back_ends(dx, dy, wrong_x, wrong_y):
    view = inspect_flow(constant(dx, dy), backward=constant(wrong_x - dx, wrong_y - dy), spacing_mm=SPACING).view()
    known = view.disagreement[np.isfinite(view.disagreement)]
    assert known.size > 0.5 * np.prod(SHAPE)
    np.testing.assert_allclose(known, np.hypot(wrong_x * 0.25, wrong_y * 0.5), atol=1e-5)


def test_the_error_is_that_of_the_wall_alone(pattern):
    sequence = sequence_of(np.stack([pattern] * 3), 1.0, 2.0)
    inspector = inspect_flow(constant(1, 0, count=2), truth=sequence)
    assert inspector.panels == tuple(name for name in PANELS if name != "disagreement")
    view = inspector.view(1)
    wall = view.truth_mask > 0
    np.testing.assert_allclose(view.error[wall], 2 * SPACING[0], rtol=1e-5)
    assert np.isnan(view.error[~wall]).all()
    left, top, right, bottom = inspector.region
    rows, columns = np.nonzero(wall)
    assert left < columns.min() and right > columns.max() and top <= rows.min() and bottom > rows.max()


def test_every_kind_of_source_says_the_same(pattern, tmp_path):
    frames = np.stack([pattern] * 2)
    sequence = sequence_of(frames, 1.0, -0.5)
    write_sequence(tmp_path / "sequence.h5", sequence)
    from_file, from_memory = inspect_flow(tmp_path / "sequence.h5"), inspect_flow(sequence)
    flow, mask = from_memory.fields.flows[0], from_memory.fields.masks[0]
    np.testing.assert_array_equal(from_file.fields.flows[0], flow)
    assert from_file.fields.frame_rate_hz == 50 and from_file.unit == "mm"

    for name in ("pair.flo", "pair.png"):
        write_flow(tmp_path / name, flow, mask)
        read = inspect_flow(tmp_path / name, frames=frames).view()
        np.testing.assert_allclose(read.shown[mask > 0], flow[mask > 0], atol=1 / 64)
        assert np.isnan(read.shown[mask == 0]).all()
    pair = inspect_flow(FramePair(*frames, flow, mask, SPACING))
    np.testing.assert_array_equal(pair.view().shown, from_memory.view().shown)


def test_tracked_motion_is_read_back(tmp_path):
    path = tmp_path / "tracking.h5"
    points = np.stack([np.stack([np.linspace(10, 40, 9), np.full(9, 20.0 + t)], -1) for t in range(3)])
    with atomic_hdf5(path) as file:
        file.attrs.update({"format": "cpwc-keras tracking", "format_version": 1, "spacing_mm": SPACING})
        file.create_dataset("points", data=points.astype(np.float32))
    with pytest.raises(InputError, match=r"no dense motion.*--dense-flow"):
        inspect_flow(path)
    with atomic_hdf5(path) as file:
        file.attrs.update({"format": "cpwc-keras tracking", "format_version": 1, "spacing_mm": SPACING})
        file.create_dataset("points", data=points.astype(np.float32))
        file.create_dataset("flow", data=constant(0, 1, count=2))
    inspector = inspect_flow(path)
    assert len(inspector) == 2 and inspector.unit == "mm"
    np.testing.assert_array_equal(inspector.view(1).contour, points[1].astype(np.float32))


@pytest.mark.parametrize(
    ("flow", "options", "sentence"),
    [
        (np.zeros((4, 5)), {}, r"shape \(4, 5\); expected \(H, W, 2\)"),
        ("nothing.txt", {}, r"suffix '\.txt'; expected one of \.flo"),
        (object(), {}, r"The flow is object; expected an array"),
        (constant(1, 0), {"unit": "mm"}, r"need the size of a pixel"),
        (constant(1, 0), {"unit": "cm"}, r"'cm'; expected 'mm' or 'px'"),
        (constant(1, 0), {"index": 1}, r"no pair 1; there are 0 to 0"),
        (constant(1, 0), {"panels": ["error"]}, r"'error' needs truth"),
        (constant(1, 0), {"panels": ["arrow"]}, r"no panel 'arrow'; choose of arrows"),
        (constant(1, 0), {"frames": np.zeros((3, *SHAPE))}, r"frames have shape \(3, 40, 56\); expected \(2, 40, 56\)"),
        (constant(1, 0), {"truth": constant(1, 0, count=2)}, r"truth have shape"),
    ],
)
def test_mistakes_are_told(flow, options, sentence):
    with pytest.raises(InputError, match=sentence):
        inspect_flow(flow, **options)


def test_all_panels_are_drawn_also_where_nothing_moves_or_is_known(pattern):
    sequence = sequence_of(np.stack([pattern] * 2), 0.0, 0.0)
    figure = inspect_flow(constant(0, 0), truth=sequence, backward=constant(0, 0)).figure()
    assert len(figure.axes) == len(PANELS)
    unknown = inspect_flow(constant(1, 1), mask=np.zeros(SHAPE), panels=["arrows", "colors", "magnitude", "profile"])
    assert unknown._repr_png_().startswith(b"\x89PNG")


def test_sliders_change_the_picture_and_the_page_has_one_without_them(pattern):
    pytest.importorskip("ipywidgets")
    flows = np.concatenate([constant(0.5, 0, count=1), constant(3, 1, count=1)])
    inspector = inspect_flow(flows, frames=np.stack([pattern] * 3), panels=["colors", "profile"])
    assert inspector.index == 1, "the pair that moves most is shown first"
    bundle = inspector._repr_mimebundle_()
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= bundle.keys()
    widget = inspector.widget()
    image, slider = widget.children[-1], widget.children[0].children[0]
    before = image.value
    slider.value = 0
    first = image.value
    assert inspector.index == 0 and first != before
    slider.value = 1
    assert image.value == before
    slider.value = 0
    widget.children[1].children[1].value = 5  # one end of the line, upwards
    assert inspector.line[0][1] == 5 and image.value != first


def test_drawing_leaves_pyplot_alone(pattern):
    backend = matplotlib.get_backend()
    inspect_flow(constant(1, 0), frames=[pattern, pattern]).figure()
    assert matplotlib.get_backend() == backend
    assert not matplotlib.pyplot.get_fignums() if "matplotlib.pyplot" in __import__("sys").modules else True
