"""Index files of shards that are stale or malformed: never another video, never a traceback."""

import io
import json
import tarfile

import fsspec
import numpy as np
import pytest

from tests.conftest import numbered_frame, write_video
from timesformer.video import read_video, shards, sources
from timesformer.video.remote import SourceError

LONG = "a/" * 70 + "clip.mp4"
NAMES = {  # two members that may be taken for each other
    "short": ("a.mp4", "b.mp4"),
    "long": (f"{LONG}", f"{LONG[:-4]}2.mp4"),
    "longer than any path": ("x" * 3000 + "1.mp4", "x" * 3000 + "2.mp4"),
    "other letters": ("跑步.mp4", "视频.mp4"),
    "other bytes": ("caf\udce9.mp4", "caf\udcea.mp4"),
    "a hundred bytes": ("y" * 99 + "1", "y" * 99 + "2"),
}


def tar_of(members, form):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def index_of(tar):
    members = shards.walk_tar(io.BytesIO(tar))
    return json.dumps({"bytes": len(tar), "members": members}).encode()


@pytest.fixture(params=["local", "memory"])
def put(request, tmp_path):
    """Write a tar and an index; returns the path of the tar."""

    def write(tar, index):
        for cache in (shards._index, shards._remote_version):
            cache.cache_clear()
        shards._walked.clear()
        if request.param == "memory":
            fsspec.filesystem("memory").pipe({"/s.tar": tar, "/s.tar.index.json": index})
            return "memory://s.tar"
        (tmp_path / "s.tar").write_bytes(tar)
        (tmp_path / "s.tar.index.json").write_bytes(index)
        return f"{tmp_path}/s.tar"

    return write


def read(path):
    with sources.open_binary(path) as file:
        return file.read()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("kind", NAMES)
def test_a_stale_index_of_the_same_size_never_gives_another_video(put, kind, form, caplog):
    one, two = NAMES[kind]
    if form == tarfile.USTAR_FORMAT and kind.startswith("long"):
        pytest.skip("such names do not fit a USTAR header")
    before = tar_of([(one, b"1" * 700), (two, b"2" * 700)], form)
    after = tar_of([(two, b"2" * 700), (one, b"1" * 700)], form)
    assert len(before) == len(after)
    path = put(after, index_of(before))
    assert (read(f"{path}::{one}"), read(f"{path}::{two}")) == (b"1" * 700, b"2" * 700)
    stale = [record for record in caplog.records if "is stale" in record.message]
    assert len(stale) == 1
    caplog.clear()
    path = put(after, index_of(after))  # and a right one is believed, without a walk
    assert (read(f"{path}::{one}"), read(f"{path}::{two}")) == (b"1" * 700, b"2" * 700)
    assert not caplog.records
    assert not shards._walked


def test_renamed_and_resized_members_are_found_and_lost_ones_are_named(put, caplog):
    tar = tar_of([("b.mp4", b"b" * 600), ("c.mp4", b"c" * 10)], tarfile.PAX_FORMAT)
    old = tar_of([("a.mp4", b"a" * 600), ("c.mp4", b"c" * 20)], tarfile.PAX_FORMAT)
    path = put(tar, index_of(old))
    members = [f"{path}::{name}.mp4" for name in "abc"]
    assert sources.missing(members[1:]) == []
    assert read(members[1]) == b"b" * 600
    assert read(members[2]) == b"c" * 10
    with pytest.raises(SourceError, match=r"s\.tar has no member 'a\.mp4'"):
        read(members[0])
    assert caplog.text.count("is stale") == 1


def test_predictions_of_a_stale_shard_are_of_the_right_video(put, tmp_path):
    datas = [
        write_video(tmp_path / f"{i}.mp4", [numbered_frame(i)] * 8).read_bytes() for i in (1, 2)
    ]
    size = max(map(len, datas))
    one, two = (data + bytes(size - len(data)) for data in datas)  # bytes behind an MP4 are nothing
    tar, old = (
        tar_of(members, tarfile.PAX_FORMAT)
        for members in ([("b.mp4", two), ("a.mp4", one)], [("a.mp4", one), ("b.mp4", two)])
    )
    path = put(tar, index_of(old))
    frames = [read_video(f"{path}::{name}.mp4", lambda _: np.array([[0]])).images for name in "ab"]
    right = [read_video(tmp_path / f"{i}.mp4", lambda _: np.array([[0]])).images for i in (1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(frames, right, strict=True))


SIZE = 10240
MALFORMED = {
    "no JSON": b"\x00{",
    "empty": b"",
    "a list": b"[1]",
    "deep": b"[" * 10**5,
    "no members": {"bytes": SIZE},
    "members are a list": {"bytes": SIZE, "members": [1]},
    "no bytes": {"members": {"a.mp4": [512, 3]}},
    "one number": {"bytes": SIZE, "members": {"a.mp4": [512]}},
    "three numbers": {"bytes": SIZE, "members": {"a.mp4": [512, 3, 3]}},
    "texts": {"bytes": SIZE, "members": {"a.mp4": ["512", "3"]}},
    "a text": {"bytes": SIZE, "members": {"a.mp4": "ab"}},
    "halves": {"bytes": SIZE, "members": {"a.mp4": [512.5, 3]}},
    "null": {"bytes": SIZE, "members": {"a.mp4": None}},
    "true": {"bytes": SIZE, "members": {"a.mp4": [512, True]}},
    "negative place": {"bytes": SIZE, "members": {"a.mp4": [-512, 3]}},
    "negative size": {"bytes": SIZE, "members": {"a.mp4": [512, -1]}},
    "huge place": {"bytes": SIZE, "members": {"a.mp4": [2**60, 3]}},
    "huge size": {"bytes": SIZE, "members": {"a.mp4": [512, 2**60]}},
    "within a header": {"bytes": SIZE, "members": {"a.mp4": [513, 3]}},
    "another size": {"bytes": SIZE, "members": {"a.mp4": [512, 4]}},
    "5000 digits": b'{"bytes": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_index_is_said_and_the_shard_read(put, kind, caplog):
    tar = tar_of([("a.mp4", b"abc")], tarfile.PAX_FORMAT)
    assert len(tar) == SIZE
    index = MALFORMED[kind]
    path = put(tar, index if isinstance(index, bytes) else json.dumps(index).encode())
    assert sources.missing([f"{path}::a.mp4", f"{path}::b.mp4"]) == [1]
    assert read(f"{path}::a.mp4") == b"abc"
    assert "index.json is damaged or of another" in caplog.text or "is stale" in caplog.text


def test_an_index_of_something_that_is_no_tar_is_one_error(put):
    path = put(bytes(SIZE // 2) + b"x" * (SIZE // 2), json.dumps(
        {"bytes": SIZE, "members": {"a.mp4": [512, 3]}}
    ).encode())  # fmt: skip
    with pytest.raises(SourceError, match=r"s\.tar has no member 'a\.mp4'|not an uncompressed tar"):
        read(f"{path}::a.mp4")
