"""Motion estimation in 2D echocardiography: an open replication of c-PWC-Net (Evain et al., IEEE TMI 2022).

::

    import cpwc_keras as cpwc

    loop = cpwc.read("patient.dcm")
    result = cpwc.track(loop, "ed.json")
    result.gls, result.to_csv("strain.csv"), result.plot()
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cpwc_keras.errors import InputError, TrackingWarning
    from cpwc_keras.inspection import inspect_flow
    from cpwc_keras.io.cine import read
    from cpwc_keras.io.contours import Contour, read_contour, write_contour
    from cpwc_keras.models.presets import list_presets
    from cpwc_keras.tracking.cine import track
    from cpwc_keras.tracking.pair import estimate_flow, load_tracker
    from cpwc_keras.tracking.result import TrackingResult
    from cpwc_keras.types import CineLoop

try:
    __version__ = version("cpwc-keras")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

# Run from the repository's root with a wheel installed, Python finds this folder first, and `ops/` and `data_prep/`
# stand beside it rather than in it.
_root = Path(__file__).resolve().parent.parent
if (_root / "setup.py").is_file() and (_root / "ops" / "__init__.py").is_file():
    __path__.append(str(_root))

_LAZY = {
    "CineLoop": "cpwc_keras.types",
    "Contour": "cpwc_keras.io.contours",
    "InputError": "cpwc_keras.errors",
    "TrackingResult": "cpwc_keras.tracking.result",
    "TrackingWarning": "cpwc_keras.errors",
    "estimate_flow": "cpwc_keras.tracking.pair",
    "inspect_flow": "cpwc_keras.inspection",
    "list_presets": "cpwc_keras.models.presets",
    "load_tracker": "cpwc_keras.tracking.pair",
    "read": "cpwc_keras.io.cine",
    "read_contour": "cpwc_keras.io.contours",
    "track": "cpwc_keras.tracking.cine",
    "write_contour": "cpwc_keras.io.contours",
}
__all__ = [
    "CineLoop",
    "Contour",
    "InputError",
    "TrackingResult",
    "TrackingWarning",
    "__version__",
    "estimate_flow",
    "inspect_flow",
    "list_presets",
    "load_tracker",
    "read",
    "read_contour",
    "track",
    "write_contour",
]


def __getattr__(name: str) -> object:
    """Load the public names on first use, so that `import cpwc_keras` stays light."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name == "models":  # for `cpwc_keras.models.CPWCNet`, with nothing else imported
        return import_module("cpwc_keras.models")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
