"""The model against the published one's numbers, and the laws that follow from its definition."""

import json
import math

import pytest
import torch

from timesformer.config import ConfigError, load_config
from timesformer.models import build_model
from timesformer.models.attention import SCHEMES
from timesformer.models.speedups import speed_up
from timesformer.models.timesformer import TimeSformer
from timesformer.models.vit import TimeSformer as PublishedTimeSformer

OFFICIAL = ["divided_space_time", "joint_space_time", "space_only"]
TINY = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}


def tiny(scheme="divided_space_time", **kwargs):
    torch.manual_seed(0)
    sizes = {"num_frames": 4, "num_classes": 5, **TINY, **kwargs}
    return TimeSformer(attention_type=scheme, **sizes)


def stirred(model):
    """Every parameter random, also those that start at zero."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.mark.parametrize("scheme", OFFICIAL)
def test_published_checkpoints_give_the_published_logits(shared, scheme):
    io = torch.load(shared / f"golden/shared_official_{scheme}_io.pt", weights_only=True)
    file = torch.load(shared / f"golden/shared_official_{scheme}.pyth", weights_only=True)
    model = TimeSformer(**io["spec"]).eval()
    model.load_state_dict(file["model_state"], strict=True)
    assert [f"model.{name}" for name in model.state_dict()] == list(file["model_state"])
    for case in io["cases"]:
        with torch.no_grad():
            difference = (model(case["input"]) - case["logits"]).abs().max()
        assert difference < 1e-4, tuple(case["input"].shape)


def test_closed_formula_goldens(shared):
    goldens = json.loads((shared / "golden/official_goldens.json").read_text())
    for case in goldens["cases"]:
        model = TimeSformer(
            img_size=32, patch_size=16, num_classes=5, embed_dim=32, depth=2, num_heads=4,
            num_frames=3, attention_type=case["attention"], drop_path_rate=0.0,
        ).double()  # fmt: skip
        for i, (_, parameter) in enumerate(sorted(model.named_parameters())):
            j = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.data = (0.2 * torch.sin(0.1 * (j + 1) * (i % 7 + 1) + i)).view_as(parameter)
        _check_golden(model, case)


def _check_golden(model, case):
    shape = case.get("shape", (2, 3, 3, 32, 32))
    numbers = torch.arange(math.prod(shape), dtype=torch.float64)
    logits = model.eval()(torch.cos(0.01 * numbers).view(*shape))
    if "logits" in case:
        assert torch.allclose(logits, torch.tensor(case["logits"]).double(), atol=1e-9)
        return
    logits.square().sum().backward()
    for name, norm in case["grad_norms"].items():
        ours = model.get_parameter(name).grad.norm().item()
        assert ours == pytest.approx(norm, rel=1e-6), name


def test_parameter_counts_are_the_published_ones():
    counts = {
        "divided_space_time": 121_566_352,
        "joint_space_time": 86_112_400,
        "space_only": 86_106_256,
    }
    with torch.device("meta"):
        for scheme, count in counts.items():
            assert sum(p.numel() for p in TimeSformer(attention_type=scheme).parameters()) == count
        high = TimeSformer(img_size=448, num_frames=16)
        assert sum(p.numel() for p in high.parameters()) == 122_024_080
        long = TimeSformer(num_frames=96)
        assert sum(p.numel() for p in long.parameters()) == 121_633_936


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_serves_other_lengths_sizes_and_shapes(scheme):
    model = stirred(tiny(scheme))
    for shape in [(1, 3, 8, 16, 16), (2, 3, 4, 32, 32), (1, 3, 2, 16, 32)]:
        assert model(torch.randn(shape)).shape == (shape[0], 5)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_clip_does_not_depend_on_its_batch(scheme):
    model = stirred(tiny(scheme)).double()
    clips = torch.randn(3, 3, 4, 16, 16, dtype=torch.float64)
    alone = torch.cat([model(clip[None]) for clip in clips])
    assert torch.allclose(model(clips), alone, atol=1e-12)


def test_only_space_only_is_blind_to_the_order_of_frames():
    clips = torch.randn(2, 3, 4, 16, 16, dtype=torch.float64)
    for scheme in SCHEMES:
        model = stirred(tiny(scheme)).double()
        same = torch.allclose(model(clips), model(clips.flip(2)), atol=1e-12)
        assert same is (scheme == "space_only"), scheme


def test_an_untrained_divided_model_of_one_frame_is_the_image_transformer():
    torch.manual_seed(0)
    clip = torch.randn(2, 3, 1, 16, 16)
    divided = tiny("divided_space_time").eval()
    space = tiny("space_only").eval()
    space.load_state_dict(divided.state_dict(), strict=False)
    assert torch.allclose(divided(clip), space(clip), atol=1e-6)


def test_position_embeddings_are_resized_in_two_dimensions():
    model = tiny()
    grid = torch.arange(16.0).view(1, 16, 1).expand(1, 16, 16)
    model.pos_embed.data[:, 1:] = grid
    wide = model.space_embedding(4, 8)[..., 0]
    expected = torch.arange(16.0).view(4, 4).repeat_interleave(2, dim=1)
    assert torch.equal(wide, expected)


def test_time_embeddings_are_resized_to_the_nearest_frame():
    model = tiny(num_frames=8)
    model.time_embed.data[:] = torch.arange(8.0).view(1, 8, 1)
    assert model.time_embedding(12)[:, 0, 0, 0].tolist() == [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]


def test_drop_path_rates_grow_linearly_from_zero():
    model = tiny(depth=5, drop_path_rate=0.2)
    assert [b.drop_path for b in model.blocks] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_dropout_is_off_by_default_and_random_when_on():
    clip = torch.randn(1, 3, 4, 16, 16)
    plain = tiny(drop_path_rate=0.0).train()
    assert torch.equal(plain(clip), plain(clip))
    dropping = tiny(drop_path_rate=0.0, drop_rate=0.5, attn_drop_rate=0.5).train()
    assert not torch.equal(dropping(clip), dropping(clip))
    assert torch.equal(dropping.eval()(clip), dropping(clip))


@pytest.mark.parametrize("scheme", ["divided_space_time", "space_only"])
def test_the_model_compiles_without_graph_breaks(scheme):
    """``test_speedups`` compiles every scheme with its rewrites, as training does."""
    model = stirred(tiny(scheme, depth=1))
    clip = torch.randn(2, 3, 4, 16, 16)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(clip), model(clip), atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_model_exports_for_any_batch(scheme):
    model = stirred(tiny(scheme, depth=1)).eval()
    batch = torch.export.Dim("batch", max=1024)  # PyTorch 2.6 wants a limit
    exported = torch.export.export(
        model, (torch.randn(2, 3, 4, 16, 16),), dynamic_shapes={"clip": {0: batch}}
    ).module()
    clip = torch.randn(5, 3, 4, 16, 16)
    assert torch.allclose(exported(clip), model(clip), atol=1e-5)


def test_the_snippet_of_the_published_readme_runs(tmp_path):
    file = tmp_path / "model.pyth"
    small = {"img_size": 32, "num_classes": 4, "num_frames": 8, "depth": 1, "embed_dim": 24}
    sizes = {**small, "num_heads": 3}
    source = TimeSformer(**sizes)
    torch.save({"model_state": {f"model.{k}": v for k, v in source.state_dict().items()}}, file)
    model = PublishedTimeSformer(
        attention_type="divided_space_time", pretrained_model=str(file), **sizes
    )
    dummy_video = torch.randn(2, 3, 8, 32, 32)
    assert torch.equal(model.eval()(dummy_video), source.eval()(dummy_video))
    assert model.model is model


def test_the_published_class_takes_its_arguments_by_position_and_any_size():
    model = PublishedTimeSformer(48, 12, 7, 3, "joint_space_time", depth=1)
    assert model(torch.randn(1, 3, 3, 48, 48)).shape == (1, 7)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 4, 16, 16), r"input is \(3, 4, 16, 16\), but must be \(batch, 3, frames"),
        ((1, 4, 3, 16, 16), r"must be \(batch, 3, frames, height, width\)"),
        ((1, 3, 4, 2, 16), "frames are 2 x 16, less than one patch of 4"),
    ],
)
def test_wrong_input_is_named(shape, message):
    with pytest.raises(ValueError, match=message):
        tiny()(torch.zeros(shape))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="attention_type is 'divided'; choose one of space_only"):
        TimeSformer(attention_type="divided")
    with pytest.raises(ValueError, match="img_size is 8, less than one patch of 16"):
        TimeSformer(img_size=8)


def test_build_model_reads_no_network_and_gives_logits(tiny_yaml):
    cfg = load_config(tiny_yaml, ["TIMESFORMER.PRETRAINED_MODEL", ""])
    assert build_model(cfg)(torch.randn(2, 3, 4, 32, 32)).shape == (2, 3)


def test_an_unknown_model_is_named_with_the_rows_of_the_table(tiny_yaml):
    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", "SlowFast"])
    with pytest.raises(
        ConfigError,
        match="MODEL_NAME is 'SlowFast'.*nearest .* pytorchvideo/slowfast.*families are torchv",
    ):
        build_model(cfg)


@pytest.mark.cuda
def test_the_gpu_gives_the_same_logits():
    model = stirred(tiny())
    clip = torch.randn(2, 3, 4, 16, 16)
    with torch.no_grad():
        assert torch.allclose(model.cuda()(clip.cuda()).cpu(), model.cpu()(clip), atol=1e-3)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_patch_tokens_are_the_normalised_output_of_the_last_block(scheme):
    model = stirred(tiny(scheme))
    last = []
    model.blocks[-1].register_forward_hook(lambda *call: last.append(call[-1]))
    clip = torch.randn(2, 3, 4, 16, 16)
    cls, grid = model.forward_tokens(clip)
    assert torch.allclose(cls, model.forward_features(clip), atol=1e-5)
    assert grid.shape == (2, 4, 4, 4, 16)
    assert torch.allclose(grid.flatten(), model.norm(last[0][1]).flatten())


def test_frames_of_the_space_only_scheme_have_tokens_of_their_own():
    model = stirred(tiny("space_only"))
    clip = torch.randn(2, 3, 4, 16, 16)
    _, grid = model.forward_tokens(clip)
    for t in range(4):
        _, alone = model.forward_tokens(clip[:, :, t : t + 1])
        assert torch.allclose(grid[:, t : t + 1], alone, atol=1e-5)


@pytest.mark.parametrize("rewrites", [False, True], ids=["plain", "sped up"])
def test_features_of_the_space_only_scheme_are_pooled_features_of_frames(rewrites):
    model = stirred(tiny("space_only"))
    model = speed_up(model) if rewrites else model
    clip = torch.randn(3, 3, 4, 16, 16)
    with torch.no_grad():
        frames = model.forward_frames(clip)
        assert frames.shape == (3, 4, 16)
        assert torch.equal(model.pool_frames(frames), model.forward_features(clip))
        others = torch.cat([torch.randn(3, 3, 3, 16, 16), clip[:, :, :1]], dim=2)
        assert torch.allclose(model.forward_frames(others)[:, 3], frames[:, 0], atol=1e-6)
    assert model.per_frame
    assert not tiny().per_frame
