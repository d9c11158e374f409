"""The cost volume of tensorflow-addons, timed in the environment that `make oracle` makes: prints milliseconds.

.oracle/bin/python benchmarks/peer_tfa.py ROUNDS
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from tensorflow_addons.layers import CorrelationCost

layer = CorrelationCost(1, 4, 1, 1, 4, "channels_last")
maps = [tf.random.normal((1, 96, 112, 32)) for _ in range(2)]
graph = tf.function(lambda one, other: layer([one, other]))


def once() -> float:
    start = time.perf_counter()
    graph(*maps)
    return time.perf_counter() - start


once()
print(1e3 * min(once() for _ in range(int(sys.argv[1]))))
