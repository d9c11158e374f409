"""`cpwc-keras contour`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The contour file, ….json.")
@click.option("--loop", type=click.Path(path_type=Path),
              help="The recording that will be tracked (a loop; a still cannot be): size and frame are checked "
              "against it, and a preview is drawn. Without it nothing is checked.")  # fmt: skip
@click.option("--frame", type=click.IntRange(0), help="End-diastolic frame, counted from 0.  [default: as SOURCE "
              "says, or of several frames the one of the largest cavity, or 0]")  # fmt: skip
@click.option("--base", nargs=4, type=float, metavar="X1 Y1 X2 Y2",
              help="Septal and lateral end of the base, in pixels, where a closed outline does not show "
              "it.")  # fmt: skip
@click.option("--label", metavar="NAME", help="Which outline, where SOURCE holds several.")
@click.option("--mm", is_flag=True, help="The points are in mm from the centre of the top left pixel, not in pixels.")
@click.option("--spacing", nargs=2, type=float, metavar="ROW COL",
              help="With --mm: height and width of a pixel in mm, where the loop has none.")  # fmt: skip
@click.option("--keep-order", is_flag=True, help="Do not reverse points that run from right to left, as in a "
              "mirrored display.")  # fmt: skip
def contour(source, output, loop, frame, base, label, mm, spacing, keep_order):
    """Make a contour file for track, from a mask or another tool's file.

    SOURCE is a mask (NIfTI, MetaImage, PNG; 1 cavity and 2 myocardium as in CAMUS, or the cavity alone), a CSV of x and
    y, EchoNet-Dynamic's VolumeTracings.csv, JSON of LabelMe, VGG VIA or COCO, or a sequence file (.h5) with its mesh.
    Points are pixels (x, y) of the loop as track reads it. A closed outline is opened at its base; the septum is taken
    to be on the left. The page docs/contours.md shows each form, and how to draw a contour by clicks in a notebook.

    \b
    cpwc-keras contour patient_4CH_ED_gt.nii.gz -o ed.json --loop patient.dcm --frame 12
    cpwc-keras contour labelme.json -o ed.json --label endocardium --base 120 200 190 204
    cpwc-keras contour points_mm.csv -o ed.json --mm --spacing 0.31 0.31
    """
    from rich.console import Console

    from cpwc_keras.io.cine import read
    from cpwc_keras.io.contour_import import import_contour, save_contour

    recording = read(loop) if loop else None
    result, notes = import_contour(
        source,
        recording,
        frame,
        [base[:2], base[2:]] if base else None,
        label,
        mm,
        spacing or None,
        keep_order,
    )
    files = save_contour(output, result, recording)
    console = Console(markup=False)
    for note in notes:
        console.print(f"  • {note}", style="yellow", highlight=False)
    console.print(f"{len(result.points)} points on frame {result.frame}. Written:")
    for path in files:
        console.print(f"  {path}", soft_wrap=True, highlight=False)
