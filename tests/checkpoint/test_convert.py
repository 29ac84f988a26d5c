"""What is written in other formats computes the same, here and in transformers."""

import json

import pytest
import torch

from timesformer.checkpoint.convert import (
    WRITERS,
    Source,
    check,
    refuse_overwriting,
)
from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.huggingface_folder import build_huggingface_config
from timesformer.checkpoint.load import CheckpointError, Weights, load_weights, read_file
from timesformer.checkpoint.model_card import model_card
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.checkpoint.resume import load_train_state
from timesformer.models.timesformer import TimeSformer

transformers = pytest.importorskip("transformers")
SIZES = {"img_size": 16, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
CFG = """\
DATA: {NUM_FRAMES: 4, SAMPLING_RATE: 5, TRAIN_CROP_SIZE: 16, TEST_CROP_SIZE: 16,
  TRAIN_JITTER_SCALES: [20, 24], MEAN: [0.1, 0.2, 0.3], REVERSE_INPUT_CHANNEL: true}
MODEL: {NUM_CLASSES: 3}
TIMESFORMER: {PATCH_SIZE: 8, EMBED_DIM: 32, DEPTH: 2, NUM_HEADS: 2, ATTENTION_TYPE: %s, NORM_EPS: 0.001}
TEST: {NUM_SPATIAL_CROPS: 1}
"""


@pytest.fixture
def source(tmp_path):
    """A checkpoint as training writes it, described."""

    def make(scheme="divided_space_time", **more):
        torch.manual_seed(3)
        model = TimeSformer(
            **SIZES, num_frames=4, num_classes=3, attention_type=scheme, norm_eps=1e-3
        )
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        content = {
            "epoch": 6,
            "model_state": {f"model.{name}": value for name, value in model.state_dict().items()},
            "optimizer_state": optimizer.state_dict(),
            "cfg": CFG % scheme,
            "class_names": ["run", "sit", "jump"],
            "command": "run_net.py --cfg a.yaml",
            "data": {"train": {"list": "train.csv", "sha256": "0ab1", "videos": 24}},
            **more,
        }
        torch.save(content, tmp_path / "made.pyth")
        return model.eval(), Source.of(read_model_spec(tmp_path / "made.pyth"))

    return make


def clips():
    return torch.randn(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("scheme", ["divided_space_time", "joint_space_time", "space_only"])
def test_transformers_agrees_with_what_we_export(source, tmp_path, scheme):
    ours, made = source(scheme)
    WRITERS["hf"](made, tmp_path / "hf", torch.float32)
    theirs = transformers.TimesformerForVideoClassification.from_pretrained(tmp_path / "hf").eval()
    given = clips()
    if scheme == "space_only":  # transformers scores each frame alone
        given = given.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    with torch.no_grad():
        assert (theirs(given.transpose(1, 2)).logits - ours(given)).abs().max() < 1e-5
    assert theirs.config.id2label == {0: "run", 1: "sit", 2: "jump"}
    assert theirs.config.layer_norm_eps == 1e-3
    again = read_model_spec(tmp_path / "hf")
    assert again.class_names == ("run", "sit", "jump")
    assert again.cfg == made.spec.cfg


def test_the_image_processor_does_what_our_preprocessing_does(source, tmp_path):
    _, made = source()
    WRITERS["hf"](made, tmp_path / "hf", torch.float32)
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path / "hf")
    grey = [torch.full((3, 40, 60), 128, dtype=torch.uint8).numpy()] * 4
    pixels = torch.as_tensor(processor([grey], return_tensors="pt")["pixel_values"])
    assert pixels.shape == (1, 4, 3, 16, 16)
    expected = (128 / 255 - torch.tensor([0.1, 0.2, 0.3])) / 0.225
    assert torch.allclose(pixels[0, 0, :, 8, 8], expected, atol=1e-4)


@pytest.mark.parametrize("to", ["published", "safetensors", "hf"])
def test_every_layout_carries_the_description_and_reads_back(source, tmp_path, to):
    ours, made = source()
    written = WRITERS[to](made, tmp_path / "out", torch.float32)
    assert check(written, made.spec).startswith("49 tensors loaded")
    again = Source.of(read_model_spec(written))
    assert again.about | {"epoch": 6} == made.about | {"epoch": 6}
    model = TimeSformer(**SIZES, num_frames=4, num_classes=3).eval()
    load_weights(model, written)
    with torch.no_grad():
        assert torch.equal(model(clips()), ours(clips()))


def test_the_published_layout_can_be_trained_on(source, tmp_path):
    ours, made = source()
    written = WRITERS["published"](made, tmp_path / "a.pyth", torch.float32)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    assert load_train_state(Checkpoint.read(written), ours, optimizer).payload["epoch"] == 6
    assert all(name.startswith("model.") for name in read_file(written)["model_state"])
    bare = WRITERS["safetensors"](made, tmp_path / "b", torch.float32)
    assert "optimizer_state" not in read_file(bare)
    once = Source.of(read_model_spec(bare))
    again = read_file(WRITERS["published"](once, tmp_path / "c.pyth", torch.float32))
    assert (
        not {"epoch", "optimizer_state"} & again.keys()
    )  # the published loader wants both or none


def test_half_the_bytes(source, tmp_path):
    _, made = source()
    full = WRITERS["safetensors"](made, tmp_path / "full", torch.float32)
    half = WRITERS["safetensors"](made, tmp_path / "half", torch.bfloat16)
    metadata = len(json.dumps(json.dumps(made.about)))
    assert half.stat().st_size < full.stat().st_size / 2 + metadata + 8000
    assert {value.dtype for value in read_file(half)["model_state"].values()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("scheme", "message"), [("axial", "no axial attention, only divided_space_time, joint")]
)
def test_what_transformers_has_not_is_refused(source, tmp_path, scheme, message):
    _, made = source(scheme)
    with pytest.raises(CheckpointError, match=message):
        WRITERS["hf"](made, tmp_path / "hf", torch.float32)


def test_weights_without_a_classifier_are_refused(source, tmp_path):
    _, made = source()
    state = {k: v for k, v in made.spec.weights.state.items() if not k.startswith("head")}
    spec = made.spec._replace(weights=Weights(state), has_classifier=False)
    bare = Source(spec, made.about)
    with pytest.raises(CheckpointError, match="has no classifier, and the model of transformers"):
        WRITERS["hf"](bare, tmp_path / "hf", torch.float32)


def test_what_does_not_come_back_is_an_error(source, tmp_path):
    _, made = source()
    state = {**made.spec.weights.state, "norm.extra": torch.zeros(1)}
    bad = Source(made.spec._replace(weights=Weights(state)), made.about)
    with pytest.raises(CheckpointError, match=r"1 of its tensors have no place \(norm.extra\)"):
        check(WRITERS["published"](bad, tmp_path / "bad", torch.float32), made.spec)


def test_the_card_says_what_the_model_wants_and_how_it_was_made(source):
    _, made = source("space_only")
    card = model_card("mine", build_huggingface_config(made.spec, torch.float32), made.about)
    for text in (
        "space only attention over 4 frames of\n16 x 16 pixels in patches of 8",
        "4 frames, every 5th of a video of 30 frames a second",
        "The shorter side of a frame becomes 20 pixels",
        "BGR in 0 .. 1, less the mean [0.1, 0.2, 0.3]",
        "Made by `run_net.py --cfg a.yaml`",
        "train: 24 videos, SHA-256 of the list 0ab1",
        "does not average a space-only model",
        "reverse the channels",
    ):
        assert text in card


def test_an_average_keeps_no_optimizer_state(source, tmp_path):
    model, _ = source()
    _, made = source(ema_state={f"model.{name}": v * 2 for name, v in model.state_dict().items()})
    found = read_file(WRITERS["published"](made, tmp_path / "a.pyth", torch.float32))
    assert torch.equal(found["model_state"]["model.norm.bias"], 2 * model.norm.bias)
    assert "optimizer_state" not in found


def test_the_input_is_never_overwritten(source, tmp_path):
    source()
    path = tmp_path / "made.pyth"
    with pytest.raises(CheckpointError, match="--out is the input"):
        refuse_overwriting(str(path), tmp_path / "." / "made.pyth", to="published")
    refuse_overwriting(str(path), tmp_path / "other", to="published")
    WRITERS["hf"](Source.of(read_model_spec(path)), tmp_path / "hf", torch.float32)
    for given in (tmp_path / "hf", tmp_path / "hf/model.safetensors"):
        with pytest.raises(CheckpointError, match="--out is the input, .*hf"):
            refuse_overwriting(str(given), tmp_path / "hf", to="hf")
    refuse_overwriting(str(path), tmp_path / "hf", to="hf")


def test_folders_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(CheckpointError, match=r"where other files are, and its README\.md"):
        refuse_overwriting("a.pyth", tmp_path, to="hf")
    with pytest.raises(CheckpointError, match="--out is the folder .*; name a file to write"):
        refuse_overwriting("a.pyth", tmp_path, to="safetensors")
