"""Checkpoints of tiny models whose random weights tell every input apart."""

import pytest
import torch

from timesformer.config import load_config
from timesformer.models import build_model

NAMES = ["dark", "grey", "light"]


def payload(model, cfg_text, names=()):
    """A checkpoint as runs write it."""
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    made = {"epoch": 0, "model_state": state, "optimizer_state": {}, "cfg": cfg_text}
    return made | ({"class_names": list(names)} if names else {})


def stirred(model, std=0.2):
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return model.eval()


@pytest.fixture
def trained(tiny_yaml, tmp_path):
    """(cfg, path of a checkpoint) for overrides of the tiny configuration."""

    def make(*overrides, names=NAMES):
        path = tmp_path / "model.pyth"
        options = [*overrides, "OUTPUT_DIR", tmp_path, "TEST.CHECKPOINT_FILE_PATH", path]
        cfg = load_config(tiny_yaml, [str(option) for option in options])
        torch.save(payload(stirred(build_model(cfg)), cfg.dump(), names), path)
        return cfg, path

    return make
