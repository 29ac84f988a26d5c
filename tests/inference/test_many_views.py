"""Scores of many views while a video is decoded: those of all views cut first, to the bit."""

import cv2
import numpy as np
import pytest
import torch

from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.inference import many_views
from timesformer.inference.forward_clips import ForwardClips
from timesformer.inference.many_views import build_many_views
from timesformer.inference.predictor import Predictor


@pytest.fixture
def both_ways(trained, monkeypatch):
    """What a function of a predictor returns at once, and while the video is decoded."""

    def run(call, *overrides, views):
        found = []
        for many in (10**6, 0):
            monkeypatch.setattr(many_views, "MANY", many)
            predictor = Predictor.from_checkpoint(trained(*overrides)[1], "cpu", views=views)
            assert (build_many_views(predictor.cfg) is None) == bool(many)
            found.append(call(predictor))
        return found

    return run


@pytest.mark.parametrize(
    ("overrides", "views"),
    [((), "40x1"), (("TEST.FORWARD_BATCH", "7"), "9x3"), (("TEST.FORWARD_BATCH", "64"), "9x3"),
     (("DATA.ENSEMBLE_METHOD", "softmax", "TEST.VIEW_PLACEMENT", "paper"), "40x2"),
     (("DATA.REVERSE_INPUT_CHANNEL", "True"), "12x1")],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)  # fmt: skip
def test_predictions_are_the_same_to_the_bit(both_ways, numbered_video, tmp_path, overrides, views):
    even = numbered_video(200)
    uneven = numbered_video(60, pts=[*range(30), *range(60, 90)], name="uneven.mp4")
    short = numbered_video(9, name="short.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(40):
        cv2.imwrite(str(folder / f"{i:03d}.png"), np.full((40, 50, 3), 6 * i, np.uint8))
    videos = [str(path) for path in (even, uneven, short, tmp_path / "bad.mp4", folder, even, even)]
    segments = np.full((len(videos), 2), np.nan)
    segments[5:] = [[1.0, 3.0], [90.0, 91.0]]
    rows = VideoList(PackedStrings(videos), np.zeros(len(videos), int), "rows", (), segments)
    before, after = both_ways(lambda model: model.predict(rows), *overrides, views=views)
    assert [each.video for each in after] == videos
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old.scores, new.scores)
        assert torch.equal(old.probabilities, new.probabilities)
        assert (old.error, old.span, old.remarks) == (new.error, new.span, new.remarks)
    assert [bool(each.error) for each in after] == [False, False, False, True, False, False, True]


@pytest.mark.parametrize("tokens", ["cls", "frames"])
def test_features_too(both_ways, numbered_video, tokens):
    video = numbered_video(100)
    before, after = both_ways(lambda model: model.features(video, tokens=tokens), views="11x2")
    assert torch.equal(before, after)


def test_where_all_views_are_cut_first(trained, monkeypatch):
    monkeypatch.setattr(many_views, "MANY", 10)
    cfg = Predictor.from_checkpoint(trained()[1], "cpu", views="5x2").cfg
    assert build_many_views(cfg) is None
    ssv2 = Predictor.from_checkpoint(trained("TEST.DATASET", "ssv2")[1], "cpu", views="11x1").cfg
    assert build_many_views(ssv2) is None
    other = ["DATA.DECODING_BACKEND", "torchcodec"]
    model = Predictor.from_checkpoint(trained()[1], "cpu", views="11x1", overrides=other)
    assert build_many_views(model.cfg) is None


def test_frames_are_kept_no_longer_than_a_clip_needs_them(trained, numbered_video, monkeypatch):
    most, take = 0, ForwardClips.take

    def look(self, place, image):
        nonlocal most
        take(self, place, image)
        most = max(most, len(self.held))

    monkeypatch.setattr(ForwardClips, "take", look)
    model = Predictor.from_checkpoint(trained()[1], "cpu", views="300x1")
    [found] = model.predict([str(numbered_video(400))])
    assert not found.error
    assert 4 <= most <= 20  # of 400; a clip spans 16 frames
