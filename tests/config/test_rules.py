import pytest

from timesformer.config import ConfigError, load_config

MULTI = ["DATA.MULTI_LABEL", 1, "MODEL.LOSS_FUNC", "bce_logit"]
STEPS = ["SOLVER.LR_POLICY", "steps_with_relative_lrs"]


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("NUM_GPUS: 0\nDATA: {TEST_CROP_SIZE: 224}\n")
    return lambda *overrides: load_config(path, [str(item) for item in overrides])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["MODEL.ARCH", "slowfast"],
            "MODEL.ARCH is 'slowfast'; choose one of vit .*MODEL.MODEL_NAME",
        ),
        (["MODEL.LOSS_FUNC", "bce"], "choose one of cross_entropy, bce_logit .*use bce_logit"),
        (["TIMESFORMER.ATTENTION_TYPE", "divided"], "choose one of divided_space_time"),
        (["DATA.DECODING_BACKEND", "torchvision"], "choose one of pyav, torchcodec"),
        (["DATA.DECODING_DEVICE", "gpu"], "choose one of cpu, cuda"),
        (
            ["DATA.DECODING_DEVICE", "cuda"],
            "pyav decodes on the CPU; set DATA.DECODING_BACKEND tor",
        ),
        (["DATA.ENSEMBLE_METHOD", "mean"], "choose one of sum, max, softmax"),
        (["TEST.NUM_SPATIAL_CROPS", 5], "NUM_SPATIAL_CROPS is 5; choose one of 1, 2, 3"),
        (["TEST.VIEW_PLACEMENT", "middle"], "choose one of official, paper"),
        (["TRAIN.PRECISION", "fp8"], "TRAIN.PRECISION is 'fp8'; choose one of fp32, tf32, bf16"),
        (["TRAIN.PRECISION", "fp16"], "TRAIN.PRECISION fp16 needs a GPU, .* is 0; use bf16 on a"),
        (["TEST.PRECISION", "tf32"], "TEST.PRECISION tf32 needs a GPU, .* is 0; use fp32 on a CPU"),
        (
            ["TRAIN.ACTIVATION_CHECKPOINT", 2],
            r"CHECKPOINT is 2.0, but must be at least 0 and at most 1",
        ),
        (["NUM_GPUS", -1], "NUM_GPUS is -1, but must be at least 0"),
        (["DATA.NUM_FRAMES", 0], "DATA.NUM_FRAMES is 0, but must be at least 1"),
        (["TIMESFORMER.PATCH_SIZE", 0], "PATCH_SIZE is 0, but must be at least 1"),
        (
            ["TIMESFORMER.DROP_PATH_RATE", 1],
            r"DROP_PATH_RATE is 1.0, but must be at least 0 and below 1",
        ),
        (["TIMESFORMER.NUM_HEADS", 7], r"EMBED_DIM is 768, but NUM_HEADS \(7\) must divide it"),
        (["TIMESFORMER.MLP_RATIO", 0], "MLP_RATIO is 0.0, but must be above 0"),
        (["DATA.TRAIN_CROP_SIZE", 230], r"TRAIN_CROP_SIZE is 230.*must divide it; use 224 or 240"),
        (["DATA.TEST_CROP_SIZE", 230], r"TEST_CROP_SIZE is 230.*must divide it; use 224 or 240"),
        (["DATA.MEAN", "[0.5]"], "DATA.MEAN has 1 values, but needs one for each of R, G, B"),
        (["DATA.STD", "[0, 1, 1]"], "every value must be above 0"),
        (["AUG.AUTO_AUGMENT", "rand"], 'choose one of "", randaugment, trivialaugment'),
        (["AUG.RAND_AUGMENT_NUM_OPS", 0], "RAND_AUGMENT_NUM_OPS is 0, but must be at least 1"),
        (
            ["AUG.RAND_AUGMENT_MAGNITUDE", 31],
            "MAGNITUDE is 31, but must be at least 0 and at most 30",
        ),
        (["AUG.COLOR_JITTER", "[0.4]"], r"JITTER is \[0.4\], but must be \[brightness, contrast"),
        (["AUG.COLOR_JITTER", "[0, -1, 0, 0]"], "COLOR_JITTER .* none below 0"),
        (["AUG.COLOR_JITTER", "[0, 0, 0, 0.6]"], "COLOR_JITTER .* hue at most 0.5"),
        (["AUG.BLUR_PROB", 1.5], r"AUG.BLUR_PROB is 1.5, but must be at least 0 and at most 1"),
        (
            ["AUG.ERASING_PROB", -1],
            r"AUG.ERASING_PROB is -1.0, but must be at least 0 and at most 1",
        ),
        (
            ["AUG.GRAYSCALE_PROB", 2],
            r"AUG.GRAYSCALE_PROB is 2.0, but must be at least 0 and at most 1",
        ),
        (["AUG.NUM_REPEATS", 0], "NUM_REPEATS is 0, but must be at least 1"),
        (
            ["AUG.NUM_REPEATS", 3, "TRAIN.BATCH_SIZE", 8],
            r"BATCH_SIZE gives 8 clips a process, but AUG.NUM_REPEATS \(3\).*use 6, or another",
        ),
        (
            ["AUG.NUM_REPEATS", 4, "TRAIN.BATCH_SIZE", 12, "NUM_GPUS", 2],
            r"gives 6 clips a process, but AUG.NUM_REPEATS \(4\).*use 8, or another",
        ),
        (
            ["AUG.NUM_REPEATS", 2, "TRAIN.BATCH_SIZE", 6, "MIXUP.ENABLED", 1],
            "3 videos of 2 clips a process, but MIXUP mixes pairs of videos; use an even number",
        ),
        (
            ["AUG.FLIP_MAP", "flip.json", "DATA.RANDOM_FLIP", 0],
            "FLIP_MAP is 'flip.json', but DATA.RANDOM_FLIP is False, so that no clip is flipped",
        ),
        (["DATA.TRAIN_JITTER_SCALES", "[320, 256]"], r"must be \[smallest, largest\]"),
        (["DATA.TRAIN_JITTER_SCALES", "[128, 256]"], r"crop of TRAIN_CROP_SIZE \(224\) must fit"),
        (
            ["TEST.NUM_SPATIAL_CROPS", 1, "DATA.TEST_CROP_SIZE", 320],
            r"frames are scaled to TRAIN_JITTER_SCALES\[0\] \(256\)",
        ),
        (
            ["RNG_SEED", 1 << 70],
            "RNG_SEED is .*, but must be at least 0 and below 9223372036854775808",
        ),
        (["SOLVER.MOMENTUM", 1.5], r"SOLVER.MOMENTUM is 1.5, but must be at least 0 and below 1"),
        ([*STEPS, "SOLVER.STEPS", "[0]", "SOLVER.LRS", "[-1]"], "no value may be negative"),
        (["MIXUP.ENABLED", 1, "MIXUP.ALPHA", 0, "MIXUP.CUTMIX_ALPHA", 0], "needs MIXUP.ALPHA or"),
        (["MIXUP.ENABLED", 1, "MIXUP.CUTMIX_MINMAX", "[0.2]"], r"must be \[least, most\]"),
        (
            ["MIXUP.ENABLED", 1, "MIXUP.PROB", 3],
            "PROB is 3.0, but must be at least 0 and at most 1",
        ),
        (["SHARD_ID", 2], r"SHARD_ID is 2, but must be below NUM_SHARDS \(1\)"),
        (
            ["NUM_GPUS", 4, "TRAIN.BATCH_SIZE", 6],
            r"TRAIN.BATCH_SIZE is 6, but NUM_GPUS \(4\).*use 4",
        ),
        (["NUM_GPUS", 4, "TEST.BATCH_SIZE", 9], r"TEST.BATCH_SIZE is 9, but NUM_GPUS \(4\).*use 8"),
        (["MIXUP.ENABLED", 1, "TRAIN.BATCH_SIZE", 3], "3 clips a process, but MIXUP mixes pairs"),
        (
            ["MIXUP.ENABLED", 1, "MODEL.LOSS_FUNC", "bce_logit"],
            "MIXUP.ENABLED needs .*cross_entropy",
        ),
        (["TRAIN.SAMPLER", "even"], "SAMPLER is 'even'; choose one of uniform, balanced, sqrt"),
        (["DATA.MULTI_LABEL", 1], "MULTI_LABEL needs .* bce_logit, .* it is cross_entropy"),
        ([*MULTI, "DATA.PATH_LABEL_SEPARATOR", ";"], "SEPARATOR is ';', but .* writes 3;7; use a"),
        ([*MULTI, "MIXUP.ENABLED", 1], "MIXUP.ENABLED mixes single labels, but DATA.MULTI_LABEL"),
        ([*MULTI, "TRAIN.SAMPLER", "sqrt"], "TRAIN.SAMPLER needs one class a video, but"),
        (
            [*MULTI, "TENSORBOARD.CONFUSION_MATRIX.ENABLE", 1],
            "CONFUSION_MATRIX.ENABLE has one class a row, but",
        ),
        ([*MULTI, "TENSORBOARD.HISTOGRAM.ENABLE", 1], "HISTOGRAM.ENABLE counts one class a video"),
        ([*STEPS, "SOLVER.STEPS", "[5]", "SOLVER.LRS", "[1]"], "epochs in order, the first one 0"),
        ([*STEPS, "SOLVER.STEPS", "[0, 9, 5]", "SOLVER.LRS", "[1, 1, 1]"], "epochs in order"),
        ([*STEPS, "SOLVER.STEPS", "[0, 5]", "SOLVER.LRS", "[1]"], "LRS has 1 values, but .* 2"),
        (["SOLVER.COSINE_END_LR", 1], "COSINE_END_LR is 1.0, but must not be above BASE_LR"),
        (["SOLVER.MOMENTUM", 0], "NESTEROV needs MOMENTUM above 0"),
        (["TRAIN.FINETUNE", 1], "FINETUNE is True, but TRAIN.CHECKPOINT_FILE_PATH names no file"),
        (
            ["TIMESFORMER.ATTENTION_TYPE", "sparse_local_global", "DATA.NUM_FRAMES", 7],
            "sparse_local_global halves it",
        ),
        (
            ["TIMESFORMER.ATTENTION_TYPE", "sparse_local_global", "DATA.TRAIN_CROP_SIZE", 240],
            "240, 15 patches of 16; sparse_local_global halves them: use 256",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_rule_and_remedy(load, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load(*overrides)


def test_all_values_are_validated_together(load):
    with pytest.raises(ConfigError) as error:
        load("MODEL.ARCH", "x", "DATA.STD", "[0, 1, 1]", "DATA.TRAIN_CROP_SIZE", "225")
    assert len(str(error.value).splitlines()) == 3


def test_what_is_not_enabled_is_not_checked(load):
    load("TEST.ENABLE", 0, "DATA.TEST_CROP_SIZE", 230)
    load("TRAIN.ENABLE", 0, "NUM_GPUS", 4, "TRAIN.BATCH_SIZE", 6)


def test_other_models_have_no_patches(load):
    crops = ["DATA.TRAIN_CROP_SIZE", 100, "DATA.TEST_CROP_SIZE", 100]
    load("MODEL.MODEL_NAME", "r3d_18", "TIMESFORMER.NUM_HEADS", 7, *crops)


def test_ssv2_scales_a_single_crop_to_its_own_size(load):
    one = ["TEST.NUM_SPATIAL_CROPS", 1, "DATA.TEST_CROP_SIZE", 320]
    load(*one, "TEST.DATASET", "ssv2")
