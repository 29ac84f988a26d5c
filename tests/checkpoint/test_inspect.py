"""All that is known of a weights file."""

import pytest
import torch

from timesformer.checkpoint.inspect import as_text, summarize
from timesformer.models.timesformer import TimeSformer

SIZES = {"img_size": 16, "patch_size": 8, "embed_dim": 64, "depth": 1, "num_heads": 1}


def test_every_golden_format_is_summarized(shared):
    for file, kind, scheme in (
        ("hf_timesformer", "Hugging Face TimeSformer", "divided_space_time"),
        ("mmaction_joint_space_time.pth", "mmaction2 TimeSformer", "joint_space_time"),
        ("official_space_only.pyth", "TimeSformer", "space_only"),
        ("paddle_divided_space_time.pdparams", "Paddle TimeSformer", "divided_space_time"),
    ):
        found = summarize(shared / f"golden/shared_{file}")
        assert (found["format"], found["architecture"]["attention_type"]) == (kind, scheme)
        assert found["architecture"]["num_classes"] == 7
        assert found["loads"].startswith(f"{found['tensors']} tensors loaded")
        assert found["loads"].endswith(file)


def test_the_facts_of_our_own_checkpoints_are_listed(tmp_path):
    model = TimeSformer(**SIZES, num_frames=2, num_classes=14)
    names = [f"class {k}" for k in range(14)]
    about = {"preprocessing": {"crop_size": 16}, "versions": {"torch": "2"}, "epoch": 4}
    content = {"model_state": model.state_dict(), "class_names": names, "command": "train", **about}
    content["cfg"] = "TIMESFORMER: {NUM_HEADS: 1}\n"
    torch.save(content, tmp_path / "file")
    facts = summarize(tmp_path / "file")
    assert facts["parameters"] == sum(p.numel() for p in model.parameters())
    assert facts["class_names"] == names
    text = as_text(facts)
    for line in (
        "class names   class 0, class 1, class 2",
        "... 14 in all",
        "  num heads             1",
        "  crop size             16",
        "epoch         4",
        "command       train",
        "cfg           1 lines (whole in --json)",
    ):
        assert line in text


@pytest.mark.parametrize("name", ["file", "file.safetensors"])
def test_names_of_no_format_load_nothing(tmp_path, name):
    from safetensors.torch import save_file

    state = {"a": torch.zeros(2), "b": torch.zeros(3, dtype=torch.float16)}
    if name == "file":
        torch.save(state, tmp_path / name)
    else:
        save_file(state, tmp_path / name, metadata={"source": "somewhere"})
    facts = summarize(tmp_path / name)
    assert facts["format"] == "unknown"
    assert facts["types"] == "float32 x 1, float16 x 1"
    assert facts["loads"].startswith("nothing: it has no cls_token")
    assert ("metadata" in facts) == (name != "file")


def test_weights_that_are_not_finite_load_nothing_and_the_facts_are_still_told(tmp_path):
    state = TimeSformer(**SIZES, num_frames=2, num_classes=14).state_dict()
    state["norm.bias"][3] = torch.nan
    torch.save(state, tmp_path / "file")
    facts = summarize(tmp_path / "file")
    assert facts["tensors"] == len(state)
    assert "nothing: " in facts["loads"]
    assert "NaN or infinity in 1 of" in facts["loads"]


def test_what_was_set_aside_is_shown_by_its_own_name(tmp_path):
    class Message_Hub:
        pass

    Message_Hub.__qualname__ = Message_Hub.__name__ = "Message_Hub"
    globals()["Message_Hub"] = Message_Hub
    net = TimeSformer(img_size=16, patch_size=4, embed_dim=16, depth=1, num_heads=2, num_frames=2)
    torch.save({"net": net.state_dict(), "log": Message_Hub()}, tmp_path / "file")
    text = as_text(summarize(tmp_path / "file"))
    assert "  tests.checkpoint.test_inspect.Message_Hub 1 times" in text
    assert "taken from    net" in text


def test_no_text_of_a_file_steers_the_terminal(tmp_path):
    model = TimeSformer(**SIZES, num_frames=2, num_classes=2)
    wild = "\x1b[2J\nx"
    content = {
        "model_state": model.state_dict(),
        "class_names": [wild, "b"],
        "command": wild,
        "versions": {"torch": wild},
        "temperature": {"value": 2.0, "list": wild, "sha256": "", "videos": 3},
    }
    torch.save(content, tmp_path / "file")
    text = as_text(summarize(tmp_path / "file"))
    assert "\x1b" not in text
    assert text.count("\\x1b[2J\\nx") == 4
