from dataclasses import replace

import numpy as np
import pytest
from affine_hearts import ES, FRAMES, SHAPE, SPACING, Knowing, affine, frames, mesh_at_rest, moved, sequence, write
from data.test_labelled_datasets import _write as write_labelled

from cpwc_keras.baselines.catalog import BASELINES
from cpwc_keras.data.pairs import pair_from_sequence
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.strain import longitudinal_strain, mapse
from cpwc_keras.io.contours import Contour, write_contour
from cpwc_keras.io.sequence_file import write_sequence
from cpwc_keras.studies.cases import Case, find_cases
from cpwc_keras.studies.measure import MeasureSettings, measure
from cpwc_keras.studies.results import CaseInfo, CaseResult, read_result, write_result
from cpwc_keras.tracking.pair import NetworkTracker
from cpwc_keras.types import CineLoop, DatasetItem, Sequence

zero = BASELINES["zero"]


def case_of(recording, kind="motion", **info):
    item = DatasetItem("case", "sequences", FRAMES, lambda: recording)
    return Case(CaseInfo("case", "sequences", kind, **info), item)


def length_mm(vectors):
    return np.linalg.norm(vectors * SPACING[::-1], axis=-1)


def test_the_truth_makes_no_error():
    seq = sequence()
    result = measure(case_of(seq), Knowing(seq.loop.frames), "truth", MeasureSettings())
    assert not result.error
    for name in ("epe_mm", "epe_forward_mm", "cumulative_epe_mm", "d_m_mm", "d_h_mm", "segments_mae_percent"):
        assert result.scalars[name] == pytest.approx(0, abs=2e-5), name
    assert result.scalars["gls_percent"] == pytest.approx(result.scalars["gls_true_percent"], abs=1e-4)
    assert result.scalars["mapse_percent"] == pytest.approx(result.scalars["mapse_true_percent"], abs=1e-4)
    assert result.scalars["gls_true_percent"] < -5
    assert np.abs(result.curves["profile_mm"]).max() < 2e-5
    assert result.scalars["disagreement_mm"] == pytest.approx(0, abs=1e-5)


def test_no_motion_gets_exactly_the_mean_motion():
    seq = sequence()
    result = measure(case_of(seq), zero, "zero", MeasureSettings())
    expected = []
    for t in range(FRAMES - 1):
        pair = pair_from_sequence(seq, t, t + 1)
        expected.append(length_mm(pair.flow)[pair.mask > 0].mean())
    assert result.scalars["epe_mm"] == pytest.approx(np.mean(expected), rel=1e-6)
    assert result.scalars["epe_forward_mm"] == result.scalars["epe_mm"]
    whole = pair_from_sequence(seq, 0, ES)
    assert result.scalars["cumulative_epe_mm"] == pytest.approx(length_mm(whole.flow)[whole.mask > 0].mean(), rel=1e-6)
    assert result.scalars["gls_percent"] == 0 and result.scalars["mapse_percent"] == 0
    endo = seq.mesh[:, :, 0].astype(float)
    assert result.scalars["gls_true_percent"] == pytest.approx(longitudinal_strain(endo, SPACING)[: ES + 1].min())
    assert result.scalars["mapse_true_percent"] == pytest.approx(mapse(endo, SPACING)[: ES + 1].min())
    assert result.curves["epe_mm"] == pytest.approx(np.array(expected))


def test_without_composition_the_forward_motion_is_followed():
    seq = sequence()
    exact = Knowing(seq.loop.frames)

    def one_way(first, second):
        flow = exact(first, second)
        flow[1::2] += 1  # the backward one of each pair
        return flow

    alone, both = (measure(case_of(seq), one_way, "x", MeasureSettings(composition=c)) for c in (False, True))
    assert alone.scalars["epe_mm"] == alone.scalars["epe_forward_mm"] == pytest.approx(0, abs=1e-5)
    assert both.scalars["epe_forward_mm"] == pytest.approx(0, abs=1e-5)
    assert both.scalars["epe_mm"] == pytest.approx(length_mm(np.array([0.5, 0.5])), rel=1e-3)
    assert alone.scalars["d_m_mm"] == pytest.approx(0, abs=1e-5) and both.scalars["d_m_mm"] > 0.1


def test_end_diastole_may_stand_within_the_loop():
    seq = sequence(ed=ES, es=FRAMES - 1)
    result = measure(case_of(seq), Knowing(seq.loop.frames), "truth", MeasureSettings())
    assert result.scalars["epe_mm"] == pytest.approx(0, abs=1e-5) and result.ed == ES
    assert np.isnan(result.curves["d_m_mm"][ES]) and np.isfinite(np.delete(result.curves["d_m_mm"], ES)).all()


def test_dense_motion_has_errors_and_no_contour():
    seq = sequence()
    pairs = [pair_from_sequence(seq, t, t + 1) for t in range(FRAMES - 1)]
    dense = Sequence(seq.loop, flows=np.stack([p.flow for p in pairs]), masks=np.stack([p.mask for p in pairs]))
    result = measure(case_of(dense), zero, "zero", MeasureSettings())
    exact = measure(case_of(seq), zero, "zero", MeasureSettings())
    assert result.scalars["epe_mm"] == pytest.approx(exact.scalars["epe_mm"], rel=1e-6)
    assert result.scalars["cumulative_epe_mm"] == pytest.approx(exact.scalars["cumulative_epe_mm"], rel=0.05)
    assert "d_m_mm" not in result.scalars and "gls_percent" not in result.scalars


def test_dense_motion_without_instants():
    """As MEDICAID's folders have it: no end-systole and no contour to find it from."""
    seq = sequence(ed=None, es=None)
    pairs = [pair_from_sequence(seq, t, t + 1) for t in range(FRAMES - 1)]
    dense = Sequence(seq.loop, flows=np.stack([p.flow for p in pairs]), masks=np.stack([p.mask for p in pairs]))
    exact = measure(case_of(dense), Knowing(seq.loop.frames), "truth", MeasureSettings())
    assert exact.scalars["epe_mm"] == pytest.approx(0, abs=1e-5) and "cumulative_epe_mm" not in exact.scalars
    assert any("No end-systolic frame is known" in note for note in exact.notes)


def test_an_index_needs_its_reference_at_end_systole():
    seq = sequence()
    lost = seq.mesh.copy()
    lost[ES] = np.nan
    result = measure(case_of(replace(seq, mesh=lost), "contours"), zero, "zero", MeasureSettings())
    assert "gls_percent" not in result.scalars and "d_m_mm" in result.scalars
    assert any("end-systole, has no reference contour" in note for note in result.notes)


def test_segments_have_names_in_the_four_chamber_view_alone():
    result = measure(case_of(sequence(), view="A2C"), zero, "zero", MeasureSettings())
    assert "segments" not in result.curves and "gls_percent" in result.scalars


def test_a_contour_that_was_lost_is_said():
    def explode(first, second):
        grid = np.stack(np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0])), -1) - [59.5, 52]
        outward = 0.2 * grid.astype(np.float32)
        return np.stack([outward, -outward / 1.2])

    result = measure(case_of(sequence()), explode, "wild", MeasureSettings())
    assert any(note.startswith("wild lost the contour: its strain is +") for note in result.notes)
    assert not any(
        "lost the contour" in note for note in measure(case_of(sequence()), zero, "z", MeasureSettings()).notes
    )


def test_a_loop_must_hold_a_whole_beat(tmp_path):
    loop, tracker = beating_loop(tmp_path, beats=1)
    (case,) = find_cases("loops", tmp_path)
    case = replace(case, item=replace(case.item, loader=lambda: loop))
    assert not measure(case, tracker, "truth", MeasureSettings(beat_frames=12)).error
    assert "a beat takes 14.0" in measure(case, tracker, "truth", MeasureSettings(beat_frames=14)).error


def test_nodes_that_are_not_known_are_left_out():
    seq = sequence()
    mesh = seq.mesh.copy()
    mesh[2:, 10, 0] = np.nan
    result = measure(case_of(replace(seq, mesh=mesh)), zero, "zero", MeasureSettings())
    assert result.curves["references"].shape == (FRAMES, 35, 2)
    assert any("1 of 36 nodes" in note for note in result.notes)
    mesh[:, :20, 0] = np.nan
    assert "16 of 36 nodes" in measure(case_of(replace(seq, mesh=mesh)), zero, "zero", MeasureSettings()).error


def test_drawn_contours_are_compared_without_errors_of_motion(tmp_path):
    write_sequence(tmp_path / "a.h5", sequence(), {"motion": "contours"})
    (case,) = find_cases("sequences", tmp_path)
    assert case.info.kind == "contours"
    result = measure(case, Knowing(frames()), "truth", MeasureSettings())
    assert "epe_mm" not in result.scalars and "segments_mae_percent" not in result.scalars
    # Each contour is resampled by itself; under an affine map, points at equal distances are no longer so.
    assert result.scalars["d_m_mm"] < 0.05
    assert result.scalars["gls_percent"] == pytest.approx(result.scalars["gls_true_percent"], abs=0.2)


def labels_at(shift: int) -> np.ndarray:
    rows, columns = np.indices(SHAPE)
    x, y = columns - 59.5, rows - 50.0 - shift
    radius = np.hypot(x, y)
    labels = np.where(radius < 15, 1, np.where(radius < 27, 2, 0))
    labels[(np.abs(x) < 15) & (y > 0) & (y < 12)] = 1
    labels[(np.abs(x) >= 15) & (np.abs(x) < 27) & (y > 0) & (y < 12)] = 2
    labels[y >= 12] = 0
    return labels.astype(np.uint8)


def test_camus_stills_under_a_translation(tmp_path):
    images = np.rint(frames(5, 2) * 255).astype(np.uint8)
    stem = tmp_path / "patient0001" / "patient0001_4CH"
    for number, instant in enumerate(("ED", "ES")):
        write_labelled(stem.with_name(f"{stem.name}_{instant}"), images[number], labels_at(4 * number), (0.4, 0.5, 1.0))
    (case,) = find_cases("camus", tmp_path)
    assert (case.info.dataset, case.info.kind) == ("camus stills", "contours")
    down = np.array([0, 4], np.float32)

    def shift(first, second):
        sign = 1 if np.array_equal(np.rint(first[0] * 255), images[0]) else -1
        flow = np.zeros((*first.shape, 2), np.float32)
        flow[0], flow[1] = sign * down, -sign * down
        return flow

    result = measure(case, shift, "shift", MeasureSettings())
    assert result.scalars["d_m_mm"] == pytest.approx(0, abs=1e-5)
    assert result.scalars["gls_percent"] == pytest.approx(0, abs=1e-5)
    stays = measure(case, zero, "zero", MeasureSettings())
    assert 0.5 < stays.scalars["d_m_mm"] < 4 * 0.5 == pytest.approx(stays.scalars["d_h_mm"], abs=1e-3)


def beating_loop(folder, beats=3, period=12):
    """A loop without labels that comes back to the same place after every beat, and its contour beside it."""
    count = beats * period + 2
    phase = (1 - np.cos(2 * np.pi * np.arange(count) / period)) / 2
    images = frames(9, period)
    loop = CineLoop(np.stack([images[t % period] for t in range(count)]), spacing_mm=SPACING, ed=0)
    at_rest = mesh_at_rest()[:, 0]

    def at(p):
        return CENTRE + (at_rest - CENTRE) * (1 - 0.1 * p)

    CENTRE = at_rest.mean(axis=0)
    grid = np.stack(np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0])), -1).astype(float)
    number = {frame.tobytes(): t for t, frame in enumerate(images)}

    def tracker(first, second):
        flows = []
        for a, b in zip(first, second, strict=True):
            one, two = (1 - 0.1 * phase[number[frame.tobytes()]] for frame in (a, b))
            flows.append((grid - CENTRE) * (two / one - 1))
        return np.stack(flows).astype(np.float32)

    write_contour(folder / "beating.json", Contour(at(0), 0, SHAPE))
    (folder / "beating.gif").write_bytes(b"")
    return loop, tracker


def test_a_loop_without_labels_returns_after_whole_beats(tmp_path):
    loop, tracker = beating_loop(tmp_path)
    (case,) = find_cases("loops", tmp_path)
    case = replace(case, item=replace(case.item, loader=lambda: loop))
    result = measure(case, tracker, "truth", MeasureSettings(beat_frames=12))
    assert not result.error
    np.testing.assert_allclose(result.curves["closure_frame"], [12, 24, 36])
    np.testing.assert_allclose(result.curves["closure_percent"], 0, atol=1e-3)
    np.testing.assert_allclose(result.curves["drift_mm"], 0, atol=1e-4)
    assert result.scalars["peak_percent"] == pytest.approx(-10, abs=0.01)


@pytest.mark.parametrize(
    ("tracker", "said"),
    [
        (lambda a, b: np.full((*a.shape, 2), np.nan), "NaN"),
        (lambda a, b: np.zeros((1, 3, 3, 2)), "(1, 3, 3, 2)"),
        (lambda a, b: None, "NoneType"),
    ],
)
def test_a_tracker_that_fails_is_a_result(tracker, said):
    result = measure(case_of(sequence()), tracker, "broken", MeasureSettings())
    assert said in result.error and not result.scalars and result.frames == FRAMES


@pytest.mark.parametrize(
    ("recording", "kind", "said"),
    [
        (sequence(spacing_mm=None), "motion", "the size of a pixel is unknown"),
        (CineLoop(frames()[:1], spacing_mm=SPACING), "contours", "one frame"),
        (CineLoop(frames(), spacing_mm=SPACING), "contours", "no masks"),
        (
            CineLoop(frames(), spacing_mm=SPACING, labels=np.zeros((FRAMES, *SHAPE), np.uint8)),
            "contours",
            "fewer than two frames",
        ),
    ],
)
def test_what_cannot_be_measured_says_why(recording, kind, said):
    result = measure(case_of(recording, kind), zero, "zero", MeasureSettings())
    assert said in result.error and result.error.count("\n") == 0


def test_spacing_may_be_given_where_there_is_none():
    given = measure(case_of(sequence(spacing_mm=None)), zero, "zero", MeasureSettings(spacing_mm=SPACING))
    known = measure(case_of(sequence()), zero, "zero", MeasureSettings(spacing_mm=(9.0, 9.0)))
    assert given.scalars["epe_mm"] == known.scalars["epe_mm"]


@pytest.mark.parametrize(("settings", "said"), [({"beat_frames": 1.0}, "beat"), ({"spacing_mm": (0, 1)}, "spacing")])
def test_settings_that_make_no_sense(settings, said):
    with pytest.raises(InputError, match=said):
        MeasureSettings(**settings)


def test_a_result_survives_its_file(tmp_path):
    result = measure(case_of(sequence(), patient="p"), zero, "zero", MeasureSettings())
    write_result(tmp_path / "r.h5", result, "key")
    again = read_result(tmp_path / "r.h5", "key")
    assert {k: v for k, v in again.scalars.items()} == result.scalars
    assert (again.case, again.tracker, again.es, again.spacing_mm) == (result.case, "zero", ES, SPACING)
    for name, values in result.curves.items():
        np.testing.assert_array_equal(again.curves[name], values)
    assert read_result(tmp_path / "r.h5", "another") is None
    (tmp_path / "r.h5").write_bytes((tmp_path / "r.h5").read_bytes()[:900])
    assert read_result(tmp_path / "r.h5", "key") is None and read_result(tmp_path / "none.h5") is None
    failed = CaseResult("zero", CaseInfo("a", "b", "motion"), error="no.")
    write_result(tmp_path / "f.h5", failed, "key")
    assert read_result(tmp_path / "f.h5").error == "no."


def test_the_affine_hearts_do_what_they_say(tmp_path):
    points = np.array([[30.0, 40], [80, 60]])
    np.testing.assert_allclose(moved(moved(points, 0, 2), 2, 0), points)
    matrix, shift = affine(ES)
    np.testing.assert_allclose(moved(points, 0, ES), points @ matrix.T + shift)
    write(tmp_path, seeds=(0,))
    np.testing.assert_array_equal(find_cases("sequences", tmp_path)[0].read().loop.frames, frames(0))


def test_a_network_sees_a_window_and_is_measured_where_it_looked():
    height, width, aside = 224, 240, 60
    images = np.random.default_rng(3).integers(0, 256, (FRAMES, height, width)).astype(np.float32) / np.float32(255)
    seq = sequence()
    seq = replace(seq, loop=replace(seq.loop, frames=images), mesh=seq.mesh + aside)
    place = {images[t, y, x : x + 8].tobytes(): (t, x, y)
             for t in range(FRAMES) for y in range(0, height, 16) for x in range(0, width - 8, 16)}  # fmt: skip
    shapes = set()

    class Model:
        def predict_on_batch(self, batches):
            first, second = (batch[..., 0] for batch in batches)
            shapes.add(first.shape[1:])
            flows = []
            for a, b in zip(first, second, strict=True):
                (one, x, y), (two, _, _) = (place[frame[0, :8].tobytes()] for frame in (a, b))
                rows, columns = np.indices(a.shape)
                points = np.stack([columns + x, rows + y], -1) - float(aside)
                flows.append(moved(points, one, two) - points)
            return np.stack(flows)

    result = measure(case_of(seq), NetworkTracker(Model()), "network", MeasureSettings())
    assert not result.error and shapes == {(64, 128)}
    for name in ("epe_mm", "cumulative_epe_mm", "d_m_mm"):
        assert result.scalars[name] == pytest.approx(0, abs=2e-5)
