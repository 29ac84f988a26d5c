"""transformers is the oracle: its models give ours their logits, and ours theirs."""

import json

import pytest
import torch

from timesformer.checkpoint.formats import FormatError, Weights
from timesformer.checkpoint.formats.huggingface import add_config, add_preprocessor
from timesformer.checkpoint.load import CheckpointError, load_weights, read_weights
from timesformer.models.timesformer import TimeSformer

transformers = pytest.importorskip("transformers")
SIZES = {"img_size": 16, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
THEIRS = {
    "image_size": 16,
    "patch_size": 8,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
}


def randomized(model):
    torch.manual_seed(3)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def video_model(**options):
    config = transformers.TimesformerConfig(
        **{**THEIRS, "num_frames": 4, "num_labels": 3, **options}
    )
    return randomized(transformers.TimesformerForVideoClassification(config))


@pytest.mark.parametrize("scheme", ["divided_space_time", "joint_space_time", "space_only"])
def test_a_model_of_transformers_gives_its_logits(tmp_path, scheme):
    names = {0: "run", 1: "sit", 2: "jump"}
    theirs = video_model(attention_type=scheme, layer_norm_eps=1e-3, id2label=names)
    theirs.save_pretrained(tmp_path)
    ours = TimeSformer(**SIZES, num_frames=4, num_classes=3, attention_type=scheme).eval()
    report = load_weights(ours, tmp_path)
    clips = torch.randn(2, 3, 4, 16, 16)
    if scheme == "space_only":  # transformers does not average over frames: it scores each alone
        clips = clips.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    with torch.no_grad():
        expected = theirs(clips.transpose(1, 2)).logits
        assert (ours(clips) - expected).abs().max() < 1e-5
    assert report.exact
    assert "its norms have epsilon 0.001" in str(report)
    read = read_weights(tmp_path)
    assert read.class_names == ("run", "sit", "jump")
    assert (read.scheme, read.format) == (scheme, "Hugging Face TimeSformer")


def image_model(name, **options):
    config = getattr(transformers, f"{name}Config")(**{**THEIRS, **options})
    kind = {"CLIPVision": "CLIPVisionModel", "SiglipVision": "SiglipVisionModel"}
    return randomized(getattr(transformers, kind.get(name, f"{name}Model"))(config))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ViT", {}),
        ("Dinov2", {"mlp_ratio": 4, "layerscale_value": 0.3}),
        ("CLIPVision", {"hidden_act": "gelu"}),
    ],
)
def test_image_models_of_transformers_give_their_class_token(tmp_path, name, options):
    theirs = image_model(name, **options)
    theirs.save_pretrained(tmp_path)
    ours = TimeSformer(
        **SIZES, num_classes=3, attention_type="space_only", pre_norm=name == "CLIPVision"
    ).eval()
    report = load_weights(ours, tmp_path)
    clips = torch.randn(2, 3, 1, 16, 16)
    with torch.no_grad():
        found = theirs(clips[:, :, 0])
        expected = found.pooler_output if name == "CLIPVision" else found.last_hidden_state[:, 0]
        assert (ours.forward_features(clips) - expected).abs().max() < 1e-5
    assert sorted(report.newly_initialized) == ["head.bias", "head.weight"]


def test_siglip_gives_its_patches(tmp_path):
    theirs = image_model("SiglipVision")
    theirs.save_pretrained(tmp_path)
    ours = TimeSformer(**SIZES, num_classes=3, attention_type="space_only")
    report = load_weights(ours, tmp_path)
    assert torch.equal(ours.pos_embed[0, 1:], theirs.embeddings.position_embedding.weight)
    assert "its activation is gelu_pytorch_tanh: ours, gelu, differs by less than" in str(report)
    assert "cls_token" in report.newly_initialized


def test_an_activation_that_is_not_gelu_is_refused(tmp_path):
    video_model(hidden_act="relu").save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="its activation is relu, a TimeSformer has gelu"):
        load_weights(TimeSformer(**SIZES, num_frames=4, num_classes=3), tmp_path)


def test_as_many_names_as_classes(tmp_path):
    video_model().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {"0": "run", "1": "sit"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="names 2 classes, but its classifier has 3"):
        read_weights(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config.json is not JSON"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (None, ()),
        (["run", "sit", "jump"], ("run", "sit", "jump")),
        ({"10": "k", "2": "c", **{str(k): str(k) for k in (0, 1, 3, 4, 5, 6, 7, 8, 9)}}, ...),
        ({"run": 0, "sit": 1, "jump": 2}, "must name the labels 0, 1, 2 ..., but has run, sit"),
    ],
)
def test_names_of_labels_are_an_object_a_list_or_nothing(labels, names):
    found = Weights({})
    if isinstance(names, str):
        with pytest.raises(FormatError, match=names):
            add_config(found, {"id2label": labels})
        return
    add_config(found, {"id2label": labels})
    expected = ("0", "1", "c", "3", "4", "5", "6", "7", "8", "9", "k") if names is ... else names
    assert found.class_names == expected


def test_frames_that_are_not_normalised_stay_as_they_are():
    found = Weights({})
    said = {"image_mean": [0.5] * 3, "image_std": [0.2] * 3, "crop_size": 16}
    add_preprocessor(found, said)
    assert found.about["preprocessing"] == {"mean": [0.5] * 3, "std": [0.2] * 3, "crop_size": 16}
    found = Weights({})
    add_preprocessor(found, {**said, "do_normalize": False})
    assert found.about["preprocessing"]["mean"] == [0.0] * 3
    assert found.about["preprocessing"]["std"] == [1.0] * 3
