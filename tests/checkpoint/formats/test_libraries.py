"""Random weights in every public naming, into the models that they are of."""

import pytest
import torch

from tests.models.made_families import NARROW
from timesformer.checkpoint.formats.libraries import FAMILIES, family_of
from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.config import load_config
from timesformer.models import build_model
from timesformer.models.baselines.c3d import C3D

CONVOLUTIONS = ["conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b"]
FEATURES = [0, 3, 6, 8, 11, 13, 16, 18]


def c3d():
    return C3D(num_classes=3, input_spec=(3, 16, 32, 32), widths=NARROW).eval()


def mmaction2(name):
    layer, kind = name.split(".")
    if layer == "fc8":
        return f"cls_head.fc_cls.{kind}"
    if layer.startswith("fc"):
        return f"backbone.{name}"
    return f"backbone.{layer if layer[-1] in 'ab' else layer + 'a'}.conv.{kind}"


def caffe(name):
    layer, kind = name.split(".")
    if layer in CONVOLUTIONS:
        return f"features.{FEATURES[CONVOLUTIONS.index(layer)]}.{kind}"
    return f"classifier.{ {'fc6': 0, 'fc7': 3, 'fc8': 6}[layer] }.{kind}"


@pytest.mark.parametrize("naming", [str, mmaction2, caffe, "module.{}".format])
def test_every_naming_of_c3d_loads_whole(naming, tmp_path):
    theirs, ours = c3d(), c3d()
    path = tmp_path / "c3d.pth"
    state = {naming(name): value for name, value in theirs.state_dict().items()}
    torch.save({"state_dict": state} if naming is mmaction2 else state, path)
    assert load_weights(ours, path).exact
    clip = torch.randn(1, 3, 16, 32, 32)
    assert torch.equal(ours(clip), theirs(clip))


def test_a_c3d_of_mmaction2_brings_its_pixels_and_other_files_those_of_sports1m(
    tmp_path, monkeypatch
):
    from tests.models.made_families import narrow_c3d

    narrow_c3d(monkeypatch)
    plain, theirs = tmp_path / "plain.pth", tmp_path / "mmaction2.pth"
    torch.save(c3d().state_dict(), plain)
    torch.save({mmaction2(n): v for n, v in c3d().state_dict().items()}, theirs)
    spec = read_model_spec(plain, overrides=["MODEL.MODEL_NAME", "c3d"])
    assert spec.cfg.DATA.REVERSE_INPUT_CHANNEL
    assert spec.cfg.DATA.MEAN[0] * 255 == pytest.approx(101.41)  # R
    assert (spec.cfg.MODEL.NUM_CLASSES, spec.cfg.DATA.NUM_FRAMES) == (3, 16)
    spec = read_model_spec(theirs, overrides=["MODEL.MODEL_NAME", "c3d"])
    assert not spec.cfg.DATA.REVERSE_INPUT_CHANNEL
    assert [round(255 * value) for value in spec.cfg.DATA.MEAN] == [104, 117, 128]
    with pytest.raises(
        CheckpointError, match=r"looks like weights of C3D \(c3d\): add MODEL.MODEL"
    ):
        read_model_spec(plain)


NORM = ("weight", "bias", "running_mean", "running_var")
BLOCKS = (3, 4, 6, 3)  # of a ResNet-50


def official_names(pathways, *, fused):
    """Names of a PySlowFast checkpoint of bottlenecks, by its modules, in the order of computation."""
    names = []

    def layer(name, norm):
        names.extend([f"{name}.weight", *(f"{norm}.{kind}" for kind in NORM)])

    for p in range(pathways):
        layer(f"s1.pathway{p}_stem.conv", f"s1.pathway{p}_stem.bn")
    for stage, count in enumerate(BLOCKS, 2):
        if fused:
            layer(f"s{stage - 1}_fuse.conv_f2s", f"s{stage - 1}_fuse.bn")
        for p in range(pathways):
            for i in range(count):
                block = f"s{stage}.pathway{p}_res{i}"
                if i == 0:
                    layer(f"{block}.branch1", f"{block}.branch1_bn")
                for part in "abc":
                    layer(f"{block}.branch2.{part}", f"{block}.branch2.{part}_bn")
    return [*names, "head.projection.weight", "head.projection.bias"]


@pytest.mark.parametrize(
    ("kind", "pathways"), [("slowfast_r50", 2), ("slow_r50", 1), ("i3d_r50", 1), ("c2d_r50", 1)]
)
def test_official_slowfast_files_load_with_nothing_unused(kind, pathways, tiny_yaml, tmp_path):
    pytest.importorskip("pytorchvideo")
    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"pytorchvideo/{kind}"])
    with torch.device("meta"):
        model = build_model(cfg)
    wanted = official_names(pathways, fused=pathways == 2)
    counts = [n for n in model.state_dict() if not n.endswith("num_batches_tracked")]
    assert len(wanted) == len(counts)
    shapes = official_shapes(model, wanted)
    path = tmp_path / "official.pyth"
    # a value in a tensor of full size: shapes are what is compared, and the file stays small
    state = {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}
    torch.save({"epoch": 3, "model_state": state, "cfg": "MODEL:\n  MODEL_NAME: SlowFast\n"}, path)
    report = load_weights(model, path)
    assert not report.unused
    assert all(name.endswith("num_batches_tracked") for name in report.newly_initialized)
    assert len(report.loaded) == len(counts)


def official_shapes(model, names):
    """Shapes by official names: those of the model's layers in the order of its own modules."""
    order = {"conv_a": 1, "conv_b": 2, "conv_c": 3}
    found = {}
    state = model.state_dict()
    for name in names:
        stage = 0 if name.startswith("s1") else int(name[1]) - 1 if name[0] == "s" else -1
        rest = name.split(".", 1)[1] if "." in name else name
        found[name] = _like(state, stage, name, rest, order)
    return found


def _like(state, stage, name, rest, order):
    """The shape of the one tensor of the model that has the same role."""
    if stage < 0:
        return next(v.shape for n, v in state.items() if n.endswith(f"proj.{rest.split('.')[-1]}"))
    blocks = sorted({int(n.split(".")[1]) for n in state if "res_blocks" in n})
    index = 0 if stage == 0 else blocks[stage - 1]
    inside = {n.removeprefix(f"blocks.{index}."): v for n, v in state.items()
              if n.startswith(f"blocks.{index}.")}  # fmt: skip
    kind = name.rsplit(".", 1)[1]
    if "_fuse" in name:
        part = "conv_fast_to_slow" if "conv_f2s" in name else "norm"
        return inside[f"multipathway_fusion.{part}.{kind}"].shape
    pathway = name.split("pathway")[1][0]
    two = any(n.startswith("multipathway") for n in inside)
    prefix = f"multipathway_blocks.{pathway}." if two else ""
    if stage == 0:
        return inside[f"{prefix}{'norm' if '.bn.' in name else 'conv'}.{kind}"].shape
    block = f"{prefix}res_blocks.{name.split('_res')[1].split('.')[0]}."
    if "branch1" in name:
        return inside[f"{block}branch1_{'norm' if 'branch1_bn' in name else 'conv'}.{kind}"].shape
    part = name.split("branch2.")[1][0]
    return inside[f"{block}branch2.{'norm' if '_bn.' in name else 'conv'}_{part}.{kind}"].shape


def test_official_x3d_files_load_with_nothing_unused(tiny_yaml, tmp_path):
    pytest.importorskip("pytorchvideo")
    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", "pytorchvideo/x3d_xs"])
    theirs, ours = build_model(cfg).eval(), build_model(cfg).eval()
    path = tmp_path / "x3d.pyth"
    state = {official_x3d(name): value for name, value in theirs.state_dict().items()}
    torch.save({"model_state": state}, path)
    assert not load_weights(ours, path).unused
    clip = torch.randn(1, 3, 4, 32, 32)
    assert torch.equal(ours(clip), theirs(clip))


def official_x3d(name):
    """Of a parameter of PyTorchVideo's X3D, by the modules of the public X3D."""
    blocks, index, rest = name.split(".", 2)
    assert blocks == "blocks"
    heads = {"pool.pre_conv": "conv_5", "pool.pre_norm": "conv_5_bn", "pool.post_conv": "lin_5",
             "proj": "projection"}  # fmt: skip
    stems = {"conv.conv_t": "conv_xy", "conv.conv_xy": "conv", "norm": "bn"}
    if index == "0":
        module, kind = rest.rsplit(".", 1)
        return f"s1.pathway0_stem.{stems[module]}.{kind}"
    if index == "5":
        module, kind = rest.rsplit(".", 1)
        return f"head.{heads[module]}.{kind}"
    _, block, rest = rest.split(".", 2)
    module, kind = rest.rsplit(".", 1)
    parts = {
        "branch1_conv": "branch1", "branch1_norm": "branch1_bn",
        "branch2.conv_a": "branch2.a", "branch2.norm_a": "branch2.a_bn",
        "branch2.conv_b": "branch2.b", "branch2.norm_b.0": "branch2.b_bn",
        "branch2.norm_b.1.block.0": "branch2.se.fc1", "branch2.norm_b.1.block.2": "branch2.se.fc2",
        "branch2.conv_c": "branch2.c", "branch2.norm_c": "branch2.c_bn",
    }  # fmt: skip
    return f"s{int(index) + 1}.pathway0_res{block}.{parts[module]}.{kind}"


def test_weights_of_the_image_model_start_a_frame_wise_one(tiny_yaml, tmp_path):
    import timm

    image = timm.create_model("test_resnet", num_classes=10)
    torch.save(image.state_dict(), tmp_path / "image.pth")
    model = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", "timm/test_resnet+lstm"]))
    report = load_weights(model, tmp_path / "image.pth")
    assert {name.split(".")[0] for name in report.newly_initialized} == {"temporal", "head"}
    assert torch.equal(model.encoder.conv1[0].weight, image.conv1[0].weight)
    assert set(report.unused) == {"encoder.fc.weight", "encoder.fc.bias"}  # its own classifier


def test_old_files_without_counts_of_batches_load(tiny_yaml, tmp_path):
    model = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", "torchvision/mc3_18"]))
    kept = {n: v for n, v in model.state_dict().items() if "num_batches" not in n}
    torch.save(kept, tmp_path / "old.pth")
    assert not load_weights(model, tmp_path / "old.pth").unused


def test_weights_of_rgb_start_a_first_layer_of_other_channels(tiny_yaml, tmp_path):
    from timesformer.models.baselines.frame_wise import build_frame_wise

    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", "timm/test_resnet+mean"])
    rgb, flow = build_model(cfg), build_frame_wise(cfg, 20)
    torch.save(rgb.state_dict(), tmp_path / "rgb.pth")
    report = load_weights(flow, tmp_path / "rgb.pth")
    assert len(report.resized) == 1
    theirs, ours = rgb.state_dict()[report.resized[0]], flow.state_dict()[report.resized[0]]
    assert torch.allclose(ours.sum(dim=1), theirs.sum(dim=1), atol=1e-5)


def test_weights_of_another_family_are_named(tiny_yaml, tmp_path):
    r3d = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", "torchvision/mc3_18"]))
    torch.save(r3d.state_dict(), tmp_path / "r3d.pth")
    for kind in ("vit_base_patch16_224", "timm/test_resnet+mean"):
        model = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", kind]))
        with pytest.raises(
            CheckpointError, match="looks like weights of a video ResNet of torchvis"
        ):
            load_weights(model, tmp_path / "r3d.pth")
    assert family_of(["something.else"]) == ""
    assert len(set(FAMILIES.values())) == len(FAMILIES)
