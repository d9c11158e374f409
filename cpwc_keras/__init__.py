"""Motion estimation in 2D echocardiography: an open replication of c-PWC-Net (Evain et al., IEEE TMI 2022)."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    __version__ = version("cpwc-keras")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

# Run from the repository's root with a wheel installed, Python finds this folder first, and `ops/` and `data_prep/`
# stand beside it rather than in it.
_root = Path(__file__).resolve().parent.parent
if (_root / "setup.py").is_file() and (_root / "ops" / "__init__.py").is_file():
    __path__.append(str(_root))

_LAZY = {"read": "cpwc_keras.io.cine", "track": "cpwc_keras.tracking.cine"}
__all__ = ["__version__", *_LAZY]


def __getattr__(name: str):
    """Load the public functions on first use, so that `import cpwc_keras` stays light."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
