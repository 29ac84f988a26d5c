"""What a name means, and that a stream reaches nothing of this machine."""

import contextlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import pytest

from timesformer.detection.online.sources import Pipe, Source, connect, find_source
from timesformer.io.opening import SourceError


@pytest.mark.parametrize(
    ("name", "kind", "is_live", "reconnects"),
    [
        ("-", "pipe", True, False),
        ("rtsp://127.0.0.1/1", "network", True, True),
        ("HTTP://127.0.0.1/1", "network", True, True),
        ("udp://127.0.0.1:9", "network", True, True),
        ("camera:0", "camera", True, True),
        ("video=Integrated Camera", "camera", True, True),
        ("s3://bucket/a.mp4", "file", False, False),
        ("/dev/null", "camera", True, True),
    ],
)
def test_kinds(name, kind, is_live, reconnects):
    found = find_source(name)
    assert (found.kind, found.is_live, found.reconnects) == (kind, is_live, reconnects)


def test_a_recording_of_a_server_can_be_paced():
    assert find_source("http://127.0.0.1/a.mp4", realtime=True).kind == "file"


def test_cameras_that_there_are_are_named(monkeypatch):
    monkeypatch.setattr("glob.glob", lambda pattern: ["/dev/video1", "/dev/video0"])
    with pytest.raises(SourceError, match="no such camera; there are /dev/video0, /dev/video1"):
        find_source("/dev/video7")


def test_a_device_that_is_no_camera_is_named():
    source = Source("/dev/null", "camera")
    with (
        pytest.raises(SourceError, match="the camera cannot be opened|this build of PyAV has no"),
        connect(source, threading.Event(), timeout=1),
    ):
        pass


def test_a_build_without_cameras_names_the_way_round(monkeypatch):
    monkeypatch.setattr("timesformer.detection.online.sources._SYSTEMS", {})
    monkeypatch.setattr(av, "formats_available", {"mp4"})
    with (
        pytest.raises(
            SourceError, match=r"pipe it instead: ffmpeg -f v4l2 -i camera:0 -f mpegts - \|"
        ),
        connect(Source("camera:0", "camera"), threading.Event(), timeout=1),
    ):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_waits_for_its_writer_and_ends_with_it(tmp_path):
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    pipe = Pipe(str(fifo), threading.Event())
    threading.Timer(0.2, lambda: fifo.write_bytes(b"abc")).start()
    assert pipe.read(10) == b"abc"
    assert pipe.read(10) == b""
    pipe.close()


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="this system has no /dev/fd")
def test_a_pipe_that_a_shell_hands_over_ends_with_its_writer():
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    os.close(writer)
    name = f"/dev/fd/{reader}"
    found = find_source(name)
    assert (found.kind, found.reconnects) == ("pipe", False)
    pipe = Pipe(name, threading.Event())
    assert [pipe.read(10), pipe.read(10)] == [b"abc", b""]
    pipe.close()
    empty = Pipe(name, threading.Event())
    assert empty.read(10) == b""  # its writer has gone
    empty.close()
    os.close(reader)


def test_a_source_is_shown_without_its_password():
    with pytest.raises(SourceError) as caught:
        find_source("rtsp://me:p@ss@127.0.0.1/1", realtime=True)
    assert str(caught.value).startswith("rtsp://127.0.0.1/1 comes at its own pace")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_waiting_for_a_writer_can_be_ended(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    stop = threading.Event()
    pipe = Pipe(str(tmp_path / "pipe"), stop)
    threading.Timer(0.2, stop.set).start()
    assert pipe.read(10) == b""
    pipe.close()


def test_a_playlist_of_the_network_reaches_no_local_file(tmp_path, numbered_video):
    secret = numbered_video(30, name="secret.ts")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
            self.end_headers()
            self.wfile.write(playlist.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/live.m3u8"

    def read():
        with connect(Source(url, "network"), threading.Event(), timeout=3) as (container, stream):
            return list(container.decode(stream))

    try:
        with contextlib.suppress(av.FFmpegError, OSError):
            assert not read()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
