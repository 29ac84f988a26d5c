"""Labels of flipped clips."""

import json

import numpy as np
import pytest

from timesformer.config import ConfigError, load_config
from timesformer.datasets import build_dataset
from timesformer.datasets.flip_map import build_flip_map, flip_map

NAMES = ["left", "right", "up"]


@pytest.fixture
def config(tiny_yaml, tmp_path):
    def load(text, *overrides):
        path = tmp_path / "flip.json"
        path.write_text(text)
        return load_config(tiny_yaml, ["AUG.FLIP_MAP", str(path), *map(str, overrides)])

    return load


@pytest.mark.parametrize(
    ("pairs", "names"),
    [
        ({"left": "right"}, NAMES),
        ({"left": "right", "right": "left"}, NAMES),
        ({"0": 1}, []),
        ({"0": "1", "2": 2}, []),
        ({"left": 1}, NAMES),
    ],
)
def test_pairs_are_names_or_ids_and_mean_both_directions(pairs, names):
    assert flip_map(pairs, names, num_classes=3, origin="f").tolist() == [1, 0, 2]


def test_a_class_may_be_called_by_a_number():
    names = ["7", "0", "1"]
    assert flip_map({"7": "1"}, names, num_classes=3, origin="f").tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("pairs", "names", "message"),
    [
        ({"lft": "right"}, NAMES, "f: no class 'lft'; write an id 0 .. 2 or a name of classes.txt"),
        ({"left": "right"}, [], r"no class 'left'; .*\(names need classes.txt beside the lists\)"),
        ({"0": 3}, [], "no class 3; write an id 0 .. 2"),
        ({"0": -1}, [], "no class -1"),
        ({"0": [1]}, [], r"no class \[1\]"),
        (
            {"left": "right", "right": "up"},
            NAMES,
            "class right has two opposites.*each pair .*once",
        ),
        ({"0": 1, "2": 1}, [], "class 1 has two opposites"),
    ],
)
def test_pairs_that_make_no_sense_are_named(pairs, names, message):
    with pytest.raises(ConfigError, match=message):
        flip_map(pairs, names, num_classes=3, origin="f")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "flip.json is not valid JSON"),
        ("[1]", "flip.json holds a list; write an object"),
    ],
)
def test_files_that_hold_no_pairs_are_named(config, text, message):
    with pytest.raises(ConfigError, match=message):
        build_flip_map(config(text))


def test_a_missing_file_is_named(tiny_yaml):
    with pytest.raises(ConfigError, match=r"no_such.json cannot be read: No such file"):
        build_flip_map(load_config(tiny_yaml, ["AUG.FLIP_MAP", "no_such.json"]))


def test_a_label_is_mapped_exactly_when_its_clip_is_flipped(config, data_dir, tmp_path):
    """The patch of the videos moves along the diagonal from the left: a flip shows in the pixels."""
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    lines = (data_dir / "train.csv").read_text().splitlines()
    for split in ("train", "val"):
        (tmp_path / f"{split}.csv").write_text("\n".join(f"{data_dir}/{line}" for line in lines))
    overrides = ["DATA.PATH_TO_DATA_DIR", tmp_path, "AUG.NUM_REPEATS", 4]
    cfg = config(json.dumps({"left": "right"}), *overrides, "DATA.TRAIN_JITTER_SCALES", "[32, 32]")
    dataset = build_dataset(cfg, "train")
    mapped = 0
    for index in range(len(dataset)):
        sample = dataset[0, index]
        for clip, label in zip(sample.clips, sample.labels.tolist(), strict=True):
            bright = (clip[0, 0] > 220).float()  # of the first frame: above the diagonal's middle
            x = (bright.sum(dim=0) * np.arange(32)).sum() / bright.sum()
            y = (bright.sum(dim=1) * np.arange(32)).sum() / bright.sum()
            flipped = bool(abs(x - y) > 1.5)
            if abs(x - 15.5) < 3:
                continue  # in the middle a flip does not show
            own = index % 3
            assert label == ([1, 0, 2][own] if flipped else own)
            mapped += flipped and own < 2
    assert mapped > 5


def test_without_a_map_a_flip_changes_no_label(tiny_yaml):
    dataset = build_dataset(load_config(tiny_yaml), "train")
    assert [dataset[0, i].labels.tolist() for i in range(6)] == [[i % 3] for i in range(6)]
