"""Decoding from any packet of a list on gives what decoding from the beginning gives."""

import pytest

from tests.conftest import frame_number
from timesformer.video import decoding, packets
from timesformer.video.by_list import ListedDecoder
from timesformer.video.open_video import open_video
from timesformer.video.streams import read_header


def listed(container, stream):
    return packets.list_packets(container, stream, read_header(container, stream))


@pytest.mark.parametrize("kept_bytes", [0, packets.KEPT_BYTES])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_frames_follow_each_start(numbered_video, monkeypatch, name, kept_bytes):
    monkeypatch.setattr(packets, "KEPT_BYTES", kept_bytes)
    with open_video(numbered_video(48, name=name, gop=12)) as (container, stream):
        found = listed(container, stream)
        seeker = decoding.Seeker(container, stream, found)
        assert len(found.starts) == 4
        for number, start in reversed(list(enumerate(found.starts))):
            frames = [f for f in seeker.frames_from(start, lambda: None) if f.pts >= start.pts]
            numbers = [frame_number(frame.to_ndarray(format="rgb24")) for frame in frames]
            assert numbers == list(range(12 * number, 48))


def test_a_list_that_the_decoder_does_not_follow_is_told(numbered_video):
    with open_video(numbered_video(24, gop=12)) as (container, stream):
        found = listed(container, stream)
        wrong = found._replace(shown=found.shown[found.shown != found.shown[5]])
        seeker = decoding.Seeker(container, stream, wrong)
        run = ListedDecoder(wrong, seeker, [8], lambda *_: None, lambda: None)
        with pytest.raises(decoding.IrregularError, match="not the next one listed"):
            run.decode()
