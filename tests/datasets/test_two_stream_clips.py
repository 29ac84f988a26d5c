"""Clips of rgb+flow: the clips of RGB above those of flow, computed and cached."""

import pytest
import torch

from tests.video.moving import moving_video
from timesformer.config import load_config
from timesformer.datasets import build_dataset, build_view, load_views
from timesformer.datasets.build import build_normalizer
from timesformer.datasets.extract_flow import extract_flow
from timesformer.datasets.modality import build_flow_settings


@pytest.fixture
def config(tiny_yaml):
    def make(modality, *overrides):
        words = ["DATA.MODALITY", modality, "DATA.FLOW.METHOD", "farneback", *overrides]
        return load_config(tiny_yaml, [str(word) for word in words])

    return make


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_both_are_the_clips_of_either(config, split):
    both = build_dataset(config("rgb+flow"), split)[1, 0]
    rgb, flow = (build_dataset(config(name), split)[1, 0] for name in ("rgb", "flow"))
    assert torch.equal(both.clips, torch.cat([rgb.clips, flow.clips], dim=1))
    assert (both.spans, both.labels.tolist()) == (rgb.spans, rgb.labels.tolist())


def test_the_cache_gives_the_same(config, data_dir, tmp_path):
    cfg = config("rgb+flow", "DATA.FLOW.CACHE", tmp_path / "flow")
    source = build_dataset(config("rgb"), "train").videos.sources[0]
    extract_flow([source], tmp_path / "flow", build_flow_settings(cfg), weights="", workers=1)
    for epoch in range(3):
        one = build_dataset(cfg, "train")[epoch, 0]
        two = build_dataset(config("rgb+flow"), "train")[epoch, 0]
        assert torch.equal(one.clips, two.clips)


def test_colours_of_a_clip_may_be_augmented_and_its_flow_stays(config):
    grey = build_dataset(config("rgb+flow", "AUG.GRAYSCALE_PROB", 1), "train")[0, 0].clips
    plain = build_dataset(config("rgb+flow"), "train")[0, 0].clips
    assert torch.equal(grey[:, 3:], plain[:, 3:])
    assert torch.equal(grey[:, 0], grey[:, 1])


def test_crops_fit_where_the_fields_are_smaller_than_the_frames(tmp_path, config):
    """100 x 130 is scaled to 32 x 41, and its flow of 50 x 65 would be to 32 x 41.6."""
    path = moving_video(tmp_path / "a.mp4", 16, (4, 0), height=100, width=130)
    cfg = config("rgb+flow", "DATA.FLOW.SHORT_SIDE", 50)
    views = load_views(path, cfg)
    assert views.shape == (len(views), 23, 4, 32, 32)
    assert len(views) == build_view(cfg, "test").num_clips
    assert (views[:, 3] * 128 * 40 / 255).median() == pytest.approx(4 * 32 / 100, abs=0.16)


def test_each_part_has_its_own_normalisation(config):
    clips = torch.randint(0, 256, (2, 23, 4, 8, 8), dtype=torch.uint8)
    found = build_normalizer(config("rgb+flow"))(clips)
    assert torch.equal(found[:, :3], build_normalizer(config("rgb"))(clips[:, :3]))
    assert torch.equal(found[:, 3:], build_normalizer(config("flow"))(clips[:, 3:]))
