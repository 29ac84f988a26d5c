"""Scores against loops over views; probabilities that do not depend on how views are joined."""

import pytest
import torch

from timesformer.config import load_config
from timesformer.models import build_model
from timesformer.scoring import build_scoring

CPU = torch.device("cpu")
CLIPS = torch.randint(0, 256, (6, 3, 2, 4, 4), dtype=torch.uint8)  # 3 videos of 2 views


def model(clips):
    return clips.mean(dim=(2, 3, 4))  # the classes are the colours


@pytest.fixture
def scoring(tiny_yaml):
    def build(method, **keys):
        options = [str(item) for pair in keys.items() for item in pair]
        cfg = load_config(tiny_yaml, ["DATA.ENSEMBLE_METHOD", method, "TEST.NUM_SPATIAL_CROPS", "1",
                                      *options])  # fmt: skip
        return build_scoring(cfg)

    return build


MULTI = {"DATA.MULTI_LABEL": "True", "MODEL.LOSS_FUNC": "bce_logit"}
JOINED = {
    "sum": lambda views: views.sum(dim=0),
    "max": lambda views: views.amax(dim=0),
    "softmax": lambda views: views.softmax(dim=1).mean(dim=0),
    "sigmoid": lambda views: views.sigmoid().mean(dim=0),
}


@pytest.mark.parametrize("most", [1, 4, 100])
@pytest.mark.parametrize("method", JOINED)
def test_scores_equal_a_loop_over_videos(scoring, method, most):
    made = scoring("softmax", **MULTI) if method == "sigmoid" else scoring(method)
    scores = made.score(model, CLIPS, device=CPU, most=most)
    for video in range(3):
        views = CLIPS[2 * video : 2 * video + 2].float() / 255
        logits = model((views - 0.45) / 0.225)
        assert torch.allclose(scores[video], JOINED[method](logits), atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_scores_are_the_same_to_the_bit_whatever_is_scored_together(scoring, tiny_yaml, threads):
    torch.manual_seed(0)
    network = build_model(load_config(tiny_yaml)).eval()
    torch.nn.init.normal_(network.head.weight)
    clips = torch.randint(0, 256, (12, 3, 4, 32, 32), dtype=torch.uint8)  # 6 videos of 2 views
    made, before = scoring("softmax"), torch.get_num_threads()
    with torch.inference_mode():
        alone = [made.score(network, views, device=CPU, most=8) for views in clips.split(2)]
        torch.set_num_threads(threads)
        for videos in (2, 3, 6):
            parts = [
                made.score(network, c, device=CPU, most=videos) for c in clips.split(2 * videos)
            ]
            assert torch.equal(torch.cat(parts), torch.cat(alone))
    torch.set_num_threads(before)


def test_equal_views_have_the_probabilities_of_one_view(scoring):
    logits = torch.randn(5)
    twice = torch.stack([logits, logits])
    for method in ("sum", "max", "softmax"):
        found = scoring(method).probabilities(JOINED[method](twice), multi_label=False)
        assert torch.allclose(found, logits.softmax(dim=0), atol=1e-6)
        name = "sigmoid" if method == "softmax" else method
        found = scoring(method, **MULTI).probabilities(JOINED[name](twice), multi_label=True)
        assert torch.allclose(found, logits.sigmoid(), atol=1e-6)
