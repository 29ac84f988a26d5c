"""The architecture of a model of transformers becomes a value of the configuration."""

import json

import huggingface_hub
import numpy as np
import pytest

from timesformer.config import ConfigError, changed, hf_config, load_config

SAID = {"model_type": "videomae", "hidden_size": 32, "id2label": {"0": "a"}, "dtype": "float32"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(SAID))
    return tmp_path


def test_the_folder_is_read_once_and_then_not_needed(folder, tiny_yaml):
    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"hf/{folder}"])
    assert json.loads(cfg.MODEL.HF_CONFIG) == {"model_type": "videomae", "hidden_size": 32}
    (folder / "config.json").unlink()
    again = folder / "again.yaml"
    again.write_text(cfg.dump())
    assert load_config(again).dump() == cfg.dump()
    assert changed(cfg, {"MODEL.NUM_CLASSES": 7}).MODEL.HF_CONFIG == cfg.MODEL.HF_CONFIG
    assert changed(cfg, {"MODEL.MODEL_NAME": "c3d"}).MODEL.HF_CONFIG == ""


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("name", ["VivitImageProcessor", "VideoMAEImageProcessor"])
def test_pixels_are_those_of_the_processor(name, normalized):
    processor = getattr(pytest.importorskip("transformers"), name)(
        image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4], do_normalize=normalized,
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16},
    )  # fmt: skip
    frame = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    theirs = processor([[frame]], return_tensors="np")["pixel_values"][0, 0]
    said = hf_config.read_pixels(processor.to_dict())
    ours = (frame.transpose(2, 0, 1) / 255 - np.reshape(said["mean"], (3, 1, 1))) / np.reshape(
        said["std"], (3, 1, 1)
    )
    assert np.abs(theirs - ours).max() < 1e-6
    assert (said["crop_size"], said["short_side"]) == (16, 16)


def test_a_folder_without_configuration_is_named(tmp_path, tiny_yaml):
    with pytest.raises(
        ConfigError, match="there is no .*config.json; name a folder that save_pret"
    ):
        load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"hf/{tmp_path}"])
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(
        ConfigError, match="its config.json names no model_type; name a folder that"
    ):
        load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"hf/{tmp_path}"])


def test_without_network_the_ways_out_are_named(tiny_yaml, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hf_config, "answers", lambda url: False)
    with pytest.raises(
        ConfigError, match=r"does not answer\); connect to the network once, or copy"
    ):
        load_config(tiny_yaml, ["MODEL.MODEL_NAME", "hf/OWNER/NAME"])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE is set"):
        load_config(tiny_yaml, ["MODEL.MODEL_NAME", "hf/OWNER/NAME"])


def test_a_name_of_the_hub_is_downloaded_once_and_its_refusal_is_one_line(
    folder, tiny_yaml, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hf_config, "answers", lambda url: True)
    path = str(folder / "config.json")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, file: path)
    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", "hf/OWNER/NAME"])
    assert json.loads(cfg.MODEL.HF_CONFIG)["model_type"] == "videomae"

    def refuse(name, file):
        raise OSError("404 not found\nsecond line")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(ConfigError, match=r"\(OSError: 404 not found\)"):
        load_config(tiny_yaml, ["MODEL.MODEL_NAME", "hf/OWNER/OTHER"])
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda name, file: path)
    assert load_config(tiny_yaml, ["MODEL.MODEL_NAME", "hf/OWNER/OTHER"]).MODEL.HF_CONFIG
