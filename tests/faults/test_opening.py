"""Names and kinds of files that decoders take for something else; playlists that name other files."""

import os
import socket

import cv2
import numpy as np
import pytest

from tests.conftest import frame_number, numbered_frame
from timesformer.datasets.checks.inspection import inspect_video
from timesformer.datasets.list_paths import locate
from timesformer.inference.videos import find_videos, listed_videos
from timesformer.io.opening import local_url
from timesformer.video import READERS, VideoError, read_video
from timesformer.video.encode import reencode

FIRST_AND_LAST = np.array([[0, 5]])
NAMES = [  # relative to the working folder, all of them regular files
    "2024-01-01T12:30:00.mp4",
    "concat:other.mp4",
    "subfile,,start,0,end,0,,:other.mp4",
    "http:foo.mp4",
    "file:x.mp4",
    "data:x.mp4",
    "new\nline.mp4",
    "100%s.mp4",
    "img%03d.mp4",
    "what?.mp4",
    "a::b.mp4",
    "x.tar::a.mp4",  # no such tar, but such a file
    "-v.mp4",
    "a#b [1] ~.mp4",
    "\x1b[31mred.mp4",
    "not utf-8 \udcff.mp4",
]
PLAYLISTS = {
    "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nvideo.mp4\n#EXT-X-ENDLIST\n",
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nvideo.mp4\n#EXT-X-ENDLIST\n",
    "a.ffconcat": "ffconcat version 1.0\nfile video.mp4\n",
    "concat.mp4": "ffconcat version 1.0\nfile video.mp4\n",
    "a.mpd": '<?xml version="1.0"?>\n<MPD profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">',
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch, numbered_video):
    """The working folder, with a video of 6 frames, and another one of other frames."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "video.mp4").write_bytes(numbered_video(6, name="v6.mp4").read_bytes())
    (tmp_path / "other.mp4").write_bytes(b"another file")
    return tmp_path


@pytest.mark.parametrize("backend", sorted(READERS))
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_local_name_is_a_file_whatever_it_looks_like(folder, name, backend):
    if backend == "torchcodec":
        pytest.importorskip("torchcodec.decoders", exc_type=(ImportError, OSError, RuntimeError))
    os.rename("video.mp4", name)
    for path in (name, f"./{name}", os.path.abspath(name)):
        frames = READERS[backend](path, lambda _: FIRST_AND_LAST)
        assert [frame_number(image) for image in frames.images] == [0, 5]
    assert inspect_video(name).frames == 6
    reencode(name, folder / "small.mp4", short_side=16)


@pytest.mark.parametrize("name", sorted(PLAYLISTS))
def test_a_playlist_is_refused_before_it_opens_what_it_names(folder, name):
    (folder / name).write_text(PLAYLISTS[name])
    with pytest.raises(VideoError, match=rf"{name} is an? .*, which names other files; give the"):
        read_video(name, lambda _: FIRST_AND_LAST)
    assert "names other files" in inspect_video(name).detail


def test_a_pattern_of_images_is_one_image(folder):
    for i in (1, 2, 3):
        cv2.imwrite(f"f{i:03}.png", numbered_frame(i))
    os.rename("f003.png", "f%03d.png")
    frames = read_video("f%03d.png", lambda timeline: np.zeros((1, 2), int))
    assert len(frames.timeline.pts) == 1
    assert frame_number(frames.images[0]) == 3


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")
@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("a pipe (FIFO)", os.mkfifo),
        ("a folder", os.mkdir),
        ("a socket", lambda name: socket.socket(socket.AF_UNIX).bind(name)),
        ("a device", lambda name: os.symlink("/dev/zero", name)),
    ],
)
def test_what_is_no_regular_file_is_refused_by_name_and_never_opened(folder, kind, make):
    make("a.mp4")
    with pytest.raises(VideoError) as caught:
        read_video("a.mp4", lambda _: FIRST_AND_LAST)
    assert str(caught.value).startswith(f"a.mp4 is {kind}, but a regular file is wanted; ")
    make("s.tar")
    with pytest.raises(VideoError, match=r"s\.tar is "):
        read_video("s.tar::a.mp4", lambda _: FIRST_AND_LAST)


def test_names_in_messages_are_escaped(folder):
    with pytest.raises(VideoError) as caught:
        read_video("\x1b[31m\nred.mp4", lambda _: FIRST_AND_LAST)
    assert r"\x1b[31m\nred.mp4: cannot be decoded (FileNotFoundError" in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_with_a_line_break_is_one_video(folder):
    os.rename("video.mp4", "a\nb.mp4")
    videos = listed_videos("a\nb.mp4")
    assert videos.files(0) == [videos.name(0)] == ["a\nb.mp4"]
    assert videos.missing() == []
    assert locate("a\nb.mp4", "", folder) == "a\nb.mp4"
    assert len(read_video(videos.files(0)[0], lambda _: FIRST_AND_LAST).images) == 2


def test_names_that_mean_no_video_are_refused(folder):
    with pytest.raises(VideoError, match="the name of a video is empty"):
        find_videos([""])
    with pytest.raises(VideoError, match="the name of a file is empty"):
        read_video("", lambda _: FIRST_AND_LAST)
    assert local_url("video.mp4") == f"file:{folder / 'video.mp4'}"
