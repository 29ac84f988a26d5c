"""Places: the bytes of a local file, an HTTP server, a memory file system and tars are the same."""

import io
import json
import os
import re
import tarfile
import threading

import aiohttp
import cv2
import fsspec
import numpy as np
import pytest

from tests.conftest import frame_number, numbered_frame
from tests.ranges import serve
from timesformer.video import VideoError, read_folder, read_video, remote, shards, sources
from timesformer.video.remote import SourceError
from timesformer.video.sources import open_binary, open_source


@pytest.fixture
def server():
    with serve() as served:
        yield served


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture(autouse=True)
def _no_index_of_another_test():
    shards._remote_version.cache_clear()
    shards._index.cache_clear()
    shards._walked.clear()


def write_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(params=["local", "http", "memory", "tar", "http tar", "memory tar"])
def place(request, tmp_path, server, memory):
    """Put bytes somewhere; returns the path that a list would have."""

    def put(data):
        kind = request.param
        if kind == "local":
            (tmp_path / "a.mp4").write_bytes(data)
            return str(tmp_path / "a.mp4")
        if kind.endswith("tar"):
            members = {"0.txt": b"before", "dir/a.mp4": data, "1.txt": b"behind" * 99}
            tar = write_tar(tmp_path / "s.tar", members).read_bytes()
        if kind == "tar":
            return f"{tmp_path}/s.tar::dir/a.mp4"
        name, content = ("s.tar", tar) if kind.endswith("tar") else ("a.mp4", data)
        suffix = "::dir/a.mp4" if kind.endswith("tar") else ""
        if kind.startswith("http"):
            server.files[f"/{name}"] = content
            return f"{server.url}/{name}{suffix}"
        memory.pipe(f"/{name}", content)
        return f"memory://{name}{suffix}"

    return put


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_video_is_the_same_wherever_it_lies(numbered_video, place, name):
    local = numbered_video(60, name=name, gop=12)
    path = place(local.read_bytes())
    frames, here = (read_video(p, lambda _: np.array([[3, 40, 59]])) for p in (path, local))
    assert [frame_number(image) for image in frames.images] == [3, 40, 59]
    assert np.array_equal(frames.images, here.images)
    assert sources.missing([path]) == []


def test_frames_of_a_folder_may_lie_anywhere(tmp_path, place):
    cv2.imwrite(str(tmp_path / "frame.png"), numbered_frame(7))
    path = place((tmp_path / "frame.png").read_bytes())
    frames = read_folder([path, path], lambda timeline: np.array([[0, 1]]))
    assert [frame_number(image) for image in frames.images] == [7, 7]


def test_bytes_seeks_and_sizes_are_those_of_the_content(place):
    data = np.random.default_rng(0).bytes(3 * 2**20)
    path = place(data)
    assert sources.size_of(path) == len(data)
    with open_binary(path) as file:
        assert file.read(10) == data[:10]
        assert file.seek(-10, io.SEEK_END) == len(data) - 10
        assert file.read() == data[-10:]
        assert file.read(1) == b""
        file.seek(1_000_000)
        file.seek(5, io.SEEK_CUR)
        assert file.tell() == 1_000_005
        assert file.read(7) == data[1_000_005:1_000_012]


def test_a_window_ends_where_its_member_ends_and_closes_its_file():
    file = io.BytesIO(b"0123456789")
    window = shards.Window(file, 2, 5)
    assert window.readable()
    assert window.seekable()
    assert window.read() == b"23456"
    with pytest.raises(ValueError, match="seek to -1, before the first byte"):
        window.seek(-1)
    window.seek(99)
    assert window.read(3) == b""
    window.close()
    assert file.closed


@pytest.mark.parametrize(
    ("path", "url", "member"),
    [
        ("/data/a.mp4", False, ""),
        (r"C:\data\a.mp4", False, ""),
        ("C:/data/a.mp4", False, ""),
        ("C://data/a.mp4", False, ""),
        ("a::b.mp4", False, ""),
        ("a.tar", False, ""),
        (r"D:\s.tar::a b.mp4", False, "a b.mp4"),
        ("s3://bucket/a.mp4", True, ""),
        ("s3://bucket/a.tar::b/c.mp4", True, "b/c.mp4"),
        ("memory://a.mp4", True, ""),
    ],
)
def test_paths_say_what_they_are(path, url, member):
    assert remote.is_url(path) == url
    assert shards.split_member(path)[1] == member
    assert sources.is_local_file(path) == (not url and not member)


def test_a_local_file_is_opened_by_the_decoder_itself(tmp_path):
    (tmp_path / "a.mp4").touch()
    with open_source(tmp_path / "a.mp4") as source:
        assert source == f"file:{tmp_path / 'a.mp4'}"


def test_prefixes_may_be_urls():
    assert remote.join("s3://b/k/", "x/a.mp4") == "s3://b/k/x/a.mp4"
    assert remote.join("s3://b", "s.tar::a.mp4") == "s3://b/s.tar::a.mp4"
    assert remote.join("s3://b", "http://h/a.mp4") == "http://h/a.mp4"
    assert remote.join("/data", "a.mp4") == os.path.join("/data", "a.mp4")


def test_a_remote_video_is_read_in_few_requests(numbered_video, server):
    server.files["/a.mp4"] = numbered_video(100).read_bytes()
    read_video(f"{server.url}/a.mp4", lambda _: np.array([[0, 50, 99]]))
    assert sum(command == "GET" for command, *_ in server.log) == 1


def test_an_index_beside_the_shard_saves_the_walk(server, tmp_path):
    tar = write_tar(tmp_path / "s.tar", {f"{i}.mp4": b"x" * 200_000 for i in range(20)})
    server.files["/s.tar"] = tar.read_bytes()
    with open(tar, "rb") as file:
        index = shards.walk_tar(file)
    saved = {"bytes": tar.stat().st_size, "members": index}
    server.files["/s.tar.index.json"] = json.dumps(saved).encode()
    assert shards.tar_index(f"{server.url}/s.tar") == index
    assert not [path for command, path, _ in server.log if (command, path) == ("GET", "/s.tar")]
    shards.tar_index(f"{server.url}/s.tar")
    assert len([path for _, path, _ in server.log if path == "/s.tar.index.json"]) <= 3  # once


def test_an_index_of_another_shard_is_not_believed(tmp_path):
    tar = write_tar(tmp_path / "s.tar", {"a.mp4": b"right"})
    wrong = {"bytes": 1, "members": {"a.mp4": [0, 3]}}
    (tmp_path / "s.tar.index.json").write_text(json.dumps(wrong))
    with open_binary(f"{tar}::a.mp4") as file:
        assert file.read() == b"right"


def test_a_shard_that_is_written_again_is_indexed_again(tmp_path):
    tar = write_tar(tmp_path / "s.tar", {"a.mp4": b"old"})
    assert shards.tar_index(str(tar))["a.mp4"].size == 3
    write_tar(tar, {"b" * 150 + ".mp4": b"x" * 20_000, "a.mp4": b"newer"})
    with open_binary(f"{tar}::a.mp4") as file:
        assert file.read() == b"newer"


def test_missing_objects_are_found_everywhere(tmp_path, server, memory):
    (tmp_path / "here.mp4").write_bytes(b"x")
    tar = write_tar(tmp_path / "s.tar", {"a.mp4": b"x"})
    server.files["/a.mp4"] = b"x"
    memory.pipe("/a.mp4", b"x")
    there = [f"{tmp_path}/here.mp4", f"{tar}::a.mp4", f"{server.url}/a.mp4", "memory://a.mp4"]
    gone = [f"{tmp_path}/x.mp4", f"{tar}::x.mp4", f"{server.url}/x.mp4", "memory://x.mp4"]
    gone += [f"{tmp_path}/x.tar::a.mp4", f"{server.url}/x.tar::a.mp4", "memory://x.tar::a.mp4"]
    paths = [path for pair in zip(there, gone[:4], strict=True) for path in pair] + gone[4:]
    assert [paths[i] for i in sources.missing(paths)] == gone
    for path in gone:
        with pytest.raises(VideoError, match=re.escape(path)):
            read_video(path, lambda _: np.array([[0]]))


def test_remote_objects_are_asked_for_in_parallel(server, monkeypatch):
    together = threading.Barrier(8)
    monkeypatch.setattr(sources, "exists", lambda path: together.wait(20) is not None)
    assert sources.missing([f"{server.url}/{i}.mp4" for i in range(8)]) == []


def read(path):
    with open_binary(path) as file:
        return file.read()


def test_what_is_wrong_with_a_place_is_named(tmp_path, server, monkeypatch):
    tar = write_tar(tmp_path / "s.tar", {"a.mp4": b"x"})
    with pytest.raises(SourceError, match=r"s\.tar has no member 'b\.mp4' \(1 others\)"):
        read(f"{tar}::b.mp4")
    zipped = write_tar(tmp_path / "z.tar", {"a.mp4": b"x"}, mode="w:gz")
    with pytest.raises(SourceError, match=r"z\.tar: not an uncompressed tar .*timesformer shards"):
        read(f"{zipped}::a.mp4")
    with pytest.raises(SourceError, match="nosuch://a: .*use a protocol that fsspec knows"):
        read("nosuch://a")
    with pytest.raises(FileNotFoundError, match="http://127.0.0.1:1/a.mp4"):
        read("http://127.0.0.1:1/a.mp4")
    server.files["/a.mp4"], server.ranges = b"x" * 100, False
    with pytest.raises(SourceError, match="gives no size or no byte ranges"):
        read(f"{server.url}/a.mp4")

    def absent(*_):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    with pytest.raises(SourceError, match="s3://b/a: Install s3fs.*pip install s3fs"):
        read("s3://b/a")


def test_a_network_that_fails_midway_is_named(server):
    server.files["/a.mp4"] = b"x" * 100

    def read_half():
        with open_source(f"{server.url}/a.mp4") as file:
            file.read(50)
            raise aiohttp.ClientPayloadError("cut off")

    with pytest.raises(
        SourceError, match=r"a\.mp4: ClientPayloadError: cut off; check the address"
    ):
        read_half()


def test_a_server_that_never_answers_does_not_stop_the_check(monkeypatch):
    for_ever = threading.Event()
    monkeypatch.setattr(sources, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(sources, "exists", lambda path: for_ever.wait(60))
    with pytest.raises(TimeoutError, match=r"http://x/a\.mp4: no answer within 0\.2 seconds"):
        sources.missing(["http://x/a.mp4"])
    for_ever.set()
