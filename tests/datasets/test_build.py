"""The door of the data sets."""

import pytest

from timesformer import datasets
from timesformer.config import load_config
from timesformer.datasets import build, list_source


@pytest.mark.parametrize("name", datasets.__all__)
def test_the_door_gives_every_name_that_it_lists(name):
    assert getattr(datasets, name) in (getattr(build, name, None), getattr(list_source, name, None))


def test_other_names_are_errors():
    with pytest.raises(
        AttributeError, match=r"module 'timesformer\.datasets' has no attribute 'gone'"
    ):
        datasets.gone  # noqa: B018


@pytest.mark.parametrize(("views", "crops"), [(1, 1), (2, 3)])
def test_a_view_counts_the_clips_that_it_takes(tiny_yaml, numbered_video, views, crops):
    keys = {"TEST.NUM_ENSEMBLE_VIEWS": views, "TEST.NUM_SPATIAL_CROPS": crops}
    cfg = load_config(tiny_yaml, [str(item) for pair in keys.items() for item in pair])
    assert datasets.build_view(cfg, "test").num_clips == views * crops
    assert len(datasets.load_views(numbered_video(30), cfg)) == views * crops


def test_a_training_view_counts_its_repeats(tiny_yaml):
    cfg = load_config(tiny_yaml, ["AUG.NUM_REPEATS", "2"])
    view = datasets.build_view(cfg, "train")
    assert view.num_clips == 2
    dataset = datasets.build_dataset(cfg, "train")
    assert len(dataset[0, 0].clips) == view.num_clips
