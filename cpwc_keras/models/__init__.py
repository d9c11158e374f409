"""The networks: `CPWCNet` (the paper's), `PWCNet`, `EchoPWCNet`."""

from cpwc_keras.models.c_pwc_net import CPWCNet
from cpwc_keras.models.echo_pwc_net import EchoPWCNet
from cpwc_keras.models.pwc_net import PWCNet

__all__ = ["CPWCNet", "EchoPWCNet", "PWCNet"]
