"""Subtitles are what FFmpeg reads, and what was written."""

import av
import pytest

from timesformer.detection.results import Detection, ResultsError
from timesformer.detection.subtitles import read_subtitles, write_srt, write_vtt

FOUND = [
    Detection("run & <jump> --> far", 0.5, 3599.9996, 3601.25),
    Detection("long jump", 0.934, 0.0, 1.5),
]
WRITE = {"srt": write_srt, "vtt": write_vtt}


@pytest.mark.parametrize("kind", WRITE)
def test_cues_are_read_as_they_were(tmp_path, kind):
    path = tmp_path / f"s.{kind}"
    WRITE[kind](path, FOUND)
    label = "run & <jump> → far" if kind == "srt" else FOUND[0].label
    expected = [("long jump", 0.93, 0, 1.5), (label, 0.5, 3600.0, 3601.25)]
    assert read_subtitles(path) == expected


@pytest.mark.parametrize("kind", WRITE)
def test_ffmpeg_reads_them(tmp_path, kind):
    path = tmp_path / f"s.{kind}"
    WRITE[kind](path, [FOUND[1], Detection("run", 1, 2, 2.25)])
    with av.open(str(path)) as file:
        stream = file.streams.subtitles[0]
        packets = [p for p in file.demux(stream) if p.size]
        times = [(float(p.pts * p.time_base), float(p.duration * p.time_base)) for p in packets]
        texts = [bytes(p).decode().strip() for p in packets]
    assert times == [(0, 1.5), (2, 0.25)]
    assert texts == ["long jump 93 %", "run 100 %"]


def test_other_subtitles_are_named(tmp_path):
    path = tmp_path / "s.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello!\n")
    with pytest.raises(ResultsError, match="s.srt:3: 'Hello!' is not `label 93 %`"):
        read_subtitles(path)
    with pytest.raises(ResultsError, match=r"none.srt cannot be read: No such file"):
        read_subtitles(tmp_path / "none.srt")
