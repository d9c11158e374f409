"""Artifacts: where they are, how strong they are, and that they stand still."""

import numpy as np
import pytest
from beating_ring import GRID, beating_ring

from cpwc_keras.data_prep.simulation.display import Display
from cpwc_keras.data_prep.simulation.reverberation import ArtifactSettings, artifact_scatterers
from cpwc_keras.data_prep.simulation.transducer import DENSITY
from cpwc_keras.errors import InputError

DISPLAY = Display()
WAVELENGTH = 0.616


def artifacts(template=None, seed=0, density=DENSITY, **settings):
    template = template or beating_ring()
    return artifact_scatterers(
        template, template.scan(), WAVELENGTH, DISPLAY, ArtifactSettings(**settings), density, [seed]
    )


def centre(points, amplitude):
    return np.average(points, axis=0, weights=amplitude.astype(float) ** 2)


def test_the_paper_s_patch_lies_at_the_mid_lateral_wall():
    mesh = beating_ring().mesh[0]
    for seed in range(10):
        x, y = GRID.to_pixels(centre(*artifacts(seed=seed)))
        middle = mesh[26, 2]
        assert x > GRID.probe[0]  # the lateral wall is on the right
        assert np.hypot(x - middle[0], y - middle[1]) < 14  # px of 0.4 mm; the wall is 12 thick


def test_its_level_is_relative_to_the_myocardium():
    """At its centre, the scatterers' power is `level_db` above that of the wall's."""
    tissue = DISPLAY.reflectivity(np.float32([0.5]))[0]
    ratios = []
    for seed in range(30):
        points, amplitude = artifacts(seed=seed, position="random", level_db=20)
        near = np.hypot(*(points - centre(points, amplitude)).T) < 1.2
        ratios.append(np.mean(amplitude[near].astype(float) ** 2) / tissue**2)
    assert 10 * np.log10(np.mean(ratios)) == pytest.approx(20, abs=1.5)


def test_random_patches_are_spread_and_repeats_lie_behind():
    places = np.array([centre(*artifacts(seed=seed, position="random")) for seed in range(20)])
    assert np.ptp(places[:, 0]) > 15 and np.ptp(places[:, 1]) > 15
    points, amplitude = artifacts(seed=3, repeats=2)
    once, _ = artifacts(seed=3)
    assert len(points) > len(once)
    assert np.hypot(*points.T).max() > np.hypot(*once.T).max() + 4
    far = np.hypot(*points.T) > np.hypot(*once.T).max() + 2
    assert np.mean(amplitude[far] ** 2) < 0.5 * np.mean(amplitude[~far] ** 2)


def test_several_structures_and_none():
    assert len(artifacts(structures=3, position="random")[0]) > len(artifacts(position="random")[0])
    points, amplitude = artifacts(structures=0)
    assert points.shape == (0, 2) and amplitude.shape == (0,)


def test_haze_is_everywhere_and_strongest_at_the_probe():
    points, amplitude = artifacts(structures=0, haze_db=-10.0)
    scan = beating_ring().scan()
    assert len(points) == pytest.approx(10 * scan.area_mm2 / WAVELENGTH**2, rel=0.01)
    depth = np.hypot(*points.T)
    near, far = (np.mean(amplitude[part] ** 2) for part in (depth < 8, depth > 32))
    assert near > 2 * far > 0


def test_they_stay_in_the_sector_and_are_a_function_of_the_seed():
    scan = beating_ring().scan()
    points, amplitude = artifacts(position="random", structures=6, repeats=3, haze_db=0.0, seed=5)
    assert np.hypot(*points.T).max() <= scan.depth_mm + 1e-4 and (points[:, 1] > 0).all()
    again = artifacts(position="random", structures=6, repeats=3, haze_db=0.0, seed=5)
    np.testing.assert_array_equal(points, again[0])
    np.testing.assert_array_equal(amplitude, again[1])
    assert not np.array_equal(artifacts(seed=1)[0], artifacts(seed=2)[0])


def test_density_does_not_change_the_power_in_sum():
    sparse, dense = (
        np.mean([np.sum(artifacts(seed=s, density=d)[1].astype(float) ** 2) for s in range(20)]) for d in (5, 20)
    )
    assert sparse == pytest.approx(dense, rel=0.15)


@pytest.mark.parametrize(
    "settings",
    [{"level_db": 200}, {"level_db": float("nan")}, {"structures": -1}, {"repeats": 99}, {"haze_db": 99},
     {"position": "apex"}],
)  # fmt: skip
def test_impossible_settings(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        ArtifactSettings(**settings)
