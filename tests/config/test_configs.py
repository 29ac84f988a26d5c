import re
from pathlib import Path

import pytest

from timesformer.config import load_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(CONFIGS.glob("*/TimeSformer*.yaml")) + sorted(CONFIGS.glob("Motion/*.yaml"))
FILES += [path for path in sorted(CONFIGS.glob("Baselines/*.yaml")) if path.stem != "Kinetics"]
PUBLISHED = {  # official_behaviour 1.3: scheme, frames, rate, jitter, crop, classes, batch, GPUs
    "Kinetics/TimeSformer_divST_8x32_224": ("divided", 8, 32, 256, 224, 400, 8, 8),
    "Kinetics/TimeSformer_divST_8x32_224_4gpus": ("divided", 8, 32, 256, 224, 400, 4, 4),
    "Kinetics/TimeSformer_divST_8x32_224_TEST": ("divided", 8, 32, 256, 224, 400, 8, 8),
    "Kinetics/TimeSformer_divST_16x16_448": ("divided", 16, 16, 448, 448, 400, 8, 8),
    "Kinetics/TimeSformer_divST_96x4_224": ("divided", 96, 4, 256, 224, 400, 8, 8),
    "Kinetics/TimeSformer_jointST_8x32_224": ("joint", 8, 32, 256, 224, 400, 8, 8),
    "Kinetics/TimeSformer_spaceOnly_8x32_224": ("space", 8, 32, 256, 224, 400, 8, 8),
    "SSv2/TimeSformer_divST_8_224": ("divided", 8, None, 256, 224, 174, 8, 8),
    "SSv2/TimeSformer_divST_16_448": ("divided", 16, None, 448, 448, 174, 8, 8),
    "SSv2/TimeSformer_divST_64_224": ("divided", 64, None, 256, 224, 174, 8, 8),
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_recipes_keep_their_values(name):
    cfg = load_config(CONFIGS / f"{name}.yaml")
    scheme, frames, rate, jitter, crop, classes, batch, gpus = PUBLISHED[name]
    assert cfg.TIMESFORMER.ATTENTION_TYPE.startswith(scheme)
    assert (cfg.DATA.NUM_FRAMES, cfg.DATA.TRAIN_JITTER_SCALES[0]) == (frames, jitter)
    assert rate is None or rate == cfg.DATA.SAMPLING_RATE
    assert (crop, crop) == (cfg.DATA.TRAIN_CROP_SIZE, cfg.DATA.TEST_CROP_SIZE)
    assert (classes, batch) == (cfg.MODEL.NUM_CLASSES, cfg.TRAIN.BATCH_SIZE)
    assert (batch, gpus) == (cfg.TEST.BATCH_SIZE, cfg.NUM_GPUS)
    solver = cfg.SOLVER
    assert (solver.BASE_LR, solver.STEPS, solver.LRS) == (0.005, [0, 11, 14], [1, 0.1, 0.01])
    assert (solver.MAX_EPOCH, solver.MOMENTUM, solver.WEIGHT_DECAY) == (15, 0.9, 1e-4)
    assert (solver.OPTIMIZING_METHOD, solver.NESTEROV, cfg.RNG_SEED) == ("sgd", True, 0)
    assert (cfg.TEST.NUM_ENSEMBLE_VIEWS, cfg.TEST.NUM_SPATIAL_CROPS) == (1, 3)
    assert (cfg.TRAIN.EVAL_PERIOD, cfg.TRAIN.CHECKPOINT_PERIOD) == (5, 5)
    assert name.endswith("TEST") is not cfg.TRAIN.ENABLE


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recipe_loads_and_has_its_own_output_folder(path):
    cfg = load_config(path)
    assert Path(cfg.OUTPUT_DIR).parts == ("output", path.parent.name, path.stem)


def test_no_two_recipes_are_the_same():
    dumps = [re.sub("OUTPUT_DIR.*", "", load_config(path).dump()) for path in FILES]
    assert len(set(dumps)) == len(FILES)


def test_every_published_recipe_family_is_there():
    folders = {path.parent.name for path in FILES}
    assert folders == {
        "Kinetics", "SSv2", "HowTo100M", "Diving48", "UCF101", "HMDB51", "Motion",
        "Baselines",
    }  # fmt: skip
