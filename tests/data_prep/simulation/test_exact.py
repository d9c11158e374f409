"""The exact engine: against the formula summed directly, against geometry, and against PyMUST."""

from dataclasses import replace

import numba
import numpy as np
import pytest
import scipy.signal

from cpwc_keras.data_prep.simulation.beamform import transmit_delays
from cpwc_keras.data_prep.simulation.display import Display, Imager
from cpwc_keras.data_prep.simulation.exact import ExactEngine
from cpwc_keras.data_prep.simulation.speckle_statistics import RAYLEIGH_SNR, measure
from cpwc_keras.data_prep.simulation.transducer import ImageGrid, SectorScan, Transducer
from cpwc_keras.errors import InputError


def phantom(scan, count, seed=0):
    """Scatterers spread evenly over the sector: points (N, 2) float32 mm, amplitudes (N,) float32."""
    rng = np.random.default_rng(seed)
    return scan.draw_points(count, rng), rng.standard_normal(count).astype(np.float32)


def relative(one, other):
    return np.linalg.norm(one - other) / np.linalg.norm(other)


def summed_directly(engine, points, amplitude, beam):
    """The model of SIMUS in float64: every scatterer, element and frequency, one after the other."""
    probe, scan = engine.transducer, engine.scan
    speed, centre = scan.speed_of_sound, probe.centre_frequency_mhz
    x, z = points.astype(float).T[..., None]
    distance = np.hypot(x - probe.element_x_mm, z)
    sine, cosine = (x - probe.element_x_mm) / distance, z / distance
    heard = np.sinc(probe.width_mm / scan.wavelength_mm(probe) * sine) * cosine / np.sqrt(distance)
    samples = engine.rf(points[:1], amplitude[:1], np.array([beam])).shape[-1]
    rate = 16 * centre
    order = np.log(126) / np.log(2 / probe.bandwidth)
    spectrum = np.zeros((samples // 2 + 1, probe.elements), complex)
    delays = transmit_delays(probe, scan)[beam]
    for k in range(1, int(2 * centre * samples / rate)):
        f = k * rate / samples
        cycles = probe.pulse_cycles / centre
        pulse = -1j * (np.sinc(cycles * (f - centre)) - np.sinc(cycles * (f + centre)))
        window = np.exp(-np.log(2) * (abs(f - centre) / (probe.bandwidth * centre / 2)) ** order)
        loss = 10 ** (-scan.attenuation * f * distance / 10 / 20)
        wave = heard * loss * np.exp(-2j * np.pi * f * distance / speed)
        incident = wave @ np.exp(-2j * np.pi * f * delays)
        spectrum[k] = pulse * window * probe.width_mm * ((incident * amplitude) @ wave)
    return np.fft.irfft(spectrum, samples, axis=0).T


@pytest.mark.parametrize("attenuation", [0.0, 0.5])
@pytest.mark.parametrize("beam", [0, 64])
def test_rf_is_the_formula(beam, attenuation):
    engine = ExactEngine(Transducer(), SectorScan(sector_deg=90, attenuation=attenuation))
    points, amplitude = phantom(engine.scan, 60)
    ours = engine.rf(points, amplitude, np.array([beam]))[0]
    assert relative(ours, summed_directly(engine, points, amplitude, beam)) < 3e-4


def test_an_even_pitch_probe_with_few_elements_and_a_rigid_baffle_is_the_formula_too():
    probe = Transducer(elements=7, pitch_mm=0.2, width_mm=0.15, centre_frequency_mhz=4.0, bandwidth=0.6, pulse_cycles=2)
    engine = ExactEngine(probe, SectorScan(depth_mm=40, sector_deg=50, beams=9))
    points, amplitude = phantom(engine.scan, 20)
    assert (
        relative(engine.rf(points, amplitude, np.array([3]))[0], summed_directly(engine, points, amplitude, 3)) < 3e-4
    )
    rigid = ExactEngine(replace(probe, baffle="rigid"), engine.scan).rf(points, amplitude, np.array([3]))
    assert relative(rigid, engine.rf(points, amplitude, np.array([3]))) > 1e-3


@pytest.mark.parametrize("radius, degrees", [(20, 0), (75, 0), (75, -25), (110, 25), (140, 10)])
def test_a_scatterer_is_imaged_where_it_is(radius, degrees):
    scan = SectorScan(beams=151, range_step_mm=0.05)
    engine = ExactEngine(Transducer(), scan)
    angle = np.deg2rad(degrees)
    iq = engine.iq(np.array([[radius * np.sin(angle), radius * np.cos(angle)]]), np.ones(1))
    row, column = np.unravel_index(np.abs(iq).argmax(), iq.shape)
    assert abs(scan.ranges_mm[row] - radius) < 0.2
    assert abs(np.rad2deg(scan.angles[column]) - degrees) <= scan.sector_deg / 150


def test_iq_turns_with_range_as_its_carrier():
    scan = SectorScan(beams=3)
    engine = ExactEngine(Transducer(), scan)
    step = scan.wavelength_mm(engine.transducer) / 8
    one, other = (engine.iq(np.array([[0.0, z]]), np.ones(1))[499, 1] for z in (75.0, 75.0 + step))
    assert np.angle(other / one) == pytest.approx(-np.pi / 2, rel=0.05)


def test_iq_is_linear_and_does_not_depend_on_the_number_of_threads():
    engine = ExactEngine(Transducer(elements=16), SectorScan(depth_mm=60, beams=16))
    points, amplitude = phantom(engine.scan, 5000)
    whole = engine.iq(points, amplitude)
    parts = engine.iq(points[:2000], amplitude[:2000]) + engine.iq(points[2000:], amplitude[2000:])
    assert relative(parts, whole) < 1e-5
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        np.testing.assert_array_equal(engine.iq(points, amplitude), whole)
    finally:
        numba.set_num_threads(threads)


def test_silence_behind_the_probe_beyond_the_depth_and_without_scatterers():
    engine = ExactEngine(Transducer(elements=8), SectorScan(depth_mm=50, beams=4))
    assert not engine.iq(np.empty((0, 2)), np.empty(0)).any()
    assert not engine.iq(np.array([[0, -5.0], [0, 61.0], [90.0, 1.0]]), np.ones(3)).any()
    assert engine.iq(np.array([[0, 50.0]]), np.ones(1)).any()


@pytest.mark.parametrize(
    "points, amplitude, message",
    [
        (np.zeros((3, 3)), np.zeros(3), "points"),
        (np.zeros((3, 2)), np.zeros(2), "amplitude"),
        (np.full((3, 2), np.nan), np.zeros(3), "finite"),
    ],
)
def test_scatterers_that_make_no_sense(points, amplitude, message):
    engine = ExactEngine(Transducer(elements=4), SectorScan(depth_mm=20, beams=2))
    with pytest.raises(InputError, match=message):
        engine.iq(points, amplitude)


def test_a_frequency_too_high_for_the_depth_is_refused():
    with pytest.raises(InputError, match="depth"):
        ExactEngine(Transducer(centre_frequency_mhz=30, pitch_mm=0.04, width_mm=0.03), SectorScan(depth_mm=300))


def must_parameters(engine, samples_per_period=16):
    """A PyMUST parameter structure of the same probe."""
    pymust = pytest.importorskip("pymust")
    probe = engine.transducer
    parameters = pymust.utils.Param()
    parameters.update(fc=probe.centre_frequency_mhz * 1e6, bandwidth=100 * probe.bandwidth, Nelements=probe.elements)
    parameters.update(pitch=probe.pitch_mm * 1e-3, width=probe.width_mm * 1e-3, radius=np.inf, baffle="soft", c=1540)
    parameters.kerf, parameters.fs = parameters.pitch - parameters.width, samples_per_period * parameters.fc
    return parameters


def must_rf(engine, points, amplitude, beam):
    """RF (elements, samples) by `pymust.simus`, in our unit: SIMUS multiplies by its frequency step."""
    import pymust

    parameters = must_parameters(engine)
    delays = transmit_delays(engine.transducer, engine.scan)[beam][None] * 1e-6
    x, z = points.T * 1e-3
    rf, spectrum = pymust.simus(x, z, amplitude, delays, parameters, pymust.utils.Options())
    return (rf / (2 * parameters.fc / (len(spectrum) - 1))).T


@pytest.mark.parametrize("sector_deg", [60.0, 90.0])
@pytest.mark.parametrize("focus_mm", [50.0, 90.0])
def test_rf_is_that_of_pymust(focus_mm, sector_deg):
    engine = ExactEngine(Transducer(), SectorScan(sector_deg=sector_deg, focus_mm=focus_mm))
    points, amplitude = phantom(engine.scan, 300)
    beams = np.array([0, 64, 100])
    for beam, ours in zip(beams, engine.rf(points, amplitude, beams), strict=True):
        theirs = must_rf(engine, points, amplitude, beam)
        assert relative(ours[:, : theirs.shape[1]], theirs) < 3e-4, beam
        assert not ours[:, theirs.shape[1] :].any() or np.abs(ours[:, theirs.shape[1] :]).max() < 1e-3 * theirs.max()


def test_b_mode_is_that_of_pymust():
    """PyMUST's RF through PyMUST's delay-and-sum, full aperture, transmit delays of its virtual source."""
    pymust = pytest.importorskip("pymust")
    scan = SectorScan(sector_deg=60, beams=32, depth_mm=110, range_step_mm=0.3)
    engine = ExactEngine(Transducer(), scan)
    points, amplitude = phantom(scan, 200)
    theirs = np.empty((len(scan.ranges_mm), scan.beams))
    for beam, angle in enumerate(scan.angles):
        parameters = must_parameters(engine)
        rf = must_rf(engine, points, amplitude, beam).T
        carrier = np.exp(-2j * np.pi * parameters.fc / parameters.fs * np.arange(len(rf)))
        iq = scipy.signal.hilbert(rf, axis=0) * carrier[:, None]
        parameters.update(fnumber=0.0, t0=np.zeros(1), passive=False, useVirtualSource=True)
        x, z = scan.ranges_mm * np.sin(angle) * 1e-3, scan.ranges_mm * np.cos(angle) * 1e-3
        delays = transmit_delays(engine.transducer, scan)[beam][None] * 1e-6
        theirs[:, beam] = np.abs(pymust.dasmtx(iq, x, z, delays, parameters) @ iq.ravel(order="F"))
    ours = np.abs(engine.iq(points, amplitude))
    ours, theirs = (20 * np.log10(image / theirs.max() + 1e-9) for image in (ours, theirs))
    shown = np.maximum(ours, theirs) > -50
    assert np.sqrt(np.mean((ours - theirs)[shown] ** 2)) < 0.05


def test_the_phase_of_an_echo_does_not_depend_on_how_deep_the_scan_goes():
    """It would, did the demodulation follow the bins of the scan's own spectrum instead of the centre frequency."""
    point, row = np.array([[3.0, 89.0]]), 593
    scans = [SectorScan(depth_mm=depth, beams=3, focus_mm=60) for depth in (100, 117, 150, 183)]
    echoes = np.array([ExactEngine(Transducer(), scan).iq(point, np.ones(1))[row, 1] for scan in scans])
    np.testing.assert_allclose(echoes, echoes[0], rtol=1e-3)


def test_elements_that_simus_would_split_are_refused():
    """Just below the shortest wavelength the far field of a whole element is SIMUS's; beyond, SIMUS splits it."""
    probe = Transducer(pitch_mm=0.5, width_mm=0.44)
    engine = ExactEngine(probe, SectorScan(depth_mm=60, sector_deg=60))
    points, amplitude = phantom(engine.scan, 100)
    theirs = must_rf(engine, points, amplitude, 64)
    assert relative(engine.rf(points, amplitude, np.array([64]))[0][:, : theirs.shape[1]], theirs) < 3e-4
    with pytest.raises(InputError, match="wider than the shortest wavelength"):
        ExactEngine(replace(probe, width_mm=0.46), engine.scan)


def test_speckle_is_fully_developed_where_scatterers_are_dense():
    """Envelope SNR 1.913 (Rayleigh); 10 normally distributed scatterers per square wavelength stay a little below."""
    scan = SectorScan(depth_mm=90, beams=96)
    imager = Imager(ExactEngine(Transducer(), scan), ImageGrid((64, 64), (1.5, 1.5), (32, 0)), Display())
    for density, expected in ((10, 1.87), (50, RAYLEIGH_SNR)):
        points, amplitude = phantom(scan, scan.scatterers(imager.engine.transducer, density), seed=3)
        iq = imager.normalise(imager.engine.iq(points, amplitude))
        assert measure(iq, scan, (15.0, 88.0)).snr == pytest.approx(expected, abs=0.05)
