import warnings
from dataclasses import replace

import numpy as np
import pytest
from study_results import TRACKERS, results

from cpwc_keras.evaluation.agreement import agreement
from cpwc_keras.studies.curve_figures import distance_profiles, loop_over_beats, strain_over_time
from cpwc_keras.studies.figure_style import mean_and_limits, panels, shown
from cpwc_keras.studies.figures import bland_altman, correlation, distance_boxes, error_histograms, segment_errors

FOLLOWED = (
    distance_boxes,
    error_histograms,
    strain_over_time,
    lambda r: correlation(r, "gls"),
    lambda r: bland_altman(r, "mapse"),
    distance_profiles,
)
EIGHT = (*TRACKERS, "costs $5 and $6", "a/very/long/path/to/weights/of/the/network.weights.h5")


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def drawn(figure):
    figure.canvas.draw()
    return figure


@pytest.mark.parametrize("kind", ["motion", "contours"])
@pytest.mark.parametrize(("cases", "trackers"), [(1, TRACKERS[1:2]), (2, TRACKERS[:2]), (6, EIGHT)])
def test_every_figure_is_drawn(kind, cases, trackers):
    made = results(kind, cases, trackers, fail={(trackers[-1], 1)})
    for draw in FOLLOWED:
        assert drawn(draw(made)).axes
    assert (segment_errors(made) is not None) == (kind == "motion")


def test_stills_are_drawn():
    made = results("contours", 6, TRACKERS[:3], dataset="camus stills")
    for draw in FOLLOWED:
        drawn(draw(made))
    assert strain_over_time(made).axes[0].get_xlim() == (0, 1), "nothing is known after end-systole"


@pytest.mark.parametrize("trackers", [TRACKERS[1:2], EIGHT])
def test_loops_are_drawn(trackers):
    made = results("loop", 1, trackers)
    main, closure, drift = drawn(loop_over_beats(made)).axes
    assert [line.get_ydata().tolist() for line in main.lines if len(line.get_ydata()) > 2] == [
        result.curves["strain"].tolist() for result in made
    ]
    assert [text.get_text() for text in main.texts] == ["beat 1", "beat 2", "beat 3", "beat 4"]
    heights = [bar.get_height() for bar in closure.patches]
    assert heights == [value for result in made for value in result.curves["closure_percent"]]
    assert len(drift.patches) == 4 * len(trackers)


def test_a_loop_shorter_than_a_beat_has_its_strain_alone():
    none = dict.fromkeys(("closure_frame", "closure_percent", "drift_mm"), np.zeros(0))
    made = [replace(r, curves=r.curves | none) for r in results("loop", 1, TRACKERS[:2])]
    assert len(drawn(loop_over_beats(made)).axes) == 1


def test_without_anything_there_is_no_figure():
    nothing = results("motion", 2, ("dis",), fail={("dis", 0), ("dis", 1)})
    assert all(draw(nothing) is None for draw in (*FOLLOWED, segment_errors, loop_over_beats))


def test_strain_is_laid_on_phases_of_the_beat():
    (made,) = results("motion", 1, ("dis",))
    strain = np.array([0.0, -10, -20, -15, -10, -5, 0])
    curves = {"strain": strain, "strain_true": np.full(7, np.nan)}
    forwards = replace(made, ed=0, es=2, curves=curves)
    backwards = replace(made, ed=6, es=4, curves=curves | {"strain": strain[::-1]})
    before_ed = replace(made, ed=2, es=4, curves=curves | {"strain": np.concatenate([[3.0, 3.0], strain])})
    for result in (forwards, backwards, before_ed):
        line = max(strain_over_time([result]).axes[0].lines, key=lambda entry: len(entry.get_xdata()))
        found = dict(zip(line.get_xdata().round(6), line.get_ydata(), strict=True))
        assert (found[0.0], found[0.5], found[1.0], found[2.0]) == pytest.approx((0, -10, -20, 0))
        assert found[1.5] == pytest.approx(-10)


def test_the_mean_and_its_limits_are_drawn_from_five_cases_on():
    made = results("motion", 6, ("dis",))
    axis = strain_over_time(made).axes[1]
    curves = np.array([line.get_ydata() for line in axis.lines if len(line.get_ydata()) > 2])
    mean, lower, upper = mean_and_limits(curves[:6])
    np.testing.assert_allclose(curves[6:], [mean, lower, upper])
    few = strain_over_time(made[:4]).axes[1]
    assert sum(len(line.get_ydata()) > 2 for line in few.lines) == 4


def test_mean_and_limits_by_hand():
    mean, lower, upper = mean_and_limits(np.array([[1.0, np.nan, 2], [3, 5, np.nan], [5, np.nan, 4]]))
    assert mean[[0, 2]].tolist() == [3, 3] and np.isnan([mean[1], lower[1], upper[1]]).all()
    np.testing.assert_allclose(upper[[0, 2]], [3 + 1.96 * 2, 3 + 1.96 * np.sqrt(2)])
    np.testing.assert_allclose(lower[[0, 2]], [3 - 1.96 * 2, 3 - 1.96 * np.sqrt(2)])


def test_correlation_and_bland_altman_show_the_cases_and_their_agreement():
    made = results("motion", 6, ("zero", "dis"))
    estimate, true = (
        np.array([r.scalars[name] for r in made if r.tracker == "dis"]) for name in ("gls_percent", "gls_true_percent")
    )
    known = np.isfinite(estimate)
    estimate, true = estimate[known], true[known]
    expected = agreement(estimate, true)
    (axis,) = correlation(made, "gls").axes
    assert axis.get_title() == "dis", "a tracker without motion would only show the reference"
    np.testing.assert_allclose(axis.collections[0].get_offsets(), np.stack([true, estimate], -1))
    assert axis.texts[0].get_text() == f"r = {expected.r:.2f}, n = 5"
    (axis,) = bland_altman(made, "gls").axes
    np.testing.assert_allclose(
        axis.collections[0].get_offsets(), np.stack([(estimate + true) / 2, estimate - true], -1)
    )
    levels = [line.get_ydata()[0] for line in axis.lines]
    np.testing.assert_allclose(levels, [0, expected.bias, expected.lower, expected.upper])


def test_histograms_hold_every_value():
    made = results("motion", 6, TRACKERS[:3])
    axes = np.reshape(error_histograms(made).axes, (3, 2))
    for row, tracker in enumerate(TRACKERS[:3]):
        mine = [r for r in made if r.tracker == tracker]
        assert sum(bar.get_height() for bar in axes[row, 0].patches) == sum(len(r.curves["epe_mm"]) for r in mine)
        assert sum(bar.get_height() for bar in axes[row, 1].patches) == 6


def test_boxes_of_few_cases_are_points():
    points = distance_boxes(results("motion", 3, ("dis",))).axes[0]
    boxes = distance_boxes(results("motion", 6, ("dis",))).axes[0]
    assert len(points.collections[0].get_offsets()) == 3 and not points.patches
    assert len(boxes.patches) == 1 and not boxes.collections


def test_long_names_are_cut_and_dollars_are_text():
    assert shown("dis") == "dis"
    assert shown("a/very/long/path/network.h5", 12) == "…/network.h5"
    assert shown("$x$") == r"\$x\$"


@pytest.mark.parametrize("count", range(1, 14))
def test_panels_are_as_many_as_asked_for(count):
    figure, axes = panels(count)
    assert len(axes) == len(figure.axes) == count
