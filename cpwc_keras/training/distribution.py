"""Data-parallel training, by the frameworks' own means."""

from __future__ import annotations

from contextlib import contextmanager

import keras


@contextmanager
def all_devices(enabled: bool = True):
    """Build and train what is in this block on every device of the machine, each with its share of the batch.

    `keras.distribution.DataParallel` on JAX, `tf.distribute.MirroredStrategy` on TensorFlow. The batch size is that of
    all devices together. On TensorFlow, `clipnorm` bounds each device's share of the gradient.

    Args:
        enabled: False for a single device: the block runs as it is.
    """
    if not enabled:
        yield
    elif keras.backend.backend() == "jax":
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


def share_of_loss(loss):
    """What one of TensorFlow's replicas contributes to the loss: their gradients are summed, not averaged."""
    return loss / _replicas()


def summed_over_replicas(gradients: list) -> list:
    """The gradients of the whole batch, where TensorFlow's replicas each hold a part."""
    if _replicas() == 1:
        return gradients
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)


def _replicas() -> int:
    if keras.backend.backend() != "tensorflow":
        return 1  # JAX sees the whole batch as one array, wherever its parts lie
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync
