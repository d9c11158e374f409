"""Print the largest differences between our ops and tensorflow-addons' on the cases of `tfa_reference.py`.

python tests/oracle/report.py REFERENCE.npz
"""

import os
import sys
from collections import defaultdict

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from cpwc_keras.ops import cost_volume, warp


def differences(kind: str, case: dict) -> dict[str, float]:
    """Largest difference in the value and in each gradient."""
    if kind == "cost_volume":
        inputs, names = ("maps1", "maps2"), ("gradient1", "gradient2")
        op = lambda first, second: cost_volume(first, second, int(case["search_range"]))  # noqa: E731
    else:
        inputs, names, op = ("maps", "flow"), ("gradient_maps", "gradient_flow"), warp
    tensors = [tf.constant(case[name]) for name in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        out = op(*tensors)
        loss = tf.reduce_sum(out * case["upstream"])
    ours = {"value": out} | dict(zip(names, map(tf.convert_to_tensor, tape.gradient(loss, tensors)), strict=True))
    theirs = {"value": case["out"], **case}
    return {name: float(np.abs(array.numpy() - theirs[name]).max()) for name, array in ours.items()}


if __name__ == "__main__":
    worst: dict = defaultdict(lambda: defaultdict(float))
    cases: dict = defaultdict(dict)
    with np.load(sys.argv[1]) as arrays:
        for key in arrays.files:
            kind, index, part = key.split("/")
            cases[kind, index][part] = arrays[key]
    for (kind, _), case in cases.items():
        for name, value in differences(kind, case).items():
            worst[kind][name] = max(worst[kind][name], value)
    for kind, values in worst.items():
        number = sum(1 for name, _ in cases if name == kind)
        listed = ", ".join(f"{name} {value:.1e}" for name, value in values.items())
        print(f"{kind}, {number} cases, largest difference from tensorflow-addons 0.23: {listed}")
