"""The simulation engines against PyMUST's SIMUS: time of a complete image, and what it looks like.

The case of all figures: 64 elements, 2.5 MHz, 75 % bandwidth, sector of 75° and 15 cm, focus at 7.5 cm, 388,087
scatterers (10 per square wavelength), 128 beams, beamformed and scan converted to 500 × 640 pixels.

python benchmarks/simulate.py [--quick]
"""

from __future__ import annotations

import argparse
import resource
from dataclasses import replace

import numpy as np
from timing import best_seconds, row

from cpwc_keras.data_prep.simulation.beamform import transmit_delays
from cpwc_keras.data_prep.simulation.display import Display, Imager
from cpwc_keras.data_prep.simulation.engines import make_engine
from cpwc_keras.data_prep.simulation.exact import ExactEngine
from cpwc_keras.data_prep.simulation.transducer import ImageGrid, SectorScan, Transducer

PROBE, SCAN = Transducer(), SectorScan()
GRID = ImageGrid((500, 640), (0.308, 0.308), (320.0, 5.0))
ONE_BEAM = "PyMUST simus, ONE beam, 5,000 scatterers"


def phantom(count: int | None = None, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scatterers of unit variance all over the sector, by default at the paper's density."""
    rng = np.random.default_rng(seed)
    points = SCAN.draw_points(count or SCAN.scatterers(PROBE), rng)
    return points, rng.standard_normal(len(points)).astype(np.float32)


def simus(points: np.ndarray, amplitude: np.ndarray, scan: SectorScan = SCAN, beam: int = 64) -> np.ndarray:
    """RF (elements, samples) of one beam by PyMUST, in our unit: SIMUS multiplies by its frequency step."""
    import pymust

    parameters = pymust.utils.Param()
    parameters.update(fc=PROBE.centre_frequency_mhz * 1e6, bandwidth=100 * PROBE.bandwidth, Nelements=PROBE.elements)
    parameters.update(pitch=PROBE.pitch_mm * 1e-3, width=PROBE.width_mm * 1e-3, radius=np.inf, baffle="soft", c=1540)
    parameters.update(kerf=parameters.pitch - parameters.width, fs=16 * parameters.fc)
    delays = transmit_delays(PROBE, scan)[beam][None] * 1e-6
    rf, spectrum = pymust.simus(*(points.T * 1e-3), amplitude, delays, parameters, pymust.utils.Options())
    return (rf / (2 * parameters.fc / (len(spectrum) - 1))).T


def image_maker(name: str):
    """A call (points, amplitude) -> image by the engine of that name, its tables already made."""
    imager = Imager(make_engine(name, PROBE, SCAN), GRID, Display())

    def make(points, amplitude):
        return imager.image(imager.normalise(imager.engine.iq(points, amplitude)))

    make(*phantom(1000))
    return make


def run(quick: bool) -> list[dict]:
    """Two rows: each engine's complete image against one beam of SIMUS with 1 in 78 of the scatterers."""
    full, few = phantom(), phantom(5000)
    exact, surrogate = image_maker("exact"), image_maker("surrogate")
    contenders = {"exact": lambda: exact(*full), "surrogate": lambda: surrogate(*full), ONE_BEAM: lambda: simus(*few)}
    seconds = best_seconds(contenders, rounds=2 if quick else 5)
    what = f"complete image, {len(full[0]):,} scatterers, 128 beams"
    return [row(what, seconds, name, ONE_BEAM) for name in ("exact", "surrogate")]


def seconds_of_simus() -> dict[int, float]:
    """Seconds of one beam of so many scatterers, the best of three each."""
    phantoms = {count: phantom(count) for count in (1250, 2500, 5000)}
    return best_seconds({count: lambda few=few: simus(*few) for count, few in phantoms.items()}, rounds=3)


def accuracy_report() -> None:
    """RF of the exact engine against PyMUST's: left edge, centre and off-centre, two foci, two sectors."""
    beams, errors = np.array([0, 64, 100]), []
    for sector_deg in (60.0, 90.0):
        for focus_mm in (50.0, 90.0):
            scan = replace(SCAN, sector_deg=sector_deg, focus_mm=focus_mm)
            rng = np.random.default_rng(0)
            points, amplitude = scan.draw_points(300, rng), rng.standard_normal(300).astype(np.float32)
            for beam, ours in zip(beams, ExactEngine(PROBE, scan).rf(points, amplitude, beams), strict=True):
                theirs = simus(points, amplitude, scan, beam)
                errors.append(np.linalg.norm(ours[:, : theirs.shape[1]] - theirs) / np.linalg.norm(theirs))
    print(
        f"RF against PyMUST, {len(errors)} beams of 300 scatterers: relative L2 {min(errors):.1e} to {max(errors):.1e}"
    )


def speckle_report() -> None:
    """Statistics of fully developed speckle by both engines, on the same scatterers."""
    from cpwc_keras.data_prep.simulation.speckle_statistics import correlation, measure

    full = phantom()
    imagers = {name: Imager(make_engine(name, PROBE, SCAN), GRID, Display()) for name in ("exact", "surrogate")}
    iq = {name: imager.normalise(imager.engine.iq(*full)) for name, imager in imagers.items()}
    zones = ((20.0, 60.0), (60.0, 100.0), (100.0, 145.0))
    for name, signal in iq.items():
        whole = measure(signal, SCAN, (20.0, 145.0))
        print(f"{name:10} envelope SNR {whole.snr:.3f}; cells axial × lateral:", end="")
        for zone in zones:
            cell = measure(signal, SCAN, zone)
            print(f"  {cell.axial_mm:.3f} mm × {cell.lateral_deg:.3f}° at {zone[0]:.0f}-{zone[1]:.0f} mm", end="")
        print()
    dense = imagers["exact"].normalise(imagers["exact"].engine.iq(*phantom(4 * len(full[0]))))
    print(f"exact, four times the density: envelope SNR {measure(dense, SCAN, (20.0, 145.0)).snr:.3f}")
    agreement = [correlation(iq["exact"], iq["surrogate"], SCAN, zone) for zone in ((20.0, 145.0), *zones)]
    print("envelope correlation of both, all depths and each third:", *(f"{value:.3f}" for value in agreement))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    arguments = parser.parse_args()
    exact, surrogate = run(arguments.quick)
    for line in (exact, surrogate):
        print(
            f"{line['ours']:10} {line['what']}: {line['ours_ms']:8.1f} ms = {line['ours_ms'] / line['peer_ms']:.3f} × "
            f"{line['peer']} ({line['peer_ms']:.0f} ms)"
        )
    seconds = seconds_of_simus()
    count, each = len(phantom()[0]), min(time / n for n, time in seconds.items())
    whole = SCAN.beams * each * count
    ratios = [f"{whole / line['ours_ms'] * 1e3:,.0f} times the {line['ours']} engine" for line in (exact, surrogate)]
    print(
        "PyMUST, one beam: "
        + ", ".join(f"{n:,} scatterers in {time:.2f} s" for n, time in seconds.items())
        + f"; at the best of these rates {SCAN.beams} beams of {count:,} take {whole:,.0f} s, beamforming not counted: "
        + ", ".join(ratios)
    )
    print("(its time depends much on how many threads BLAS has; try OPENBLAS_NUM_THREADS=1 as well)")
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    accuracy_report()
    speckle_report()


if __name__ == "__main__":
    main()
