"""First bytes of packets: placeholders, hidden pictures and keyframes that are none."""

import shutil
import subprocess

import av
import pytest

from timesformer.video import bitstream, streams
from timesformer.video.bitstream import Picture, look_into


def looked_at(path):
    with av.open(str(path)) as container:
        stream = streams.choose_stream(container)
        look = look_into(stream)
        packets = [packet for packet in container.demux(stream) if packet.size]
        return [(packet, look(packet)) for packet in packets]


@pytest.mark.parametrize(("codec", "name"), [("libx264", "a.mp4"), ("mpeg4", "a.avi")])
def test_every_packet_of_a_clean_file_shows_a_picture(numbered_video, codec, name):
    seen = looked_at(numbered_video(30, codec=codec, name=name, bframes=0))
    assert all(picture.is_shown for _, picture in seen)
    starts = [packet.pts for packet, picture in seen if packet.is_keyframe and picture.can_start]
    assert len(starts) >= 3  # MPEG-4 adds one where the picture changes
    if codec == "mpeg4":
        assert [p.is_keyframe for p, _ in seen] == [picture.can_start for _, picture in seen]


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs FFmpeg's command-line tool")
@pytest.mark.parametrize(("codec", "suffix"), [("libvpx", "webm"), ("libvpx-vp9", "webm")])
def test_hidden_frames_are_told_as_the_decoder_does(tmp_path, codec, suffix):
    path = tmp_path / f"a.{suffix}"
    options = ["-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "100k", "-cpu-used", "8"]
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=30:duration=2"]
    command = ["ffmpeg", "-loglevel", "error", *source, "-c:v", codec, *options, str(path)]
    subprocess.run(command, check=True)
    seen = looked_at(path)
    assert sum(picture.is_shown for _, picture in seen) == 60


def test_a_placeholder_and_a_packet_of_parameters_show_nothing():
    small = av.Packet(b"\x00\x00\x01\xb6\x57\x80\x00")
    assert bitstream._mpeg4(small) == Picture(is_shown=False)
    parameters = b"\x00\x00\x00\x02\x67\x42" + b"\x00\x00\x00\x02\x68\xce"
    assert bitstream._h264(memoryview(parameters), 4) == Picture(is_shown=False)
    disposable = b"\x00\x00\x00\x02\x06\x01" + b"\x00\x00\x00\x02\x01\x9a"
    assert bitstream._h264(memoryview(disposable), 4) == Picture(is_disposable=True)
