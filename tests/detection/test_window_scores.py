"""Windows of a model of single frames share what is computed of these, and score as if they did not."""

import numpy as np
import pytest

from tests.detection.test_detector import predicted
from timesformer.detection.detector import Detector
from timesformer.detection.window_scores import WindowScorer
from timesformer.inference.predictor import Predictor
from timesformer.video.images import even_timeline
from timesformer.video.visit import Visited

SPACE = ("TIMESFORMER.ATTENTION_TYPE", "space_only")
TOLERANCE = 1e-6  # of a probability: a matrix product may round a row by its place


def opened(trained, *keys, views="1x1"):
    return Predictor.from_checkpoint(trained(*SPACE, *keys)[1], "cpu", views=views)


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ((), {}),
        ((), {"crops": 3}),
        (("TEST.FORWARD_BATCH", "8"), {"crops": 3}),
        (("TEST.FORWARD_BATCH", "2", "DATA.ENSEMBLE_METHOD", "softmax"), {"crops": 3}),
        (("TEST.DATASET", "ssv2"), {"span": 0.5}),
        (("DATA.REVERSE_INPUT_CHANNEL", "True"), {}),
        (("DATA.NUM_FRAMES", "1"), {}),
    ],
)
def test_a_window_scores_as_a_list_row(trained, numbered_video, keys, options):
    model, video = opened(trained, *keys, views=f"1x{options.get('crops', 1)}"), numbered_video(90)
    found = Detector(model, stride=1 / 30, **options).run(video)
    expected = np.stack(predicted(model, video, found.windows))
    assert np.abs(found.probabilities - expected).max() <= TOLERANCE
    assert np.ptp(expected, axis=0).max() > 100 * TOLERANCE


def test_each_frame_is_computed_once_and_forgotten_after_its_last_window(trained, numbered_video):
    model, counted, most = opened(trained), [], 0
    model.model.patch_embed.register_forward_pre_hook(
        lambda _, inputs: counted.append(inputs[0].shape[0] * inputs[0].shape[2])
    )
    detector = Detector(model, stride=1 / 30, scales=(1, 2))
    make, scorers = detector._scorer, []
    detector._scorer = lambda: scorers.append(make()) or scorers[0]

    def look(*_):
        nonlocal most
        most = max(most, len(scorers[0].held))

    found = detector.run(numbered_video(240), progress=look)
    assert 240 <= sum(counted) + 4 <= 240 + 4 * len(counted)  # forward batches of 4 frames
    assert sum(counted) < 280
    assert len(found.windows) == 225
    assert most < 80


def test_other_models_share_nothing(trained):
    model = Predictor.from_checkpoint(trained()[1], "cpu", views="1x1")
    assert isinstance(Detector(model)._scorer(), WindowScorer)


def test_features_of_frames_are_not_kept_over_a_restart(trained, monkeypatch):
    detector = Detector(opened(trained), stride=1 / 30)
    timeline = even_timeline(90, 30.0)
    first, second = np.random.default_rng(0).integers(0, 255, (2, 90, 48, 48, 3), np.uint8)

    def found(*films):
        def visit(video, visitor):
            for images in films:
                for place in visitor.begin(timeline).tolist():
                    visitor.take(place, images[place])
            return Visited(timeline, 90, [], ())

        monkeypatch.setattr(detector, "visit", visit)
        return detector.run("film.mp4").probabilities

    np.testing.assert_allclose(found(first, second), found(second), atol=TOLERANCE)
    assert np.abs(found(first) - found(second)).max() > 100 * TOLERANCE
