"""Datasets and loaders: the published views, reproducible draws, and videos that break."""

import json
import pickle
import re

import cv2
import fsspec
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.conftest import frame_number, numbered_frame, write_video
from timesformer.config import changed, load_config
from timesformer.datasets import build_dataset, build_loader, load_views
from timesformer.datasets.clips import MAX_REPLACEMENTS
from timesformer.runtime import collectives
from timesformer.video import VideoError


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def test_golden_views(shared, tmp_path):
    """README of the goldens: 0.02 mean absolute, 0.15 at worst.

    One file stores times of decoding. The published code orders its frames by them, we as they are
    shown: its views hold neighbouring frames, see test_reader.py.
    """
    golden = torch.load(shared / "golden/shared_official_views.pt", weights_only=True)
    path, views = tmp_path / "views.yaml", {}
    path.write_text("NUM_GPUS: 0\nTRAIN: {ENABLE: False}\n")
    for view in golden["views"]:
        if "RATRACE" in view["video"]:
            continue
        keys = {
            "TEST.NUM_ENSEMBLE_VIEWS": view["num_ensemble_views"],
            "TEST.NUM_SPATIAL_CROPS": view["num_spatial_crops"],
            "DATA.NUM_FRAMES": view["num_frames"],
            "DATA.SAMPLING_RATE": view["sampling_rate"],
            "DATA.TEST_CROP_SIZE": view["test_crop_size"],
            "DATA.TRAIN_JITTER_SCALES": [view["train_jitter_scale_min"], 320],
        }
        case = (view["video"], str(keys))
        if case not in views:
            cfg = load_config(path, [str(item) for pair in keys.items() for item in pair])
            views = {case: load_views(shared / "videos" / view["video"], cfg)}
        clip = views[case][view["view_index"]]
        assert tuple(clip.shape) == tuple(view["shape"])
        difference = (F.adaptive_avg_pool2d(clip, 14) - view["pooled"].float()).abs()
        assert difference.mean() < 0.02, case
        assert difference.max() < 0.15, case


def test_views_are_ordered_by_temporal_view_then_crop(numbered_video, config):
    path = numbered_video(120, height=64, width=128)
    cfg = config("TEST.NUM_ENSEMBLE_VIEWS", 3, "DATA.TEST_CROP_SIZE", 32)
    views = load_views(path, cfg)
    assert views.shape == (9, 3, 4, 32, 32)
    assert views.dtype == torch.float32
    for k in range(3):
        left, right = views[3 * k][:, :, :, 0], views[3 * k + 2][:, :, :, -1]
        whole = load_views(path, config("TEST.NUM_ENSEMBLE_VIEWS", 3, "TEST.NUM_SPATIAL_CROPS", 1))
        assert whole.shape == (3, 3, 4, 32, 32)
        assert not torch.equal(left, right)


def test_the_crops_of_a_test_video_cover_its_width(tmp_path, config):
    image = np.zeros((32, 96, 3), np.uint8)
    image[:, :32, 0] = image[:, 32:64, 1] = image[:, 64:, 2] = 255
    path = write_video(tmp_path / "rgb.mp4", [image] * 20)
    views = load_views(path, config("TEST.NUM_ENSEMBLE_VIEWS", 1))
    assert [int(view.mean(dim=(1, 2, 3)).argmax()) for view in views] == [0, 1, 2]
    reversed_ = load_views(
        path, config("TEST.NUM_ENSEMBLE_VIEWS", 1, "DATA.REVERSE_INPUT_CHANNEL", 1)
    )
    assert torch.equal(reversed_, views.flip(1))


def test_validation_is_the_middle_clip_and_the_centre_crop_every_time(config):
    dataset = build_dataset(config(), "val")
    first, again = dataset[0, 3], dataset[9, 3]
    assert torch.equal(first.clips, again.clips)
    assert first.clips.shape == (1, 3, 4, 32, 32)


def test_validation_can_be_random_as_published(config):
    dataset = build_dataset(config("TRAIN.RANDOM_VALIDATION", 1), "val")
    assert not torch.equal(dataset[0, 3].clips, dataset[1, 3].clips)


def test_a_training_clip_depends_on_seed_epoch_and_video_alone(config):
    dataset, other_seed = (build_dataset(config("RNG_SEED", seed), "train") for seed in (0, 1))
    sample = dataset[3, 5]
    dataset[4, 6]  # any history
    assert torch.equal(dataset[3, 5].clips, sample.clips)
    assert not torch.equal(dataset[4, 5].clips, sample.clips)
    assert not torch.equal(other_seed[3, 5].clips, sample.clips)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_any_number_of_workers_gives_the_same_batches(config, split):
    def batches(workers):
        loader = build_loader(config("DATA_LOADER.NUM_WORKERS", workers), split)
        loader.batch_sampler.set_epoch(2)
        return list(loader)

    for one, two in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one.clips, two.clips)
        assert torch.equal(one.labels, two.labels)
        assert torch.equal(one.indices, two.indices)


def test_a_test_batch_holds_every_view_of_its_videos(config):
    batch = next(iter(build_loader(config("TEST.BATCH_SIZE", 13), "test")))
    assert batch.clips.shape == (12, 3, 4, 32, 32)
    assert batch.indices.tolist() == [0, 1]


@pytest.fixture
def broken_dir(tmp_path):
    """Six videos: 1 has no frames, 3 is text."""
    folder = tmp_path / "broken"
    for i in range(6):
        write_video(folder / f"{i}.mp4", [numbered_frame(i)] * 12)
    (folder / "1.mp4").write_bytes((folder / "1.mp4").read_bytes()[:200])
    (folder / "3.mp4").write_text("no video")
    for split in ("train", "val", "test"):
        lines = [f"{i}.mp4 {i % 3}" for i in range(6)]
        (folder / f"{split}.csv").write_text("\n".join(lines))
    return folder


def test_training_replaces_a_broken_video_and_names_it(config, broken_dir):
    dataset = build_dataset(config("DATA.PATH_TO_DATA_DIR", broken_dir), "train")
    sample = dataset[0, 3]
    assert sample.index not in (1, 3)
    assert sample.labels.tolist() == [sample.index % 3]
    assert any("3.mp4" in failure for failure in sample.failures)
    again = dataset[0, 3]
    assert again.index == sample.index
    assert torch.equal(again.clips, sample.clips)
    assert dataset[0, 2].failures == ()


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_never_replaces_a_broken_video(config, broken_dir, split):
    cfg = config("DATA.PATH_TO_DATA_DIR", broken_dir)
    batches = list(build_loader(cfg, split))
    assert sorted(i for batch in batches for i in batch.failed.tolist()) == [1, 3]
    assert sorted(i for batch in batches for i in batch.indices.tolist()) == [0, 2, 4, 5]
    assert [label for batch in batches for label in batch.labels.tolist()] == [0, 2, 1, 2]
    assert sum(len(batch.failures) for batch in batches) == 2


def test_random_validation_reports_a_broken_video(config, broken_dir):
    cfg = config("DATA.PATH_TO_DATA_DIR", broken_dir, "TRAIN.RANDOM_VALIDATION", True)
    sample = build_dataset(cfg, "val")[0, 3]
    assert len(sample.clips) == 0
    assert "3.mp4" in sample.failures[0]


def test_a_list_of_broken_videos_ends_training_with_their_reason(config, tmp_path):
    folder = tmp_path / "all broken"
    folder.mkdir()
    (folder / "a.mp4").write_text("no video")
    (folder / "train.csv").write_text("a.mp4 0\n" * 4)
    dataset = build_dataset(config("DATA.PATH_TO_DATA_DIR", folder), "train")
    with pytest.raises(VideoError, match=rf"{MAX_REPLACEMENTS + 1} videos in a row .*a\.mp4"):
        dataset[0, 0]


def test_ssv2_frame_folders_are_sampled_by_segments(config, tmp_path):
    folder = tmp_path / "ssv2"
    (folder / "frames").mkdir(parents=True)
    lines = ["original_vido_id video_id frame_id path labels"]
    for i in range(20):
        cv2.imwrite(str(folder / f"frames/{i:02d}.png"), numbered_frame(i, tint=(0, 0, 255)))
        lines.append(f'v 0 {i} {folder}/frames/{i:02d}.png ""')
    for split in ("train", "val"):
        (folder / f"{split}.csv").write_text("\n".join(lines))
    for part in ("train", "validation"):
        annotation = [{"id": "v", "template": "Moving [x]"}]
        (folder / f"something-something-v2-{part}.json").write_text(json.dumps(annotation))
    (folder / "something-something-v2-labels.json").write_text('{"Moving x": "1"}')
    overrides = ["TRAIN.DATASET", "ssv2", "TEST.DATASET", "ssv2", "DATA.PATH_TO_DATA_DIR", folder]
    overrides += ["DATA.NUM_FRAMES", 8, "TEST.NUM_ENSEMBLE_VIEWS", 1]
    cfg = config(*overrides, "DATA.TEST_CROP_SIZE", 64, "DATA.TRAIN_JITTER_SCALES", [64, 64])
    sample = build_dataset(cfg, "test")[0, 0]
    assert (sample.labels.tolist(), sample.clips.shape) == ([1], (3, 3, 8, 64, 64))
    first_bits = [  # the left crop shows the bars of the lower bits
        int(sample.clips[0, 0, t, 32, 4] > 100) for t in range(8)
    ]
    assert first_bits == [number & 1 for number in (1, 3, 6, 8, 11, 13, 15, 18)]
    assert sample.clips[:, 0].max() == 255  # red: RGB
    assert sample.clips[:, 2].max() == 0
    bgr = build_dataset(changed(cfg, {"DATA.REVERSE_INPUT_CHANNEL": True}), "test")[0, 0]
    assert torch.equal(bgr.clips, sample.clips.flip(1))
    views = load_views(folder / "frames", cfg)
    assert torch.equal(views > 0, (sample.clips.float() / 255 - 0.45) > 0)


def test_an_empty_folder_is_named(config, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="folder without frames"):
        load_views(tmp_path / "empty", config())


def test_a_frame_without_area_is_named(config, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((1, 50, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((1, 50, 3), np.uint8))
    (tmp_path / "thin").mkdir()
    for name in "ab":
        (tmp_path / f"{name}.png").rename(tmp_path / f"thin/{name}.png")
    with pytest.raises(VideoError, match="frames of 1 x 50 pixels"):
        load_views(tmp_path / "thin", config())


def test_short_videos_repeat_their_last_frame(numbered_video, config):
    path = numbered_video(3, height=64, width=64)
    cfg = config("DATA.TEST_CROP_SIZE", 64, "DATA.TRAIN_JITTER_SCALES", "[64, 64]",
                 "TEST.NUM_SPATIAL_CROPS", 1, "TEST.NUM_ENSEMBLE_VIEWS", 1)  # fmt: skip
    views = load_views(path, cfg)
    frames = ((views[0] * 0.225 + 0.45) * 255).permute(1, 2, 3, 0).numpy()
    assert [frame_number(frame) for frame in frames] == [0, 2, 2, 2]


@pytest.fixture
def whole_frames(config, tmp_path):
    """A function: the frame numbers of the test views of a list line."""

    def numbers(line, **overrides):
        (tmp_path / "test.csv").write_text(line)
        options = {"DATA.TEST_CROP_SIZE": 64, "DATA.TRAIN_JITTER_SCALES": "[64, 64]",
                   "TEST.NUM_SPATIAL_CROPS": 1, "TEST.NUM_ENSEMBLE_VIEWS": 1,
                   "DATA.SAMPLING_RATE": 8, "DATA.PATH_TO_DATA_DIR": tmp_path, **overrides}  # fmt: skip
        cfg = config(*[item for pair in options.items() for item in pair])
        sample = build_dataset(cfg, "test")[0, 0]
        views = [view.permute(1, 2, 3, 0).numpy() for view in sample.clips]
        return [[frame_number(frame) for frame in view] for view in views], sample.failures

    return numbers


def test_a_part_of_a_longer_file_is_sampled_like_a_video_of_its_own(numbered_video, whole_frames):
    numbered_video(120, height=64, width=64)  # 4 seconds
    assert whole_frames("video.mp4 0")[0] == [[0, 10, 20, 31]]
    assert whole_frames("video.mp4 0 2 4")[0] == [[60, 70, 80, 91]]
    assert whole_frames("video.mp4 0 3.9 4.1")[0] == [[117, 119, 119, 119]]
    numbered_video(120, name="a.mkv", height=64, width=64)  # counts frames instead of times
    assert whole_frames("a.mkv 0 2 4")[0] == [[60, 70, 80, 91]]


def test_a_part_behind_the_end_of_its_file_is_named(numbered_video, whole_frames):
    numbered_video(30, height=64, width=64)
    views, failures = whole_frames("video.mp4 0 7 9.5")
    assert views == []
    assert re.search(r"video\.mp4: no frame from 7 to 9\.5 seconds; correct", failures[0])


def test_a_frame_folder_in_a_list_is_a_video(tmp_path, whole_frames):
    (tmp_path / "clip").mkdir()
    for i in range(40):
        cv2.imwrite(str(tmp_path / f"clip/img_{i}.png"), numbered_frame(i, height=64, width=64))
    assert whole_frames("clip 1")[0] == [[0, 10, 20, 31]]
    assert whole_frames("clip 1 0.5 1.2")[0] == [[15, 25, 35, 35]]
    (tmp_path / "empty").mkdir()
    assert "a folder without frames" in whole_frames("empty 1")[1][0]


def test_a_repeat_of_a_video_in_an_epoch_is_another_clip(config):
    dataset = build_dataset(config(), "train")
    assert torch.equal(dataset[0, 3, 1].clips, dataset[0, 3, 1].clips)
    assert not torch.equal(dataset[0, 3].clips, dataset[0, 3, 1].clips)


def test_balanced_loaders_draw_every_class_alike(config, data_dir, tmp_path):
    lines = (data_dir / "train.csv").read_text().splitlines()
    kept = [line for line in lines if line[-1] == "0"] + lines[1:3]
    (tmp_path / "train.csv").write_text("\n".join(f"{data_dir}/{line}" for line in kept))
    cfg = config("DATA.PATH_TO_DATA_DIR", tmp_path, "TRAIN.SAMPLER", "balanced",
                 "TRAIN.BATCH_SIZE", 10)  # fmt: skip
    (batch,) = build_loader(cfg, "train")
    assert sorted(torch.bincount(batch.labels).tolist()) == [3, 3, 4]


@pytest.mark.torchcodec
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_backend_gives_the_same_clips(config, split):
    pyav, torchcodec = (
        build_dataset(config("DATA.DECODING_BACKEND", name), split)
        for name in ("pyav", "torchcodec")
    )
    for index in range(3):
        assert torch.equal(pyav[1, index].clips, torchcodec[1, index].clips)


def test_a_url_is_a_video_too(numbered_video, config):
    path = numbered_video(20)
    fsspec.filesystem("memory").pipe("/clips.mp4", path.read_bytes())
    assert torch.equal(load_views("memory://clips.mp4", config()), load_views(path, config()))


def test_loaders_that_decode_on_a_gpu_start_fresh_processes(config):
    keys = ("DATA.DECODING_BACKEND", "torchcodec", "DATA.DECODING_DEVICE")
    cfg = config(*keys, "cuda", "DATA_LOADER.NUM_WORKERS", 1)
    loader = build_loader(cfg, "train")
    assert loader.start_method == "spawn"
    assert len(pickle.loads(pickle.dumps(loader.dataset))) == len(loader.dataset)
    forked = build_loader(config(*keys, "cpu", "DATA_LOADER.NUM_WORKERS", 1), "train")
    assert forked.start_method is None


def test_each_process_decodes_on_its_own_gpu(config, monkeypatch):
    """In a loader process, cuda without a number is the first GPU, whoever the parent is."""
    keys = ("DATA.DECODING_BACKEND", "torchcodec", "DATA.DECODING_DEVICE")
    monkeypatch.setattr(collectives, "local_rank", lambda: 3)
    for device, expected in (("cuda", "cuda:3"), ("cpu", "cpu")):
        assert build_dataset(config(*keys, device), "val").read.keywords["device"] == expected


@pytest.mark.parametrize(("gpus", "pinned"), [(0, False), (1, True)])
def test_a_run_on_the_cpu_leaves_the_gpus_alone(config, monkeypatch, gpus, pinned):
    """Page-locked memory takes a GPU's driver, and some of that GPU's memory."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert build_loader(config("NUM_GPUS", gpus), "train").pin_memory == pinned
    plain = config("NUM_GPUS", gpus, "DATA_LOADER.PIN_MEMORY", False)
    assert not build_loader(plain, "train").pin_memory
