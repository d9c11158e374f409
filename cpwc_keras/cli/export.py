"""`cpwc-keras export`."""

from __future__ import annotations

from pathlib import Path

import click

from cpwc_keras.cli.options import Choice
from cpwc_keras.quiet import import_keras_quietly


@click.command()
@click.argument("network", default="", metavar="[NETWORK]")
@click.option("--to", "kind", required=True, type=Choice(["savedmodel", "onnx", "openvino", "litert"]),
              help="Format: what will run it.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path),
              help="NAME.onnx, NAME.xml (OpenVINO), NAME.tflite (LiteRT), or a folder (SavedModel).")  # fmt: skip
@click.option(
    "--size",
    nargs=2,
    type=click.IntRange(1),
    metavar="H W",
    help="Height and width of the images in pixels.  [default: any]",
)
@click.option("--batch", type=click.IntRange(1), help="Pairs of images at a time.  [default: any]")
def export(network, kind, output, size, batch):
    """Export a network as ONNX, OpenVINO, LiteRT or SavedModel.

    NETWORK is a preset or a weights file; the default preset where none is named. What is exported takes two images (B,
    H, W, 1), float32 from 0 to 1, and returns the flow (B, H, W, 2) in pixels, (dx, dy), from the first to the second.
    What was exported is run once and compared with the network; if it computes something else, nothing is written.

    \b
    cpwc-keras export --to onnx -o c_pwc_net.onnx
    cpwc-keras export runs/transfer/network.h5 --to openvino -o mine.xml --size 384 448
    cpwc-keras track patient.dcm --contour ed.json --tracker c_pwc_net.onnx -o result
    """
    from rich.console import Console

    import_keras_quietly()
    from cpwc_keras.models.export import export_network
    from cpwc_keras.models.presets import DEFAULT_PRESET, about_weights, load_model

    console = Console(markup=False)
    source = network or DEFAULT_PRESET
    model = load_model(source, "float32")
    with console.status(f"exporting {source}"):
        files, difference = export_network(
            model, output, kind, tuple(size) if size else None, batch, about_weights(source)
        )
    console.print(f"The exported network's flow is that of {source} to {difference:.1g} px. Written:", soft_wrap=True)
    for path in files:
        console.print(f"  {path}", soft_wrap=True, highlight=False)
