"""MP4, AVI, GIF and what else FFmpeg reads; H.264 in MP4 for what is shown."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.files import MADE_WITH, atomic_path
from cpwc_keras.io.input_file import open_input
from cpwc_keras.io.sector import clean_frames, luma_and_colour, require_moderate
from cpwc_keras.types import CineLoop

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".gif")
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,asf,mpeg,mpegts,mpegvideo,gif,m4v,h264,hevc,ogg,flv"
_MAX_FRAME_PIXELS, _MAX_FRAMES = 2**26, 50_000
_QUALITY = ("-crf", "17", "-preset", "veryfast")
_FEW_BYTES = 1 << 20


def read_video(path: str | Path) -> CineLoop:
    """Read a cine loop from a video; colour, text and marks are removed (`cpwc_keras.io.sector`).

    Returns:
        the loop. Spacing is None, since videos have none. The frame rate is the container's, which is often a playback
        rate; a note says so.

    Raises:
        InputError: missing, not a video, truncated, a single frame, or larger than 2³⁰ pixels.
    """
    import imageio_ffmpeg

    with open_input(path) as (_, stored):
        pass  # a missing file is named here
    whole = ("a video that FFmpeg reads", "copy or export it again")
    gray: list[np.ndarray] = []
    coloured: list[np.ndarray] = []
    # Only files: no playlist makes FFmpeg open a connection. Each stored frame once: none doubled to keep a rate.
    # Of containers only those that hold their pixels themselves: no list makes FFmpeg read other files.
    bounds = ["-protocol_whitelist", "file", "-format_whitelist", _CONTAINERS, "-max_pixels", str(_MAX_FRAME_PIXELS)]
    options = {"input_params": bounds, "output_params": ["-fps_mode", "passthrough"]}
    with closing(imageio_ffmpeg.read_frames(f"file:{path}", pix_fmt="rgb24", **options)) as stream:
        try:
            meta = next(stream)
            width, height = meta["size"]
            for data in stream:
                if len(gray) >= _MAX_FRAMES:
                    raise bad_file(path, f"more than {_MAX_FRAMES:,} frames", "a cine loop", "cut it")
                require_moderate(path, (len(gray) + 1) * width * height, stored)
                luma, colour = luma_and_colour(np.frombuffer(data, np.uint8).reshape(height, width, 3))
                gray.append(luma)
                coloured.append(colour)
        except InputError:
            raise
        except (ArithmeticError, AssertionError, LookupError, MemoryError, OSError, RuntimeError, StopIteration,
                ValueError) as error:  # fmt: skip
            raise bad_file(path, "a file that cannot be decoded", *whole) from error
    if len(gray) < 2:
        raise bad_file(path, f"{len(gray)} frame(s)", "a cine loop of two frames or more")
    frames, notes = clean_frames(np.stack(gray), np.stack(coloured))
    stated = float(meta.get("fps") or 0)
    rate = stated if 0 < stated < 1e6 else None
    if rate:
        notes += (f"The frame rate is the video's ({rate:g} Hz), which need not be the scanner's.",)
    expected = round(float(meta.get("duration") or 0) * (rate or 0))
    if len(gray) < 0.9 * expected:
        notes += (f"The video breaks off: {len(gray)} of about {expected} frames could be read.",)
    return CineLoop(frames, None, rate, source=str(path), notes=notes)


def write_video(path: str | Path, frames: Iterable[np.ndarray], rate_hz: float) -> None:
    """Write an MP4 (H.264) that every browser plays, whole or not at all.

    Args:
        path: the file, ending in ``.mp4``.
        frames: (H, W, 3) uint8 RGB of one size; an odd size is padded with black, as H.264 wants it even.
        rate_hz: frames a second.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    import imageio_ffmpeg

    count, writer = 0, None
    with atomic_path(path) as temporary:
        reason: Exception | None = None
        try:
            for frame in frames:
                height, width = frame.shape[:2]
                frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)))
                if writer is None:
                    writer = imageio_ffmpeg.write_frames(
                        str(temporary),
                        frame.shape[1::-1],
                        fps=rate_hz,
                        codec="libx264",
                        quality=None,
                        macro_block_size=2,
                        ffmpeg_log_level="error",
                        output_params=[*_QUALITY, "-movflags", "+faststart", "-metadata", f"comment={MADE_WITH}"],
                    )
                    writer.send(None)
                writer.send(np.ascontiguousarray(frame, np.uint8))
                count += 1
            if writer is None:
                raise ValueError("a video needs at least one frame")
            writer.close()
            written, _ = imageio_ffmpeg.count_frames_and_secs(str(temporary))
        except (OSError, RuntimeError) as error:
            written, reason = -1, error
        finally:
            if writer is not None:
                writer.close()
        # FFmpeg does not say why it stopped, and stops without a word when only the last bytes did not fit.
        if written != count:
            full = shutil.disk_usage(Path(path).parent).free < _FEW_BYTES
            why = "the disk is full; free some space" if full else "FFmpeg could not finish it; try again"
            raise InputError(f"{path}: cannot be written: {why} or choose another output folder.") from reason
