import numpy as np
import pytest

from cpwc_keras.files import MADE_WITH
from cpwc_keras.viz.flow import color_wheel, draw_arrows, flow_to_color
from cpwc_keras.viz.one_page import write_page
from cpwc_keras.viz.overlay import disagreement_colors, draw_contour, enlarge
from cpwc_keras.viz.report import strain_figure


def color_of(dx, dy, largest=1.0):
    return flow_to_color(np.array([[[dx, dy]]], np.float32), largest)[0, 0].astype(int)


def test_directions_have_the_hues_of_middlebury():
    right, left, down, up = (color_of(*v) for v in ((1, 0), (-1, 0), (0, 1), (0, -1)))
    assert right.tolist() == [255, 0, 0]
    assert left[0] == 0 and left[1] > 180 and left[2] > 200, "cyan, opposite of red"
    assert down[0] > 200 and down[1] > 200 and down[2] == 0, "yellow"
    assert up[2] == 255 and up[1] == 0, "blue to violet"


def test_length_is_saturation_and_beyond_is_darker():
    assert color_of(0, 0).tolist() == [255, 255, 255]
    assert color_of(0.5, 0).tolist() == [255, 128, 128]
    assert color_of(2, 0).max() < 255
    assert flow_to_color(np.full((1, 1, 2), np.nan)).tolist() == [[[0, 0, 0]]]
    assert flow_to_color(np.zeros((2, 3, 2))).tolist() == np.full((2, 3, 3), 255).tolist()


def test_the_wheel_closes():
    wheel = color_wheel()
    assert wheel.shape == (55, 3)
    assert np.abs(np.diff(np.vstack([wheel, wheel[:1]]), axis=0)).max() <= 0.2501


def test_against_opencv_free_reference():
    """The formula of the reference code, evaluated at one oblique vector by hand: 45 degrees down right."""
    at = 55 / 8
    low, fraction = int(at), at - int(at)
    hue = (1 - fraction) * np.array([1, low / 15, 0]) + fraction * np.array([1, (low + 1) / 15, 0])
    expected = 255 * (1 - np.sqrt(0.5) * (1 - hue))
    np.testing.assert_allclose(color_of(0.5, 0.5), expected, atol=1)


def test_arrows_are_drawn_where_the_mask_is():
    image, flow = np.zeros((48, 48), np.float32), np.full((48, 48, 2), 2.0, np.float32)
    mask = np.zeros((48, 48))
    mask[:, 24:] = 1
    picture = draw_arrows(image, flow, mask)
    assert picture.shape == (192, 192, 3)
    assert picture[:, :96].max() == 0 and picture[:, 96:].max() > 100


def test_contour_lies_on_its_pixels():
    """A pixel's centre at scale s is at (x + 0.5) s - 0.5."""
    canvas = enlarge(np.zeros((20, 30), np.float32), 8)
    draw_contour(canvas, np.array([[5.0, 10], [25, 10]]), 8, np.array([255, 0, 0]), width=3, base=False)
    rows, columns = np.nonzero(canvas[..., 0] > 200)
    assert rows.mean() == pytest.approx(10.5 * 8 - 0.5, abs=0.6)
    assert columns.min() == pytest.approx(5.5 * 8, abs=4) and columns.max() == pytest.approx(25.5 * 8, abs=4)


def test_disagreement_goes_from_teal_to_red():
    colors = disagreement_colors(np.array([0, 0.5, 1, 9]), 1.0).astype(int)
    assert colors[0, 1] > colors[0, 0] and colors[2, 0] > 200 and colors[2, 1] < 100
    assert (colors[2] == colors[3]).all()
    assert (disagreement_colors(np.zeros(3), 0.0) == colors[0]).all()


def test_enlarge_keeps_dark_and_bright():
    picture = enlarge(np.array([[0, 0, 1, 1]] * 4, np.float32), 4)
    assert picture.shape == (16, 16, 3) and picture[:, 0].max() == 0 and picture[:, -1].min() == 255


@pytest.mark.parametrize("rate", [None, 30.0])
def test_the_figure_holds_the_curves(rate):
    strain = np.array([0.0, -10, -18, -6])
    figure = strain_figure(strain, strain / 2, 100 + strain, np.ones((4, 9)), 0, 2, "mm", rate)
    main = figure.axes[0]
    lines = [line.get_ydata() for line in main.lines]
    assert any(np.array_equal(line, strain) for line in lines)
    assert any("-18.0 %" in line.get_label() for line in main.lines)
    with_distance = strain_figure(strain, strain / 2, 100 + strain, np.ones((4, 9)), 0, 2, "mm", rate, excursion=12.34)
    assert any("MAPSE, peak systolic 12.3 mm, -9.0 %" in line.get_label() for line in with_distance.axes[0].lines)
    assert figure.axes[2].get_xlabel() == ("time (s)" if rate else "frame")


def test_a_page_says_what_made_it_and_is_the_same_again(tmp_path):
    def draw(figure):
        figure.subplots().plot([0, 1])

    for name in ("a.pdf", "b.pdf"):
        numbers = [("GLS", "-20.0 %", "peak systolic strain")]
        write_page(
            tmp_path / name, "A loop", np.zeros((40, 60, 3), np.uint8), numbers, draw, draw, ["A remark."], "Foot"
        )
    content = (tmp_path / "a.pdf").read_bytes()
    assert content.startswith(b"%PDF") and f"/Creator ({MADE_WITH})".encode() in content
    assert content == (tmp_path / "b.pdf").read_bytes()
