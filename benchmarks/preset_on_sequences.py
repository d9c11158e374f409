"""The command line of what measures a preset on simulated recordings."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from cpwc_keras.errors import InputError
from cpwc_keras.models.presets import DEFAULT_PRESET


def main(doc: str, measure: Callable[[str, str, int], None], limit: int, of: str) -> None:
    """Call ``measure(sequences, preset, limit)`` as the command line says; a user's mistake is one sentence.

    Args:
        doc: what the command is for.
        measure: does it.
        limit: how many are measured by default.
        of: what is counted.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequences")
    parser.add_argument("preset", nargs="?", default=DEFAULT_PRESET)
    parser.add_argument("--limit", type=int, default=limit, help=of)
    given = parser.parse_args()
    if given.limit < 1:
        parser.error(f"--limit must be 1 or more, found {given.limit}")
    try:
        measure(given.sequences, given.preset, given.limit)
    except InputError as error:
        parser.exit(2, f"Error: {error}\n")
