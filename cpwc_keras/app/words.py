"""What the page says of the work, and what visitors type."""

from __future__ import annotations

import html

from cpwc_keras.errors import InputError

_TELLING_S = 5.0
"""After so long it can be told how long the rest will take."""


def number(text: str, what: str) -> float | None:
    """A number that somebody typed, with a point or a comma; None for nothing.

    Args:
        text: of the field.
        what: it is, for the message.

    Raises:
        InputError: it is no positive number.
    """
    text = text.strip()
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InputError(f"The {what} must be a positive number, got {text[:20]!r}.")
    return value


def status(message: str, fraction: float | None = None, error: bool = False, done: bool = False) -> str:
    """The line that says what happens, as HTML.

    Args:
        message: one sentence; "" for no line.
        fraction: of the work that is done, for a bar.
        error: the sentence is one of a mistake.
        done: the work has come to its end.
    """
    if not message:
        return ""
    bar = "" if fraction is None else f"<div class='bar'><i style='width: {100 * fraction:.0f}%'></i></div>"
    kind = " error" if error else " done" if done else ""
    return f"<div class='status{kind}' role='{'alert' if error else 'status'}'>{html.escape(message)}{bar}</div>"


def time_left(seconds: float, fraction: float) -> str:
    """How long the rest of some work will take, to follow a message; "" where that cannot be told yet.

    Args:
        seconds: since it began.
        fraction: of it that is done.
    """
    if seconds < _TELLING_S or not 0 < fraction < 1:
        return ""
    left = seconds * (1 - fraction) / fraction
    return f", some {round(left / 60)} min left" if left >= 90 else f", some {max(1, round(left / 10)) * 10} s left"
