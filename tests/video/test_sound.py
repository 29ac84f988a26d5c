"""The sound of a copy is that of its source, at its time."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tests.conftest import numbered_frame
from timesformer.inference.annotate import write_copy

RATE = 16000
CLICK = 1.0  # seconds


def film(path, codec, *, seconds=2):
    """Numbered frames, and silence with a loud second half."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream(codec, rate=RATE)
        for i in range(30 * seconds):
            container.mux(video.encode(av.VideoFrame.from_ndarray(numbered_frame(i), "rgb24")))
        container.mux(video.encode())
        times = np.arange(RATE * seconds) / RATE
        wave = (np.sin(2 * np.pi * 440 * times) * (times >= CLICK) * 12000).astype(np.int16)
        size = 1024
        resampler = av.AudioResampler(sound.format, sound.layout, RATE)
        for at in range(0, len(wave) - size + 1, size):
            frame = av.AudioFrame.from_ndarray(
                wave[None, at : at + size], format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            for each in resampler.resample(frame):
                container.mux(sound.encode(each))
        container.mux(sound.encode())
    return path


def loudness(path):
    """Seconds and root mean square of parts of the sound, 0 .. 1."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        parts = [
            (frame.time, float(np.sqrt((frame.to_ndarray() ** 2).mean())))
            for decoded in container.decode(audio=0)
            for frame in resampler.resample(decoded)
        ]
        return np.array(parts), container.streams.audio[0].codec_context.name


@pytest.mark.parametrize(("suffix", "codec", "written"), [
    (".mp4", "aac", "aac"), (".avi", "pcm_s16le", "aac"), (".mkv", "libopus", "opus"),
    (".mkv", "libmp3lame", "mp3float")])  # fmt: skip
def test_it_is_heard_when_it_was(tmp_path, monkeypatch, suffix, codec, written):
    if codec == "libopus":
        monkeypatch.setattr("tests.video.test_sound.RATE", 48000)
    source = film(tmp_path / f"a{suffix}", codec)
    write_copy(str(source), str, tmp_path / "b.mp4")
    before, _ = loudness(source)
    after, name = loudness(tmp_path / "b.mp4")
    assert name == written
    for found in (before, after):
        begins = found[found[:, 1] > 0.1][0, 0]
        assert begins == pytest.approx(CLICK, abs=0.1)
    assert after[-1, 0] == pytest.approx(before[-1, 0], abs=0.15)


def test_a_silent_video_has_a_silent_copy(numbered_video, tmp_path):
    write_copy(str(numbered_video(12)), str, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert not container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == 12
