"""How much a visitor of the page may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what one visitor can load, and for how long.

    Attributes:
        upload_bytes: of one uploaded file.
        frames: of a loop.
        pixels: of a loop, frames × height × width.
        reading_s: seconds until reading a file is given up.
        tracking_s: seconds until tracking is given up.
        idle_s: seconds after which the work of a visitor who does nothing is deleted.
        sessions: how many visitors there can be at once.
    """

    upload_bytes: int = 512 << 20
    frames: int = 2000
    pixels: int = 1 << 28
    reading_s: float = 120.0
    tracking_s: float = 3600.0
    idle_s: float = 3600.0
    sessions: int = 8
