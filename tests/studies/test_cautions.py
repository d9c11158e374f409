"""What an evaluation warns of: one sentence for each tracker and dataset, however many recordings there are."""

from dataclasses import replace

import numpy as np
import pytest
from affine_hearts import FRAMES, SPACING, sequence
from study_results import results

from cpwc_keras.baselines.catalog import BASELINES
from cpwc_keras.studies.cases import Case
from cpwc_keras.studies.cautions import unfamiliar_lines
from cpwc_keras.studies.measure import MeasureSettings, measure
from cpwc_keras.studies.report import write_report
from cpwc_keras.studies.results import CaseInfo, read_result, write_result
from cpwc_keras.tracking.pair import NetworkTracker
from cpwc_keras.types import DatasetItem


class Still:
    def predict_on_batch(self, batches):
        return np.zeros((*batches[0].shape[:3], 2), np.float32)


def case():
    return Case(CaseInfo("case", "sequences", "motion"), DatasetItem("case", "sequences", FRAMES, sequence))


def test_images_unlike_those_of_the_training_are_said_as_they_are_measured(tmp_path):
    """`evaluate` resamples nothing, so it does not say that it did."""
    small = {"pixel_spacing_mm": (SPACING[0] / 4, SPACING[1] / 3)}
    result = measure(case(), NetworkTracker(Still(), ranges=small), "mine", MeasureSettings())
    assert len(result.unfamiliar) == 1 and "expect wrong motion" in result.unfamiliar[0]
    assert "were resampled" not in result.unfamiliar[0] and not set(result.unfamiliar) & set(result.notes)
    write_result(tmp_path / "r.h5", result, "key")
    assert read_result(tmp_path / "r.h5", "key").unfamiliar == result.unfamiliar


@pytest.mark.parametrize(
    "run", [NetworkTracker(Still(), ranges={"pixel_spacing_mm": SPACING}), NetworkTracker(Still()), BASELINES["zero"]]
)
def test_known_images_and_trackers_that_know_all_are_no_reason(run):
    assert measure(case(), run, "mine", MeasureSettings()).unfamiliar == ()


def test_one_sentence_for_each_tracker_and_dataset(tmp_path):
    made = results(cases=4, trackers=("dis", "mine"))
    strange = [
        replace(r, unfamiliar=("The images are <dark>.",)) if r.tracker == "mine" and "0000" not in r.case.name else r
        for r in made
    ]
    assert unfamiliar_lines(strange) == [
        "mine: 3 of 4 recordings (sequences) are unlike the images that its network saw, as patient0001_clean: The "
        "images are <dark>."
    ]
    assert unfamiliar_lines(made) == []
    write_report(tmp_path, strange, "Title", {}, None)
    assert "Mind: mine: " in (tmp_path / "table.md").read_text()
    page = (tmp_path / "report.html").read_text()
    assert "Mind: mine: " in page and "are &lt;dark&gt;." in page and "<dark>" not in page
