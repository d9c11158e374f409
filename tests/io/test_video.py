import errno

import numpy as np
import pytest

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.files import MADE_WITH
from cpwc_keras.io.video import read_video, write_video

RNG = np.random.default_rng(0)


def speckle(frames=8, height=64, width=80):
    coarse = RNG.integers(20, 230, (frames, height // 8, width // 8), dtype=np.uint8)
    return np.repeat(np.kron(coarse, np.ones((1, 8, 8), np.uint8))[..., None], 3, axis=-1)


def test_mp4_round_trip(tmp_path):
    frames = speckle()
    write_video(tmp_path / "a.mp4", frames, 25)
    loop = read_video(tmp_path / "a.mp4")
    assert loop.frames.shape == (8, 64, 80) and loop.spacing_mm is None and loop.frame_rate_hz == 25
    assert np.abs(loop.frames - frames[..., 0] / 255).mean() < 0.02
    assert any("frame rate" in note for note in loop.notes)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_the_index_stands_before_the_frames(tmp_path):
    """faststart: a browser plays before it has all."""
    write_video(tmp_path / "a.mp4", speckle(), 25)
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_it_says_what_made_it_and_nothing_of_the_day(tmp_path):
    import subprocess

    from imageio_ffmpeg import get_ffmpeg_exe

    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, speckle()[:2] * 0 + 90, 25)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    asked = [get_ffmpeg_exe(), "-v", "error", "-i", tmp_path / "a.mp4", "-f", "ffmetadata", "-"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"comment={MADE_WITH}" in told and not any("time" in line for line in told)


def test_odd_sizes_are_padded(tmp_path):
    write_video(tmp_path / "a.mp4", speckle()[:, :63, :77], 10)
    assert read_video(tmp_path / "a.mp4").frames.shape == (8, 64, 78)


@pytest.mark.parametrize("suffix", [".gif", ".avi"])
def test_gif_and_avi(tmp_path, suffix):
    import imageio.v3 as iio

    frames = speckle()
    options = (
        {"duration": 100, "loop": 0} if suffix == ".gif" else {"fps": 10, "plugin": "FFMPEG", "macro_block_size": 2}
    )
    iio.imwrite(tmp_path / f"a{suffix}", frames, **options)
    loop = cpwc_keras.read(tmp_path / f"a{suffix}")
    assert loop.frames.shape == (8, 64, 80) and loop.frame_rate_hz == pytest.approx(10)
    assert np.abs(loop.frames - frames[..., 0] / 255).mean() < 0.03


def test_bad_videos(tmp_path):
    write_video(tmp_path / "a.mp4", speckle(), 25)
    whole = (tmp_path / "a.mp4").read_bytes()
    for name, content in (("text.mp4", b"hello"), ("empty.mp4", b""), ("cut.mp4", whole[:300])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_video(tmp_path / name)
    with pytest.raises(InputError, match="cannot be opened"):
        read_video(tmp_path / "absent.mp4")
    write_video(tmp_path / "one.mp4", speckle()[:1], 25)
    with pytest.raises(InputError, match="two frames"):
        read_video(tmp_path / "one.mp4")


def test_a_video_that_breaks_off_says_so(tmp_path):
    write_video(tmp_path / "a.mp4", np.repeat(RNG.integers(0, 255, (20, 64, 80, 1), dtype=np.uint8), 3, -1), 25)
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    loop = read_video(tmp_path / "cut.mp4")
    assert len(loop) < 18 and any("breaks off" in note for note in loop.notes)
    assert not any("breaks off" in note for note in read_video(tmp_path / "a.mp4").notes)


def test_what_ffmpeg_could_not_finish_is_not_kept(tmp_path, monkeypatch):
    import imageio_ffmpeg

    monkeypatch.setattr(imageio_ffmpeg, "count_frames_and_secs", lambda path: (3, 0.1))
    with pytest.raises(InputError, match="cannot be written"):
        write_video(tmp_path / "a.mp4", speckle(), 25)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    import imageio_ffmpeg

    def refuse(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(imageio_ffmpeg, "write_frames", refuse)
    with pytest.raises(InputError, match="cannot be written"):
        write_video(tmp_path / "a.mp4", speckle(), 25)
    assert list(tmp_path.iterdir()) == []


def test_real_a4c_video(shared_data):
    loop = read_video(shared_data / "a4c_video" / "input.mp4")
    assert loop.frames.shape == (45, 768, 1024) and loop.frame_rate_hz == 20
    assert loop.frames[:, 300:400, 400:600].mean() > 0.1 and loop.frames[:, :100, :100].max() == 0
