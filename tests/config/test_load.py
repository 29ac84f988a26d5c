import logging

import pytest
import yaml

from timesformer.config import ConfigError, defaults, load_config
from timesformer.config.coerce import coerce
from timesformer.config.ignored_keys import HARMLESS, IGNORED
from timesformer.config.load import portable


@pytest.fixture
def write(tmp_path):
    def write(text, name="config.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_an_empty_file_gives_the_published_defaults(write):
    cfg = load_config(write("TRAIN: {BATCH_SIZE: 64}"))
    assert cfg.SOLVER.BASE_LR == 0.1
    assert cfg.SOLVER.LR_POLICY == "cosine"
    assert cfg.DATA.TRAIN_JITTER_SCALES == [256, 320]
    assert cfg.DATA.MEAN == [0.45, 0.45, 0.45]
    assert cfg.GLOBAL_BATCH_SIZE == 64
    assert cfg.TEST.NUM_ENSEMBLE_VIEWS == 10
    assert cfg.is_frozen()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("SOLVER.BASE_LR", "1", 1.0),
        ("SOLVER.BASE_LR", "5e-3", 0.005),
        ("SOLVER.WEIGHT_DECAY", "1e-4", 1e-4),
        ("SOLVER.MAX_EPOCH", "15.0", 15),
        ("TRAIN.ENABLE", "false", False),
        ("TRAIN.ENABLE", "False", False),
        ("TRAIN.ENABLE", "0", False),
        ("SOLVER.NESTEROV", "true", True),
        ("TRAIN.CHECKPOINT_FILE_PATH", "12345", "12345"),
        ("OUTPUT_DIR", "C:\\new\\table", "C:\\new\\table"),
        ("OUTPUT_DIR", "'quoted name'", "quoted name"),
        ("DATA.PATH_TO_DATA_DIR", " /path/with/blank/", "/path/with/blank/"),
        ("DATA.TRAIN_JITTER_SCALES", "[256, 320]", [256, 320]),
        ("DATA.TRAIN_JITTER_SCALES", "256,320", [256, 320]),
        ("DATA.MEAN", "(0, 0.5, 1)", [0.0, 0.5, 1.0]),
        ("MIXUP.CUTMIX_MINMAX", "None", None),
        ("MIXUP.CUTMIX_MINMAX", "[0.2, 0.8]", [0.2, 0.8]),
        ("TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN", "('backbone.',)", ("backbone.",)),
    ],
)
def test_values_on_the_command_line_mean_what_they_say(write, key, text, value):
    cfg = load_config(write("NUM_GPUS: 0"), [key, text])
    for name in key.split("."):
        cfg = cfg[name]
    assert cfg == value
    assert type(cfg) is type(value)


def test_yaml_scalars_mean_what_they_say(write):
    cfg = load_config(write("SOLVER: {WEIGHT_DECAY: 1e-4, BASE_LR: 1}\nTRAIN: {ENABLE: false}"))
    assert (cfg.SOLVER.WEIGHT_DECAY, cfg.SOLVER.BASE_LR, cfg.TRAIN.ENABLE) == (1e-4, 1.0, False)


@pytest.mark.parametrize(
    ("key", "text", "rule"),
    [
        ("SOLVER.MAX_EPOCH", "1.5", "a whole number"),
        ("SOLVER.MAX_EPOCH", "True", "a whole number"),
        ("SOLVER.MAX_EPOCH", "inf", "a whole number"),
        ("SOLVER.BASE_LR", "fast", "a number"),
        ("SOLVER.BASE_LR", "1e400", "a number"),
        ("TRAIN.ENABLE", "maybe", "true or false"),
        ("DATA.MEAN", "0.5", "a list of numbers"),
        ("DATA.MEAN", "['a', 'b', 'c']", "a list of numbers"),
        ("MIXUP.CUTMIX_MINMAX", "3", "empty or a list"),
    ],
)
def test_a_wrong_type_names_key_value_and_rule(write, key, text, rule):
    with pytest.raises(ConfigError, match=rule) as error:
        load_config(write("NUM_GPUS: 0"), [key, text])
    assert key in str(error.value)
    assert text in str(error.value)


def test_an_infinite_integer_is_refused():
    with pytest.raises(ConfigError, match="whole number"):
        coerce("SOLVER.MAX_EPOCH", float("inf"), 15)


def test_a_section_in_place_of_text_is_refused(write):
    with pytest.raises(ConfigError, match="OUTPUT_DIR is .* but must be text"):
        load_config(write("OUTPUT_DIR: [a, b]"))


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("SOLVER.BASE_LRR", "SOLVER.BASE_LR"),
        ("data.num_frames", "DATA.NUM_FRAMES"),
        ("TRAIN.BATCHSIZE", "TRAIN.BATCH_SIZE"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(write, key, nearest):
    with pytest.raises(ConfigError, match=f"did you mean {nearest}"):
        load_config(write("NUM_GPUS: 0"), [key, "1"])


def test_an_unknown_section_lists_the_sections(write):
    with pytest.raises(ConfigError, match="sections are AUG, DATA, DATA_LOADER, DIST, MIXUP"):
        load_config(write("QWXZ: {KJ: 1}"))


def test_a_section_is_not_a_key(write):
    with pytest.raises(ConfigError, match="SOLVER is a section"):
        load_config(write("NUM_GPUS: 0"), ["SOLVER", "1"])


def test_all_problems_of_a_merge_are_listed_with_their_source(write):
    path = write("SOLVER: {MAX_EPOCHS: 3}")
    with pytest.raises(ConfigError) as error:
        load_config(path, ["SOLVER.MOMENTUM", "much"])
    assert f"{path}: unknown config key SOLVER.MAX_EPOCHS" in str(error.value)
    assert "command line: SOLVER.MOMENTUM" in str(error.value)


def test_a_key_without_value_is_named(write):
    with pytest.raises(ConfigError, match="'SOLVER.BASE_LR' has no value"):
        load_config(write("NUM_GPUS: 0"), ["NUM_GPUS", "0", "SOLVER.BASE_LR"])


def test_published_keys_without_effect_are_one_warning(write, caplog):
    text = "MODEL: {DROPOUT_RATE: 0.5}\nDATA: {INPUT_CHANNEL_NUM: [3]}\nBN: {NORM_TYPE: x}"
    with caplog.at_level(logging.WARNING):
        load_config(write(text))
    assert len(caplog.records) == 1
    for key in ("MODEL.DROPOUT_RATE", "DATA.INPUT_CHANNEL_NUM", "BN.NORM_TYPE"):
        assert key in caplog.text


def test_ignored_and_real_keys_are_disjoint_and_together_the_published_ones(shared):
    import torch

    known = _flat(defaults())
    assert not known & IGNORED
    assert HARMLESS.keys() <= IGNORED
    file = shared / "golden/shared_official_space_only.pyth"
    published = _flat(yaml.safe_load(torch.load(file, weights_only=True)["cfg"]))
    assert published <= known | IGNORED


def test_defaults_are_the_published_ones(shared):
    import torch

    file = shared / "golden/shared_official_space_only.pyth"
    published = yaml.safe_load(torch.load(file, weights_only=True)["cfg"])
    own = yaml.safe_load(defaults().dump())
    set_by_that_run = {"TRAIN_CROP_SIZE", "NUM_FRAMES", "NUM_CLASSES", "ATTENTION_TYPE", "NUM_GPUS"}
    set_by_that_run |= {"ARCH", "MODEL_NAME", *own["SOLVER"]}
    for section, values in own.items():
        pairs = values.items() if isinstance(values, dict) else [(section, values)]
        source = published.get(section, {}) if isinstance(values, dict) else published
        for key, value in pairs:
            if key in source and key not in set_by_that_run:
                assert source[key] == value, f"{section}.{key}"


@pytest.mark.parametrize("key", sorted(HARMLESS))
def test_an_ignored_key_that_asks_for_something_is_an_error(write, key):
    harmless, reason = HARMLESS[key]
    load_config(write("NUM_GPUS: 0"), [key, str(harmless)])
    other = "True" if harmless is False else "caffe2"
    with pytest.raises(ConfigError, match=f"{key} is .*{reason}"):
        load_config(write("NUM_GPUS: 0"), [key, other])


def test_base_files_are_merged_from_the_root_down(write):
    write("SOLVER: {BASE_LR: 0.5, MAX_EPOCH: 7}", "base/root.yaml")
    write("_BASE_: root.yaml\nSOLVER: {MAX_EPOCH: 8}", "base/middle.yaml")
    cfg = load_config(write("_BASE_: base/middle.yaml\nNUM_GPUS: 0"))
    assert (cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_EPOCH, cfg.NUM_GPUS) == (0.5, 8, 0)


def test_base_files_that_refer_back_are_named(write):
    write("_BASE_: b.yaml", "a.yaml")
    with pytest.raises(ConfigError, match="refer back to each other"):
        load_config(write("_BASE_: a.yaml", "b.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A: 1\nTRAIN: {a: [}", "not a readable YAML config: line 2"),
        ("_BASE_: gone.yaml", r"its _BASE_ .*gone\.yaml does not exist; correct that path"),
        ("_BASE_: 3", "_BASE_ is 3, but must be a path"),
    ],
)
def test_unreadable_yaml_names_the_file(write, text, message):
    with pytest.raises(ConfigError, match=rf"config\.yaml: {message}"):
        load_config(write(text))


def test_yaml_that_is_no_mapping_names_what_it_is(write):
    with pytest.raises(ConfigError, match="KEY: VALUE"):
        load_config(write("- a\n- b"))


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match=r"nothing\.yaml does not exist"):
        load_config("configs/nothing.yaml")


def test_paths_work_with_either_slash(write, tmp_path, monkeypatch):
    write("NUM_GPUS: 0", "configs/Kinetics/X.yaml")
    monkeypatch.chdir(tmp_path)
    assert load_config("configs\\Kinetics\\X.yaml").NUM_GPUS == 0
    assert portable("configs\\Kinetics\\X.yaml").is_file()
    (tmp_path / "a\\b").touch()
    assert portable("a\\b").name == "a\\b"  # a name that really has a backslash, on POSIX


def test_a_dumped_configuration_loads_to_itself(write):
    cfg = load_config(write("SOLVER: {STEPS: [0, 11], LRS: [1, 0.1]}"))
    assert load_config(write(cfg.dump(), "dumped.yaml")) == cfg


def test_the_published_dump_inside_a_checkpoint_loads(shared, write):
    import torch

    file = shared / "golden/shared_official_divided_space_time.pyth"
    text = torch.load(file, weights_only=True)["cfg"]
    options = ["TIMESFORMER.PATCH_SIZE", "8", "MODEL.ARCH", "vit", "NUM_GPUS", "0"]
    cfg = load_config(write(text), [*options, "MODEL.MODEL_NAME", "vit_base_patch16_224"])
    assert cfg.DATA.NUM_FRAMES == 4


def _flat(tree, prefix=""):
    keys = set()
    for key, value in tree.items():
        keys |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
    return keys


def test_an_empty_file_and_back_slashes_in_base_paths_are_fine(write):
    assert load_config(write("", "base/empty.yaml")).NUM_GPUS == 1
    assert load_config(write("_BASE_: base\\empty.yaml\nNUM_GPUS: 0")).NUM_GPUS == 0
