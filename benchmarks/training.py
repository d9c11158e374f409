"""A training step: on each backend, against plain operations, and with its pairs made on the spot.

python benchmarks/training.py [--config hearts] [--steps 30] [--json FILE]

Each contender is a process of its own, with the optimiser and the precision of the config. All but one are given the
same batch again and again; what a step takes longer when its pairs are made meanwhile is what the pipeline costs. The
times are medians; sums of the sliced products are rounded as the precision has it, those of our op at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from timing import in_a_process

CONTENDERS = {
    "TensorFlow": {},
    "TensorFlow, pairs made on the spot": {"pipeline": True},
    "TensorFlow, without the compiled cost volume": {"environment": {"CPWC_NATIVE": "0"}},
    "TensorFlow, 81 sliced products, differentiated automatically": {
        "environment": {"CPWC_NATIVE": "0"},
        "sliced": True,
    },
    "JAX": {"environment": {"KERAS_BACKEND": "jax"}},
}
_WARM = 5


def measure(config: str, steps: int, pipeline: bool = False, sliced: bool = False) -> dict[str, float]:
    """Milliseconds a step, and the process's peak memory."""
    import keras

    from cpwc_keras.data.pipeline import batches, tf_dataset
    from cpwc_keras.models import CPWCNet, pwc_net
    from cpwc_keras.training.experiment import load_experiment
    from cpwc_keras.training.loss import FlowTrainer
    from cpwc_keras.training.schedule import SCHEDULES, Adam
    from cpwc_keras.training.sources import make_source

    experiment = load_experiment("transfer", config, validation_pairs=0)
    keras.mixed_precision.set_dtype_policy(experiment.precision)
    if sliced:
        pwc_net.cost_volume = _sliced
    trainer = FlowTrainer(CPWCNet(weight_decay=experiment.weight_decay, **experiment.network_options))
    schedule = SCHEDULES[experiment.schedule](experiment.learning_rate, experiment.steps)
    ema = {"use_ema": experiment.ema is not None, "ema_momentum": experiment.ema or 0.99}
    trainer.compile(optimizer=Adam(schedule, clipnorm=experiment.clipnorm, **ema))
    training = make_source(experiment, Path(".")).training
    if pipeline:
        given = tf_dataset(training, experiment.batch_size, workers=experiment.workers)
    else:
        made = batches(training, experiment.batch_size, workers=1, prefetch=0)
        batch = next(made)
        made.close()
        given = (batch for _ in range(_WARM + steps))
    ends = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    trainer.fit(given, steps_per_epoch=_WARM + steps, shuffle=False, verbose=0, callbacks=[clock])
    return {
        "ms": 1e3 * float(np.median(np.diff(ends[_WARM - 1 :]))),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _sliced(features1, features2, search_range: int):
    """The cost volume as one would write it down, left to automatic differentiation."""
    from keras import ops

    r = search_range
    height, width = ops.shape(features1)[1:3]
    padded = ops.pad(features2, [[0, 0], [r, r], [r, r], [0, 0]])
    products = [
        ops.mean(features1 * padded[:, dy : dy + height, dx : dx + width], axis=-1)
        for dy, dx in np.ndindex(2 * r + 1, 2 * r + 1)
    ]
    return ops.stack(products, axis=-1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="hearts")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        changes = {name: value for name, value in CONTENDERS[options.one].items() if name != "environment"}
        print(json.dumps(measure(options.config, options.steps, **changes)))
        return
    table = {}
    for name in CONTENDERS:
        given = ("--config", options.config, "--steps", str(options.steps), "--one", name)
        table[name] = in_a_process(__file__, *given, **CONTENDERS[name].get("environment", {}))
        print(f"{name:62} {table[name]['ms']:8.0f} ms a step {table[name]['peak_mib']:8,.0f} MiB", flush=True)
    slower = table["TensorFlow, pairs made on the spot"]["ms"] / table["TensorFlow"]["ms"]
    print(f"a step whose pairs are made meanwhile, on the same cores, takes {slower:.2f} times as long")
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
