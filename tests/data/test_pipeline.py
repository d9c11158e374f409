"""Batches: the same for any number of threads, any place of resumption, and either backend."""

import threading
import time
from itertools import islice

import numpy as np
import pytest

from cpwc_keras.data.augmentation import EchoAugmentation
from cpwc_keras.data.pairs import PairPolicy
from cpwc_keras.data.pipeline import FixedPairs, PairSampler, batches, tf_dataset
from cpwc_keras.errors import InputError
from cpwc_keras.types import CineLoop, DatasetItem, FramePair, Sequence

SHAPE = (24, 32)
FRAMES = 4


def make_sequence(number):
    """Frames that tell their sequence and time: gray = number / 100 + t / 10, less than 1."""
    t = np.arange(FRAMES, dtype=np.float32)[:, None, None]
    frames = np.broadcast_to(number / 100 + t / 10, (FRAMES, *SHAPE)).astype(np.float32)
    frames = frames + np.random.default_rng(number).uniform(0, 1e-3, frames.shape).astype(np.float32)
    flows = np.full((FRAMES - 1, *SHAPE, 2), number, np.float32)
    return Sequence(CineLoop(frames), flows=flows, masks=np.ones((FRAMES - 1, *SHAPE), np.float32))


@pytest.fixture
def reads():
    """Numbers of the sequences that were read, in order."""
    return []


@pytest.fixture
def items(reads):
    def loader(number):
        def load():
            reads.append(number)
            time.sleep(0.002)  # so that several threads ask before it is there
            return make_sequence(number)

        return load

    return [DatasetItem(f"s{n}", "test", FRAMES, loader(n)) for n in range(6)]


def make_sampler(items, **options):
    augmentation = options.pop("augmentation", EchoAugmentation(crop=(16, 16)))
    return PairSampler(items, PairPolicy(spacings=(0, 1)), augmentation, **options)


class Overtaking:
    """A sampler with slow examples now and then, so that later examples and batches are ready before earlier ones."""

    def __init__(self, sampler):
        self._sampler, self.epoch_size = sampler, sampler.epoch_size

    def sample(self, index):
        time.sleep(0.03 * (index % 13 == 0))
        return self._sampler.sample(index)


def flat(batch):
    (image1, image2), (flow, mask) = batch
    return [np.asarray(array) for array in (image1, image2, flow, mask)]


def assert_same(one, other):
    for left, right in zip(one, other, strict=True):
        for a, b in zip(flat(left), flat(right), strict=True):
            assert a.dtype == b.dtype == np.float32
            np.testing.assert_array_equal(a, b)


def test_an_example_is_a_pure_function_of_its_index(items):
    sampler, again = make_sampler(items, seed=3), make_sampler(items, seed=3, cache_bytes=0)
    assert sampler.epoch_size == 6 * 2 * (3 + 2)
    for index in (70, 0, 59, 60, 3, 0, 10_000):
        np.testing.assert_array_equal(sampler.sample(index).image1, again.sample(index).image1)
    assert not np.array_equal(make_sampler(items, seed=4).sample(0).image1, sampler.sample(0).image1)


def test_each_epoch_holds_every_pair_once_in_a_new_order(items):
    sampler = make_sampler(items, augmentation=None, group_size=2)
    epochs = []
    for epoch in range(2):
        pairs = [sampler.sample(epoch * sampler.epoch_size + place) for place in range(sampler.epoch_size)]
        epochs.append([(float(pair.image1.mean()), float(pair.image2.mean())) for pair in pairs])
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert len({*epochs[0]}) == sampler.epoch_size
    assert epochs[0] != epochs[1]


def test_the_same_index_is_augmented_anew_in_each_epoch():
    pair = FramePair(
        *np.random.default_rng(0).random((2, 64, 64), np.float32), np.zeros((64, 64, 2)), np.ones((64, 64))
    )
    one = [DatasetItem("p", "test", 2, lambda: pair)]
    sampler = PairSampler(one, PairPolicy((0,), "forward"), EchoAugmentation())
    assert sampler.epoch_size == 1
    assert not np.array_equal(sampler.sample(0).image1, sampler.sample(1).image1)


def test_a_group_is_read_once_and_memory_is_bounded(items, reads):
    sequence_bytes = make_sequence(0).loop.frames.nbytes + make_sequence(0).flows.nbytes + make_sequence(0).masks.nbytes
    sampler = make_sampler(items, group_size=2, cache_bytes=2 * sequence_bytes)
    for index in range(sampler.epoch_size):
        sampler.sample(index)
        assert len(sampler._recordings._kept) <= 2
    assert sorted(reads) == list(range(6))


def test_one_read_serves_all_threads(items, reads):
    sampler = make_sampler(items, group_size=6)
    next(batches(sampler, 32, workers=8))
    assert len(reads) == len(set(reads))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_batches_do_not_depend_on_the_threads(items, workers):
    reference = batches(make_sampler(items), 4, workers=3, prefetch=1)
    assert_same(islice(batches(Overtaking(make_sampler(items)), 4, workers=workers), 20), islice(reference, 20))


def test_batches_have_the_stated_shapes(items):
    image1, image2, flow, mask = flat(next(batches(make_sampler(items), 5)))
    assert image1.shape == image2.shape == mask.shape == (5, 16, 16, 1)
    assert flow.shape == (5, 16, 16, 2)


def test_starting_at_a_step_is_skipping_the_steps_before_it(items):
    whole = islice(batches(make_sampler(items), 4), 11, 20)
    assert_same(islice(batches(make_sampler(items), 4, start_step=11), 9), whole)


@pytest.mark.parametrize("workers", [1, 4])
def test_tf_data_gives_the_same_batches_bit_for_bit(items, workers):
    pytest.importorskip("tensorflow")
    dataset = tf_dataset(Overtaking(make_sampler(items)), 4, start_step=3, workers=workers)
    (image1, image2), (flow, mask) = dataset.element_spec
    assert image1.shape == image2.shape == mask.shape == (4, 16, 16, 1)
    assert flow.shape == (4, 16, 16, 2)
    assert_same(dataset.take(20).as_numpy_iterator(), islice(batches(make_sampler(items), 4, start_step=3), 20))


def test_closing_ends_the_threads(items):
    before = set(threading.enumerate())
    stream = batches(make_sampler(items), 4, workers=4)
    next(stream)
    assert set(threading.enumerate()) - before
    stream.close()
    assert not set(threading.enumerate()) - before


def test_a_damaged_file_is_reported_where_its_batch_would_have_come(items):
    def damaged():
        raise InputError("s9: found 3 bytes, expected a sequence.")

    broken = [*items, DatasetItem("s9", "test", FRAMES, damaged)]
    before = set(threading.enumerate())
    sampler = make_sampler(broken, group_size=1)
    stream = batches(sampler, 5, workers=4)
    with pytest.raises(InputError, match="found 3 bytes"):
        for _ in range(sampler.epoch_size):
            next(stream)
    assert not set(threading.enumerate()) - before
    with pytest.raises(InputError, match="found 3 bytes"):  # and again, for it is not remembered as read
        list(islice(batches(sampler, 5), sampler.epoch_size))


def test_recordings_that_cannot_be_trained_on_are_refused(items):
    with pytest.raises(InputError, match="No pair"):
        make_sampler([DatasetItem("still", "test", 1, lambda: None)])
    with pytest.raises(InputError, match="No pair"):
        make_sampler([])
    still = DatasetItem("ed_es", "camus", 2, lambda: CineLoop(np.zeros((2, *SHAPE), np.float32)))
    with pytest.raises(InputError, match="ed_es has no known motion"):
        make_sampler([still]).sample(0)
    short = DatasetItem("s0", "test", FRAMES + 1, items[0].loader)
    with pytest.raises(InputError, match="4 frames, expected 5"):
        make_sampler([short]).sample(0)


def test_images_of_two_sizes_cannot_form_a_batch():
    def pair(shape):
        return FramePair(np.zeros(shape), np.zeros(shape), np.zeros((*shape, 2)), np.zeros(shape))

    with pytest.raises(InputError, match=r"10×8 and 12×8"):
        next(batches(FixedPairs([pair((8, 10)), pair((8, 12))]), 2))


def test_fixed_pairs_come_round_and_round():
    pairs = [FramePair(*np.full((2, 8, 8), k, np.float32), np.zeros((8, 8, 2)), np.ones((8, 8))) for k in range(3)]
    sampler = FixedPairs(pairs)
    assert sampler.epoch_size == 3
    seen = [flat(batch)[0][:, 0, 0, 0].tolist() for batch in islice(batches(sampler, 2), 3)]
    assert seen == [[0, 1], [2, 0], [1, 2]]
