"""What a checkpoint says of itself, and what is assumed where it says nothing."""

import numpy as np
import pytest
import torch
import yaml

from tests.conftest import payload, stirred
from timesformer import Predictor
from timesformer.checkpoint.load import CheckpointError, read_file
from timesformer.checkpoint.metadata import build_preprocessing
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.config import load_config
from timesformer.datasets.class_names import ClassNamesError, class_names
from timesformer.errors import InputError
from timesformer.models.timesformer import TimeSformer

SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 1}
PUBLISHED = {  # keys of the published code
    "TRAIN": {"DATASET": "kinetics", "BATCH_SIZE": 8},
    "MODEL": {"MODEL_NAME": "vit_base_patch16_224", "NUM_CLASSES": 5, "ARCH": "vit"},
    "TIMESFORMER": {"ATTENTION_TYPE": "joint_space_time", "PRETRAINED_MODEL": ""},
    "DATA": {"NUM_FRAMES": 4, "SAMPLING_RATE": 16, "MEAN": [0.4, 0.4, 0.4], "TRAIN_CROP_SIZE": 32,
             "TEST_CROP_SIZE": 32, "DECODING_BACKEND": "torchvision"},
    "TEST": {"DATASET": "kinetics", "NUM_ENSEMBLE_VIEWS": 1, "NUM_SPATIAL_CROPS": 3},
    "SLOWFAST": {"ALPHA": 8},
    "NUM_GPUS": 8,
}  # fmt: skip


def model(scheme="divided_space_time", classes=5, frames=4, **sizes):
    sizes = {**SIZES, **sizes}
    return stirred(
        TimeSformer(num_classes=classes, num_frames=frames, attention_type=scheme, **sizes)
    )


def save(tmp_path, content):
    torch.save(content, tmp_path / "file")
    return tmp_path / "file"


def test_our_checkpoints_say_everything(trained):
    cfg, path = trained("DATA.SAMPLING_RATE", 7, "DATA.MEAN", "[0.1, 0.2, 0.3]")
    found = read_model_spec(path)
    assert found.class_names == ("dark", "grey", "light")
    assert found.notes == ()
    assert build_preprocessing(found.cfg) == build_preprocessing(cfg)
    for key in ("DEPTH", "EMBED_DIM", "PATCH_SIZE", "NUM_HEADS", "ATTENTION_TYPE", "MLP_RATIO"):
        assert found.cfg.TIMESFORMER[key] == cfg.TIMESFORMER[key]
    assert not found.cfg.TRAIN.ENABLE


def test_published_configurations_are_read_by_their_keys(tmp_path):
    made = payload(model("joint_space_time"), yaml.safe_dump(PUBLISHED))
    found = read_model_spec(save(tmp_path, made))
    assert (found.cfg.DATA.SAMPLING_RATE, found.cfg.DATA.MEAN) == (16, [0.4, 0.4, 0.4])
    assert found.cfg.DATA.DECODING_BACKEND == "pyav"
    assert found.cfg.MODEL.NUM_CLASSES == 5
    assert found.notes == ("no class names: classes go by their number; name them with --classes",)


def test_views_cover_the_video_unless_the_file_says_where_they_lie(tmp_path):
    """Published files cannot say it; those of runs here always do."""
    published = payload(model("joint_space_time"), yaml.safe_dump(PUBLISHED))
    for content in (published, model().state_dict()):
        assert read_model_spec(save(tmp_path, content)).cfg.TEST.VIEW_PLACEMENT == "paper"
        official = read_model_spec(
            save(tmp_path, content), overrides=["TEST.VIEW_PLACEMENT", "official"]
        )
        assert official.cfg.TEST.VIEW_PLACEMENT == "official"
    ours = {**PUBLISHED, "TEST": {"VIEW_PLACEMENT": "released"},
            "TIMESFORMER": {"ATTENTION_TYPE": "joint_space_time", "PATCH_SIZE": 8}}  # fmt: skip
    run = save(tmp_path, payload(model("joint_space_time"), yaml.safe_dump(ours)))
    assert read_model_spec(run).cfg.TEST.VIEW_PLACEMENT == "official"


@pytest.mark.parametrize("turned", [False, True])
def test_videos_are_turned_as_they_were_in_training(tmp_path, turned):
    """Both ways by which a file says it; a published one never did."""
    ours = {**PUBLISHED, "DATA": {**PUBLISHED["DATA"], "APPLY_ROTATION": turned},
            "TIMESFORMER": {"ATTENTION_TYPE": "joint_space_time", "PATCH_SIZE": 8}}  # fmt: skip
    found = read_model_spec(
        save(tmp_path, payload(model("joint_space_time"), yaml.safe_dump(ours)))
    )
    assert found.cfg.DATA.APPLY_ROTATION is turned
    said = build_preprocessing(found.cfg)
    again = read_model_spec(save(tmp_path, {"model": model().state_dict(), "preprocessing": said}))
    assert again.cfg.DATA.APPLY_ROTATION is turned
    assert not read_model_spec(save(tmp_path, model().state_dict())).cfg.DATA.APPLY_ROTATION


def test_published_ssv2_checkpoints_get_bgr(tmp_path):
    said = {**PUBLISHED, "TEST": {"DATASET": "ssv2"}}
    made = payload(model("joint_space_time"), yaml.safe_dump(said))
    found = read_model_spec(save(tmp_path, made))
    assert found.cfg.DATA.REVERSE_INPUT_CHANNEL
    assert "it gets BGR" in found.notes[0]


def test_published_kinetics_checkpoints_have_its_class_names(tmp_path):
    made = payload(model("joint_space_time", classes=400), yaml.safe_dump(PUBLISHED))
    found = read_model_spec(save(tmp_path, made))
    assert found.class_names == class_names("kinetics400")
    assert found.notes == ("the classes are called as those of kinetics400",)


@pytest.mark.parametrize(("dataset", "reverse"), [("kinetics", False), ("ssv2", True)])
def test_published_checkpoints_never_saw_their_channels_reversed(tmp_path, dataset, reverse):
    """The published reader of a ViT passed REVERSE_INPUT_CHANNEL by."""
    data = {**PUBLISHED["DATA"], "REVERSE_INPUT_CHANNEL": True}
    said = {**PUBLISHED, "DATA": data, "TRAIN": {"DATASET": dataset}, "TEST": {"DATASET": dataset}}
    made = payload(model("joint_space_time", classes=174), yaml.safe_dump(said))
    found = read_model_spec(save(tmp_path, made))
    assert found.cfg.DATA.REVERSE_INPUT_CHANNEL is reverse
    assert found.class_names == (class_names("ssv2") if reverse else ())


def test_build_preprocessing_a_later_version_is_an_error(tmp_path):
    content = {"model": model().state_dict(), "preprocessing": {"sampling": "random"}}
    with pytest.raises(CheckpointError, match="has the sampling 'random', and this version knows"):
        read_model_spec(save(tmp_path, content))


def test_bare_weights_get_the_published_preprocessing_and_a_note(tmp_path):
    path = save(tmp_path, model(frames=16).state_dict())
    found = read_model_spec(path)
    assert found.cfg.TIMESFORMER.DEPTH == 2
    assert (found.cfg.DATA.NUM_FRAMES, found.cfg.DATA.SAMPLING_RATE) == (16, 16)
    assert (found.cfg.TEST.NUM_ENSEMBLE_VIEWS, found.cfg.TEST.NUM_SPATIAL_CROPS) == (1, 3)
    assert "no configuration in the file: sizes from its weights" in found.notes[0]
    assert "clips of 16 frames at rate 16, crops of 32" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "num_frames", "side"), [("8x32", 8, 224), ("16x16", 16, 448), ("96x4", 96, 224)]
)
def test_assumptions_are_those_of_the_published_recipes(tmp_path, name, num_frames, side):
    sizes = {"img_size": side, "patch_size": 16, "depth": 1}
    found = read_model_spec(save(tmp_path, model(frames=num_frames, **sizes).state_dict())).cfg.DATA
    recipe = load_config(f"configs/Kinetics/TimeSformer_divST_{name}_{side}.yaml").DATA
    for key in ("NUM_FRAMES", "SAMPLING_RATE", "TEST_CROP_SIZE", "TRAIN_JITTER_SCALES", "MEAN"):
        assert found[key] == recipe[key]


def test_a_preprocessing_entry_alone_is_enough(trained, tmp_path):
    options = ("TEST.DATASET", "ssv2", "DATA.STD", "[0.3, 0.3, 0.3]", "TEST.VIEW_PLACEMENT", "paper",
               "DATA.ENSEMBLE_METHOD", "max", "DATA.REVERSE_INPUT_CHANNEL", "True")  # fmt: skip
    cfg, path = trained(*options)
    content = torch.load(path, weights_only=True) | {"preprocessing": build_preprocessing(cfg)}
    del content["cfg"]
    with pytest.raises(CheckpointError, match=r"how many heads its .* and 32 channels are no mult"):
        read_model_spec(save(tmp_path, content))
    found = read_model_spec(save(tmp_path, content), overrides=("TIMESFORMER.NUM_HEADS", "2"))
    assert build_preprocessing(found.cfg) == build_preprocessing(cfg)


def test_class_names_come_from_a_data_set_or_a_file(tmp_path):
    path = save(tmp_path, model(classes=101).state_dict())
    assert read_model_spec(path, classes="ucf101").class_names[0] == "ApplyEyeMakeup"
    names = [f"name {i}" for i in range(101)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    assert read_model_spec(path, classes=tmp_path / "names.txt").class_names == tuple(names)
    with pytest.raises(ClassNamesError, match="no class names of 'ucf'"):
        read_model_spec(path, classes="ucf")


def test_class_names_must_be_as_many_as_the_classes(tmp_path):
    path = save(tmp_path, model().state_dict())
    with pytest.raises(
        CheckpointError, match="kinetics400 names 400 classes, but the classifier of .* has 5"
    ):
        read_model_spec(path, classes="kinetics400")
    path = save(tmp_path, {"state_dict": model().state_dict(), "class_names": ["a", "b"]})
    with pytest.raises(CheckpointError, match="file names 2 classes, but its classifier has 5"):
        read_model_spec(path)


def test_a_video_is_no_checkpoint(data_dir):
    with pytest.raises(
        CheckpointError, match=r"test 0\.mp4 is not a weights file, but a video .*wanted"
    ):
        read_model_spec(data_dir / "videos/test 0.mp4")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "is not a model checkpoint: it holds no weights"),
        ({"epoch": 1}, "is not a model checkpoint: it holds no weights"),
        ({"a": torch.zeros(1)}, "is not a checkpoint of a TimeSformer: it has no cls_token"),
    ],
)
def test_other_files_are_no_checkpoints(tmp_path, content, message):
    with pytest.raises(CheckpointError, match=message):
        read_model_spec(save(tmp_path, content))


@pytest.mark.parametrize(("text", "message"), [("a: [", "not a readable YAML"), ("3", "found int")])
def test_a_configuration_that_is_none_is_an_error(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_model_spec(save(tmp_path, payload(model(), text)))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.pyth does not exist"):
        read_model_spec(tmp_path / "nothing.pyth")


@pytest.mark.parametrize("scheme", ["divided_space_time", "joint_space_time", "space_only"])
def test_published_files_predict_their_logits(shared, scheme):
    io = torch.load(shared / f"golden/shared_official_{scheme}_io.pt", weights_only=True)
    heads = ["TIMESFORMER.NUM_HEADS", str(io["spec"]["num_heads"])]
    path = shared / f"golden/shared_official_{scheme}.pyth"
    predictor = Predictor.from_checkpoint(path, "cpu", overrides=heads)
    for case in io["cases"]:
        with torch.no_grad():
            assert torch.allclose(predictor.model(case["input"]), case["logits"], atol=1e-4)


def test_files_of_other_projects_predict_their_logits(shared):
    """The heads of these models are 16 channels wide, which only transformers writes down."""
    golden = shared / "golden"
    heads = ["TIMESFORMER.NUM_HEADS", "3"]
    hf = torch.load(golden / "shared_hf_timesformer/io.pt", weights_only=True)
    cases = [(golden / "shared_hf_timesformer", [], hf)]
    for scheme in ("divided_space_time", "joint_space_time", "space_only"):
        io = torch.load(golden / f"shared_mmaction_{scheme}_io.pt", weights_only=True)
        cases.append((golden / f"shared_mmaction_{scheme}.pth", heads, io))
    with np.load(golden / "shared_paddle_divided_space_time_io.npz") as file:
        io = {name: torch.from_numpy(file[name]) for name in ("input", "logits")}
    cases.append((golden / "shared_paddle_divided_space_time.pdparams", heads, io))
    for path, overrides, io in cases:
        predictor = Predictor.from_checkpoint(path, "cpu", overrides=overrides)
        with torch.no_grad():
            assert torch.allclose(predictor.model(io["input"]), io["logits"], atol=1e-4), path
        assert any("no configuration in the file" in note for note in predictor.description.notes)


def test_files_of_other_projects_get_the_pixels_of_their_recipes(shared, tmp_path):
    """mmaction2: mean and std 127.5; PaddleVideo: as published, but none for PP-TimeSformer."""
    heads = ["TIMESFORMER.NUM_HEADS", "3"]
    golden = shared / "golden"
    found = read_model_spec(golden / "shared_mmaction_space_only.pth", overrides=heads)
    assert (found.cfg.DATA.MEAN, found.cfg.DATA.STD) == ([0.5] * 3, [0.5] * 3)
    assert "mean [0.5, 0.5, 0.5]" in found.notes[-2]
    path = golden / "shared_paddle_divided_space_time.pdparams"
    assert read_model_spec(path, overrides=heads).cfg.DATA.MEAN == [0.45] * 3
    state = read_file(path)
    bare = {name: value for name, value in state.items() if not name.endswith("qkv.bias")}
    found = read_model_spec(save(tmp_path, bare), overrides=heads)
    assert (found.cfg.DATA.MEAN, found.cfg.DATA.STD) == ([0.0] * 3, [1.0] * 3)
