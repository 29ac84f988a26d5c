import importlib
import logging
import subprocess
import sys

import pytest

from timesformer.config import ConfigError, defaults, load_config
from timesformer.config.key import Key
from timesformer.config.keys import KEYS, OLD_NAMES, find, renamed
from timesformer.config.tree import flatten


def test_every_default_is_allowed_and_has_the_type_of_its_key():
    for key in KEYS.values():
        assert key.read(key.default) == key.default, key.name
        assert type(key.read(key.default)) is type(key.default), key.name
        key.check(key.default)


def test_the_rows_are_the_tree():
    assert flatten(defaults()) == {key.name: key.default for key in KEYS.values()}


@pytest.mark.parametrize(
    "module",
    [
        "timesformer.config.keys_run",
        "timesformer.config.keys_model",
        "timesformer.config.keys_data",
        "timesformer.config.keys_training",
    ],
)
def test_no_row_is_left_out_of_the_table(module):
    values = vars(importlib.import_module(module)).values()
    rows = [row for value in values if isinstance(value, tuple) for row in value]
    rows = [row for row in rows if isinstance(row, Key)]
    assert rows
    assert all(KEYS[row.name] is row for row in rows)


def test_every_key_has_a_meaning_that_is_a_sentence():
    for key in KEYS.values():
        assert key.meaning[-1] == ".", key.name
        assert len(key.meaning) > 8, key.name


def test_the_row_says_what_a_resumed_run_may_change_and_what_a_prediction_takes_over():
    sections = ("TENSORBOARD.", "TEST.", "DATA_LOADER.", "DIST.")
    deciding = [name for name, key in KEYS.items() if name.startswith(sections) and not key.free]
    assert deciding == ["DIST.SYNC_BATCHNORM"]
    assert not any(KEYS[name].free for name in ("TRAIN.BATCH_SIZE", "SOLVER.BASE_LR", "RNG_SEED"))
    assert KEYS["DATA.NUM_FRAMES"].scored
    assert not KEYS["SOLVER.BASE_LR"].scored


def test_no_old_name_is_a_key():
    assert not OLD_NAMES.keys() & KEYS.keys()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("ema", ["TRAIN.EMA_DECAY"]),
        ("solver.lr*", ["SOLVER.LR_REFERENCE_BATCH", "SOLVER.LR_POLICY", "SOLVER.LRS"]),
        ("TEST.CLIPS_PER_PASS", ["TEST.FORWARD_BATCH"]),
        ("DIST.", [name for name in KEYS if name.startswith("DIST.")]),
        ("", list(KEYS)),
        ("QWX", []),
    ],
)
def test_a_key_is_found_by_a_part_a_pattern_or_its_old_name(pattern, names):
    assert [key.name for key in find(pattern)] == names


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("TRAIN.EMA_DECAY", "at least 0 and below 1"),
        ("AUG.AUTO_AUGMENT", 'one of "", randaugment, trivialaugment'),
        ("TRAIN.ENABLE", "true or false"),
        ("SOLVER.LAYER_DECAY", "above 0 and at most 1"),
        ("DATA.MEAN", "a list of numbers, as [256, 320]"),
    ],
)
def test_what_a_key_allows_is_said_in_words(name, allowed):
    assert KEYS[name].allowed == allowed


def test_a_bound_is_checked_on_its_side():
    key = Key("A.B", 0.5, "A number.", above=0, at_most=1)
    key.check(1)
    for value in (0, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="A.B is .*, but must be above 0 and at most 1"):
            key.check(value)


def test_keys_are_found_without_torch():
    code = (
        "import sys; from timesformer.config.keys import find; find('lr'); print(len(sys.modules))"
    )
    code += "; assert not {'torch', 'numpy', 'fvcore'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


OLD = {
    "TRAIN.OVERRIDE": "True",
    "TRAIN.LEAN": "False",
    "SOLVER.EARLY_STOP": "3",
    "SOLVER.REFERENCE_BATCH_SIZE": "32",
    "TEST.CLIPS_PER_PASS": "4",
    "TEST.VIEW_PLACEMENT": "released",
}
NEW = {
    "TRAIN.RESUME_ANYWAY": "True",
    "TRAIN.RECOMPUTE_CHEAP_OPS": "False",
    "SOLVER.EARLY_STOP_PATIENCE": "3",
    "SOLVER.LR_REFERENCE_BATCH": "32",
    "TEST.FORWARD_BATCH": "4",
    "TEST.VIEW_PLACEMENT": "official",
}


@pytest.mark.parametrize(("old", "new"), zip(OLD.items(), NEW.items(), strict=True))
def test_an_old_name_works_on_the_command_line_and_logs_one_line(tiny_yaml, caplog, old, new):
    expected = load_config(tiny_yaml, new)
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert load_config(tiny_yaml, old) == expected
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith("command line has old names of config keys: ")
    assert old[0] in said
    assert new[1 if old[0] == new[0] else 0] in said


def test_the_old_names_of_a_file_are_one_line_that_names_it(tiny_yaml, tmp_path, caplog):
    path = tmp_path / "old.yaml"
    path.write_text(f"_BASE_: {tiny_yaml}\n" + "".join(f"{k}: {v}\n" for k, v in OLD.items()))
    with caplog.at_level(logging.WARNING):
        cfg = load_config(path, ["SOLVER.EARLY_STOP_PATIENCE", "5"])
    assert (cfg.SOLVER.EARLY_STOP_PATIENCE, cfg.TEST.VIEW_PLACEMENT) == (5, "official")
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{path} has old names of config keys: TRAIN.OVERRIDE is")


def test_a_base_with_an_old_name_lies_below_a_file_with_the_new_one(tiny_yaml, tmp_path):
    (tmp_path / "base.yaml").write_text(f"_BASE_: {tiny_yaml}\nSOLVER: {{EARLY_STOP: 3}}")
    (tmp_path / "new.yaml").write_text("_BASE_: base.yaml\nSOLVER: {EARLY_STOP_PATIENCE: 7}")
    assert load_config(tmp_path / "new.yaml").SOLVER.EARLY_STOP_PATIENCE == 7


def test_both_names_of_a_key_are_refused():
    with pytest.raises(ConfigError, match=r"TRAIN.LEAN is the old name of TRAIN.RECOMPUTE_CHEAP"):
        renamed({"TRAIN.LEAN": True, "TRAIN.RECOMPUTE_CHEAP_OPS": True})


def test_what_a_checkpoint_says_has_the_new_names(caplog):
    from timesformer.config import flat_values

    text = "TRAIN: {LEAN: true}\nTEST: {VIEW_PLACEMENT: released}"
    found = flat_values(text, source="old.pyth")
    assert found == {"TRAIN.RECOMPUTE_CHEAP_OPS": True, "TEST.VIEW_PLACEMENT": "official"}
    assert not caplog.records
