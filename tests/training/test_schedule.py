"""Learning rates over a training, and the optimiser that remembers its gradient norm."""

import keras
import numpy as np
import pytest

from cpwc_keras.training.schedule import Adam, HalvingSchedule, LinearSchedule


def test_the_papers_schedule_halves_every_fifth_after_two_fifths():
    schedule = HalvingSchedule(1e-4, 1000)
    rates = {step: float(schedule(step)) for step in (0, 399, 400, 599, 600, 799, 800, 999)}
    expected = {0: 1, 399: 1, 400: 0.5, 599: 0.5, 600: 0.25, 799: 0.25, 800: 0.125, 999: 0.125}
    assert rates == pytest.approx({step: factor * 1e-4 for step, factor in expected.items()})


def test_the_linear_schedule_warms_up_holds_and_falls():
    schedule = LinearSchedule(4e-4, 1000, warmup_steps=100)
    rates = [float(schedule(step)) for step in (0, 49, 99, 500, 750, 1000)]
    assert rates == pytest.approx([4e-6, 2e-4, 4e-4, 4e-4, 2e-4, 4e-6], rel=1e-4)


@pytest.mark.parametrize("schedule", [HalvingSchedule(1e-4, 50), LinearSchedule(1e-4, 50, 5)])
def test_schedules_survive_serialisation(schedule):
    config = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(config)
    assert [float(again(s)) for s in range(50)] == [float(schedule(s)) for s in range(50)]


def test_adam_is_keras_adam_and_knows_the_unclipped_norm():
    start = np.float32([1.0, -2.0])
    ours, theirs = keras.Variable(start), keras.Variable(start)
    gradients = [np.float32([3.0, 4.0]), np.float32([0.0, 2.0])]
    mine, reference = Adam(0.1, clipnorm=1.0), keras.optimizers.Adam(0.1, clipnorm=1.0)
    for gradient in gradients:
        mine.apply([keras.ops.convert_to_tensor(gradient)], [ours])
        reference.apply([keras.ops.convert_to_tensor(gradient)], [theirs])
        assert float(mine.gradient_norm) == pytest.approx(np.linalg.norm(gradient))
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
