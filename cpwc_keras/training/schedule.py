"""The optimiser and its learning rate."""

from __future__ import annotations

import keras
from keras import ops

from cpwc_keras.training.distribution import summed_over_replicas


@keras.saving.register_keras_serializable("cpwc_keras")
class HalvingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The paper's schedule (III-C.2): constant for 40 % of training, then halved, and again every 20 %.

    Args:
        learning_rate: at the start.
        total_steps: of the whole training.
    """

    def __init__(self, learning_rate: float, total_steps: int):
        self.learning_rate = learning_rate
        self.total_steps = total_steps

    def __call__(self, step):
        progress = ops.cast(step, "float32") / self.total_steps
        # A hair is added since 0.4 + 0.2 falls short of 0.6 in float32.
        halvings = ops.clip(ops.floor((progress - 0.4) / 0.2 + 1e-5) + 1.0, 0.0, 3.0)
        return self.learning_rate * ops.power(0.5, halvings)

    def get_config(self):
        return {"learning_rate": self.learning_rate, "total_steps": self.total_steps}


@keras.saving.register_keras_serializable("cpwc_keras")
class LinearSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A short warm-up, constant for half of training, then straight down to a hundredth.

    For short budgets, where the paper's schedule would spend few steps at a low rate.

    Args:
        learning_rate: at the plateau.
        total_steps: of the whole training.
        warmup_steps: over which the rate rises from 0.
    """

    def __init__(self, learning_rate: float, total_steps: int, warmup_steps: int = 100):
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        warmup = ops.minimum(1.0, (step + 1.0) / self.warmup_steps)
        decay = ops.clip(2.0 * (1.0 - step / self.total_steps), 0.01, 1.0)
        return self.learning_rate * warmup * decay

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }


SCHEDULES = {"halving": HalvingSchedule, "linear": LinearSchedule}


@keras.saving.register_keras_serializable("cpwc_keras", name="AdamWithNorm")
class Adam(keras.optimizers.Adam):
    """Adam that remembers the global norm of the last gradient, before clipping, in `gradient_norm`.

    The norm is one of the optimiser's variables, so that it is computed inside the compiled step on each backend.
    """

    def build(self, variables):
        super().build(variables)
        if not hasattr(self, "gradient_norm"):
            self.gradient_norm = self.add_variable(
                (), initializer="zeros", dtype="float32", aggregation="mean", name="gradient_norm"
            )

    def apply(self, grads, trainable_variables=None):
        if not self.built:
            self.build(trainable_variables)
        whole = summed_over_replicas([g for g in grads if g is not None])
        squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in whole]
        self.gradient_norm.assign(ops.sqrt(sum(squares)))
        super().apply(grads, trainable_variables)
