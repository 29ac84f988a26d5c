"""Every window of a long video scores, to the bit, what ``predict`` says of the same seconds."""

import numpy as np
import pytest

from tests.conftest import SHARED, write_video
from timesformer.config import ConfigError
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.detection.detector import Detector
from timesformer.detection.online.watcher import Watcher
from timesformer.inference.predictor import Predictor
from timesformer.video import VideoError
from timesformer.video.flow import FieldMaker

UNEVEN = "cases/videos/pause.mp4"


@pytest.fixture
def predictor(trained):
    def make(*overrides, views="1x1"):
        return Predictor.from_checkpoint(trained(*overrides)[1], "cpu", views=views)

    return make


def predicted(predictor, video, windows):
    """Probabilities of rows ``path label start end``."""
    count = len(windows)
    rows = VideoList(PackedStrings([str(video)] * count), np.zeros(count, int), "rows", (), windows)
    return [each.probabilities.numpy() for each in predictor.predict(rows)]


@pytest.mark.parametrize(
    "keys",
    [(), ("DATA.ENSEMBLE_METHOD", "softmax"), ("DATA.REVERSE_INPUT_CHANNEL", "True"),
     ("TEST.DATASET", "ssv2")],
    ids=lambda keys: " ".join(keys),
)  # fmt: skip
def test_a_window_scores_as_a_list_row(predictor, numbered_video, keys):
    video, model = numbered_video(150), predictor(*keys)
    found = Detector(model, stride=0.25, span=1.0 if "ssv2" in keys else None, batch=5).run(video)
    assert len(found.windows) > 15
    assert np.array_equal(found.probabilities, predicted(model, video, found.windows))
    assert found.decoded <= 150
    assert found.duration == pytest.approx(5)


@pytest.mark.parametrize(
    "keys",
    [(), ("DATA.ENSEMBLE_METHOD", "softmax"), ("DATA.REVERSE_INPUT_CHANNEL", "True",
     "TEST.FORWARD_BATCH", "8")],
    ids=lambda keys: " ".join(keys),
)  # fmt: skip
@pytest.mark.parametrize("crops", [2, 3])
def test_a_window_of_several_crops_scores_as_a_list_row(predictor, numbered_video, keys, crops):
    video, model = numbered_video(90), predictor(*keys, views=f"1x{crops}")
    found = Detector(model, stride=0.25, crops=crops, batch=3).run(video)
    assert np.array_equal(found.probabilities, predicted(model, video, found.windows))
    one = Detector(model, stride=0.25, batch=3).run(video)
    assert not np.array_equal(found.probabilities, one.probabilities)


@pytest.mark.parametrize("name", [UNEVEN, "codecs/torchcodec__nasa_13013.mp4", "cases/videos/trim.mp4",
                                  "cases/videos/packed.avi", "cases/videos/concat.ts"])  # fmt: skip
def test_files_as_people_have_them(predictor, shared, name):
    model = predictor()
    found = Detector(model, stride=0.4).run(shared / name)
    part = np.linspace(0, len(found.windows) - 1, min(len(found.windows), 8)).astype(int)
    expected = predicted(model, SHARED / name, found.windows[part])
    shown = [row for row in zip(found.probabilities[part], expected, strict=True) if len(row[1])]
    assert len(shown) >= len(expected) / 2  # a row without a frame of its own has no prediction
    assert all(np.array_equal(ours, theirs) for ours, theirs in shown)


def test_a_folder_of_frames_is_a_video(predictor, numbered_video, tmp_path):
    import cv2

    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(60):
        cv2.imwrite(str(folder / f"{i:03d}.png"), np.full((40, 40, 3), 4 * i, np.uint8))
    model = predictor()
    found = Detector(model).run(folder)
    assert np.array_equal(found.probabilities, predicted(model, folder, found.windows))


def test_an_interrupted_run_goes_on_where_it_was(predictor, numbered_video):
    video, detector = numbered_video(150), Detector(predictor(), stride=0.25)
    kept, digests = {}, set()

    def keep(digest, number, scores):
        digests.add(digest)
        kept[number] = scores

    whole = detector.run(video, after=keep)
    [digest] = digests
    part = {digest: {number: kept[number] for number in range(9)}}
    computed = []
    again = detector.run(video, done=part, after=lambda _, number, __: computed.append(number))
    assert np.array_equal(again.probabilities, whole.probabilities)
    assert computed == list(range(9, len(whole.windows)))
    assert again.decoded < whole.decoded


def test_a_damaged_part_is_a_gap(predictor, numbered_video):
    video = numbered_video(300, gop=30)
    content = bytearray(video.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = b"\0" * third
    video.write_bytes(content)
    kept = {}
    detector = Detector(predictor(), stride=0.25)
    found = detector.run(video, after=lambda d, k, row: kept.setdefault(d, {}).__setitem__(k, row))
    unseen = np.isnan(found.probabilities).any(axis=1)
    assert found.gaps
    assert 0 < unseen.sum() < len(unseen)
    for gap in found.gaps:
        assert 0 < gap.start < gap.end
        assert gap.reason
    again = detector.run(video, done={list(kept)[-1]: kept[list(kept)[-1]]})  # as resumed
    assert again.gaps == found.gaps
    assert np.array_equal(again.probabilities, found.probabilities, equal_nan=True)


def test_a_grid_that_does_not_fit_is_named(predictor):
    model = predictor()
    with pytest.raises(
        ConfigError, match="--stride is 9 seconds, but must be above 0 and at most a"
    ):
        Detector(model, stride=9)
    with pytest.raises(ConfigError, match="--stride is 0 seconds"):
        Detector(model, stride=0)
    with pytest.raises(
        ConfigError, match="--span is 2, but a clip of this model has 0.533 seconds"
    ):
        Detector(model, span=2)


FLOW = ["DATA.MODALITY", "flow", "DATA.FLOW.STACK", "3"]
BOTH = ["DATA.MODALITY", "rgb+flow", "DATA.FLOW.STACK", "2", "DATA.REVERSE_INPUT_CHANNEL", "True"]


@pytest.fixture
def moving(tmp_path):
    """A film of squares that move at random, in which flow differs from frame to frame."""
    rng = np.random.default_rng(0)
    steps = rng.integers(-3, 4, (75, 3, 2)).cumsum(axis=0) + np.array(
        [[20, 40], [40, 20], [30, 60]]
    )
    texture = rng.integers(0, 256, (12, 12, 3), np.uint8)
    frames = []
    for places in steps:
        frame = np.full((64, 96, 3), 90, np.uint8)
        for y, x in np.clip(places, 0, [52, 84]):
            frame[y : y + 12, x : x + 12] = texture
        frames.append(frame)
    return write_video(tmp_path / "moving.mp4", frames)


TWO_STREAMS = ["MODEL.MODEL_NAME", "two_stream/test_resnet+late", *BOTH]


@pytest.mark.parametrize(
    ("keys", "crops"),
    [(FLOW, 1), (FLOW, 3), (BOTH, 1), (BOTH, 3), (TWO_STREAMS, 1),
     ([*FLOW, "TIMESFORMER.ATTENTION_TYPE", "space_only"], 3)],
    ids=["flow", "flow x 3", "both", "both x 3", "two streams", "frames of flow x 3"],
)  # fmt: skip
def test_a_window_of_flow_scores_as_a_list_row(predictor, moving, keys, crops):
    model = predictor(*keys, views=f"1x{crops}")
    found = Detector(model, stride=0.1, crops=crops, batch=3).run(moving)
    assert len(found.windows) > 15
    assert np.array_equal(found.probabilities, predicted(model, moving, found.windows))
    assert len(np.unique(found.probabilities[:, 0])) > 10


@pytest.mark.parametrize("name", [UNEVEN, "cases/videos/trim.mp4", "cases/videos/concat.ts"])
def test_flow_of_files_as_people_have_them(predictor, shared, name):
    model = predictor(*BOTH)
    found = Detector(model, stride=0.4).run(shared / name)
    part = np.linspace(0, len(found.windows) - 1, min(len(found.windows), 8)).astype(int)
    expected = predicted(model, SHARED / name, found.windows[part])
    shown = [row for row in zip(found.probabilities[part], expected, strict=True) if len(row[1])]
    assert len(shown) >= len(expected) / 2
    assert all(np.array_equal(ours, theirs) for ours, theirs in shown)


def test_windows_of_several_lengths_see_flow_that_is_computed_once(predictor, moving, monkeypatch):
    model, computed, between = predictor(*FLOW), [], FieldMaker.between

    def count(maker, first, second):
        computed.append(1)
        return between(maker, first, second)

    monkeypatch.setattr(FieldMaker, "between", count)
    found = Detector(model, stride=0.25, scales=(1, 2)).run(moving)
    assert len(computed) <= 74  # pairs of frames
    both = {scale.factor: scale for scale in found.scales}
    alone = Detector(model, stride=0.25).run(moving)
    assert np.array_equal(both[1].probabilities, alone.probabilities)
    assert not np.array_equal(both[2].probabilities[0], alone.probabilities[0])


def test_a_single_frame_has_no_flow(predictor, numbered_video):
    with pytest.raises(VideoError, match="a single frame has no optical flow"):
        Detector(predictor(*FLOW)).run(numbered_video(1))


def test_a_stream_of_flow_is_refused(predictor, moving):
    with pytest.raises(ConfigError, match="streams are read as RGB, but the model sees flow"):
        Watcher(predictor(*FLOW), str(moving))


def test_a_video_that_cannot_be_read_is_named(predictor, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match="a.mp4"):
        Detector(predictor()).run(tmp_path / "a.mp4")
