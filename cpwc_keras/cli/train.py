"""`cpwc-keras pretrain` and `cpwc-keras transfer`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from cpwc_keras.cli.options import Choice
from cpwc_keras.cli.progress import progress_bar
from cpwc_keras.quiet import import_keras_quietly

DATASETS_FOLDER = "datasets"


def _options(command):
    """What both phases take."""
    options = [
        click.option(
            "--dataset",
            "datasets",
            multiple=True,
            metavar="NAME[=FOLDER]",
            help="Train on this dataset; may be given several times. NAME is chairs, things, alessandrini, medicaid or "
            "sequences; or, made while the network trains, speckle, chairs-like, procedural, camus-templates or "
            "alessandrini-templates. Without FOLDER, that of its name in --data-root is used.",
        ),
        click.option("--data-root", type=click.Path(path_type=Path), default=DATASETS_FOLDER, show_default=True,
                     help="Where datasets named without a folder lie."),
        click.option("--config", metavar="NAME|FILE",
                     help="An experiment: a YAML file, or one that is shipped (speckle, chairs_like, hearts, "
                     "hearts_still, hearts_camus, virtual_patients, borders). What it says replaces the defaults "
                     "below; options win over it."),
        click.option("-o", "--output", type=click.Path(path_type=Path), default=None,
                     help="Folder of the run; an interrupted run found there goes on.  [default: runs/ and the name of "
                     "a shipped --config, else of the phase]"),
        click.option("--weights", metavar="NAME|FILE",
                     help="Preset or weights file to start from.  [default: pretrain: He initialisation; transfer: the "
                     "default preset]"),
        click.option("--epochs", type=int, help="Times each pair is seen.  [default: pretrain: 200; transfer: 15]"),
        click.option("--steps", type=int, help="Gradient steps, instead of epochs. More than a finished run had make "
                     "it longer."),
        click.option("--crop", type=int, nargs=2, metavar="H W",
                     help="Height and width of the training images in pixels, multiples of 64.  [default: 384 448]"),
        click.option("--batch-size", type=int, help="Pairs in each step.  [default: 4]"),
        click.option("--learning-rate", type=float, help="Of Adam, at the start.  [default: 0.0001]"),
        click.option("--schedule", type=Choice(["halving", "linear"]),
                     help="Of the learning rate. halving: the paper's, halved at 40, 60 and 80 % of the steps; linear: "
                     "straight down from 50 %, for short budgets.  [default: halving]"),
        click.option("--clipnorm", type=float,
                     help="Bound on the gradient's norm of each weight array.  [default: none]"),
        click.option("--ema", type=float, metavar="MOMENTUM",
                     help="The result is a moving average of the weights with this momentum.  [default: none]"),
        click.option("--weight-decay", type=float, help="γ of the paper's eq. (1).  [default: 0.0004]"),
        click.option("--precision", type=Choice(["float32", "mixed_bfloat16"]),
                     help="mixed_bfloat16 is faster on recent CPUs and GPUs.  [default: float32]"),
        click.option("--maximum-displacement", "maximum_displacement_px", type=float, metavar="PX",
                     help="Of chairs and things, leave out pairs of which a tenth of the pixels moves farther.  "
                     "[default: pretrain: 30; transfer: none]"),
        click.option("--seed", type=int, help="Of everything random.  [default: 0]"),
        click.option("--workers", type=int, help="Threads that make pairs.  [default: 2]"),
        click.option("--validate-every", type=int, metavar="STEPS", help="Between two validations.  [default: 500]"),
        click.option("--checkpoint-every", type=int, metavar="STEPS", help="Between two checkpoints.  [default: 500]"),
        click.option("--data-parallel/--single-device", default=None,
                     help="Train on every device of the machine.  [default: single-device]"),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_options
def pretrain(**options):
    """First phase of training: natural images, or procedural speckle.

    The defaults are the paper's: c-PWC-Net on FlyingChairs and FlyingThings3D in gray, 200 epochs, crops of 448×384,
    Adam at 1e-4, halved every 20 % of the training after 40 %. They need a GPU and days; `--config speckle` takes an
    hour or two on two cores.

    \b
    cpwc-keras pretrain --dataset chairs=/data/FlyingChairs_release --dataset things=/data/FlyingThings3D
    cpwc-keras pretrain --config speckle                                   (needs no data)

    Writes network.h5, log.jsonl, experiment.json, TensorBoard events and checkpoints to the output folder. Started
    again with the same options, an interrupted run goes on where it stopped.
    """
    _train("pretrain", **options)


@click.command()
@_options
def transfer(**options):
    """Second phase of training: ultrasound whose motion is known.

    Only the myocardium counts. The defaults are the paper's: 15 epochs, no layer frozen, frames 1, 2 and 3 apart,
    forward and backward, brightness and contrast as the only augmentation. Starts from --weights, or else from the
    default preset.

    \b
    cpwc-keras transfer --dataset medicaid --weights runs/pretrain/network.h5
    cpwc-keras transfer --dataset alessandrini=/data/echo --dataset sequences=/data/mine
    cpwc-keras transfer --config hearts                                    (needs no data)
    cpwc-keras transfer --config hearts_camus --data-root /data

    hearts simulates procedural hearts while it trains; --config hearts --dataset camus-templates=FOLDER makes them of
    the templates there, alessandrini-templates=FOLDER of the published trajectories.

    Writes the same files as pretrain.
    """
    _train("transfer", **options)


def _train(phase: str, datasets, data_root, config, output, **options):
    from rich.console import Console

    import_keras_quietly()
    from cpwc_keras.models.presets import DEFAULT_PRESET
    from cpwc_keras.models.weights_file import read_card
    from cpwc_keras.training.checkpoints import list_checkpoints
    from cpwc_keras.training.experiment import load_experiment, shipped_configs
    from cpwc_keras.training.phases import run

    folders = {name: folder for name, _, folder in (entry.partition("=") for entry in datasets)}
    experiment = load_experiment(phase, config, data_root, datasets=folders or None, **options)
    if phase == "transfer" and not experiment.weights:
        experiment = replace(experiment, weights=DEFAULT_PRESET)
    output = output or Path("runs") / (config if config in shipped_configs() else phase)

    console = Console(markup=False)
    origin = experiment.weights or "He initialisation"
    console.print(
        f"{phase}: {experiment.network} from {origin} on {', '.join(experiment.datasets)} → {output}", soft_wrap=True
    )
    progress = progress_bar(console, "steps")
    task = progress.add_task("training", total=None)
    preparing = console.status("reading the data and building the network")

    def on_step(step, total, log):
        preparing.stop()
        progress.start()  # only now: until the first step there may be a mistake to report instead
        note = f"loss {log['data_loss']:.3f}  EPE {log['epe']:.2f} px" if log else ""
        progress.update(task, total=total, completed=step, note=note)

    try:
        preparing.start()
        path = run(experiment, output, on_step, lambda sentence: console.print(sentence, soft_wrap=True))
    except KeyboardInterrupt:
        left = "; a checkpoint was left, the same command goes on from there" if list_checkpoints(output) else ""
        click.echo(f"{output}: interrupted{left}.", err=True)
        raise click.exceptions.Exit(130) from None
    finally:
        preparing.stop()
        if progress.live.is_started:
            progress.stop()
    card = read_card(path)
    if "validation_epe" in card:
        figures = f"{card['validation_epe']:.2f} px, zero flow {card['validation_epe_zero']:.2f} px"
        console.print(f"Endpoint error on the validation pairs: {figures}.")
    if progress.tasks[task].completed:
        console.print(f"The run is done; the trained network is {path}.", soft_wrap=True)
    else:
        console.print(
            f"The run was complete already; the trained network is {path}. More --steps or --epochs make it longer.",
            soft_wrap=True,
        )
