"""The one exception that means "your input, not our code", and the warning that means "do not trust this"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

_LONGEST = 500
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence a stranger can act on. The command line prints it without a traceback and exits with 2.
    Whatever in it could break the line, turn its direction or steer a terminal is shown as an escape: names of files
    and values in them are strangers' text.
    """

    def __init__(self, *args):
        super().__init__(*(_UNSHOWN.sub(_escaped, text) if isinstance(text, str) else text for text in args))


class TrackingWarning(UserWarning):
    """A result was returned that must not be used as it is: its contour was lost in some frames.

    `warnings.filterwarnings("error", category=cpwc_keras.TrackingWarning)` makes an exception of it.
    """


def _escaped(found: re.Match) -> str:
    return ascii(found[0])[1:-1]


def bad_file(path: str | Path, found: str, expected: str, remedy: str = "") -> InputError:
    """An `InputError` that names the file, what was found, what was expected and what to do.

    Args:
        path: the file or folder.
        found: what is there, as a noun or clause ("3 bytes", "no `.flo` files").
        expected: what should be there.
        remedy: what the user can do about it, as an imperative clause without a full stop; may be empty.
    """
    ending = f"; {remedy}" if remedy else ""
    found = found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…"  # values of strangers may be any length
    return InputError(f"{path}: found {found}, expected {expected}{ending}.")


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The name that was probably meant by a misspelt one, as a sentence to put behind that of an error.

    Args:
        name: what was given.
        known: the names that there are; case does not count.

    Returns:
        " Did you mean '…'?", or "" where none is near, or several are equally near.
    """
    names = {candidate.casefold(): candidate for candidate in known}
    given = str(name).casefold()[:_LONGEST]
    near = difflib.get_close_matches(given, names, n=2)
    likeness = [difflib.SequenceMatcher(a=candidate, b=given).ratio() for candidate in near]
    if not near or likeness[0] in likeness[1:]:
        return ""
    return f" Did you mean {names[near[0]]!r}?"
