"""The progress bar of every command; imported inside commands, so that `--help` does not wait for Rich."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


def progress_bar(console: Console, speed_unit: str, *, transient: bool = False) -> Progress:
    """A bar with the count, the speed, the remaining time and, in a task's field `note`, a free text.

    Args:
        console: where it is drawn.
        speed_unit: what is counted, in the plural: "steps" are shown as "2.31 steps/s".
        transient: the bar disappears when it ends.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _SpeedColumn(speed_unit),
        TimeRemainingColumn(),
        _NoteColumn(),
        console=console,
        transient=transient,
    )


class _SpeedColumn(ProgressColumn):
    def __init__(self, unit: str):
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text()
        return Text(f"{speed:,.0f} {self.unit}/s" if speed >= 100 else f"{speed:.3g} {self.unit}/s")


class _NoteColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields.get("note", ""))
