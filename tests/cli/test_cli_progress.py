import io

from rich.console import Console

from cpwc_keras.cli.progress import progress_bar


def test_count_speed_and_note_are_shown():
    now = iter(range(100))
    screen = io.StringIO()
    console = Console(file=screen, width=120, force_terminal=True, color_system=None)
    progress = progress_bar(console, "steps")
    progress.get_time = lambda: next(now) / 4
    task = progress.add_task("training", total=8, note="loss 0.125")
    progress.advance(task, 0)
    for _ in range(4):
        progress.advance(task)
    speed = progress.tasks[task].speed
    console.print(progress)
    shown = screen.getvalue()
    assert speed and f"{speed:.3g} steps/s" in shown
    for words in ("training", "4/8", "loss 0.125"):
        assert words in shown


def test_without_a_note_and_before_the_first_step_there_is_just_the_bar():
    screen = io.StringIO()
    console = Console(file=screen, width=120)
    progress = progress_bar(console, "steps")
    progress.add_task("training", total=None)
    console.print(progress)
    assert "training" in screen.getvalue() and "/s" not in screen.getvalue()
