"""From recordings to batches: shuffled, parallel, prefetched, bounded in memory, and exactly repeatable.

Every training example is a pure function of its index. So the order of examples cannot depend on threads, and a run
that resumes at step k sees what an uninterrupted run would have seen, without any state to save. `batches` needs NumPy
alone and feeds any backend; `tf_dataset` gives the same batches, bit for bit, as a `tf.data.Dataset`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from collections.abc import Sequence as List
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Protocol

import numpy as np

from cpwc_keras.data.pairs import PairPolicy, enumerate_pairs, pair_from_sequence
from cpwc_keras.errors import InputError
from cpwc_keras.types import DatasetItem, FramePair, Sequence

Batch = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""`((image1, image2), (flow, mask))`, float32: (B, H, W, 1) twice, (B, H, W, 2), (B, H, W, 1)."""


class Augmentation(Protocol):
    """A random change of a pair, as in `cpwc_keras.data.augmentation`."""

    def apply(self, pair: FramePair, rng: np.random.Generator) -> FramePair:
        """The changed pair: a pure function of the pair and of the generator."""


class Sampler(Protocol):
    """A source of training examples, without end.

    Attributes:
        epoch_size: number of examples after which each has been seen about once.
    """

    @property
    def epoch_size(self) -> int:
        """As above."""

    def sample(self, index: int) -> FramePair:
        """Example `index` (0, 1, 2, …): always the same for the same index, from any thread; all of one size."""


class FixedPairs:
    """A few pairs, over and over: for validation and for overfitting on purpose.

    Args:
        pairs: at least one, all of one size.
    """

    def __init__(self, pairs: List[FramePair]):
        self._pairs = list(pairs)
        self.epoch_size = len(self._pairs)

    def sample(self, index: int) -> FramePair:
        """Pair `index`, counted round and round."""
        return self._pairs[index % self.epoch_size]


class PairSampler:
    """Pairs of frames from a dataset, shuffled anew in every epoch, augmented.

    Reading a sequence costs far more than taking a pair from it. So an epoch does not shuffle all pairs together: it
    shuffles the items, takes them in groups, and shuffles the pairs within each group. Only one group's recordings (two
    at the border) need to be in memory. A larger group mixes better; the cache should hold it, or items are read again
    and again. Neither the cache nor the threads change which example an index means; `group_size` does.

    Args:
        items: pairs and sequences with motion.
        policy: which pairs of frames of a sequence are used.
        augmentation: applied to every pair; it must bring pairs of different sizes to one. None: as they are.
        seed: everything random follows from it.
        group_size: recordings whose pairs are shuffled together.
        cache_bytes: most memory that recordings kept for later may take.

    Raises:
        InputError: there is not one pair.
    """

    def __init__(
        self,
        items: List[DatasetItem],
        policy: PairPolicy,
        augmentation: Augmentation | None = None,
        *,
        seed: int = 0,
        group_size: int = 16,
        cache_bytes: int = 2**30,
    ):
        self._items = list(items)
        self._pairs = enumerate_pairs(self._items, policy)
        if not len(self._pairs):
            raise InputError(
                f"No pair of frames to train on: {len(self._items)} recordings, none longer than "
                f"{min(policy.spacings) + 1} frame(s)."
            )
        self._augmentation = augmentation
        self._seed = seed
        self._group_size = group_size
        self._recordings = _RecordingCache(self._items, cache_bytes)
        self._order = lru_cache(maxsize=2)(self._epoch_order)  # two: workers straddle the border of epochs
        self.epoch_size = len(self._pairs)

    def sample(self, index: int) -> FramePair:
        """Example `index`: place `index % epoch_size` in the order of epoch `index // epoch_size`, augmented.

        Raises:
            InputError: its files are missing or damaged, or hold no motion.
        """
        epoch, place = divmod(int(index), self.epoch_size)
        item, first, second = self._pairs[self._order(epoch)[place]]
        pair = pair_from_sequence(self._recordings[int(item)], int(first), int(second))
        if self._augmentation is None:
            return pair
        return self._augmentation.apply(pair, np.random.default_rng([self._seed, int(index)]))

    def _epoch_order(self, epoch: int) -> np.ndarray:
        """Row numbers of the pairs, groups of items one after the other."""
        # The third number keeps this stream apart from the augmentation's.
        rng = np.random.default_rng([self._seed, epoch, 1])
        group = rng.permutation(len(self._items)) // self._group_size
        return np.lexsort((rng.random(len(self._pairs)), group[self._pairs[:, 0]]))


class _RecordingCache:
    """The recordings read last, within a bound on their bytes; each is read once however many threads ask."""

    def __init__(self, items: List[DatasetItem], bound: int):
        self._items = items
        self._bound = bound
        self._kept: OrderedDict[int, Future] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> Sequence | FramePair:
        with self._lock:
            mine = number not in self._kept
            future = self._kept.setdefault(number, Future())
            self._kept.move_to_end(number)
        if mine:
            try:
                future.set_result(self._read(number))
            except BaseException as error:
                with self._lock:
                    self._kept.pop(number, None)
                future.set_exception(error)
            else:
                self._forget()
        return future.result()

    def _read(self, number: int) -> Sequence | FramePair:
        item = self._items[number]
        recording = item.read()
        if not isinstance(recording, Sequence | FramePair):
            raise InputError(
                f"{item.dataset} {item.name} has no known motion between its frames; it cannot be trained on."
            )
        if isinstance(recording, Sequence) and len(recording) != item.n_frames:
            raise InputError(f"{item.dataset} {item.name} has {len(recording)} frames, expected {item.n_frames}.")
        return recording

    def _forget(self) -> None:
        with self._lock:
            done = [(number, _nbytes(future.result())) for number, future in self._kept.items() if future.done()]
            excess = sum(size for _, size in done) - self._bound
            for number, size in done:  # the longest unused first
                if excess <= 0:
                    break
                del self._kept[number]
                excess -= size


def batches(
    sampler: Sampler, batch_size: int, start_step: int = 0, *, workers: int = 4, prefetch: int = 2
) -> Iterator[Batch]:
    """Batches without end, made ahead of need by a pool of threads, in an order that does not depend on them.

    Batch k holds the examples k·B … k·B + B − 1. Close the iterator (or let it go) to end the threads. An exception of
    the sampler is raised where its batch would have come.

    Args:
        sampler: source of examples.
        batch_size: B.
        start_step: the first batch is that of this step, as after a resume.
        workers: number of threads.
        prefetch: batches made ahead; bounds the memory.

    Yields:
        `((image1, image2), (flow, mask))`.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
    waiting: deque[Future] = deque()
    index = start_step * batch_size
    try:
        while True:
            while len(waiting) < batch_size * (prefetch + 1):
                waiting.append(pool.submit(sampler.sample, index))
                index += 1
            yield _stack([waiting.popleft().result() for _ in range(batch_size)])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def tf_dataset(sampler: Sampler, batch_size: int, start_step: int = 0, *, workers: int = 4, prefetch: int = 2):
    """The same batches as `batches`, as an endless `tf.data.Dataset` with static shapes.

    Args:
        sampler: source of examples.
        batch_size: B.
        start_step: the first batch is that of this step, as after a resume.
        workers: number of parallel calls.
        prefetch: batches made ahead; bounds the memory.

    Returns:
        `tf.data.Dataset` of `((image1, image2), (flow, mask))`.
    """
    import tensorflow as tf

    start = start_step * batch_size
    height, width = sampler.sample(start).image1.shape

    def example(index):
        pair = sampler.sample(int(index))
        return [np.asarray(array, np.float32) for array in (pair.image1, pair.image2, pair.flow, pair.mask)]

    def shaped(index):
        image1, image2, flow, mask = tf.numpy_function(example, [index], [tf.float32] * 4, stateful=False)
        image1, image2, mask = (tf.ensure_shape(plane, (height, width))[..., None] for plane in (image1, image2, mask))
        return (image1, image2), (tf.ensure_shape(flow, (height, width, 2)), mask)

    dataset = tf.data.Dataset.range(start, tf.int64.max)
    dataset = dataset.map(shaped, num_parallel_calls=workers, deterministic=True)
    return dataset.batch(batch_size, drop_remainder=True).prefetch(prefetch)


def _stack(pairs: list[FramePair]) -> Batch:
    shapes = {pair.image1.shape for pair in pairs}
    if len(shapes) > 1:
        sizes = " and ".join(f"{width}×{height}" for height, width in sorted(shapes))
        raise InputError(f"Images of {sizes} cannot form one batch; train on crops of one size.")
    image1, image2, flow, mask = (
        np.stack([getattr(pair, name) for pair in pairs]).astype(np.float32, copy=False)
        for name in ("image1", "image2", "flow", "mask")
    )
    return (image1[..., None], image2[..., None]), (flow, mask[..., None])


def _nbytes(recording: Sequence | FramePair) -> int:
    if isinstance(recording, FramePair):
        arrays: tuple[np.ndarray | None, ...] = (recording.image1, recording.image2, recording.flow, recording.mask)
    else:
        loop = recording.loop
        arrays = (loop.frames, loop.labels, recording.mesh, recording.flows, recording.masks)
    return sum(array.nbytes for array in arrays if array is not None)
