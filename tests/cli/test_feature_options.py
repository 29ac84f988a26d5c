"""What commands that compare videos share: which videos have features, and how it is said."""

import numpy as np
import torch

from tests.features.made import made_features
from timesformer.cli.feature_options import build_views_note, feature_set, settings_text
from timesformer.config import changed, defaults
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.inference.predictor import Features
from timesformer.video import TimeSpan


def test_videos_without_features_are_left_out():
    videos = VideoList(
        PackedStrings(["a", "b", "c"]), np.array([2, 0, 1]), "x.csv", ("k", "l", "m")
    )
    found = [
        Features("a", torch.ones(4), span=TimeSpan(0.5, 2.0, 9.0)),
        Features("b", torch.empty(0), "b: broken"),
        Features("c", torch.zeros(4)),
    ]
    made = feature_set(found, videos, {"tokens": "cls"})
    assert made.paths == ("a", "c")
    assert made.labels.tolist() == [2, 1]
    assert made.values.tolist() == [[1] * 4, [0] * 4]
    assert made.spans[0].tolist() == [0.5, 2.0]
    assert np.isnan(made.spans[1]).all()
    assert made.class_name(2) == "m"


def test_the_settings_say_what_is_compared_and_how():
    made = made_features()
    assert settings_text(made, "cosine", "k-means", None) == "cls tokens, cosine, k-means"
    made = made._replace(made={"tokens": "frames", "weights": "/far/model.pyth"})
    expected = "frames tokens of model.pyth, dtw (band 2), average linkage"
    assert settings_text(made, "dtw", "average linkage", 2) == expected
    assert settings_text(made._replace(made={}), "cosine", "x", None) == "features, cosine, x"


def test_several_temporal_views_of_sequences_are_noted():
    cfg = changed(defaults(), {"TEST.NUM_ENSEMBLE_VIEWS": 4})
    assert "have 4 temporal views one after the other" in build_views_note(cfg, "frames")
    assert build_views_note(cfg, "cls") == ""
    assert build_views_note(changed(cfg, {"TEST.NUM_ENSEMBLE_VIEWS": 1}), "frames") == ""
