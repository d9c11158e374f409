"""The two engines by name."""

from __future__ import annotations

from cpwc_keras.data_prep.simulation.engine import Engine
from cpwc_keras.data_prep.simulation.exact import ExactEngine
from cpwc_keras.data_prep.simulation.surrogate import SurrogateEngine
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.errors import InputError, did_you_mean

ENGINES: dict[str, type[ExactEngine] | type[SurrogateEngine]] = {"exact": ExactEngine, "surrogate": SurrogateEngine}


def make_engine(name: str, transducer: Transducer, scan: SectorScan) -> Engine:
    """The engine of that name, ready to use.

    Args:
        name: "exact" (the physics of SIMUS) or "surrogate" (its point spread, measured once; then some hundred times
            faster).
        transducer: the probe.
        scan: the beams.

    Raises:
        InputError: there is no such engine, or it cannot simulate this probe and scan.
    """
    if name not in ENGINES:
        raise InputError(f"{name!r} is not an engine; choose one of {', '.join(ENGINES)}.{did_you_mean(name, ENGINES)}")
    return ENGINES[name](transducer, scan)
