"""Parts of the data: limits and overfitting, the same on any number of processes."""

import numpy as np
import pytest

from timesformer.config import load_config
from timesformer.datasets import build_loader
from timesformer.datasets.samplers import EvalBatches, TrainBatches, drawn, limited


@pytest.mark.parametrize(
    ("limit", "total", "expected"),
    [(0, 7, 7), (3, 7, 3), (9, 7, 7), (0.5, 7, 4), (0.01, 7, 1), (1, 7, 1), (0.99, 7, 7)],
)
def test_a_limit_is_a_number_or_a_share_rounded_up(limit, total, expected):
    assert limited(limit, total) == expected


def test_drawn_videos_are_in_order_once_and_of_all_classes_of_a_list_that_goes_round():
    indices = drawn(40, 400)
    assert (np.diff(indices) > 0).all()
    assert indices[-1] < 400
    assert set(indices % 10) == set(range(10))
    assert drawn(40, 400).tolist() == indices.tolist()
    assert drawn(9, 4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("world", [1, 2])
def test_a_limited_epoch_is_the_beginning_of_the_whole_one(world):
    def epoch(limit):
        parts = []
        for rank in range(world):
            batches = TrainBatches(
                40, batch_size=4 // world, rank=rank, world=world, seed=3, limit=limit
            )
            parts.append(list(batches))
            assert len(parts[-1]) == len(batches)
        return [sum(group, []) for group in zip(*parts, strict=True)]

    assert len(epoch(0)) == 10
    assert epoch(3) == epoch(0)[:3]
    assert epoch(0.25) == epoch(0)[:3]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_chosen_videos_are_evaluated_once_on_any_number_of_processes(world):
    chosen = np.array([1, 4, 5, 9, 11])
    seen = []
    for rank in range(world):
        batches = EvalBatches(12, batch_size=2, rank=rank, world=world, chosen=chosen)
        assert len(list(batches)) == len(batches)
        seen += [index for batch in batches for _, index in batch]
    assert sorted(seen) == chosen.tolist()


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def keys(loader):
    return [[index for _, index in batch] for batch in loader.batch_sampler]


def test_overfitting_shows_the_same_videos_again_and_validates_on_them(config):
    cfg = config("DATA.OVERFIT_BATCHES", 2)
    train, val = build_loader(cfg, "train"), build_loader(cfg, "val")
    assert len(train) == 50
    shown = np.unique(np.concatenate(keys(train)), return_counts=True)
    assert shown[0].tolist() == sorted(sum(keys(val), []))
    assert shown[1].tolist() == [25] * 8
    train.batch_sampler.set_epoch(1)
    assert set(sum(keys(train), [])) == set(shown[0].tolist())
    assert val.dataset.videos.origin == train.dataset.videos.origin


def test_overfitted_clips_are_those_of_validation_in_every_epoch(config):
    cfg = config("DATA.OVERFIT_BATCHES", 1)
    train, val = build_loader(cfg, "train").dataset, build_loader(cfg, "val").dataset
    sample = train[5, 3]
    assert (sample.clips == val[0, 3].clips).all()
    assert (sample.clips == train[6, 3].clips).all()
    assert train.view.replaces
    assert not val.view.replaces


def test_overfitting_goes_round_broken_videos(config, tmp_path, data_dir):
    (tmp_path / "lists").mkdir()
    text = (data_dir / "train.csv").read_text().replace("videos/", f"{data_dir}/videos/")
    (tmp_path / "lists/train.csv").write_text("gone.mp4 0\n" * 24 + text)
    cfg = config("DATA.OVERFIT_BATCHES", 1, "DATA.PATH_TO_DATA_DIR", tmp_path / "lists")
    dataset = build_loader(cfg, "train").dataset
    assert dataset[0, 0].clips.shape[0] == 1
    assert "gone.mp4" in dataset[0, 0].failures[0]


def test_limits_of_batches_are_of_those_of_all_processes(config, caplog):
    """A test batch of 12 clips holds 2 videos of 6 views; a validation batch holds 4."""
    caplog.set_level("INFO")
    cfg = config("DATA.LIMIT_VAL_BATCHES", 2, "DATA.LIMIT_TRAIN_BATCHES", 3)
    assert [len(build_loader(cfg, split)) for split in ("train", "val", "test")] == [3, 2, 2]
    assert sum(map(len, keys(build_loader(cfg, "val")))) == 7
    test = build_loader(cfg, "test")
    assert sum(map(len, keys(test))) == 4
    assert test.batch_sampler.limited == "4 of 9 videos (DATA.LIMIT_VAL_BATCHES 2)"
    assert "test is LIMITED to 4 of 9 videos (DATA.LIMIT_VAL_BATCHES 2)" in caplog.text
    assert "epochs are limited: DATA.LIMIT_TRAIN_BATCHES is 3" in caplog.text
    assert not build_loader(config(), "test").batch_sampler.limited
