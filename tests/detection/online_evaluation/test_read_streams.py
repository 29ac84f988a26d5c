"""Files and folders of scores, of watch and of detect."""

import json

import numpy as np
import pytest

from tests.detection.online_evaluation.made import LABELS, write_streams
from timesformer.detection.online_evaluation.read_streams import read_scores, read_streams
from timesformer.detection.online_evaluation.streams import StreamError
from timesformer.detection.timeline import Timeline, TimelineError


def save(path, windows=((0, 2), (0.5, 2.5), (1, 3)), rows=3, duration=3.2, names=LABELS):
    scores = np.full((rows, len(names)), 0.25, np.float32)
    Timeline("/v/x.mp4", np.array(windows, float), scores, names, duration).save(path)
    return path


def test_a_folder_has_both_kinds_by_name(tmp_path):
    _, folder = write_streams(tmp_path)
    save(folder / "v00.scores.npz")
    (folder / "rules.yaml").write_text("")
    streams = read_streams([folder])
    assert [stream.video for stream in streams] == ["v0", "v00", "v1", "v2"]
    assert [
        stream.video for stream in read_streams([folder / "v2.jsonl", folder / "v1.jsonl"])
    ] == [
        "v1",
        "v2",
    ]


def test_scores_of_detect_are_known_when_windows_end(tmp_path):
    path = save(tmp_path / "x.scores.npz")
    stream = read_scores(path)
    assert (stream.video, stream.stride, stream.duration) == ("x", 0.5, 3.2)
    assert (stream.delays, stream.announced, stream.unread) == (None, None, 0)
    assert stream.windows[:, 1].tolist() == [2, 2.5, 3]
    assert read_scores(path, video="y").video == "y"


def test_a_video_that_is_shorter_than_its_window_ends_it(tmp_path):
    path = save(tmp_path / "x.scores.npz", windows=[(0, 2)], rows=1, duration=1.5)
    stream = read_scores(path)
    assert (stream.windows.tolist(), stream.stride) == ([[0, 1.5]], 1.5)


def test_windows_in_gaps_are_unread(tmp_path):
    path = tmp_path / "x.scores.npz"
    scores = np.full((2, 4), 0.25, np.float32)
    scores[0] = np.nan
    Timeline("x", np.array([(0, 2), (1, 3.0)]), scores, LABELS, 3.0).save(path)
    stream = read_scores(path)
    assert (stream.unread, stream.windows.tolist()) == (1, [[1, 3]])
    scores[1] = np.nan
    Timeline("x", np.array([(0, 2), (1, 3.0)]), scores, LABELS, 3.0).save(path)
    with pytest.raises(StreamError, match="no window has scores; detect again"):
        read_scores(path)


def test_what_does_not_fit_is_named(tmp_path):
    _, folder = write_streams(tmp_path)
    with pytest.raises(StreamError, match=r"--video names one stream, and there are 3 files"):
        read_streams([folder], video="x")
    assert read_streams([folder / "v0.jsonl"], video="x")[0].video == "x"
    text = (folder / "v1.jsonl").read_text()
    (tmp_path / "again.jsonl").write_text(text)
    with pytest.raises(StreamError, match=r"again\.jsonl and .*v1\.jsonl are both of v1"):
        read_streams([folder, tmp_path / "again.jsonl"])
    (tmp_path / "again.jsonl").write_text(text.replace(json.dumps(LABELS[1]), '"other"', 1))
    with pytest.raises(
        StreamError, match=r"have other classes \(4 and 4\); evaluate streams of one"
    ):
        read_streams([folder / "v0.jsonl", tmp_path / "again.jsonl"])
    (tmp_path / "none").mkdir()
    with pytest.raises(StreamError, match="no scores in this folder; they are files NAME.jsonl"):
        read_streams([tmp_path / "none"])
    (tmp_path / "x.scores.npz").write_text("no")
    with pytest.raises(TimelineError, match="not a file of scores"):
        read_streams([tmp_path / "x.scores.npz"])
