"""Augmented clips: one draw a clip, reproducible anywhere, and nothing at all unless asked for."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.conftest import ROOT
from timesformer.config import load_config
from timesformer.datasets import augment, build_dataset, build_loader, clips, transforms
from timesformer.video import read_video, sampling

EVERYTHING = [
    *("AUG.AUTO_AUGMENT", "trivialaugment", "AUG.COLOR_JITTER", "[0.4, 0.4, 0.4, 0.1]"),
    *("AUG.GRAYSCALE_PROB", 0.2, "AUG.BLUR_PROB", 0.5, "AUG.ERASING_PROB", 0.5),
]
REPEATS = ["AUG.NUM_REPEATS", 2]
EACH = {
    "randaugment": ["AUG.AUTO_AUGMENT", "randaugment", "AUG.RAND_AUGMENT_MAGNITUDE", 20],
    "trivialaugment": ["AUG.AUTO_AUGMENT", "trivialaugment"],
    "jitter": ["AUG.COLOR_JITTER", "[0.4, 0.4, 0.4, 0.1]"],
    "grayscale": ["AUG.GRAYSCALE_PROB", 0.5],
    "blur": ["AUG.BLUR_PROB", 0.5],
    "erasing": ["AUG.ERASING_PROB", 0.5],
}


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def static_clip(side=32):
    """One random image, four times: (3, 4, S, S)."""
    image = torch.randint(0, 256, (3, 1, side // 4, side // 4), dtype=torch.uint8)
    image = image.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    return image.expand(3, 4, side, side).clone()


def draws(config, overrides, clip, count=20):
    transform = augment.build_augment(config(*overrides))
    return [transform(clip, np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("name", EACH)
def test_all_frames_of_a_clip_get_the_same_treatment(config, name):
    clip = static_clip()
    made = draws(config, EACH[name], clip)
    for one in made:
        assert one.shape == clip.shape
        assert one.dtype == torch.uint8
        assert torch.equal(one, one[:, :1].expand_as(one))
    changed = sum(not torch.equal(one, clip) for one in made)
    assert changed >= 4  # of 20, by these seeds
    assert len({one.numpy().tobytes() for one in made}) > 1


def test_auto_augment_has_its_own_strength_and_number_of_operations(config):
    clip = static_clip()
    weak, strong = (
        draws(config, [*EACH["randaugment"][:2], "AUG.RAND_AUGMENT_MAGNITUDE", m], clip)
        for m in (0, 30)
    )

    def change(made):
        return sum((one.float() - clip.float()).abs().mean() for one in made)

    assert change(strong) > 2 * change(weak)


def test_grayscale_and_blur_are_what_they_say(config):
    clip = static_clip()
    for one in draws(config, ["AUG.GRAYSCALE_PROB", 1], clip, count=2):
        assert torch.equal(one[0], one[1])
        assert torch.equal(one[0], one[2])
    from torchvision.transforms.v2 import functional

    ours = augment.gaussian_blur(clip.transpose(0, 1), sigma=1.5)
    theirs = functional.gaussian_blur(clip.transpose(0, 1), [13, 13], [1.5, 1.5])
    assert (ours.int() - theirs.int()).abs().max() <= 1


def test_the_erased_box_is_the_same_in_all_frames_and_holds_the_mean(config):
    clip = torch.randint(0, 100, (3, 4, 32, 32), dtype=torch.uint8)
    overrides = ["AUG.ERASING_PROB", 1, "DATA.MEAN", "[0.5, 0.6, 0.7]"]
    for one in draws(config, overrides, clip, count=5):
        boxes = (one != clip).any(dim=0)  # (T, H, W)
        assert torch.equal(boxes, boxes[:1].expand_as(boxes))
        rows, columns = torch.where(boxes[0])
        area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        assert area == boxes[0].sum()  # a rectangle
        assert 0.015 < area / 32**2 < 0.35
        for channel, value in zip(one, (128, 153, 178), strict=True):
            assert set(channel[boxes].tolist()) == {value}


def test_what_is_erased_is_zero_for_the_model_in_either_order_of_channels(config):
    overrides = ["DATA.MEAN", "[0.5, 0.6, 0.7]", "DATA.REVERSE_INPUT_CHANNEL"]
    for reverse, fill in ((0, [128, 153, 178]), (1, [178, 153, 128])):
        cfg = config(*overrides, reverse, "AUG.ERASING_PROB", 1)
        (erasing,) = augment.build_augment(cfg).transform.transforms
        assert erasing.value == fill


def test_without_aug_a_training_clip_is_the_published_one_bit_for_bit(config, data_dir):
    cfg = config()
    sample = build_dataset(cfg, "train")[3, 5]
    rng = np.random.default_rng([cfg.RNG_SEED, 3, 5])
    shape = sampling.ClipShape(4, 4, 30)
    place = sampling.random_place(rng.random())
    frames = read_video(
        data_dir / "videos/train 5.mp4",
        lambda timeline: sampling.clip_indices(timeline, shape, place)[None],
    )
    height, width = frames.images.shape[1:3]
    crop = transforms.random_crop(
        height, width, jitter=(32, 40), size=32, flip=True, inverse=False, rng=rng
    )
    images = [transforms.scale(frames.images[i], crop.short_side) for i in frames.index[0]]
    assert torch.equal(sample.clips, transforms.cut(images, crop)[None])
    assert sample.labels.tolist() == [5 % 3]


def test_without_aug_torchvision_stays_unimported_and_nothing_is_drawn(config):
    code = (
        "import sys; from timesformer.config import defaults; from timesformer.datasets import augment;"
        "augment.build_augment(defaults()); sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    transform, clip, rng = augment.build_augment(config()), static_clip(), np.random.default_rng(0)
    assert transform(clip, rng) is clip
    assert rng.random() == np.random.default_rng(0).random()


def test_augmentation_leaves_torchs_generator_as_it_was(config):
    transform, clip = augment.build_augment(config(*EVERYTHING)), static_clip()
    before = torch.random.get_rng_state()
    transform(clip, np.random.default_rng(0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_evaluation_is_never_augmented(config):
    for split in ("val", "test"):
        plain, other = (build_dataset(config(*o), split) for o in ([], [*EVERYTHING, *REPEATS]))
        assert torch.equal(plain[0, 1].clips, other[0, 1].clips)


def test_any_number_of_workers_augments_alike(config):
    def batches(workers):
        torch.manual_seed(workers)  # the global generator has no part in it
        cfg = config(*EVERYTHING, *REPEATS, "DATA_LOADER.NUM_WORKERS", workers)
        loader = build_loader(cfg, "train")
        loader.batch_sampler.set_epoch(2)
        return list(loader)

    for one, two in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one.clips, two.clips)
        assert torch.equal(one.labels, two.labels)


def test_any_number_of_processes_augments_alike(config, monkeypatch):
    def batches(rank, world):
        from timesformer.runtime import collectives

        monkeypatch.setattr(collectives, "rank", lambda: rank)
        monkeypatch.setattr(collectives, "world_size", lambda: world)
        monkeypatch.setattr(collectives, "local_world_size", lambda: world)
        return list(build_loader(config(*EVERYTHING, *REPEATS), "train"))

    one, parts = batches(0, 1), [batches(rank, 2) for rank in range(2)]
    for whole, *halves in zip(one, *parts, strict=True):
        assert torch.equal(whole.clips, torch.cat([half.clips for half in halves]))
        assert torch.equal(whole.labels, torch.cat([half.labels for half in halves]))


def test_the_repeats_of_a_video_differ_and_come_from_one_decode(config, monkeypatch):
    reads = []

    def counted(path, select, **options):
        reads.append(path)
        return read_video(path, select, **options)

    dataset = build_dataset(config("AUG.NUM_REPEATS", 4, "TRAIN.BATCH_SIZE", 8), "train")
    dataset.read = counted
    sample = dataset[0, 5]
    assert len(reads) == 1
    assert sample.clips.shape == (4, 3, 4, 32, 32)
    assert len({clip.numpy().tobytes() for clip in sample.clips}) == 4
    assert sample.labels.tolist() == [5 % 3] * 4


def test_a_batch_of_repeats_counts_clips(config):
    loader = build_loader(config(*REPEATS), "train")
    batches = list(loader)
    assert len(batches) == len(loader) == 12  # 24 videos, 2 in a batch of 4 clips
    for batch in batches:
        assert batch.clips.shape[0] == len(batch.labels) == len(batch.indices) == 4
        assert batch.indices[0] == batch.indices[1]
        assert len(set(batch.indices.tolist())) == 2


def test_the_repeats_of_a_broken_video_are_replaced_together(config, tmp_path, data_dir):
    (tmp_path / "broken.mp4").write_text("no video")
    lines = [f"{tmp_path}/broken.mp4 0", f"{data_dir}/videos/train 4.mp4 1"]
    (tmp_path / "train.csv").write_text("\n".join(lines))
    cfg = config(*REPEATS, "DATA.PATH_TO_DATA_DIR", tmp_path)
    sample = build_dataset(cfg, "train")[0, 0]
    assert (sample.labels.tolist(), sample.index) == ([1, 1], 1)
    assert sample.clips.shape[0] == 2
    assert len(set(sample.failures)) == 1
    batch = clips.collate([sample])
    assert batch.indices.tolist() == [1, 1]


def test_channels_are_reversed_after_the_augmentation(config):
    rgb, bgr = (
        build_dataset(
            config("AUG.COLOR_JITTER", "[0, 0, 0.8, 0.5]", "DATA.REVERSE_INPUT_CHANNEL", on),
            "train",
        )[0, 2]
        for on in (0, 1)
    )
    assert torch.equal(bgr.clips, rgb.clips.flip(1))


def test_an_augmented_data_set_travels_to_workers_that_are_started_anew(config):
    """Windows and macOS start loader processes by pickling the data set."""
    dataset = build_dataset(config(*EVERYTHING, *REPEATS), "train")
    there = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(there[1, 2].clips, dataset[1, 2].clips)
