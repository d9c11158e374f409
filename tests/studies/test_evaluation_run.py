import os
from dataclasses import replace

import numpy as np
import pytest
from affine_hearts import write
from scipy import stats

from cpwc_keras.errors import InputError
from cpwc_keras.studies.cases import find_cases
from cpwc_keras.studies.measure import MeasureSettings
from cpwc_keras.studies.run import evaluate, plan
from cpwc_keras.studies.summary import comparison, summarise
from cpwc_keras.studies.trackers import parse_trackers

HERE = os.path.dirname(__file__)
TRUTH, NOWHERE = (f"{name}={HERE}/affine_hearts.py:{name}" for name in ("truth", "nowhere"))


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "data", seeds=(0, 1, 2))
    return tmp_path


def planned(folder, *trackers, **settings):
    cases = find_cases("sequences", folder / "data")
    return plan(cases, parse_trackers(trackers), folder / "out", MeasureSettings(**settings))


def numbers(outcome):
    return [(r.tracker, r.case.name, {k: v for k, v in r.scalars.items() if k != "seconds_per_pair"}, r.error)
            for r in outcome.results]  # fmt: skip


def test_everything_is_measured_once(folder):
    first = evaluate(planned(folder, "zero", TRUTH))
    assert [(r.tracker, r.case.name) for r in first.results] == [
        (tracker, f"p{seed}_clean") for tracker in ("zero", "truth") for seed in range(3)
    ]
    assert first.kept == 0 and not any(r.error for r in first.results)
    seen = []
    again = evaluate(planned(folder, "zero", TRUTH), on_result=seen.append)
    assert again.kept == 6 == len(seen) and numbers(again) == numbers(first)
    assert evaluate(planned(folder, "zero", TRUTH, "dis")).kept == 6
    assert evaluate(planned(folder, "zero", composition=False)).kept == 0


def test_a_changed_recording_is_measured_anew(folder):
    evaluate(planned(folder, "zero"))
    write(folder / "data", seeds=(1,), frame_rate_hz=41.0)
    assert evaluate(planned(folder, "zero")).kept == 2
    assert evaluate(planned(folder, "zero"), again=True).kept == 0


def test_processes_change_nothing(folder):
    alone = evaluate(planned(folder, "zero", TRUTH, NOWHERE))
    jobs = [replace(job, path=folder / "two" / f"{number}.h5") for number, job in
            enumerate(planned(folder, "zero", TRUTH, NOWHERE))]  # fmt: skip
    assert numbers(evaluate(jobs, workers=2)) == numbers(alone)


def test_failures_are_counted_not_dropped(folder):
    outcome = evaluate(planned(folder, "zero", NOWHERE))
    rows = {row.tracker: row for row in summarise(outcome.results)}
    assert (rows["zero"].cases, rows["zero"].failed) == (3, 0)
    assert (rows["nowhere"].cases, rows["nowhere"].failed) == (0, 3)
    assert not rows["nowhere"].means
    assert evaluate(planned(folder, "zero", NOWHERE)).kept == 3  # what failed is tried again


def test_rows_are_means_over_the_cases(folder):
    outcome = evaluate(planned(folder, "zero", TRUTH))
    (zero,) = [row for row in summarise(outcome.results) if row.tracker == "zero"]
    values = [r.scalars["epe_mm"] for r in outcome.results if r.tracker == "zero"]
    assert zero.means["epe_mm"] == (pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)), 3)
    true = [r.scalars["gls_true_percent"] for r in outcome.results if r.tracker == "zero"]
    assert zero.indices["gls"].bias == pytest.approx(-np.mean(true)) and zero.group == "clean"
    p = comparison(outcome.results, "zero", "truth")
    perfect = [r.scalars["epe_mm"] for r in outcome.results if r.tracker == "truth"]
    assert p["wilcoxon"] == pytest.approx(stats.wilcoxon(values, perfect).pvalue)
    assert p["mann_whitney"] == pytest.approx(stats.mannwhitneyu(values, perfect).pvalue)


def test_an_unexpected_error_does_not_stop_the_others(folder, monkeypatch):
    from cpwc_keras.studies import run

    measure = run.measure

    def sometimes(case, *rest):
        if case.info.name.startswith("p1"):
            raise ZeroDivisionError("oops")
        return measure(case, *rest)

    monkeypatch.setattr(run, "measure", sometimes)
    outcome = evaluate(planned(folder, "zero"))
    assert list(outcome.broken) == ["zero on p1_clean"] and "ZeroDivisionError" in outcome.broken["zero on p1_clean"]
    assert [bool(r.error) for r in outcome.results] == [False, True, False]
    monkeypatch.undo()
    assert evaluate(planned(folder, "zero")).kept == 2  # it is tried again


def test_mistakes_are_found_before_any_work(folder):
    with pytest.raises(InputError, match=r"neither a tracker"):
        planned(folder, "zero", "no-such-tracker")
    with pytest.raises(InputError, match=r"GE"):
        planned(folder, "fold=runs/{vendor}/network.h5")
    assert not (folder / "out").exists()
