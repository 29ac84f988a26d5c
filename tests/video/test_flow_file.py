"""Files of flow: any field by itself, the timeline of the video, and files that are not what they say."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest

from timesformer.video import VideoError
from timesformer.video.flow import FlowSettings
from timesformer.video.flow_file import (
    META,
    SAMPLE_BYTES,
    WHOLE_BYTES,
    FlowFileError,
    FlowMeta,
    FlowWriter,
    UnreadableError,
    digest,
    flow_path,
    read_fields,
    read_meta,
    write_failure,
)
from timesformer.video.remarks import Remark
from timesformer.video.timeline import Timeline

SETTINGS = FlowSettings("dis", 20.0, 256)
FIELDS = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 2)).astype(np.uint8)
TIMELINE = Timeline(
    np.array([0, 3, 7, 9, 12, 15]), 29.97, 6, 18, 1 / 90, np.int64(6), np.bool_(True)
)
META_OF_IT = FlowMeta(
    SETTINGS, TIMELINE, (6, 8), (60, 80), "a.mp4", (0.5, -1.0), (Remark("HDR", "of a kind"),)
)


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "a.npz"
    with found.open("wb") as file:
        writer = FlowWriter(file)
        for field in FIELDS:
            writer.add(field)
        writer.finish(META_OF_IT)
    return found


def rewritten(path, name, data):
    """The file with another member ``name``; None removes it."""
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    members |= {name: data}
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in members.items():
            if content is not None:
                archive.writestr(each, content)


def array(values):
    data = io.BytesIO()
    np.save(data, values)
    return data.getvalue()


def test_what_was_written_is_read(path):
    meta = read_meta(path, settings=SETTINGS)
    assert np.array_equal(meta.timeline.pts, TIMELINE.pts)
    assert meta.timeline[1:] == TIMELINE[1:]
    assert meta._replace(timeline=TIMELINE) == META_OF_IT
    frames = read_fields(path, lambda timeline: np.array([[4, 1], [1, 3]]), settings=SETTINGS)
    assert np.array_equal(frames.images[frames.index], FIELDS[[[4, 1], [1, 3]]])
    assert frames.remarks == META_OF_IT.remarks


def test_numpy_reads_a_field(path):
    assert np.array_equal(np.load(path)["000003"], FIELDS[3].transpose(2, 0, 1))


def test_the_name_follows_the_bytes_and_not_the_place(tmp_path):
    a = tmp_path / "a.mp4"
    a.write_bytes(b"video")
    first = digest([str(a)])
    assert digest([shutil.move(a, tmp_path / "b.mp4")]) == first
    (tmp_path / "b.mp4").write_bytes(b"vide0")
    assert digest([str(tmp_path / "b.mp4")]) != first
    assert flow_path("cache", "abc").as_posix() == "cache/ab/abc.npz"


@pytest.mark.parametrize("at", [0, (WHOLE_BYTES + SAMPLE_BYTES) // 2, WHOLE_BYTES + 999])
def test_large_files_are_sampled_at_their_beginning_middle_and_end(tmp_path, at):
    data = bytearray(WHOLE_BYTES + 1000)
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    before = digest([str(path)])
    data[at] = 1
    path.write_bytes(data)
    assert digest([str(path)]) != before


def test_a_folder_of_frames_has_a_name_of_its_images(tmp_path):
    files = [tmp_path / f"{i}.png" for i in range(5)]
    for i, file in enumerate(files):
        file.write_bytes(bytes([i]))
    names = [str(file) for file in files]
    first = digest(names)
    assert digest(names) == first
    files[1].write_bytes(b"longer")
    assert digest(names) != first
    assert digest(names[:4]) != first


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (META, None),
        (META, b"{"),
        (META, b"[]"),
        (META, json.dumps({"format": 1, "settings": {}}).encode()),
        (META, json.dumps({"format": 99}).encode()),
        ("pts.npy", None),
        ("000001.npy", None),
        ("000001.npy", b"junk"),
        ("000001.npy", array(np.zeros((2, 6, 9), np.uint8))),
        ("000001.npy", array(np.zeros((2, 6, 8), np.int8))),
        ("000001.npy", array(np.zeros((2000, 6, 8), np.uint8))),
        ("000001.npy", array(np.array([{}], dtype=object))),
    ],
)
def test_a_damaged_file_is_named_and_is_a_video_that_cannot_be_read(path, name, data):
    rewritten(path, name, data)
    with pytest.raises(VideoError, match=r"a.npz is damaged \(.*delete it and extract"):
        read_fields(path, lambda timeline: np.array([[1]]), settings=SETTINGS)


def test_a_cut_file_is_damaged(path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FlowFileError, match="is damaged"):
        read_meta(path)


def test_flipped_bits_are_noticed(path):
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(FlowFileError, match="is damaged"):
        read_fields(path, lambda timeline: np.array([[0]]), settings=SETTINGS)


def test_no_wrong_byte_ends_in_another_error(path):
    whole = path.read_bytes()
    places = range(0, len(whole), 3)
    found = 0
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_fields(path, lambda t: np.arange(5)[None], settings=SETTINGS)
        except FlowFileError:
            found += 1
    assert found > len(places) / 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "tvl1"}, "flow of method dis, not tvl1"),
        ({"bound": 10.0}, "flow of bound 20.0, not 10.0"),
        ({"short_side": 128, "bound": 5.0}, "bound 20.0, not 5.0, short_side 256, not 128"),
        ({"apply_rotation": True}, "apply_rotation False, not True"),
    ],
)
def test_flow_of_other_settings_is_refused_by_name(path, changes, message):
    with pytest.raises(FlowFileError, match=message):
        read_fields(
            path, lambda timeline: np.zeros((1, 1), int), settings=SETTINGS._replace(**changes)
        )


def test_why_a_video_has_no_flow_is_kept(tmp_path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        write_failure(file, SETTINGS, name="a.mp4", error="a.mp4: no decodable frame")
    with pytest.raises(UnreadableError, match="a.mp4: no decodable frame"):
        read_meta(path, settings=SETTINGS)
