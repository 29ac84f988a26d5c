import os

import av
import cv2
import numpy as np
import pytest

from timesformer.config import config_of
from timesformer.datasets.build import build_frame_loader
from timesformer.datasets.folders import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    VideoFolder,
    frame_files,
    natural_key,
)
from timesformer.video import VideoError


def test_numbers_in_names_count_as_numbers():
    names = ["f10", "f9b", "f9a", "a", "12", "f"]
    assert sorted(names, key=natural_key) == ["12", "a", "f", "f9a", "f9b", "f10"]


def test_a_folder_without_frames_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(VideoError, match="a folder without frames; extract them"):
        frame_files(tmp_path)


def test_videos_are_found_by_name_whatever_their_suffix(tmp_path):
    for name in ("run/a.mp4", "walk/a.AVI", "b.v1.webm", "frames/c.1/img_1.png", "x/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    videos = VideoFolder(tmp_path)
    found = {
        name: str(path.relative_to(tmp_path)) if path else None
        for name in ("a", "a.mp4", "walk/a.avi", "b.v1", "b.v1.mp4", "c.1", "other/a.AVI", "z")
        for path in [videos.find(name)]
    }
    assert found == {
        "a": "run/a.mp4", "a.mp4": "run/a.mp4", "walk/a.avi": "walk/a.AVI", "b.v1": "b.v1.webm",
        "b.v1.mp4": "b.v1.webm", "c.1": "frames/c.1", "other/a.AVI": "walk/a.AVI", "z": None,
    }  # fmt: skip
    assert videos.find("a", parents=("walk",)) == tmp_path / "walk/a.AVI"
    assert len(videos.paths) == 4


IMAGES_AND_SOUND = {  # extensions of FFmpeg's containers that are no videos of ours
    "avif", "heic", "heif", "m4a", "m4b", "mka", "mks", "isma", "ism", "ra",
    "wma", "oga", "chk", "avs",
}  # fmt: skip


def test_every_video_suffix_of_the_decoders_containers_is_known():
    known, video = set(), set()
    for name in av.formats_available:
        for mode in "rw":
            try:
                form = av.ContainerFormat(name, mode)
            except ValueError:
                continue
            known |= form.extensions
            if mode == "w" and name in MUXERS.split():
                video |= form.extensions
    suffixes = {suffix[1:] for suffix in VIDEO_SUFFIXES}
    assert {each.lower() for each in video} - IMAGES_AND_SOUND <= suffixes
    aliases = (
        "qt divx xvid rmvb ogm dvr-ms mpe mpv mpv2 mp2v m2p vro mod tod tp trp nsv vc2 ty mk3d"
    )
    assert suffixes - known <= set(aliases.split())
    named = (
        ".ts .mts .m2ts .3gp .ogv .vob .m2v .mxf .f4v .3g2 .asf .y4m .h264 .hevc .gif .rm .dv .wtv"
    )
    assert set(named.split()) <= VIDEO_SUFFIXES
    assert not VIDEO_SUFFIXES & IMAGE_SUFFIXES


# what FFmpeg writes videos with
MUXERS = """
3g2 3gp amv apng apv asf asf_stream avi avs2 avs3 cavsvideo dirac dnxhd dv evc f4v flv gif gxf h261 h263
h264 hevc ismv ivf m4v matroska mjpeg mov mp4 mpeg mpeg1video mpeg2video mpegts mxf nut obu ogg ogv psp rm
roq svcd swf vc1 vc1test vob vvc webm wtv yuv4mpegpipe
"""


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def below(videos):
    return [path.relative_to(videos.root).as_posix() for path in videos.paths]


def test_what_is_not_used_is_counted_and_named_by_suffix_and_reason(tmp_path):
    make(
        tmp_path, "run/a.MTS", "run/a.txt", "run/b.TXT", "run/a.jpg", "run/._a.MTS", "run/.DS_Store",
        "run/.hidden.mp4", ".cache/x.mp4", "cover.png", "frames/c/1.jpg", "frames/c/flow_x_1.jpg",
        "frames/c/._1.jpg", "frames/c/sound.wav", "README", "sit/Thumbs.db", "walk/cover.jpg",
        "walk/c/1.jpg", "walk/c/2.jpg",
    )  # fmt: skip
    (tmp_path / "run/gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "empty").mkdir()
    videos = VideoFolder(tmp_path)
    assert below(videos) == ["frames/c", "run/a.MTS", "walk/c"]
    lines = videos.describe_unused()
    assert [line.removeprefix("not used: ") for line in lines] == [
        "2 ._*: AppleDouble files of macOS; the first: frames/c/._1.jpg",
        "2 .txt: not a video; the first: run/a.txt",
        "2 folder(s): without a video; the first: empty",
        "2 hidden: names that begin with a dot; the first: .cache",
        "1 .DS_Store: written by the desktop; the first: run/.DS_Store",
        "1 .jpg: flow images; the first: frames/c/flow_x_1.jpg",
        "1 .jpg: images beside videos; the first: run/a.jpg",
        "1 .jpg: images outside a frame folder; the first: walk/cover.jpg",
        "1 .png: images outside a frame folder; the first: cover.png",
        "1 .wav: not a video; the first: frames/c/sound.wav",
        "1 Thumbs.db: written by the desktop; the first: sit/Thumbs.db",
        "1 link(s): lead to nothing; the first: run/gone.mp4",
        "1 files of 1 other kinds",
    ]


def test_hidden_images_are_no_frames_and_ties_do_not_depend_on_the_file_system(tmp_path):
    make(tmp_path, "._00000.jpg", "00000.jpg", ".thumb.png", "1.jpg", "01.jpg", "a²1.jpg")
    assert [os.path.basename(name) for name in frame_files(tmp_path)] == [
        "00000.jpg", "01.jpg", "1.jpg", "a²1.jpg",
    ]  # fmt: skip


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    make(tmp_path, "store/run/a.mp4", "store/sit/b.mp4", "root/walk/c.mp4")
    root = tmp_path / "root"
    (root / "run").symlink_to(tmp_path / "store/run")
    (root / "again").symlink_to(tmp_path / "store/run")
    (root / "deep").mkdir()
    (root / "deep/sit").symlink_to(tmp_path / "store/sit")
    (root / "walk/up").symlink_to(root)
    (tmp_path / "store/run/self").symlink_to(tmp_path / "store/run")
    (root / "link.mp4").symlink_to(tmp_path / "store/sit/b.mp4")
    videos = VideoFolder(root)
    assert below(videos) == [
        "link.mp4", "again/a.mp4", "deep/sit/b.mp4", "run/a.mp4", "walk/c.mp4",
    ]  # fmt: skip
    (line,) = videos.describe_unused()
    assert line == "not used: 3 link(s): lead to a folder above them; the first: again/self"


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    make(tmp_path, "run/a.mp4", "secret/b.mp4")
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == "secret":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    videos = VideoFolder(tmp_path)
    assert below(videos) == ["run/a.mp4"]
    (line,) = videos.describe_unused()
    assert line == ("not used: 1 folder(s): cannot be read (Permission denied); the first: secret")


ORIENTED = b"\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03"
ORIENTED += b"\x00\x00\x00\x01\x00\x06" + bytes(
    6
)  # a JPEG segment that says: turn by a quarter to be seen


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_frame_folder_of_one_image_is_read_as_several_are(tmp_path, suffix):
    image = np.random.default_rng(0).integers(0, 255, (24, 40, 3), dtype=np.uint8)
    data = cv2.imencode(suffix, image)[1].tobytes()
    if suffix == ".jpg":
        data = data[:2] + ORIENTED + data[2:]
    for name in ("one/0", "two/0", "two/1"):
        make(tmp_path, name + suffix)
        (tmp_path / (name + suffix)).write_bytes(data)
    load_frames = build_frame_loader(config_of({}, [], source="test"))
    one, two = (
        load_frames(tmp_path / name, lambda timeline: np.zeros((1, 2), int))
        for name in ("one", "two")
    )
    assert np.array_equal(one.images, two.images)
    assert one.images.shape[1:] == ((40, 24, 3) if suffix == ".jpg" else (24, 40, 3))
