"""Write what tensorflow-addons 0.23 says to cost volumes and warps, for `tests/ops/test_against_tfa.py`.

Runs in an environment of its own (`make oracle`): tensorflow-addons needs TensorFlow 2.15 and cannot live beside
Keras 3.

    python tests/oracle/tfa_reference.py OUTPUT.npz [NUMBER_OF_CASES]
"""

import sys
import warnings

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_addons as tfa  # noqa: E402


def cost_volume_case(rng):
    """Random maps, their correlation, and the gradients for a random upstream gradient."""
    r = int(rng.integers(0, 5))
    shape = rng.integers(1, 4), *rng.integers(2 * r + 2, 2 * r + 12, 2), rng.integers(1, 20)
    maps1, maps2 = rng.standard_normal((2, *shape)).astype(np.float32)
    layer = tfa.layers.CorrelationCost(
        kernel_size=1, max_displacement=r, stride_1=1, stride_2=1, pad=r, data_format="channels_last"
    )
    with tf.GradientTape() as tape:
        first, second = tf.Variable(maps1), tf.Variable(maps2)
        out = layer([first, second])
        upstream = rng.standard_normal(out.shape).astype(np.float32)
        loss = tf.reduce_sum(out * upstream)
    gradients = tape.gradient(loss, [first, second])
    return {
        "search_range": r, "maps1": maps1, "maps2": maps2, "upstream": upstream, "out": out.numpy(),
        "gradient1": gradients[0].numpy(), "gradient2": gradients[1].numpy(),
    }  # fmt: skip


def warp_case(rng):
    """Random maps looked up at random places inside, where both definitions agree."""
    batch, height, width, channels = rng.integers(1, 4), *rng.integers(4, 20, 2), rng.integers(1, 8)
    maps = rng.standard_normal((batch, height, width, channels)).astype(np.float32)
    # Away from the border and from whole numbers, where the derivative jumps.
    y, x = (rng.integers(0, size - 1, (batch, height, width)) + rng.uniform(0.02, 0.98) for size in (height, width))
    rows, columns = np.mgrid[:height, :width]
    flow = np.stack([x - columns, y - rows], axis=-1).astype(np.float32)
    with tf.GradientTape() as tape:
        image, addons_flow = tf.Variable(maps), tf.Variable(-flow[..., ::-1])  # the opposite sign, (row, column)
        out = tfa.image.dense_image_warp(image, addons_flow)
        upstream = rng.standard_normal(out.shape).astype(np.float32)
        loss = tf.reduce_sum(out * upstream)
    gradients = tape.gradient(loss, [image, addons_flow])
    return {
        "maps": maps, "flow": flow, "upstream": upstream, "out": out.numpy(),
        "gradient_maps": tf.convert_to_tensor(gradients[0]).numpy(),
        "gradient_flow": -tf.convert_to_tensor(gradients[1]).numpy()[..., ::-1],
    }  # fmt: skip


if __name__ == "__main__":
    path, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50
    rng = np.random.default_rng(2022)
    arrays = {}
    for index in range(count):
        for kind, make in (("cost_volume", cost_volume_case), ("warp", warp_case)):
            arrays |= {f"{kind}/{index}/{name}": value for name, value in make(rng).items()}
    np.savez_compressed(path, **arrays)
    print(f"{path}: {count} cost volumes and {count} warps by tensorflow-addons {tfa.__version__}")
