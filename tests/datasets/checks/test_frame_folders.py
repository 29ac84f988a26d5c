"""Frame folders, tars, URLs and SSv2 lists are checked as video files are."""

import json
import tarfile

import cv2
import numpy as np

from tests.conftest import numbered_frame
from timesformer.datasets.checks.inspection import inspect_video, thumbnail_strip
from timesformer.datasets.checks.listing import ListedVideo, read_listing
from timesformer.datasets.checks.scan import scan


def folder(path, *, count=8, size=(96, 64)):
    path.mkdir(parents=True)
    for i in range(count):
        image = numbered_frame(i, height=size[1], width=size[0])
        cv2.imwrite(str(path / f"img_{i:05d}.jpg"), image)
    return str(path)


def test_a_folder_of_frames_has_facts_and_a_strip(tmp_path):
    path = folder(tmp_path / "a")
    facts = inspect_video(path)
    assert facts[:2] == (8, 0)
    assert (facts.width, facts.height, facts.codec, facts.problem) == (96, 64, "images", "")
    assert len(bytes.fromhex(facts.picture)) == 3 * 8 * 9
    assert facts.content == inspect_video(folder(tmp_path / "b")).content
    strip = cv2.imdecode(np.frombuffer(thumbnail_strip(path), np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape == (72, 4 * 108, 3)


def test_what_is_wrong_with_a_folder_is_named(tmp_path):
    path = folder(tmp_path / "broken")
    (tmp_path / "broken/img_00003.jpg").write_text("no image")
    facts = inspect_video(path)
    assert (facts.problem, facts.frames) == ("damaged", 7)
    assert "1 of 8 frames are no images, the first: " in facts.detail
    path = folder(tmp_path / "two sizes")
    cv2.imwrite(f"{path}/img_00009.jpg", numbered_frame(9, height=32, width=32))
    assert inspect_video(path).detail == "its frames differ in size: 32 x 32, 96 x 64"
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.jpg").write_text("no image")
    assert inspect_video(str(tmp_path / "text")).problem == "unreadable"
    (tmp_path / "empty").mkdir()
    assert "a folder without frames" in inspect_video(str(tmp_path / "empty")).detail


def test_members_of_tars_and_urls_are_scanned_and_remembered(tmp_path, numbered_video):
    video = numbered_video(20)
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        tar.add(video, "1.mp4")
    file = tmp_path / "train.csv"
    url = f"file://{video}"
    file.write_text(f"s.tar::1.mp4 0\n{url} 0\ns.tar::2.mp4 0\nfile:///gone.mp4 0\nvideo.mp4 0\n")

    def check():
        listing = read_listing(file, prefix="", separator=" ")
        return scan([listing], workers=1, seconds=60, again=False, progress=lambda a, n: a)

    rows = check().rows
    assert set(rows) == {f"{tmp_path}/s.tar::1.mp4", url, str(video)}
    facts = {(row.frames, row.content, row.size) for row in rows.values()}
    assert facts == {(20, rows[str(video)].content, video.stat().st_size)}
    assert check()[1:] == (0, 3)


def test_the_videos_of_an_ssv2_list_are_the_folders_of_their_frames(tmp_path):
    folder(tmp_path / "7", count=2)
    (tmp_path / "something-something-v2-labels.json").write_text('{"Pushing": "5"}')
    videos = [{"id": "7", "template": "Pushing"}]
    (tmp_path / "something-something-v2-train.json").write_text(json.dumps(videos))
    lines = [f'7 0 {i} 7/img_{i:05d}.jpg ""' for i in range(2)]
    header = "original_vido_id video_id frame_id path labels"
    (tmp_path / "train.csv").write_text("\n".join([header, *lines]))
    listing = read_listing(tmp_path / "train.csv", prefix=str(tmp_path), separator=" ")
    assert listing.entries == [ListedVideo("train", 0, str(tmp_path / "7"), 5)]
    assert inspect_video(listing.entries[0].video).frames == 2
