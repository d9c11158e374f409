"""`cpwc-keras export`: a weights file for another program, and what is refused."""

import keras
import pytest
from click.testing import CliRunner

from cpwc_keras.cli.export import export
from cpwc_keras.errors import InputError
from cpwc_keras.models import PWCNet
from cpwc_keras.models.weights_file import save_network

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="networks are exported from TensorFlow")


@pytest.mark.filterwarnings("ignore")
def test_a_weights_file_is_exported(tmp_path):
    small = PWCNet(skip_connections=False, finest_level=5, context_levels=(5,), search_range=1)
    save_network(small, tmp_path / "small.h5")
    arguments = [str(tmp_path / "small.h5"), "--to", "savedmodel", "-o", str(tmp_path / "served")]
    result = CliRunner().invoke(export, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert (tmp_path / "served" / "saved_model.pb").is_file()
    assert "small.h5 to" in result.output and "px. Written:" in result.output


def test_an_unknown_network_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"absent.h5: neither a preset"):
        CliRunner().invoke(
            export, [str(tmp_path / "absent.h5"), "--to", "onnx", "-o", "x.onnx"], catch_exceptions=False
        )
