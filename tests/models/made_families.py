"""A small model of every family, and the options of a configuration that name it."""

import contextlib
import functools
import json

from torchvision.models.video.swin_transformer import SwinTransformer3d

from timesformer.models import MODELS
from timesformer.models.baselines import c3d
from timesformer.models.baselines.c3d import C3D, CONVOLUTIONS, LINEAR

FAMILIES = ["timm", "torchvision", "pytorchvideo", "hf", "c3d", "two_stream"]
VIDEOMAE = {
    "model_type": "videomae",
    "architectures": ["VideoMAEForVideoClassification"],
    "image_size": 32,
    "patch_size": 8,
    "num_frames": 4,
    "tubelet_size": 2,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "use_mean_pooling": True,
    "id2label": {"0": "a", "1": "b"},
}
NARROW = dict.fromkeys(CONVOLUTIONS, 8) | dict.fromkeys(LINEAR, 16)


def make_small(monkeypatch):
    """Builders of libraries make small models of the same classes, with the same names."""
    narrow_c3d(monkeypatch)
    monkeypatch.setattr(c3d, "DROPOUT", 0.0)
    monkeypatch.setattr("torchvision.models.get_model", small_swin)
    with contextlib.suppress(ImportError):
        from pytorchvideo.models import hub, x3d

        small = functools.partial(
            x3d.create_x3d, depth_factor=0.1, width_factor=1.0, input_clip_length=4, input_crop_size=32,
            head_dim_out=64, dropout_rate=0.0,
        )  # fmt: skip
        monkeypatch.setattr(hub, "x3d_xs", lambda pretrained: small())


def small_swin(name, *, weights, num_classes):
    widths = [2, 4, 4], 8, [1, 1, 2], [2, 2, 2], [2, 3, 3]  # patch, channels, depths, heads, window
    return SwinTransformer3d(*widths, stochastic_depth_prob=0.0, num_classes=num_classes)


def narrow_c3d(monkeypatch):
    """The row c3d of the table builds a model of few channels."""

    def build(cfg, in_channels):
        spec = (in_channels, cfg.DATA.NUM_FRAMES, *[cfg.DATA.TRAIN_CROP_SIZE] * 2)
        return C3D(num_classes=cfg.MODEL.NUM_CLASSES, input_spec=spec, widths=NARROW)

    monkeypatch.setitem(MODELS, "c3d", MODELS["c3d"]._replace(build=build))


def options(family, tmp_path):
    """KEY VALUE pairs on top of the tiny configuration: (name and clips, a pattern of its parameters)."""
    if family == "hf":
        folder = tmp_path / "videomae"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(VIDEOMAE))
        return ["MODEL.MODEL_NAME", f"hf/{folder}"], "videomae.embeddings.*"
    if family == "c3d":
        clip = ["DATA.NUM_FRAMES", "16", "DATA.SAMPLING_RATE", "1"]
        return ["MODEL.MODEL_NAME", "c3d", *clip], "conv1.*"
    names = {
        "timm": ("timm/test_resnet+lstm", "encoder.conv1.*"),
        "two_stream": ("two_stream/test_efficientnet+conv", "rgb.conv_stem.*"),
        "torchvision": ("torchvision/swin3d_t", "patch_embed.*"),
        "pytorchvideo": ("pytorchvideo/x3d_xs", "blocks.0.*"),
    }
    name, pattern = names[family]
    seen = ["DATA.MODALITY", "rgb+flow", "DATA.FLOW.STACK", "1"] if family == "two_stream" else []
    return ["MODEL.MODEL_NAME", name, *seen], pattern
