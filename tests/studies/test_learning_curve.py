"""Learning curves: analytic ones, then simulated runs that differ by noise, by level and by shape."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.errors import InputError
from cpwc_keras.studies.learning_curve import LearningCurve, compare, read_curves, read_log, read_validations


def falling(count=1000, every=20, noise=0.0, seed=0, level=1.0):
    """A loss that falls as 1 / (1 + step / 500), with multiplicative noise."""
    step = every * np.arange(1, count + 1)
    loss = level / (1 + step / 500) * np.exp(noise * np.random.default_rng(seed).standard_normal(count))
    return step, loss


def write_log(folder, step, loss, seconds=None, extra=()):
    folder.mkdir(exist_ok=True)
    seconds = np.arange(1, len(step) + 1) if seconds is None else seconds
    lines = [
        {"step": int(s), "seconds": float(t), "data_loss": float(v), "epe": 2 * float(v), "loss": 1 + float(v)}
        for s, t, v in zip(step, seconds, loss, strict=True)
    ]
    lines += extra
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_log_is_read_and_validations_are_left_out(tmp_path):
    step, loss = falling(5)
    extra = [{"step": 100, "seconds": 6, "validation_epe": 1.0}]
    curve = read_log(write_log(tmp_path, step, loss, extra=extra))
    np.testing.assert_array_equal(curve.step, step)
    np.testing.assert_allclose(curve.data_loss, loss)
    np.testing.assert_allclose(curve.epe, 2 * loss)
    assert curve.seconds == 6


def test_the_time_of_all_sittings_counts(tmp_path):
    """Three sittings of 10, 7 and 4 seconds: the clock starts anew with each."""
    step, loss = falling(6)
    assert read_log(write_log(tmp_path, step, loss, seconds=[5, 10, 3, 7, 2, 4])).seconds == 21


def test_the_unfinished_line_of_a_run_under_way_is_left_out(tmp_path):
    step, loss = falling(4)
    with open(write_log(tmp_path, step, loss) / "log.jsonl", "a") as file:
        file.write('{"step": 100, "sec')
    assert len(read_log(tmp_path).step) == 4 and read_validations(tmp_path).shape == (0, 3)


def test_validations_are_read_from_between_the_losses(tmp_path):
    rows = [(40, 1.5, 2.5), (80, 1.25, 2.5)]
    extra = [{"step": s, "seconds": 9, "validation_epe": e, "validation_epe_zero": z} for s, e, z in rows]
    run = write_log(tmp_path / "run", *falling(4), extra=extra)
    with open(run / "log.jsonl", "a") as file:
        file.write('{"step": 120, "seconds": 10, "validation_epe": 1')
    np.testing.assert_array_equal(read_validations(run), rows)
    with pytest.raises(InputError, match=r"nothing that can be read"):
        read_validations(tmp_path / "absent")
    write_log(run, *falling(4), extra=[{"step": 100, "seconds": 9, "validation_epe": 1.0}])
    with pytest.raises(InputError, match=r"in line 5, expected JSON with step, seconds, validation_epe and"):
        read_validations(run)


@pytest.mark.parametrize(
    "text", ["", "{}\n", "not JSON\n", "3\n", '{"step": 1, "seconds": 1, "data_loss": NaN, "epe": 1}\n']
)
def test_what_is_no_log_gets_one_sentence(tmp_path, text):
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"log\.jsonl: found") as error:
        read_log(tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"nothing that can be read"):
        read_log(tmp_path / "absent")


def test_noise_is_measured_beside_the_trend(tmp_path):
    assert read_log(write_log(tmp_path, *falling())).noise < 1e-3
    assert read_log(write_log(tmp_path, *falling(5000, noise=0.1))).noise == pytest.approx(0.1, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 200))
def test_thinning_keeps_every_line_in_a_mean(count, most):
    step, loss = falling(count)
    curve = LearningCurve(step, loss, loss, 0.0, np.ones(count, int))
    thin = curve.thinned(most)
    assert len(thin.step) <= most or len(thin.step) == count
    assert thin.step[-1] == step[-1] and (np.diff(thin.step) > 0).all()
    assert thin.lines.sum() == count
    np.testing.assert_allclose((thin.lines * thin.data_loss).sum(), loss.sum())


def test_thinning_keeps_the_start_dense():
    step, loss = falling(5000)
    thin = LearningCurve(step, loss, loss, 0.0, np.ones(5000, int)).thinned()
    assert len(thin.step) <= 200 and (thin.step <= 1000).sum() >= 15


def test_curves_survive_their_file(tmp_path):
    curve = read_log(write_log(tmp_path / "run", *falling(noise=0.1))).thinned()
    (tmp_path / "x.curve.json").write_text(json.dumps({"stages": [curve.to_json()]}))
    (again,) = read_curves(tmp_path / "x.curve.json")
    np.testing.assert_array_equal(again.step, curve.step)
    np.testing.assert_allclose(again.data_loss, curve.data_loss, rtol=1e-4)
    assert len((tmp_path / "x.curve.json").read_bytes()) < 10_000
    (tmp_path / "x.curve.json").write_text("[]")
    with pytest.raises(InputError, match=r"x\.curve\.json: found no learning curves"):
        read_curves(tmp_path / "x.curve.json")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"epe": [1.0]}, "3 of step, 3 of lines, 3 of data_loss, 1 of epe in stage 1, expected as many of each"),
        ({"data_loss": [[1.0], [1.0], [1.0]]}, "expected as many of each"),
        ({"step": [20, 20, 60]}, "no learning curve in stage 1, expected finite values at rising steps"),
        ({"lines": [1, 0, 1]}, "no learning curve in stage 1"),
        ({"epe": [1.0, float("nan"), 1.0]}, "no learning curve in stage 1"),
        ({key: [] for key in ("step", "lines", "data_loss", "epe")}, "no learning curve in stage 1"),
        ({"step": [float("inf")] * 3}, "no learning curves"),
    ],
)
def test_values_that_do_not_belong_together_get_one_sentence(tmp_path, change, found):
    curve = LearningCurve(*(np.array(values) for values in ([20, 40, 60], [3.0, 2, 1], [3.0, 2, 1])), 0.1, np.ones(3))
    path = tmp_path / "x.curve.json"
    path.write_text(json.dumps({"stages": [curve.to_json()]}))
    assert len(read_curves(path)) == 1
    path.write_text(json.dumps({"stages": [curve.to_json() | change]}))
    with pytest.raises(InputError, match=rf"x\.curve\.json: found .*{found}"):
        read_curves(path)


def run_of(tmp_path, **options):
    return read_log(write_log(tmp_path / "run", *falling(**options)))


def test_the_same_run_does_not_differ_at_all(tmp_path):
    run = run_of(tmp_path, noise=0.1)
    same = compare(run, run.thinned(), 1000)
    assert same.matches and same.mean_distance < 1e-12 and same.steps == 1000


def test_another_run_of_the_same_kind_is_as_far_as_chance_says(tmp_path):
    recorded = run_of(tmp_path, count=4000, noise=0.1, seed=1)
    other = compare(run_of(tmp_path, count=4000, noise=0.1, seed=2), recorded.thinned(), 80_000)
    assert other.matches and other.mean_distance == pytest.approx(other.noise, rel=0.25)
    assert "the curves match" in str(other)


def test_another_level_or_another_noise_is_found(tmp_path):
    recorded = run_of(tmp_path, noise=0.1, seed=1).thinned()
    higher = compare(run_of(tmp_path, noise=0.1, seed=2, level=1.5), recorded, 1000)
    assert not higher.matches and higher.mean_difference == pytest.approx(0.5, abs=0.15)
    assert "differ by more than chance" in str(higher)
    exact = run_of(tmp_path).thinned()
    assert compare(run_of(tmp_path, level=1.0001), exact, 1000).matches
    assert not compare(run_of(tmp_path, level=1.01), exact, 1000).matches


def test_a_run_that_is_too_short_gets_one_sentence(tmp_path):
    recorded = run_of(tmp_path).thinned(10)
    with pytest.raises(InputError, match=r"let it run longer"):
        compare(run_of(tmp_path, count=2), recorded, 1000)
