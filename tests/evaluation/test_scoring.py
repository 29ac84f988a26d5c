"""Scores against loops over views, in forward batches of any size; probabilities of every ensemble."""

import math
from functools import partial

import pytest
import torch

from timesformer.config import ConfigError, load_config
from timesformer.evaluation import metrics
from timesformer.evaluation.scoring import build_forward_batch, build_probabilities, build_scoring
from timesformer.models import build_model

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
        return build_scoring(cfg, CPU)

    return build


MULTI = {"DATA.MULTI_LABEL": "True", "MODEL.LOSS_FUNC": "bce_logit"}
ENSEMBLES = {
    "sum": lambda views: views.sum(dim=0),
    "max": lambda views: views.amax(dim=0),
    "softmax": lambda views: views.softmax(dim=1).mean(dim=0),
    "sigmoid": lambda views: views.sigmoid().mean(dim=0),
}
# TEST.FORWARD_BATCH -> clips of the forward batches of 3 videos of 2 views: the last are padded
FORWARD_BATCHES = {
    0: [8],  # of clips as small as these
    1: [1] * 6,
    2: [2, 2, 2],
    3: [2, 2, 2],
    4: [4, 4],
    5: [4, 4],
    16: [16],
}


@pytest.mark.parametrize(
    ("size", "frames", "device", "expected"),
    [
        (32, 4, "cpu", 8),
        (32, 8, "cpu", 8),
        (48, 8, "cpu", 1),
        (224, 8, "cpu", 1),
        (224, 8, "cuda", 8),
    ],
)
def test_a_cpu_computes_clips_one_by_one_unless_they_are_tiny(
    tiny_yaml, size, frames, device, expected
):
    options = ["DATA.TEST_CROP_SIZE", str(size), "DATA.NUM_FRAMES", str(frames)]
    assert build_forward_batch(load_config(tiny_yaml, options), torch.device(device)) == expected


@pytest.mark.parametrize("forward_batch", FORWARD_BATCHES)
@pytest.mark.parametrize("method", ENSEMBLES)
def test_scores_equal_a_loop_over_videos(scoring, method, forward_batch):
    keys = {"TEST.FORWARD_BATCH": forward_batch} | (MULTI if method == "sigmoid" else {})
    made, batches = scoring("softmax" if method == "sigmoid" else method, **keys), []

    def counted(clips):
        batches.append(len(clips))
        return model(clips)

    scores = made.score(counted, CLIPS)
    assert scores.shape == (3, 3)
    assert batches == FORWARD_BATCHES[forward_batch]
    for video in range(3):
        views = CLIPS[2 * video : 2 * video + 2].float() / 255
        logits = model((views - 0.45) / 0.225)
        assert torch.allclose(scores[video], ENSEMBLES[method](logits), atol=1e-5)


def test_a_video_of_more_views_than_a_forward_batch_has_batches_of_its_own(scoring):
    made, batches = scoring("sum", **{"TEST.NUM_ENSEMBLE_VIEWS": 6, "TEST.FORWARD_BATCH": 4}), []

    def counted(clips):
        batches.append(len(clips))
        return model(clips)

    clips = torch.cat([CLIPS, CLIPS.flip(0)])
    scores = made.score(counted, clips)
    assert made.videos_together == 1
    assert batches == [4, 2, 4, 2]
    assert torch.allclose(scores[0], scores[1], atol=1e-5)


def test_padding_is_never_scored(scoring):
    made = scoring("max", **{"TEST.FORWARD_BATCH": 16})
    black = made.normalize(torch.zeros(1, 3, 2, 4, 4, dtype=torch.uint8))

    def poisoned(clips):
        is_black = (clips == black).all(dim=4).all(dim=3).all(dim=2).all(dim=1, keepdim=True)
        return torch.where(is_black, torch.nan, model(clips))

    assert torch.equal(made.score(poisoned, CLIPS), made.score(model, CLIPS))


@pytest.fixture
def network(tiny_yaml):
    network = build_model(load_config(tiny_yaml)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


VIDEOS = torch.randint(0, 256, (12, 3, 4, 32, 32), dtype=torch.uint8)  # 6 of 2 views


@pytest.mark.parametrize("threads", [1, 2])
def test_a_score_is_the_same_to_the_bit_beside_other_videos(scoring, network, threads):
    made, before = scoring("softmax"), torch.get_num_threads()
    with torch.inference_mode():
        alone = [made.score(network, views) for views in VIDEOS.split(2)]
        torch.set_num_threads(threads)
        for videos in (2, 3, 6):
            parts = [made.score(network, clips) for clips in VIDEOS.split(2 * videos)]
            assert torch.equal(torch.cat(parts), torch.cat(alone))
    torch.set_num_threads(before)


@pytest.mark.parametrize("forward_batch", [2, 3, 4, 8, 100])
def test_forward_batches_of_several_videos_score_as_single_clips(scoring, network, forward_batch):
    with torch.inference_mode():
        single = scoring("sum").score(network, VIDEOS)
        made = scoring("sum", **{"TEST.FORWARD_BATCH": forward_batch})
        assert torch.allclose(made.score(network, VIDEOS), single, rtol=1e-5, atol=1e-5)
        apart = [made.score(network, clips) for clips in VIDEOS.split(2 * made.videos_together)]
        assert torch.equal(made.score(network, VIDEOS), torch.cat(apart))


@pytest.mark.cuda
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_gpu_gives_a_video_the_same_score_beside_other_videos(tiny_yaml, network, precision):
    device = torch.device("cuda")
    autocast = partial(torch.autocast, "cuda", precision, precision != torch.float32)
    made, network = build_scoring(load_config(tiny_yaml), device, autocast), network.to(device)
    assert made.forward_batch == 8
    other = VIDEOS.unflatten(0, (6, 2)).flip(0).flatten(0, 1)  # other neighbours, other places
    with torch.inference_mode():
        assert torch.equal(made.score(network, VIDEOS), made.score(network, other).flip(0))


@pytest.mark.parametrize(
    ("forward_batch", "message"),
    [
        (
            8,
            "FORWARD_BATCH is 8 on this device, but 8 clips at once do not fit.*; lower it .2 GiB",
        ),
        (
            1,
            "FORWARD_BATCH is 1 on this device, but 1 clip does not fit.*; use TEST.PRECISION bf16",
        ),
    ],
)
def test_a_forward_batch_that_does_not_fit_into_memory_names_the_key(
    scoring, forward_batch, message
):
    def failing(_):
        raise torch.OutOfMemoryError("2 GiB wanted\nand a long explanation")

    with pytest.raises(ConfigError, match=message) as caught:
        scoring("sum", **{"TEST.FORWARD_BATCH": forward_batch}).score(failing, CLIPS)
    assert "explanation" not in str(caught.value)


@pytest.mark.parametrize("method", ["sum", "max", "softmax"])
@pytest.mark.parametrize("multi_label", [False, True])
def test_equal_views_have_the_probabilities_of_one_view(tiny_yaml, method, multi_label):
    options = ["DATA.ENSEMBLE_METHOD", method, "TEST.NUM_SPATIAL_CROPS", "1"]
    options += [item for pair in MULTI.items() for item in pair] if multi_label else []
    probabilities = build_probabilities(load_config(tiny_yaml, options))
    logits = torch.randn(5)
    used = "sigmoid" if method == "softmax" and multi_label else method
    found = probabilities(ENSEMBLES[used](torch.stack([logits, logits])))
    expected = logits.sigmoid() if multi_label else logits.softmax(dim=0)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("method", ["sum", "max", "softmax"])
@pytest.mark.parametrize("multi_label", [False, True])
def test_a_temperature_divides_the_logits(tiny_yaml, method, multi_label):
    """By a loop over videos and classes in double precision."""
    options = ["DATA.ENSEMBLE_METHOD", method, "TEST.NUM_SPATIAL_CROPS", "1"]
    options += [item for pair in MULTI.items() for item in pair] if multi_label else []
    cfg = load_config(tiny_yaml, options)
    used = "sigmoid" if method == "softmax" and multi_label else method
    scores = torch.stack([ENSEMBLES[used](3 * torch.randn(2, 5)) for _ in range(4)])
    for temperature in (0.5, 1.0, 3.0):
        found = build_probabilities(cfg, temperature)(scores)
        for video in range(4):
            logits = []
            for score in scores[video].tolist():
                if used == "sigmoid":
                    score = math.log(score / (1 - score))
                elif used == "softmax":
                    score = math.log(score)
                elif used == "sum":
                    score = score / 2
                logits.append(score / temperature)
            total = sum(map(math.exp, logits))
            expected = [
                1 / (1 + math.exp(-z)) if multi_label else math.exp(z) / total for z in logits
            ]
            assert found[video].tolist() == pytest.approx(expected, abs=1e-5)
        assert torch.equal(found.argsort(), scores.argsort())
    assert torch.allclose(build_probabilities(cfg, 1.0)(scores), build_probabilities(cfg)(scores))


def test_a_class_that_no_view_believes_in_keeps_probability_0():
    scores = torch.tensor([0.0, 0.25, 0.75])
    found = metrics.probabilities(scores, 2, "softmax", multi_label=False, temperature=2.0)
    roots = scores.sqrt()
    assert torch.allclose(found, roots / roots.sum())
