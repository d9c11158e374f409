import numpy as np

from cpwc_keras.curves import distance_along, points_at, segment_lengths

STAIRS = np.array([[0.0, 0], [3, 4], [3, 5], [10, 5]])


def test_lengths_of_segments_in_a_stack_of_curves():
    np.testing.assert_array_equal(segment_lengths(STAIRS), [5, 1, 7])
    np.testing.assert_array_equal(segment_lengths(np.stack([STAIRS, 2 * STAIRS])), [[5, 1, 7], [10, 2, 14]])


def test_points_lie_at_their_distance():
    distance = distance_along(STAIRS)
    np.testing.assert_array_equal(distance, [0, 5, 6, 13])
    found = points_at(STAIRS, distance, np.array([-1, 0, 2.5, 5.5, 9.5, 13, 20]))
    np.testing.assert_allclose(found, [[0, 0], [0, 0], [1.5, 2], [3, 4.5], [6.5, 5], [10, 5], [10, 5]])
