"""Models of PyTorchVideo against its own."""

import sys

import pytest
import torch

from timesformer.config import ConfigError, load_config
from timesformer.models import build_model
from timesformer.models.baselines import pytorchvideo_hub
from timesformer.models.layouts import slow_fast


@pytest.fixture
def config(tiny_yaml):
    return lambda name, *options: load_config(tiny_yaml, ["MODEL.MODEL_NAME", name, *options])


@pytest.fixture
def hub():
    return pytest.importorskip("pytorchvideo.models.hub")


def test_logits_of_slowfast_are_those_of_the_library(config, hub):
    pools = ((1, 1, 1), (4, 1, 1))
    theirs = hub.slowfast_r50(model_num_class=3, head_pool_kernel_sizes=pools).eval()
    ours = build_model(config("pytorchvideo/slowfast_r50")).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    clip = torch.randn(1, 3, 4, 32, 32)
    with torch.no_grad():
        assert torch.allclose(ours(clip), theirs(slow_fast(clip)), atol=1e-5)


def test_logits_of_mvit_are_those_of_the_library(config, hub, monkeypatch):
    """Of three blocks, of which the second is wider and pools, as in the builder of sixteen."""
    from pytorchvideo.models import vision_transformers

    published = hub.vision_transformers.mvit_video_base_config
    sizes = {"spatial_size": 32, "temporal_size": 4, "depth": 3, "patch_embed_dim": 8}
    once = ("embed_dim_mul", "atten_head_mul", "pool_q_stride_size")
    first = {key: published[key][:1] for key in once}
    settings = published | sizes | first | {"head_num_classes": 3}

    def small(pretrained=False):
        return vision_transformers.create_multiscale_vision_transformers(**settings)

    monkeypatch.setattr(hub, "mvit_base_16x4", small)
    theirs = small().eval()
    ours = build_model(config("pytorchvideo/mvit_base_16x4")).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    clip = torch.randn(2, 3, 4, 32, 32)
    assert torch.equal(ours(clip), theirs(clip))


def test_logits_are_before_the_softmax_that_the_library_adds(config, hub):
    theirs = hub.x3d_xs(pretrained=False).eval()
    classes = ["MODEL.NUM_CLASSES", "400", "DATA.TRAIN_CROP_SIZE", "160"]
    jitter = ["DATA.TRAIN_JITTER_SCALES", "[160, 160]"]
    ours = build_model(config("pytorchvideo/x3d_xs", *classes, *jitter)).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    clip = torch.randn(1, 3, 4, 160, 160)
    with torch.no_grad():
        assert torch.allclose(ours(clip).softmax(dim=-1), theirs(clip), atol=1e-5)


@pytest.mark.parametrize("name", ["slow_r50", "i3d_r50", "c2d_r50", "r2plus1d_r50", "csn_r101"])
def test_others_have_the_librarys_names_of_parameters(config, hub, name):
    with torch.device("meta"):
        ours = build_model(config(f"pytorchvideo/{name}"))
        theirs = getattr(hub, name)(pretrained=False)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert ours.eval()(torch.empty(1, 3, 4, 32, 32, device="meta")).shape == (1, 3)


def test_an_unknown_name_gets_the_nearest(config, hub):
    with pytest.raises(ConfigError, match="nearest names are pytorchvideo/slow_r50, "):
        build_model(config("pytorchvideo/slow_r51"))


def test_without_the_extra_the_line_that_installs_it_is_named(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorchvideo.models", None)
    with pytest.raises(ConfigError, match=r'install it with pip install "timesformer\[pytorchv'):
        build_model(config("pytorchvideo/slow_r50"))


def test_every_name_has_the_clips_of_its_weights(hub):
    found = {n: pytorchvideo_hub.defaults(n)["DATA.NUM_FRAMES"] for n in pytorchvideo_hub.names()}
    assert (found["pytorchvideo/slow_r50"], found["pytorchvideo/slowfast_r50"]) == (8, 32)
    assert (found["pytorchvideo/x3d_s"], found["pytorchvideo/mvit_base_32x3"]) == (13, 32)
