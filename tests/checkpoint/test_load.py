import math
import sys
import types

import pytest
import torch
from safetensors.torch import save_file

from timesformer.checkpoint import pretrained, resize
from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.checkpoint.resume import load_train_state
from timesformer.models.timesformer import TimeSformer

SIZES = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}


def model(scheme="divided_space_time", seed=0, **kwargs):
    torch.manual_seed(seed)
    sizes = {"num_frames": 4, "num_classes": 5, **SIZES, **kwargs}
    made = TimeSformer(attention_type=scheme, **sizes)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


def same_weights(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def wrap(name):
    """A file layout: from a state dict to what is saved."""
    return {
        "published": lambda s: {"epoch": 3, "model_state": {f"model.{k}": v for k, v in s.items()}},
        "ddp": lambda s: {"model_state": {f"module.model.{k}": v for k, v in s.items()}},
        "state_dict": lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}},
        "deit": lambda s: {"model": {k: -v for k, v in s.items()}, "model_ema": s},
        "timm": lambda s: {"state_dict": {k: -v for k, v in s.items()}, "state_dict_ema": s},
        "deepspeed": lambda s: {"module": s},
        "of others": lambda s: {
            "model": s,
            "meta": "text",
            "cfg": {},
            "class_names": s["norm.bias"],
        },
        "bare": lambda s: s,
    }[name]


@pytest.mark.parametrize(
    "layout",
    ["published", "ddp", "state_dict", "deit", "timm", "deepspeed", "of others", "bare"],
)
def test_every_layout_loads_whole(tmp_path, layout):
    source, target = model(seed=1), model(seed=2)
    torch.save(wrap(layout)(dict(source.state_dict())), tmp_path / "file")
    report = load_weights(target, tmp_path / "file")
    assert report.exact
    assert sorted(report.loaded) == sorted(source.state_dict())
    assert same_weights(source, target)


def test_safetensors_load_whole(tmp_path):
    source, target = model(seed=1), model(seed=2)
    save_file({k: v.contiguous() for k, v in source.state_dict().items()}, tmp_path / "weights.bin")
    assert load_weights(target, tmp_path / "weights.bin").exact
    assert same_weights(source, target)


@pytest.mark.parametrize("scheme", ["divided_space_time", "joint_space_time", "space_only"])
def test_published_files_load_strictly_and_give_their_logits(shared, scheme):
    io = torch.load(shared / f"golden/shared_official_{scheme}_io.pt", weights_only=True)
    target = TimeSformer(**io["spec"]).eval()
    report = load_weights(target, shared / f"golden/shared_official_{scheme}.pyth")
    assert report.exact
    for case in io["cases"]:
        with torch.no_grad():
            assert (target(case["input"]) - case["logits"]).abs().max() < 1e-4


def test_other_classes_leave_the_whole_classifier_fresh(tmp_path):
    source, target = model(seed=1), model(seed=2, num_classes=10)
    before = target.head.weight.clone()
    torch.save(source.state_dict(), tmp_path / "file")
    report = load_weights(target, tmp_path / "file")
    assert sorted(report.newly_initialized) == ["head.bias", "head.weight"]
    assert torch.equal(target.head.weight, before)
    assert "classifier is newly initialized" in str(report)


def test_an_image_transformer_is_inflated(tmp_path):
    source, target = model("space_only", seed=1), model(seed=2)
    torch.save(source.state_dict(), tmp_path / "file")
    report = load_weights(target, tmp_path / "file")
    for i in range(2):
        ours, theirs = target.blocks[i], source.blocks[i]
        assert torch.equal(ours.temporal_attn.qkv.weight, theirs.attn.qkv.weight)
        assert torch.equal(ours.temporal_norm1.bias, theirs.norm1.bias)
    assert len(report.inflated) == 2 * 6
    fcs = [f"blocks.{i}.temporal_fc.{kind}" for i in range(2) for kind in ("weight", "bias")]
    assert sorted(report.newly_initialized) == sorted(["time_embed", *fcs])


def test_a_video_checkpoint_is_never_inflated(tmp_path):
    source, target = model(seed=1), model(seed=2)
    state = source.state_dict()
    del state["blocks.1.temporal_attn.qkv.weight"]
    torch.save(state, tmp_path / "file")
    report = load_weights(target, tmp_path / "file", strict=False)
    assert report.inflated == []
    assert report.newly_initialized == ["blocks.1.temporal_attn.qkv.weight"]
    with pytest.raises(
        CheckpointError, match=r"1 parameters are not in the file \(blocks\.1\.temp"
    ):
        load_weights(target, tmp_path / "file")


def test_a_bright_cell_stays_at_its_place_when_the_grid_is_resized():
    """The published code resized the flattened rows, which moves it."""
    for y in range(4):
        for x in range(4):
            embed = torch.zeros(1, 17, 1)
            embed[0, 1 + 4 * y + x] = 1.0
            grid = resize.resize_position(embed, 1 + 64)[0, 1:, 0].view(8, 8)
            at = divmod(int(grid.argmax()), 8)
            assert (at[0] // 2, at[1] // 2) == (y, x)


def test_resizing_a_grid_keeps_constants_and_the_class_token():
    embed = torch.full((1, 17, 3), 0.5)
    embed[:, 0] = 9.0
    resized = resize.resize_position(embed, 1 + 49)
    assert torch.allclose(resized[:, 1:], torch.tensor(0.5))
    assert torch.all(resized[:, 0] == 9.0)


def test_frames_and_resolution_are_resized_and_reported(tmp_path):
    source = model(seed=1)
    source.time_embed.data[:] = torch.arange(4.0).view(1, 4, 1)
    torch.save(source.state_dict(), tmp_path / "file")
    target = model(seed=2, num_frames=8, img_size=32)
    report = load_weights(target, tmp_path / "file")
    assert sorted(report.resized) == ["pos_embed", "time_embed"]
    assert target.time_embed[0, :, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_what_is_left_over_on_either_side_is_refused_or_reported(tmp_path):
    state = model(seed=1).state_dict()
    state["extra.weight"] = state.pop("norm.weight")
    torch.save(state, tmp_path / "file")
    with pytest.raises(
        CheckpointError, match=r"not in the file \(norm.weight\), 1 of its tensors .*STRICT"
    ):
        load_weights(model(seed=2), tmp_path / "file")
    report = load_weights(model(seed=2), tmp_path / "file", strict=False)
    assert (report.newly_initialized, report.unused) == (["norm.weight"], ["extra.weight"])
    assert not report.exact
    assert "1 newly initialized (norm.weight); 1 unused (extra.weight)" in str(report)


def test_substrings_can_be_cut_from_names(tmp_path):
    source, target = model(seed=1), model(seed=2)
    torch.save({f"backbone.{k}": v for k, v in source.state_dict().items()}, tmp_path / "file")
    assert load_weights(target, tmp_path / "file", cut_from_names=("backbone.",)).exact
    assert same_weights(source, target)


def test_another_architecture_names_the_differing_sizes(tmp_path):
    torch.save(model(embed_dim=32).state_dict(), tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"another architecture.*file \(1, 1, 32\), model"):
        load_weights(model(), tmp_path / "file")


def test_nothing_that_fits_is_refused(tmp_path):
    torch.save({"backbone.x": torch.zeros(2)}, tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"nothing in .* fits the model: it has backbone\.x"):
        load_weights(model(), tmp_path / "file")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"checkpoint .*gone\.pyth does not exist"):
        load_weights(model(), tmp_path / "gone.pyth")


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"text, not tensors" * 9])
def test_a_file_of_something_else_is_named(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CheckpointError, match="truncated or not a PyTorch file"):
        load_weights(model(), tmp_path / "file")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path, share):
    torch.save(model().state_dict(), tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    (tmp_path / "file").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match="cannot be read .* truncated"):
        load_weights(model(), tmp_path / "file")


def test_a_dictionary_without_weights_is_named(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "file")
    with pytest.raises(
        CheckpointError, match=r"not a model checkpoint: it holds no weights.*epoch"
    ):
        load_weights(model(), tmp_path / "file")


def test_code_in_a_file_is_never_run(tmp_path):
    module = types.ModuleType("evil")
    ran = []

    class Evil:
        def __reduce__(self):
            return (sys.modules["evil"].run, ())

    module.run = lambda: ran.append(1)
    module.run.__module__, module.run.__qualname__, module.run.__name__ = "evil", "run", "run"
    sys.modules["evil"] = module
    try:
        torch.save({"model_state": Evil()}, tmp_path / "file")
        with pytest.raises(CheckpointError, match="holds no weights"):
            load_weights(model(), tmp_path / "file")
    finally:
        del sys.modules["evil"]
    assert not ran


def test_imagenet_weights_of_an_unknown_shape_name_the_ways_out():
    with pytest.raises(CheckpointError, match=r"no ImageNet weights .* patch 4, width 16.*none"):
        pretrained.load_imagenet(model())


def test_imagenet_weights_come_through_timm_and_are_inflated(monkeypatch):
    import timm

    class Image(torch.nn.Module):
        def state_dict(self):
            state = TimeSformer(attention_type="space_only", **sizes, num_classes=1000).state_dict()
            return {key: torch.full_like(value, 0.5) for key, value in state.items()}

    asked = []
    sizes = {"embed_dim": 192, "depth": 12, "num_heads": 3}
    monkeypatch.setattr(
        timm, "create_model", lambda name, **kw: asked.append((name, kw)) or Image()
    )
    target = TimeSformer(**sizes)
    report = pretrained.load_imagenet(target)
    assert asked == [("vit_tiny_patch16_224.augreg_in21k_ft_in1k", {"pretrained": True})]
    assert torch.all(target.blocks[3].temporal_attn.proj.weight == 0.5)
    assert torch.all(target.blocks[3].temporal_fc.weight == 0)
    assert report.newly_initialized
    assert math.isclose(len(report.inflated), 12 * 6)


def test_the_names_of_the_imagenet_table_exist_in_timm():
    import timm

    known = set(timm.list_pretrained())
    for (patch, width, depth, heads), name in pretrained.IMAGENET_VITS.items():
        assert name in known
        net = timm.create_model(name, device="meta")
        sizes = (net.patch_embed.patch_size[0], net.embed_dim, len(net.blocks))
        assert sizes == (patch, width, depth)
        assert net.blocks[0].attn.num_heads == heads


def test_an_unreachable_hub_names_the_ways_out(monkeypatch):
    import timm

    def offline(name, **_):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(CheckpointError, match=r"could not be fetched \(OSError: no route.*none"):
        pretrained.load_imagenet(TimeSformer(embed_dim=192, num_heads=3))


def test_a_file_with_a_scrap_of_the_model_is_refused(tmp_path):
    torch.save({"norm.weight": torch.zeros(16)}, tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"almost nothing in .* fits the model"):
        load_weights(model(), tmp_path / "file")


def test_a_position_embedding_that_is_no_square_grid_is_named(tmp_path):
    state = model().state_dict()
    state["pos_embed"] = torch.zeros(1, 18, 16)  # DeiT's distillation token
    torch.save(state, tmp_path / "file")
    with pytest.raises(
        CheckpointError, match=r"pos_embed: file \(1, 18, 16\), model \(1, 17, 16\)"
    ):
        load_weights(model(), tmp_path / "file")


def test_a_whole_file_with_other_objects_names_them(tmp_path):
    import argparse

    source, target = model(seed=1), model(seed=2)
    torch.save({"model": source.state_dict(), "args": argparse.Namespace(lr=1)}, tmp_path / "file")
    report = load_weights(target, tmp_path / "file")
    assert "other entries of the file: args (argparse.Namespace)" in str(report)
    assert same_weights(source, target)


@pytest.mark.parametrize(("saved", "now"), [("adamw", "sgd"), ("sgd", "adamw")])
def test_another_optimizer_is_not_gone_on_with(tmp_path, saved, now):
    kinds = {"sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), "adamw": torch.optim.AdamW}
    net = model()
    optimizer_state = kinds[saved](net.parameters()).state_dict()
    payload = {"epoch": 0, "model_state": net.state_dict(), "optimizer_state": optimizer_state}
    torch.save(payload, tmp_path / "file")
    with pytest.raises(CheckpointError, match="does not fit SOLVER.OPTIMIZING_METHOD"):
        load_train_state(Checkpoint.read(tmp_path / "file"), net, kinds[now](net.parameters()))


def test_grids_are_resized_smoothly():
    """Antialiased: a checkerboard turns grey, where plain bicubic keeps its contrast."""
    embed = torch.zeros(1, 65, 1)
    embed[0, 1:, 0] = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2).flatten().float()
    small = resize.resize_position(embed, 1 + 9)[0, 1:, 0]
    assert (small - 0.5).abs().max() < 0.2
