"""A video scores the same through run_net.py and through a Predictor, with any views."""

import csv
import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest
import torch

import timesformer
from timesformer import Predictor
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.temperature import store_temperature
from timesformer.config import ConfigError, load_config
from timesformer.datasets import load_views
from timesformer.evaluation import test as testing
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.probabilities import class_probabilities
from timesformer.inference import predictor as predicting
from timesformer.models import build_model
from timesformer.video import VideoError, read_video

CPU = torch.device("cpu")
MULTI = ("DATA.MULTI_LABEL", "True", "MODEL.LOSS_FUNC", "bce_logit")


def csv_scores(cfg, tmp_path):
    """Path -> scores of test_predictions.csv."""
    testing.test(cfg, CPU)
    with (tmp_path / "test_predictions.csv").open(newline="") as file:
        return {
            row["path"]: [float(v) for key, v in row.items() if key.startswith("score_")]
            for row in csv.DictReader(file)
        }


def all_frames(path):
    """(N, H, W, 3) uint8."""
    return read_video(path, lambda timeline: np.arange(len(timeline.pts))[None]).images


def write_frames(folder, images):
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"img_{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("TEST.NUM_ENSEMBLE_VIEWS", 4, "DATA.ENSEMBLE_METHOD", "max", "DATA.SAMPLING_RATE", 1),
        ("TEST.NUM_SPATIAL_CROPS", 1, "DATA.ENSEMBLE_METHOD", "softmax"),
        ("DATA.REVERSE_INPUT_CHANNEL", "True", "TEST.VIEW_PLACEMENT", "paper"),
        (*MULTI, "DATA.ENSEMBLE_METHOD", "softmax"),
        ("TEST.FORWARD_BATCH", 12),
        ("TEST.FORWARD_BATCH", 4, "TEST.NUM_SPATIAL_CROPS", 1, "TEST.NUM_ENSEMBLE_VIEWS", 1),
    ],
)
def test_scores_equal_those_of_testing(trained, tmp_path, overrides):
    cfg, path = trained(*overrides)
    expected = csv_scores(cfg, tmp_path)
    predictor = Predictor.from_checkpoint(path, device="cpu")
    found = predictor.predict(list(expected))
    assert [each.video for each in found] == list(expected)
    for each in found:
        assert np.allclose(each.scores, expected[each.video], rtol=1e-5, atol=1e-5)
        assert each.error == ""
    assert len({tuple(each.scores.tolist()) for each in found}) == len(found)


@pytest.mark.parametrize("method", ["sum", "max", "softmax", "sigmoid"])
def test_probabilities_by_a_temperature_are_those_of_the_report(trained, tmp_path, method):
    """Which fits the temperature to the scores of a CSV, in its own way."""
    multi = (*MULTI, "DATA.ENSEMBLE_METHOD", "softmax")
    cfg, path = trained(*(multi if method == "sigmoid" else ("DATA.ENSEMBLE_METHOD", method)))
    videos = list(csv_scores(cfg, tmp_path))
    store_temperature(path, 2.5, {"list": "val.csv", "sha256": "0" * 64, "videos": 70})
    found = Predictor.from_checkpoint(path, device="cpu").predict(videos)
    expected = class_probabilities(read_predictions(tmp_path), 2.5)
    assert np.allclose(torch.stack([each.probabilities for each in found]), expected, atol=1e-4)
    assert {each.temperature for each in found} == {2.5}


@pytest.mark.parametrize(
    ("views", "placement"), [("1x1", "paper"), ("3x1", "paper"), ("1x1", "official")]
)
def test_a_prediction_says_which_seconds_it_looked_at(
    trained, data_dir, tmp_path, views, placement
):
    """Of files, of decoded frames, and in the csv of testing: those of the frames that were chosen."""
    keys = ("TEST.VIEW_PLACEMENT", placement, "DATA.SAMPLING_RATE", 1, "TEST.NUM_SPATIAL_CROPS", 1,
            "TEST.NUM_ENSEMBLE_VIEWS", views[0])  # fmt: skip
    cfg, path = trained(*keys)
    video = data_dir / "videos/test 0.mp4"
    images = all_frames(video)
    span = cfg.DATA.NUM_FRAMES * 30 / cfg.DATA.TARGET_FPS  # frames, at 30 a second
    free = len(images) - span
    start = {"1x1": free / 2, "3x1": 0}[views] * (placement == "paper")
    end = start + span - 1 if views == "1x1" else len(images) - 1
    predictor = Predictor.from_checkpoint(path)
    (found,), (decoded,) = predictor.predict(video), predictor.predict(images, fps=30)
    for each in (found, decoded):
        expected = (start / 30, end / 30, len(images) / 30)
        assert each.span == pytest.approx(expected, abs=0.04)
    testing.test(cfg, CPU)
    with (tmp_path / "test_predictions.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert [float(row[name]) for name in found.span._fields] == list(found.span)


def test_views_may_be_chosen(trained, tmp_path):
    _, path = trained("DATA.SAMPLING_RATE", 1)
    cfg, _ = trained("DATA.SAMPLING_RATE", 1, "TEST.NUM_ENSEMBLE_VIEWS", 5)
    expected = csv_scores(cfg, tmp_path)
    (found,) = Predictor.from_checkpoint(path, views="5x3").predict(next(iter(expected)))
    assert np.allclose(found.scores, expected[found.video], rtol=1e-5, atol=1e-5)


def test_frame_folders_and_decoded_frames_score_as_in_testing(trained, tmp_path, data_dir):
    images = all_frames(data_dir / "videos/test 1.mp4")
    write_frames(tmp_path / "frames/a", images)
    write_frames(tmp_path / "frames/b", images[::-1])
    (tmp_path / "frames/test.csv").write_text("a 0\nb 0\n")
    cfg, path = trained("DATA.PATH_TO_DATA_DIR", tmp_path / "frames", "DATA.SAMPLING_RATE", 2)
    expected = np.array(list(csv_scores(cfg, tmp_path).values()))
    predictor = Predictor.from_checkpoint(path)
    folders = predictor.predict([tmp_path / "frames/a", tmp_path / "frames/b"])
    channels_first = torch.from_numpy(images[::-1].copy()).permute(0, 3, 1, 2)
    decoded = predictor.predict([images, channels_first])
    for found in (folders, decoded):
        assert np.allclose(torch.stack([each.scores for each in found]), expected, atol=1e-5)
    assert [each.video for each in decoded] == ["frames 0", "frames 1"]
    assert not np.allclose(*expected, atol=1e-3)


def test_several_videos_share_a_forward_batch_as_in_testing(trained, tmp_path, data_dir):
    """The checkpoint has the size of forward batches; the scores are those of single clips."""
    several, path = trained("TEST.FORWARD_BATCH", 13)
    expected = csv_scores(several, tmp_path)
    images = [all_frames(video) for video in expected]
    together = Predictor.from_checkpoint(path)
    assert together.scoring.videos_together == 2
    single = Predictor.from_checkpoint(path, overrides=["TEST.FORWARD_BATCH", "1"])
    videos = list(expected)[:3]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    for predictor in (together, single):
        found = predictor.predict([*videos, tmp_path / "broken.mp4"])
        assert "broken.mp4" in found.pop().error
        for each, decoded in zip(found, predictor.predict(images[:3], fps=30), strict=True):
            assert np.allclose(each.scores, expected[each.video], rtol=1e-5, atol=1e-5)
            assert np.allclose(each.scores, decoded.scores, rtol=1e-5, atol=1e-5)
        features = predictor.features(videos, tokens="frames")
        assert torch.allclose(features[2], single.features(videos[2], tokens="frames"), atol=1e-5)


def test_bf16_is_close_to_fp32_and_as_in_testing(trained, tmp_path, data_dir):
    _, path = trained()
    video = data_dir / "videos/test 0.mp4"
    exact, half = (
        Predictor.from_checkpoint(path, precision=name).predict(video)[0].scores
        for name in ("fp32", "bf16")
    )
    assert not torch.equal(exact, half)
    assert torch.allclose(exact, half, rtol=0.05, atol=0.5)
    cfg, _ = trained("TEST.PRECISION", "bf16")
    assert np.allclose(half, csv_scores(cfg, tmp_path)[str(video)], rtol=1e-5, atol=1e-5)


def test_top_ranks_by_probability_and_names_the_classes(trained, data_dir):
    _, path = trained()
    (found,) = Predictor.from_checkpoint(path).predict(data_dir / "videos/test 0.mp4")
    best = found.top(2)
    order = found.probabilities.argsort(descending=True).tolist()
    assert [each.label for each in best] == order[:2]
    assert [each.name for each in best] == [["dark", "grey", "light"][i] for i in order[:2]]
    assert best[0].probability == pytest.approx(found.probabilities.max().item())
    assert best[0].score == found.scores.max().item()
    assert found.probabilities.sum().item() == pytest.approx(1)
    assert len(found.top(100)) == 3


def test_an_unreadable_video_is_named_and_the_others_go_on(trained, tmp_path, data_dir):
    _, path = trained()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    videos = [data_dir / "videos/test 0.mp4", broken, data_dir / "videos/test 1.mp4"]
    predictor = Predictor.from_checkpoint(path)
    first, middle, last = predictor.predict(videos)
    assert str(broken) in middle.error
    assert first.error == last.error == ""
    assert torch.equal(last.scores, predictor.predict(videos[2])[0].scores)
    with pytest.raises(VideoError, match=r"broken\.mp4.*cannot be decoded"):
        middle.top()
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        predictor.features(videos)


def test_features_are_the_tokens_averaged_over_views(trained, data_dir):
    cfg, path = trained("TEST.NUM_ENSEMBLE_VIEWS", 2, "DATA.SAMPLING_RATE", 1)
    predictor = Predictor.from_checkpoint(path)
    model = build_model(cfg).eval()
    model.load_state_dict(torch.load(path, weights_only=True)["model_state"])
    videos = [data_dir / f"videos/test {i}.mp4" for i in range(2)]
    found = {kind: predictor.features(videos, tokens=kind) for kind in ("cls", "pooled", "frames")}
    assert found["frames"].shape == (2, 8, 32)
    for row, video in enumerate(videos):
        views = load_views(video, cfg)  # 2 temporal x 3 crops
        with torch.no_grad():
            tokens = [model.forward_tokens(view[None]) for view in views]
        cls = torch.stack([cls[0] for cls, _ in tokens])
        grid = torch.stack([grid[0] for _, grid in tokens])  # (6, T, h, w, D)
        frames = [grid[3 * v : 3 * v + 3, t].mean(dim=(0, 1, 2)) for v in (0, 1) for t in range(4)]
        assert torch.allclose(found["cls"][row], cls.mean(dim=0), atol=1e-5)
        assert torch.allclose(found["pooled"][row], grid.mean(dim=(0, 1, 2, 3)), atol=1e-5)
        assert torch.allclose(found["frames"][row], torch.stack(frames), atol=1e-5)
    assert torch.equal(predictor.features(videos[0]), found["cls"][0])


def test_an_image_model_gives_features_but_no_predictions(shared, tmp_path, data_dir):
    """The features of an image ViT are those of its frames, averaged: timm computes them."""
    timm = pytest.importorskip("timm")
    from safetensors.torch import load_file, save_file

    path = shared / "weights/vit_small_patch14.safetensors"
    sizes = ["DATA.TRAIN_CROP_SIZE", "42", "DATA.TEST_CROP_SIZE", "42", "DATA.NUM_FRAMES", "2",
             "DATA.TRAIN_JITTER_SCALES", "[42, 42]"]  # fmt: skip
    predictor = Predictor.from_checkpoint(path, views="1x1", overrides=sizes)
    video = data_dir / "videos/test 0.mp4"
    with pytest.raises(CheckpointError, match="holds no classifier.*fine-tune it first"):
        predictor.predict(video)
    state = {key: value.float() for key, value in load_file(path).items()}
    state["pos_embed"] = predictor.model.pos_embed.detach().clone()
    save_file(state, tmp_path / "resized.safetensors")
    image_model = timm.create_model(
        "vit_small_patch16_224", patch_size=14, img_size=42, num_classes=0
    )
    image_model.load_state_dict(state)
    frames = load_views(video, predictor.cfg)[0].unbind(dim=1)
    with torch.no_grad():
        tokens = image_model.eval().forward_features(torch.stack(frames))
    assert torch.allclose(
        predictor.features(video, tokens="frames"), tokens[:, 1:].mean(dim=1), atol=1e-3
    )


def test_only_the_name_is_imported_at_first():
    code = "import sys, timesformer; assert 'torch' not in sys.modules; timesformer.Nothing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "has no attribute 'Nothing'" in done.stderr
    assert timesformer.Predictor is Predictor


def test_a_prediction_starts_without_what_it_does_not_need():
    code = """
        import sys, timesformer.inference.predictor
        slow = ("torch.distributed.tensor", "sympy", "torchvision", "timm", "pandas", "matplotlib")
        import torch
        slow = set(slow) - ({"sympy"} if torch.__version__.startswith("2.6") else set())  # imports it
        sys.exit(", ".join(name for name in slow if name in sys.modules) or 0)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"device": "gpu"}, "device is 'gpu'; choose auto, cpu, cuda"),
        ({"device": "cuda:99"}, "device is 'cuda:99', but this machine has"),
        ({"views": "10"}, "views are '10', but must be temporal views x crops of each, as 10x3"),
        ({"views": "1x7"}, "TEST.NUM_SPATIAL_CROPS is 7; choose one of 1, 2, 3"),
        ({"views": "0x3"}, "TEST.NUM_ENSEMBLE_VIEWS is 0, but must be at least 1"),
        ({"overrides": ["DATA.NUM_FRAME", "8"]}, "did you mean DATA.NUM_FRAMES"),
    ],
)
def test_wrong_options_are_errors(trained, given, message):
    _, path = trained()
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        Predictor.from_checkpoint(path, **given)


def test_frames_of_the_wrong_shape_are_errors(trained, tmp_path):
    predictor = Predictor.from_checkpoint(trained()[1])
    with pytest.raises(VideoError, match=r"float32 \(4, 8, 8, 3\), but must be uint8 RGB"):
        predictor.predict(torch.rand(4, 8, 8, 3))
    with pytest.raises(VideoError, match=r"a.mp4 stands among decoded frames"):
        predictor.predict(["a.mp4", np.zeros((4, 8, 8, 3), np.uint8)])
    with pytest.raises(VideoError, match="no frames"):
        predictor.predict(np.zeros((0, 8, 8, 3), np.uint8))


def test_weights_that_lack_a_part_are_refused(trained, tmp_path):
    _, path = trained()
    file = torch.load(path, weights_only=True)
    del file["model_state"]["model.norm.weight"]
    torch.save(file, tmp_path / "part.pyth")
    with pytest.raises(CheckpointError, match=r"1 newly initialized \(norm\.weight\)"):
        Predictor.from_checkpoint(tmp_path / "part.pyth")


def test_a_configuration_file_may_stand_in_for_the_checkpoint(
    trained, tiny_yaml, tmp_path, data_dir
):
    cfg, path = trained()
    video = data_dir / "videos/test 0.mp4"
    (expected,) = Predictor.from_checkpoint(path).predict(video)
    bare = torch.load(path, weights_only=True)["model_state"]
    torch.save(bare, tmp_path / "bare.pt")
    (found,) = Predictor.from_checkpoint(tmp_path / "bare.pt", cfg=tiny_yaml).predict(video)
    assert torch.equal(found.scores, expected.scores)
    assert load_config(tiny_yaml).DATA.NUM_FRAMES == cfg.DATA.NUM_FRAMES


@pytest.mark.parametrize(("device", "gpus"), [("cuda:1", 1), ("cpu", 0)])
def test_batches_are_page_locked_for_a_gpu_only(trained, monkeypatch, data_dir, device, gpus):
    subject = Predictor.from_checkpoint(trained()[1], device="cpu")
    subject.device = torch.device(device)
    asked = []
    monkeypatch.setattr(predicting, "build_loader", lambda cfg, *_, **__: asked.append(cfg) or [])
    assert subject.predict([data_dir / "videos/test 1.mp4"]) == []
    assert [cfg.NUM_GPUS for cfg in asked] == [gpus]
