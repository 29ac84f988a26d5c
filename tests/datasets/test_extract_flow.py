"""Extraction: one decode of each video, and an interrupted one resumes."""

import itertools
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.video.moving import moving_video, shifted
from timesformer.datasets.extract_flow import extract_flow, listed_sources, table_rows
from timesformer.files import WriteError
from timesformer.video import read_folder, read_video
from timesformer.video.flow import FieldMaker, FlowError, FlowSettings
from timesformer.video.flow_file import digest, flow_path, read_fields

SETTINGS = FlowSettings("farneback", 20.0, 256)


def extract(sources, out, settings=SETTINGS):
    names = [str(source) for source in sources]
    return extract_flow(names, out, settings, weights="", workers=1)


def naive(images, settings=SETTINGS):
    maker = FieldMaker(settings)
    pairs = itertools.pairwise(images)
    return np.stack([maker.between(maker.prepare(a), maker.prepare(b)) for a, b in pairs])


def everything(timeline):
    return np.arange(len(timeline.pts))[None]


def fields_of(out, files):
    path = flow_path(out, digest([str(file) for file in files]))
    fields = read_fields(path, lambda t: np.arange(len(t.pts) - 1)[None], settings=SETTINGS)
    return fields.images


def test_every_pair_of_frames_has_its_field_and_a_frame_is_decoded_once(tmp_path):
    video = moving_video(tmp_path / "a.mp4", 9, (3, -2))
    [found] = extract([video], tmp_path / "flow")
    images = read_video(video, everything).images
    assert np.array_equal(fields_of(tmp_path / "flow", [video]), naive(images))
    assert found.is_new
    assert found.row[2:5] == (8, 128, 96)
    assert np.abs(np.array(found.meta.mean) - (3, -2)).max() < 0.15


def test_the_timeline_of_a_cached_video_is_that_of_the_file(tmp_path):
    video = moving_video(tmp_path / "a.mp4", 9, (1, 0))
    [found] = extract([video], tmp_path / "flow")
    timeline = read_video(video, everything).timeline
    assert found.meta.timeline[1:] == timeline[1:]
    assert np.array_equal(found.meta.timeline.pts, timeline.pts)


def test_a_folder_of_frames_has_flow(tmp_path):
    files = []
    for i, image in enumerate(shifted(4, (2, 0))):
        (tmp_path / "frames").mkdir(exist_ok=True)
        files.append(tmp_path / f"frames/{i}.png")
        cv2.imwrite(str(files[-1]), image[..., ::-1])
    extract([tmp_path / "frames"], tmp_path / "flow")
    images = read_folder(files, everything).images
    assert np.array_equal(fields_of(tmp_path / "flow", files), naive(images))


def test_what_is_there_is_not_made_again_and_copies_are_read_once(tmp_path):
    one, two = (moving_video(tmp_path / f"{n}.mp4", 5, (n, 0)) for n in (1, 2))
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(two.read_bytes())
    extract([one], tmp_path / "flow")
    found = extract([one, two, copy], tmp_path / "flow")
    assert [each.is_new for each in found] == [False, True, True]
    assert found[1].path == found[2].path
    assert [row[0] for row in table_rows(found)][1:] == [str(one), str(two), str(copy)]


def test_a_damaged_file_is_made_again(tmp_path):
    video = moving_video(tmp_path / "a.mp4", 5, (1, 0))
    [found] = extract([video], tmp_path / "flow")
    whole = found.path.read_bytes()
    found.path.write_bytes(whole[:-5])
    [again] = extract([video], tmp_path / "flow")
    assert again.is_new
    assert found.path.read_bytes() == whole


def test_a_folder_with_flow_of_other_settings_is_refused(tmp_path):
    video = moving_video(tmp_path / "a.mp4", 3, (1, 0))
    extract([video], tmp_path / "flow")
    with pytest.raises(
        FlowError, match="flow holds flow of bound 20.0, not 5.0; use another --out"
    ):
        extract([video], tmp_path / "flow", SETTINGS._replace(bound=5.0))


def test_videos_that_cannot_be_read_are_told_and_the_others_are_done(tmp_path):
    good = moving_video(tmp_path / "a.mp4", 3, (1, 0))
    broken = tmp_path / "b.mp4"
    broken.write_bytes(b"no video")
    found = extract([broken, tmp_path / "c.mp4", good], tmp_path / "flow")
    assert [each.meta is None for each in found] == [True, True, False]
    assert "b.mp4" in found[0].error
    assert "c.mp4" in found[1].error
    again = extract([broken, good], tmp_path / "flow")
    assert "b.mp4" in again[0].error
    assert not again[1].is_new


def test_a_video_of_one_frame_has_no_field(tmp_path):
    video = moving_video(tmp_path / "a.mp4", 1, (1, 0))
    [found] = extract([video], tmp_path / "flow")
    assert found.meta.num_fields == 0


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    video = moving_video(tmp_path / "a.mp4", 3, (1, 0))
    (tmp_path / "flow").write_text("a file")
    with pytest.raises((WriteError, OSError)):
        extract([video], tmp_path / "flow")


def test_a_list_names_its_videos_once_whatever_their_labels_are(tmp_path):
    (tmp_path / "a.csv").write_text("a.mp4 3;7\nb.mp4 1 0.5 1.5\na.mp4 99\n")
    assert listed_sources(tmp_path / "a.csv", prefix="/data", separator=" ") == [
        "/data/a.mp4",
        "/data/b.mp4",
    ]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_extraction_resumes_and_leaves_the_same_files(tmp_path):
    videos = [moving_video(tmp_path / f"{n}.mp4", 12, (n, 1)) for n in range(6)]
    (tmp_path / "a.csv").write_text("".join(f"{video} 0\n" for video in videos))
    command = [sys.executable, "-m", "timesformer", "extract-flow", tmp_path / "a.csv",
               "--out", tmp_path / "flow", "--method", "farneback", "--workers", "1"]  # fmt: skip
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list((tmp_path / "flow").glob("*/*.npz")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(list((tmp_path / "flow").glob("*/*.npz")))
    found = extract(videos, tmp_path / "flow")
    assert before >= 1
    assert sum(not each.is_new for each in found) >= before
    for video in videos:
        images = read_video(video, everything).images
        assert np.array_equal(fields_of(tmp_path / "flow", [video]), naive(images))
