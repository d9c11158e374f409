import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.evaluation.closure import closures, estimate_beat, rigidly_aligned, shape_drift

ANGLE = np.linspace(np.pi, 2 * np.pi, 36)
ARCH = np.stack([100 + 40 * np.cos(ANGLE), 120 + 80 * np.sin(ANGLE)], -1)


def turned(points, angle, shift=(0, 0)):
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]]) + shift


@settings(max_examples=40, deadline=None)
@given(st.floats(-3.1, 3.1), st.floats(-200, 200), st.floats(-200, 200))
def test_a_rigid_motion_is_undone(angle, dx, dy):
    np.testing.assert_allclose(rigidly_aligned(turned(ARCH, angle, (dx, dy)), ARCH), ARCH, atol=1e-9)
    assert shape_drift(turned(ARCH, angle, (dx, dy)), ARCH) == pytest.approx(0, abs=1e-9)


def by_kabsch(points, onto):
    """The general algorithm, by singular value decomposition."""
    p, q = points - points.mean(axis=0), onto - onto.mean(axis=0)
    u, _, vt = np.linalg.svd(p.T @ q)
    return p @ u @ np.diag([1, np.linalg.det(u @ vt)]) @ vt + onto.mean(axis=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 40), st.booleans())
def test_alignment_against_the_singular_value_decomposition(seed, count, mirrored):
    points, onto = np.random.default_rng(seed).normal(0, 30, (2, count, 2))
    onto = points * [-1, 1] + 0.1 * onto if mirrored else onto
    np.testing.assert_allclose(rigidly_aligned(points, onto), by_kabsch(points, onto), atol=1e-6)


def test_neither_scaled_nor_mirrored():
    aligned = rigidly_aligned(2 * ARCH, ARCH)
    np.testing.assert_allclose(aligned - aligned.mean(axis=0), 2 * (ARCH - ARCH.mean(axis=0)), atol=1e-9)
    leaf = np.array([[0, 0], [4, 0], [4, 1]], np.float64)
    assert shape_drift(leaf * [1, -1], leaf) > 0.2


def test_points_without_any_direction_are_only_shifted():
    np.testing.assert_allclose(rigidly_aligned(np.zeros((3, 2)), ARCH[:3]), np.tile(ARCH[:3].mean(axis=0), (3, 1)))


def test_drift_of_a_swollen_shape_is_its_mean_radius():
    """Alignment leaves a contour that grew by a tenth where it is: every point is a tenth of its radius off."""
    radius = np.linalg.norm(ARCH - ARCH.mean(axis=0), axis=-1).mean()
    assert shape_drift(turned(1.1 * ARCH, 0.4, (30, -8)), ARCH) == pytest.approx(0.1 * radius, abs=1e-9)


def test_drift_is_aligned_in_mm():
    """With pixels that are not square, a rigid motion in mm is none in pixels."""
    spacing = (0.5, 0.2)
    in_mm = turned(ARCH * (0.2, 0.5), 0.7, (3, 4))
    assert shape_drift(in_mm / (0.2, 0.5), ARCH, spacing) == pytest.approx(0, abs=1e-9)
    assert shape_drift(in_mm / (0.2, 0.5), ARCH) > 1
    assert shape_drift(1.1 * ARCH, ARCH, (0.3, 0.3)) == pytest.approx(0.3 * shape_drift(1.1 * ARCH, ARCH), abs=1e-9)


@pytest.mark.parametrize("bad", [ARCH[:35], ARCH[:, :1], ARCH.ravel(), np.zeros((0, 2))])
def test_points_that_do_not_correspond_are_refused(bad):
    with pytest.raises(InputError, match=r"must be \(N, 2\) and as many"):
        rigidly_aligned(bad, ARCH if len(bad) else bad)
    with pytest.raises(InputError, match="finite"):
        shape_drift(ARCH * np.nan, ARCH)


def beating(frames, period, swelling=0.0):
    """A contour that beats while it turns and wanders, and swells by a share with every beat."""
    beat = np.arange(frames) / period
    size = (1 - 0.2 * np.sin(np.pi * beat) ** 2) * (1 + swelling * beat)
    return np.stack([turned(s * ARCH, 0.1 * b, (5 * b, -3 * b)) for s, b in zip(size, beat, strict=True)])


def test_a_heart_that_returns_is_closed():
    found = closures(beating(43, 10), (0.5, 0.5), ed=2, beat_frames=10)
    assert [(c.beat, c.frame) for c in found] == [(1, 12), (2, 22), (3, 32), (4, 42)]
    np.testing.assert_allclose([(c.strain_percent, c.drift_mm) for c in found], 0, atol=1e-9)


def test_a_contour_that_swells_with_every_beat():
    found = closures(beating(31, 10, swelling=0.03), (0.5, 0.5), ed=0, beat_frames=10)
    radius = np.linalg.norm(ARCH - ARCH.mean(axis=0), axis=-1).mean() * 0.5
    np.testing.assert_allclose([c.strain_percent for c in found], [3, 6, 9], atol=1e-9)
    np.testing.assert_allclose([c.drift_mm for c in found], np.array([0.03, 0.06, 0.09]) * radius, atol=1e-9)


def test_between_frames_points_are_interpolated():
    """Growing by 1 % a frame about a fixed centre: after 2.5 frames, 2.5 %."""
    grown = (1 + 0.01 * np.arange(6))[:, None, None] * ARCH
    found = closures(grown, (1.0, 1.0), ed=0, beat_frames=2.5)
    assert [(c.beat, c.frame) for c in found] == [(1, 2.5), (2, 5)]
    np.testing.assert_allclose([c.strain_percent for c in found], [2.5, 5], atol=1e-9)


def test_beats_that_do_not_fit_are_not_there():
    loop = beating(30, 10)
    assert len(closures(loop, (1, 1), ed=0, beat_frames=29)) == 1
    assert closures(loop, (1, 1), ed=1, beat_frames=29) == []
    assert closures(loop[:1], (1, 1), ed=0, beat_frames=8) == []


def test_without_spacing_there_are_no_millimetres():
    (found,) = closures(beating(12, 10, swelling=0.03), None, ed=0, beat_frames=10)
    assert found.strain_percent == pytest.approx(3) and np.isnan(found.drift_mm)


def test_bad_loops_of_contours_are_refused():
    loop = beating(30, 10)
    with pytest.raises(InputError, match=r"must be \(T, N, 2\)"):
        closures(ARCH, (1, 1), 0, 10)
    with pytest.raises(InputError, match="not finite"):
        closures(loop * np.nan, (1, 1), 0, 10)
    for ed in (-1, 30):
        with pytest.raises(InputError, match=f"frame {ed} is not one of the 30"):
            closures(loop, (1, 1), ed, 10)
    for beat in (0, -3.0, np.nan, np.inf):
        with pytest.raises(InputError, match="positive number of frames"):
            closures(loop, (1, 1), 0, beat)


Y, X = np.mgrid[:120, :150].astype(np.float32)
SECTOR = np.abs(X - 75) < 12 + 0.6 * Y


def images(time, period, shift=(0, 0), early=0.35, gain=1.0):
    """A bright wall around a cavity that beats, with an atrial kick, somewhere in a sector that stays."""
    phase = (time / period) % 1
    systole = np.sin(np.pi * np.clip(phase / early, 0, 1) / 2) * np.clip((0.75 - phase) / (0.75 - early), 0, 1)
    kick = 0.15 * np.clip((phase - 0.8) / 0.1, 0, 1) * np.clip((1 - phase) / 0.1, 0, 1)
    radius = 34 - 9 * (systole - kick)
    distance = np.hypot((X - 75 - shift[0]) * 1.4, Y - 65 - shift[1])
    texture = 1 + 0.3 * np.sin((X - shift[0]) / 3) * np.sin((Y - shift[1]) / 4)
    wall = np.exp(-(((distance - radius) / 6) ** 2)) * texture
    return (gain * SECTOR * (0.1 + 0.6 * wall)).astype(np.float32)


@pytest.mark.parametrize(("count", "period"), [(90, 20.3), (50, 25.0), (45, 11.6), (130, 59.4)])
def test_the_beat_of_a_drawn_heart(count, period):
    frames = np.stack([images(t, period) for t in range(count)])
    assert estimate_beat(frames) == pytest.approx(period, abs=0.15)


def test_shifts_gain_noise_and_repeats_do_not_hide_the_beat():
    """The whole heart wanders by several pixels, every 17th frame repeats its neighbour, the gain breathes."""
    rng = np.random.default_rng(0)
    time = np.arange(110)
    shown = np.floor(time * 16 / 17 + 1e-9) * 17 / 16
    assert (np.diff(shown) == 0).sum() == 7
    drift = np.stack([6 * np.sin(time / 31), -5 * np.cos(time / 23)], -1)
    frames = np.stack([images(shown[t], 20.3, drift[t], gain=1 + 0.3 * np.sin(t / 17)) for t in time])
    noisy = frames * rng.rayleigh(0.8, frames.shape).astype(np.float32)
    assert estimate_beat(noisy) == pytest.approx(20.3, abs=0.3)


def test_the_scale_of_grays_and_of_the_image_does_not_matter():
    frames = np.stack([images(t, 14.4) for t in range(40)])
    beat = estimate_beat(frames)
    assert estimate_beat((255 * frames).round().astype(np.uint8)) == pytest.approx(beat, abs=0.02)
    assert estimate_beat(np.repeat(frames, 3, axis=2).repeat(3, axis=1)) == pytest.approx(beat, abs=0.05)


def test_the_beat_of_a_real_loop(shared_data):
    frames = cpwc_keras.read(shared_data / "sonosite_a4c" / "color3d_jpeg_baseline.dcm").frames
    assert estimate_beat(frames) == pytest.approx(27.5, abs=0.5)
    for start in (0, 20, 40):
        assert estimate_beat(frames[start : start + 60]) == pytest.approx(27.5, abs=1)
    with pytest.raises(InputError, match="at least two"):
        estimate_beat(frames[:40])


def noise(shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (noise((15, 20, 20)), "15 frames, fewer than two beats of at least 8"),
        (noise((60, 40, 40)), "No beat is seen to repeat"),
        (np.repeat(noise((1, 40, 40)), 60, axis=0), "No beat is seen to repeat"),
        (np.zeros((60, 40, 40)), "No beat is seen to repeat"),
        (np.stack([images(t, 30) for t in range(45)]), "No beat is seen to repeat within the 45 frames"),
        (np.full((60, 4, 4), np.nan), "not finite"),
        (noise((60, 40)), r"must be \(T, H, W\)"),
        (noise((60, 0, 40)), r"must be \(T, H, W\)"),
    ],
)
def test_loops_without_two_beats_are_refused(frames, message):
    with pytest.raises(InputError, match=message):
        estimate_beat(frames)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 2), (65, 64)])
def test_any_size_of_frame(shape):
    course = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(50) / 12.5)[:, None, None]
    frames = course * noise(shape) + (1 - course) * noise(shape, 1)
    if shape == (1, 1):
        with pytest.raises(InputError, match="No beat"):
            estimate_beat(frames)
    else:
        assert estimate_beat(frames) == pytest.approx(12.5, abs=0.1)
