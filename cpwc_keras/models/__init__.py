"""The networks: `CPWCNet` (the paper's), `PWCNet`, `EchoPWCNet`; and `presets`, which can be listed without Keras."""

from importlib import import_module

_LAZY = {
    "CPWCNet": "cpwc_keras.models.c_pwc_net",
    "EchoPWCNet": "cpwc_keras.models.echo_pwc_net",
    "PWCNet": "cpwc_keras.models.pwc_net",
}
__all__ = ["CPWCNet", "EchoPWCNet", "PWCNet"]


def __getattr__(name: str):
    """Load a network's class on first use, so that the cards of the presets are read without Keras."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
