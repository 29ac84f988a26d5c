"""Video classifiers of transformers against transformers."""

import json
import sys

import pytest
import torch

from tests.models.made_families import VIDEOMAE
from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.checkpoint.pretrained import build_start_options, load_start
from timesformer.config import ConfigError, load_config
from timesformer.engine.preflight import preflight
from timesformer.models import build_model

transformers = pytest.importorskip("transformers")
SIZES = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
VIVIT = transformers.VivitConfig(image_size=32, num_frames=4, tubelet_size=[2, 8, 8], **SIZES)
VJEPA2 = transformers.VJEPA2Config(
    crop_size=32, frames_per_clip=4, patch_size=8, mlp_ratio=2.0, pred_hidden_size=16,
    pred_num_attention_heads=2, pred_num_hidden_layers=1, pred_num_mask_tokens=1, **SIZES,
)  # fmt: skip
VIDEOPRISM = transformers.AutoConfig.for_model(
    "videoprism_vision_model", image_size=32, num_frames=4, tubelet_size=[1, 8, 8], hidden_size=32,
    num_spatial_layers=1, num_temporal_layers=1, num_attention_heads=2, intermediate_size=48,
)  # fmt: skip
CONFIGS = {
    "videoprism": VIDEOPRISM,
    "videomae": transformers.VideoMAEConfig(
        **{k: v for k, v in VIDEOMAE.items() if k not in ("model_type", "id2label")}
    ),
    "vivit": VIVIT,
    "vjepa2": VJEPA2,
}


@pytest.fixture
def saved(tmp_path):
    """(model, folder) of a classifier of three classes that transformers wrote."""

    def save(kind):
        config = CONFIGS[kind]
        config.num_labels = 3
        theirs = transformers.AutoModelForVideoClassification.from_config(config).eval()
        theirs.save_pretrained(tmp_path / kind)
        return theirs, tmp_path / kind

    return save


@pytest.mark.parametrize("kind", CONFIGS)
def test_logits_are_those_of_transformers(saved, tiny_yaml, kind):
    theirs, folder = saved(kind)
    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"hf/{folder}"])
    preflight(cfg)
    ours = build_model(cfg).eval()
    assert load_weights(ours, folder).exact
    clip = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        wanted = theirs(clip.transpose(1, 2)).logits.flatten(1)  # VideoPrism has (B, 1, K)
        assert ours(clip).shape == (2, 3)
        assert torch.allclose(ours(clip), wanted, atol=1e-5)
    assert len(ours.layer_groups()) > 2
    fresh = build_model(cfg)
    fresh.load_state_dict(theirs.state_dict(), strict=True)
    report = load_start(build_model(cfg), "", build_start_options(cfg))
    assert report.exact


def test_other_classes_are_newly_initialized(saved, tiny_yaml):
    _, folder = saved("videomae")
    options = ["MODEL.MODEL_NAME", f"hf/{folder}", "MODEL.NUM_CLASSES", "7"]
    cfg = load_config(tiny_yaml, options)
    report = load_start(build_model(cfg), "", build_start_options(cfg))
    assert set(report.newly_initialized) == {"classifier.weight", "classifier.bias"}
    assert "id2label" not in cfg.MODEL.HF_CONFIG


def test_without_the_extra_the_line_that_installs_it_is_named(saved, tiny_yaml, monkeypatch):
    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"hf/{saved('videomae')[1]}"])
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r'need the package transformers .*timesformer\[hf\]"'):
        build_model(cfg)


def test_a_type_without_video_classifier_is_refused(tmp_path, tiny_yaml):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ConfigError, match="of the type 'bert', and this transformers has no video"):
        build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"hf/{tmp_path}"]))


def test_clips_of_other_sizes_are_refused_before_a_run(saved, tiny_yaml):
    _, folder = saved("videomae")
    crop = ["DATA.TRAIN_CROP_SIZE", "64", "DATA.TRAIN_JITTER_SCALES", "[64, 64]"]
    with pytest.raises(
        ConfigError, match="clips of 4 frames of 64 x 64 .*set DATA.TRAIN_CROP_SIZE 32"
    ):
        preflight(load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"hf/{folder}", *crop]))


def test_a_file_of_another_family_is_named(saved, tiny_yaml, trained):
    _, folder = saved("videomae")
    model = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"hf/{folder}"]))
    with pytest.raises(
        CheckpointError, match="looks like weights of vit_base_patch16_224: set MODEL"
    ):
        load_weights(model, trained()[1])
