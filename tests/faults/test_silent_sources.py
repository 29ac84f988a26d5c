"""Sources that never answer, met by commands that decode in their own process: named, and given up."""

import itertools
import math
import os
import threading

import numpy as np
import pytest
import torch

from tests.conftest import numbered_frame, run_tool, write_video
from timesformer.config import load_config
from timesformer.datasets import clips, load_views
from timesformer.datasets.annotations import LocatedClip
from timesformer.datasets.build import build_frame_loader
from timesformer.datasets.checks import scan
from timesformer.datasets.prepare import Resize, reencoded
from timesformer.inference import annotate
from timesformer.inference.predictor import Prediction
from timesformer.video import READERS, VideoError

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


@pytest.fixture
def silence():
    """A call that waits until the test is over."""
    over = threading.Event()
    yield lambda *_, **__: over.wait(60)
    over.set()


@pytest.mark.parametrize(
    "load",
    [
        lambda path, cfg: load_views(path, cfg),
        lambda path, cfg: build_frame_loader(cfg)(path, lambda _: np.zeros((1, 2), int)),
    ],
    ids=["views", "frames"],
)
def test_a_video_to_show_has_the_time_limit_of_a_run(tiny_yaml, monkeypatch, silence, load):
    monkeypatch.setattr(clips, "GRACE_SECONDS", 0.1)
    monkeypatch.setitem(READERS, "pyav", silence)
    cfg = load_config(tiny_yaml, ["DATA.DECODE_TIMEOUT", "0.2", "DATA.DECODING_BACKEND", "pyav"])
    with pytest.raises(VideoError, match=r"^silent\.mp4: did not answer within 0\.2 seconds; "):
        load("silent.mp4", cfg)


def test_an_annotated_copy_of_what_stops_to_answer_is_given_up(tmp_path, monkeypatch, silence):
    class Stalled(annotate.Decoder):
        def frames(self):
            yield from itertools.islice(super().frames(), 2)
            silence()

    monkeypatch.setattr(annotate, "Decoder", Stalled)
    path = write_video(tmp_path / "silent.mp4", [numbered_frame(i) for i in range(5)])
    found = Prediction(str(path), torch.zeros(1), torch.ones(1), ("up",))
    with pytest.raises(VideoError, match=r"silent\.mp4: no answer within 0\.3 seconds, so no ann"):
        annotate.annotate(found, tmp_path / "b.mp4", seconds=0.3)
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_whose_size_is_not_told_is_scanned_under_the_limit(monkeypatch, silence):
    states = {"s3://a.mp4": (7, 0), "s3://gone.mp4": None}
    monkeypatch.setattr(
        scan, "file_state", lambda name: states[name] if name in states else silence()
    )
    found = scan._states(["s3://silent.mp4", *states], 0.2)
    assert found == {"s3://silent.mp4": scan.SILENT, "s3://a.mp4": (7, 0)}


@posix
def test_shards_of_a_list_with_a_pipe_are_refused_by_its_name(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "a.mp4").write_bytes(b"a")
    (tmp_path / "train.csv").write_text("a.mp4 0\npipe.mp4 1\n")
    done = run_tool("make_shards.py", tmp_path / "train.csv", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "pipe.mp4 is a pipe (FIFO), but a regular file is wanted" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_slow_video_is_not_resized_and_the_others_are(tmp_path):
    write_video(tmp_path / "in/slow.mp4", [numbered_frame(3)] * 4)
    done = tmp_path / "out/videos-32/done.mp4"
    done.parent.mkdir(parents=True)
    done.touch()  # as a run before has left it
    paths = [tmp_path / "in/slow.mp4", tmp_path / "in/done.mp4"]
    parts = {"train": [LocatedClip(path, (0,), "train", math.nan, math.nan) for path in paths]}
    kept, failures = reencoded(
        parts, tmp_path / "in", tmp_path / "out", Resize(32, 1, time_limit=1e-9)
    )
    assert [entry.path for entry in kept["train"]] == [done]
    assert len(failures) == 1
    assert failures[0].endswith("slow.mp4: not re-encoded within 1e-09 seconds")
