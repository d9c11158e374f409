"""The surrogate engine: against the exact engine on the same scatterers, and by itself."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from cpwc_keras.data_prep.simulation.display import Display, Imager
from cpwc_keras.data_prep.simulation.exact import ExactEngine
from cpwc_keras.data_prep.simulation.point_spread import BLOCK
from cpwc_keras.data_prep.simulation.speckle_statistics import correlation, measure
from cpwc_keras.data_prep.simulation.surrogate import SurrogateEngine
from cpwc_keras.data_prep.simulation.transducer import ImageGrid, SectorScan, Transducer
from cpwc_keras.errors import InputError

PROBE = Transducer(elements=24)
SCAN = SectorScan(depth_mm=60, sector_deg=60, beams=64)
ZONES = ((10.0, 25.0), (25.0, 42.0), (42.0, 60.0))
GRID = ImageGrid((200, 200), (0.3, 0.3), (100.0, 0.0))


def phantom(scan=SCAN, seed=0, count=None):
    """Scatterers spread evenly over the sector, at the paper's density: points (N, 2), amplitudes (N,)."""
    rng = np.random.default_rng(seed)
    points = scan.draw_points(count or scan.scatterers(PROBE), rng)
    return points, rng.standard_normal(len(points)).astype(np.float32)


@pytest.fixture(scope="module")
def engine():
    engine = SurrogateEngine(PROBE, SCAN)
    assert engine.point_spread.response.any()
    return engine


@pytest.fixture(scope="module")
def both(engine):
    """(exact, surrogate) I/Q of the same scatterers."""
    return ExactEngine(PROBE, SCAN).iq(*phantom()), engine.iq(*phantom())


def rows(zone):
    return (SCAN.ranges_mm >= zone[0]) & (SCAN.ranges_mm <= zone[1])


@pytest.mark.parametrize("zone, least", list(zip(ZONES, (0.97, 0.995, 0.995), strict=True)))
def test_envelope_is_the_exact_engine_s(both, zone, least):
    exact, surrogate = (iq / np.sqrt((np.abs(both[0]) ** 2).mean(1, keepdims=True)) for iq in both)
    assert correlation(exact, surrogate, SCAN, zone) > least
    power = [(np.abs(iq[rows(zone)]) ** 2).mean() for iq in (exact, surrogate)]
    assert power[1] == pytest.approx(power[0], rel=0.02)


def test_whole_signal_is_the_exact_engine_s_phase_included(both):
    exact, surrogate = (iq[rows((10.0, 60.0))] for iq in both)
    for block in range(0, len(exact) - 20, 20):
        one, other = exact[block : block + 20], surrogate[block : block + 20]
        assert abs(np.vdot(one, other)) > 0.98 * np.linalg.norm(one) * np.linalg.norm(other)


def test_speckle_is_fully_developed_and_its_cells_are_the_exact_engine_s(engine, both):
    imager = Imager(engine, GRID, Display())
    exact, surrogate = (imager.normalise(iq) for iq in both)
    for zone in ZONES[1:]:
        one, other = measure(exact, SCAN, zone), measure(surrogate, SCAN, zone)
        assert other.snr == pytest.approx(1.91, abs=0.12)  # few cells: this alone scatters by 0.05
        assert other.snr == pytest.approx(one.snr, abs=0.02)
        assert other.axial_mm == pytest.approx(one.axial_mm, rel=0.03)
        assert other.lateral_deg == pytest.approx(one.lateral_deg, rel=0.03)


@pytest.mark.parametrize("point", [(0.0, 35.0), (9.0, 40.0), (-19.0, 45.0), (12.0, 30.0), (31.0, 48.0)])
def test_a_single_scatterer(engine, point):
    """At the focus, beside it, on the edge, and (last) 3 degrees beyond the edge."""
    points, amplitude = np.float32([point]), np.ones(1, np.float32)
    exact, surrogate = np.abs(ExactEngine(PROBE, SCAN).iq(points, amplitude)), np.abs(engine.iq(points, amplitude))
    assert np.abs(surrogate - exact).max() < 0.05 * exact.max()


@pytest.mark.parametrize(
    "probe, scan",
    [
        (PROBE, replace(SCAN, range_step_mm=0.4)),
        (PROBE, replace(SCAN, attenuation=0.7)),
        (Transducer(elements=20, baffle="rigid", bandwidth=0.5, pulse_cycles=2.0), replace(SCAN, beams=24)),
    ],
    ids=["coarse range step", "attenuation", "another probe, few beams"],
)
def test_other_scans(probe, scan):
    exact, surrogate = (engine(probe, scan).iq(*phantom(scan)) for engine in (ExactEngine, SurrogateEngine))
    assert surrogate.shape == exact.shape == (len(scan.ranges_mm), scan.beams)
    gain = 1 / np.sqrt((np.abs(exact) ** 2).mean(1, keepdims=True))
    assert correlation(exact * gain, surrogate * gain, scan, (15.0, 60.0)) > 0.98
    power = (np.abs(surrogate * gain) ** 2)[len(gain) // 4 :].mean()
    assert power == pytest.approx(1, rel=0.04)


@pytest.mark.parametrize(
    "probe, scan",
    [
        (Transducer(elements=2, pitch_mm=0.09, width_mm=0.08), SectorScan(depth_mm=15, beams=2)),
        (Transducer(elements=8, pitch_mm=0.24, width_mm=0.2), SectorScan(10, 150, beams=9, range_step_mm=2.0)),
        (Transducer(elements=16, bandwidth=0.1), SectorScan(depth_mm=20, sector_deg=5, beams=4)),
    ],
)
def test_extreme_probes_and_scans(probe, scan):
    iq = SurrogateEngine(probe, scan).iq(*phantom(scan, count=3000))
    assert iq.shape == (len(scan.ranges_mm), scan.beams)
    assert np.isfinite(iq).all() and np.abs(iq).max() > 0


def test_linear(engine):
    points, amplitude = phantom(count=5000)
    other = np.random.default_rng(1).standard_normal(5000)
    together = engine.iq(points, 2 * amplitude - 3 * other)
    apart = 2 * engine.iq(points, amplitude) - 3 * engine.iq(points, other)
    np.testing.assert_allclose(together, apart, atol=1e-5 * np.abs(apart).max())
    order = np.random.default_rng(2).permutation(5000)
    shuffled = engine.iq(points[order], amplitude[order])
    np.testing.assert_allclose(shuffled, engine.iq(points, amplitude), atol=1e-5 * np.abs(shuffled).max())


def test_silence(engine):
    assert not engine.iq(np.zeros((0, 2)), np.zeros(0)).any()
    unheard = np.float32([(0, 0), (3, -20), (0, 75), (40, 1), (1e30, 1e30), (0, 30)])
    assert not engine.iq(unheard, np.float32([1, 1, 1, 1, 1, 0])).any()


def test_rows_between_blocks_and_the_edges_of_the_grid(engine):
    """Scatterers on and beside the borders of blocks are heard once: the signal changes smoothly across."""
    step = engine.point_spread.row_mm
    border = 6 * BLOCK * step
    for offset in (0.0, 1e-6, 1e-3, step):
        below, above = (engine.iq([[0, border + sign * offset]], [1.0]) for sign in (-1, 1))
        assert np.abs(above).max() == pytest.approx(np.abs(below).max(), rel=0.02)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 2001)
    for radius in np.arange(1, engine.point_spread.shape[0], 7) * step:
        ring = radius * np.stack([np.sin(angle), np.cos(angle)], -1)
        assert np.isfinite(engine.iq(ring, np.ones(len(ring)))).all()


THREADS = """
import pickle, sys, zlib
import numpy as np
from cpwc_keras.data_prep.simulation.display import Display, Imager
from cpwc_keras.data_prep.simulation.transducer import ImageGrid
engine, points, amplitude = pickle.loads(sys.stdin.buffer.read())
assert ("point_spread" in vars(engine)) == (sys.argv[1] == "calibrated")
iq = engine.iq(points, amplitude)
image = Imager(engine, ImageGrid((200, 200), (0.3, 0.3), (100.0, 0.0)), Display()).image(iq)
print(zlib.crc32(iq.tobytes()), zlib.crc32(image.tobytes()))
"""


def test_not_a_bit_depends_on_the_number_of_threads(engine, monkeypatch):
    seen = set()
    for threads, state in (("1", "calibrated"), ("2", "fresh"), ("5", "fresh")):
        for name in ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            monkeypatch.setenv(name, threads)
        sent = pickle.dumps((engine if state == "calibrated" else SurrogateEngine(PROBE, SCAN), *phantom()))
        program = [sys.executable, "-c", THREADS, state]
        seen.add(subprocess.run(program, input=sent, capture_output=True, check=True).stdout)
    assert len(seen) == 1 and b" " in seen.pop()


def test_equal_engines_share_their_calibration(engine):
    again = SurrogateEngine(Transducer(elements=24), replace(SCAN))
    assert again == engine and hash(again) == hash(engine)
    assert again.point_spread is engine.point_spread


@pytest.mark.parametrize(
    "points, amplitude",
    [
        (np.zeros((3, 3)), np.zeros(3)),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((3, 2)), np.zeros(4)),
        (np.array([[np.nan, 20]]), np.ones(1)),
        (np.array([[0, np.inf]]), np.ones(1)),
        (np.array([[0, 20.0]]), np.array([np.nan])),
    ],
)
def test_bad_scatterers(points, amplitude):
    with pytest.raises(InputError, match=r"shape|finite"):
        SurrogateEngine(PROBE, SCAN).iq(points, amplitude)


@pytest.mark.parametrize("probe, sector_deg", [(Transducer(pitch_mm=0.45), 90), (Transducer(pitch_mm=0.6), 75)])
def test_probes_with_grating_lobes_in_the_sector_are_refused(probe, sector_deg):
    with pytest.raises(InputError, match=r"grating lobes within .* exact engine"):
        SurrogateEngine(probe, SectorScan(sector_deg=sector_deg))
