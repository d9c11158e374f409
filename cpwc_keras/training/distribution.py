"""Data-parallel training, by the frameworks' own means."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def all_devices(enabled: bool = True):
    """Build and train what is in this block on every device of the machine, each with its share of the batch.

    `keras.distribution.DataParallel` on JAX, `tf.distribute.MirroredStrategy` on TensorFlow. The batch size is that of
    all devices together.

    Args:
        enabled: False for a single device: the block runs as it is.
    """
    if not enabled:
        yield
        return

    import keras

    if keras.backend.backend() == "jax":
        before = keras.distribution.distribution()
        # The batches come whole from this process; the distribution cuts them.
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)
    else:
        import tensorflow as tf

        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        with tf.distribute.MirroredStrategy([device.name for device in devices]).scope():
            yield
