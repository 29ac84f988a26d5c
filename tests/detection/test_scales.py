"""Windows of several lengths: from one decode, each as ``predict`` scores it, combined onto one grid."""

import numpy as np
import pytest

from tests.detection.test_detector import predicted
from timesformer.config import ConfigError
from timesformer.detection.detector import Detector
from timesformer.detection.scales import ScaleScores, check_scales, combine, parse_scales
from timesformer.detection.timeline import Timeline
from timesformer.inference.predictor import Predictor


def made(rng, factor, *, count, classes=3):
    starts = np.arange(count) * 0.25 * factor
    found = rng.random((count, classes)).astype(np.float32)
    found[rng.random(count) < 0.2] = np.nan
    return ScaleScores(factor, np.stack([starts, starts + factor], axis=1), found)


def naive(scores):
    rows = []
    for (start, end), own in zip(scores[0].windows, scores[0].probabilities, strict=True):
        middle, parts = (start + end) / 2, [own]
        for _, windows, found in scores[1:]:
            covering = [
                row for (a, b), row in zip(windows, found, strict=True)
                if a <= middle < b and not np.isnan(row).any()
            ]  # fmt: skip
            parts += [np.mean(covering, axis=0)] if covering else []
        rows.append(np.max(parts, axis=0) if not np.isnan(own).any() else own)
    return np.stack(rows)


@pytest.mark.parametrize("seed", range(8))
def test_scales_are_combined_as_a_loop_does_it(seed):
    rng = np.random.default_rng(seed)
    scores = [made(rng, 1, count=40), made(rng, 2, count=17), made(rng, 4.5, count=3)]
    found = combine(scores)
    assert found.dtype == np.float32
    assert np.allclose(found, naive(scores), atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("keys", [(), ("TEST.DATASET", "ssv2")], ids=lambda keys: " ".join(keys))
def test_a_window_of_each_scale_scores_as_a_list_row_from_one_decode(trained, numbered_video, keys):
    video, (_, weights) = numbered_video(150), trained(*keys)
    own = Predictor.from_checkpoint(weights, "cpu", views="1x1")
    twice = Predictor.from_checkpoint(
        weights, "cpu", views="1x1", overrides=["DATA.SAMPLING_RATE", "8"]
    )
    span = 0.5 if keys else None
    found = Detector(own, stride=0.25, span=span, scales=(2, 1), batch=5).run(video)
    small, large = found.scales
    assert (small.factor, large.factor) == (1, 2)
    lengths = [np.ptp(each.windows, axis=1)[0] for each in found.scales]
    assert lengths[1] == pytest.approx(2 * lengths[0])
    assert np.array_equal(small.probabilities, predicted(own, video, small.windows))
    assert np.array_equal(large.probabilities, predicted(twice, video, large.windows))
    assert np.array_equal(found.probabilities, combine(found.scales))
    assert np.array_equal(found.windows, small.windows)
    assert found.decoded <= 150
    alone = Detector(own, stride=0.25, span=span).run(video)
    assert np.array_equal(alone.probabilities, small.probabilities)
    assert alone.scales == ()


def test_an_interrupted_run_resumes_with_the_windows_of_all_scales(trained, numbered_video):
    model = Predictor.from_checkpoint(trained()[1], "cpu", views="1x1")
    video, detector = numbered_video(150), Detector(model, stride=0.25, scales=(1, 2))
    kept, computed = {}, []
    whole = detector.run(video, after=lambda d, k, row: kept.setdefault(d, {}).__setitem__(k, row))
    assert sorted(map(len, kept.values())) == sorted(len(each.windows) for each in whole.scales)
    part = {digest: {k: row for k, row in rows.items() if k > 2} for digest, rows in kept.items()}
    again = detector.run(video, done=part, after=lambda _, number, __: computed.append(number))
    assert sorted(computed) == [0, 0, 1, 1, 2, 2]
    assert np.array_equal(again.probabilities, whole.probabilities)


def test_a_scale_that_is_longer_than_the_video_is_left_out_and_said(
    trained, numbered_video, tmp_path
):
    model = Predictor.from_checkpoint(trained()[1], "cpu", views="1x1")
    found = Detector(model, stride=0.25, scales=(1, 2, 4)).run(numbered_video(40))
    assert [each.factor for each in found.scales] == [1, 2]
    [remark] = found.remarks
    assert remark.kind == "shorter than a window of scale 4"
    assert remark.detail == "1.3 of 2.1 s; the scale is left out"
    found.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert np.array_equal(arrays["probabilities"], found.probabilities)
        assert np.array_equal(arrays["probabilities_x2"], found.scales[1].probabilities)
        assert np.array_equal(arrays["ends_x2"], found.scales[1].windows[:, 1])
    short = Detector(model, scales=(1, 2)).run(numbered_video(9))
    assert isinstance(short, Timeline)
    assert len(short.windows) == len(short.scales) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,x", "--scales is '1,x'; write numbers with commas, as 1,2"),
        ("", "--scales is ''"),
        ("1,0", "--scales 1,0: a scale must be above 0"),
        ("1,-2", "must be above 0"),
        ("1,nan", "must be above 0"),
        ("1,2,2.0", "--scales 1,2,2: a scale occurs twice"),
        ("2,4", "--scales 2,4: 1, the length that the model is made for, is missing"),
    ],
)
def test_scales_that_cannot_be_are_named(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_scales(text)


def test_scales_rise(trained):
    assert parse_scales("2, 1,0.5") == check_scales([1, 0.5, 2]) == (0.5, 1, 2)
    model = Predictor.from_checkpoint(trained()[1], "cpu", views="1x1")
    with pytest.raises(
        ConfigError, match=r"1\.3 times DATA\.SAMPLING_RATE 4 is 5\.2, not a whole nu"
    ):
        Detector(model, scales=(1, 1.3))
