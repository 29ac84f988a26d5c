"""The weights that a configuration names: TIMESFORMER.PRETRAINED_MODEL, TRAIN.CHECKPOINT_FILE_PATH."""

import json

import pytest
import torch
from safetensors.torch import save_file

from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.pretrained import build_start_options, load_start
from timesformer.config import ConfigError, load_config
from timesformer.engine.preflight import preflight
from timesformer.models import build_model


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def folder_of_transformers(path, state, eps):
    """A folder of a Hugging Face ViT of the tiny configuration, of as little as it needs."""
    names = {"cls_token": "embeddings.cls_token", "pos_embed": "embeddings.position_embeddings"}
    renamed = {names.get(name, name): value.contiguous() for name, value in state.items()}
    anchor = "embeddings.patch_embeddings.projection."
    renamed = {name.replace("patch_embed.proj.", anchor): value for name, value in renamed.items()}
    path.mkdir()
    save_file(renamed, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps({"layer_norm_eps": eps, "num_attention_heads": 2}))
    return path


def test_another_epsilon_must_be_configured(config, tmp_path):
    state = build_model(config("TIMESFORMER.ATTENTION_TYPE", "space_only")).state_dict()
    path = folder_of_transformers(tmp_path / "folder", state, 1e-5)
    cfg = config("TIMESFORMER.PRETRAINED_MODEL", path)
    message = r"have epsilon 1e-05, .* is 1e-06; set TIMESFORMER.NORM_EPS 1e-05"
    with pytest.raises(CheckpointError, match=message):
        load_start(build_model(cfg), str(path), build_start_options(cfg))
    with pytest.raises(ConfigError, match=f"TIMESFORMER.PRETRAINED_MODEL: .*{message}"):
        preflight(cfg)
    cfg = config("TIMESFORMER.PRETRAINED_MODEL", path, "TIMESFORMER.NORM_EPS", "1e-5")
    preflight(cfg)
    model = build_model(cfg)
    assert model.norm.eps == model.blocks[0].temporal_norm1.eps == 1e-5
    assert len(load_start(model, str(path), build_start_options(cfg)).inflated) == 2 * 6


def test_what_is_left_over_is_refused_unless_strictness_is_off(config, tmp_path):
    cfg = config()
    torch.save(build_model(cfg).state_dict() | {"extra": torch.zeros(1)}, tmp_path / "file")
    with pytest.raises(CheckpointError, match="CHECKPOINT_STRICT False"):
        load_start(build_model(cfg), str(tmp_path / "file"), build_start_options(cfg))
    cfg = config("TRAIN.CHECKPOINT_STRICT", False)
    assert load_start(
        build_model(cfg), str(tmp_path / "file"), build_start_options(cfg)
    ).unused == ["extra"]


def test_names_are_cut_and_time_is_resized_as_configured(config, tmp_path):
    cfg = config(
        "TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN", "['net_']", "TIMESFORMER.TIME_EMBED_RESIZE", "linear"
    )
    state = build_model(config("DATA.NUM_FRAMES", 2)).state_dict()
    state["time_embed"][0, :, 0] = torch.tensor([0.0, 1.0])
    torch.save({f"net_{name}": value for name, value in state.items()}, tmp_path / "file")
    model = build_model(cfg)
    assert load_start(
        model, str(tmp_path / "file"), build_start_options(cfg, cut=True)
    ).resized == ["time_embed"]
    assert model.time_embed[0, :, 0].tolist() == [0, 0.25, 0.75, 1]
