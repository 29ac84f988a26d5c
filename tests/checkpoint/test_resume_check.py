"""A run that resumes must be the run that it resumes; what may differ, and what needs --override."""

import logging

import pytest
import yaml

from tests.conftest import TINY
from tests.engine.test_train import stats
from timesformer.checkpoint import resume_check
from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.load import CheckpointError
from timesformer.config import ConfigError, load_config
from timesformer.config.keys import OLD_NAMES
from timesformer.engine import run
from timesformer.engine.preflight import preflight
from timesformer.files import checkpoint_path


@pytest.fixture(scope="module")
def begun(data_dir, tmp_path_factory):
    """A folder of lists, one of a run of one epoch out of two, and what loads its configuration."""
    folder = tmp_path_factory.mktemp("begun")
    lists, out = folder / "lists", folder / "out"
    lists.mkdir()
    (lists / "videos").symlink_to(data_dir / "videos")
    for split in ("train", "val", "test"):
        (lists / f"{split}.csv").write_text((data_dir / f"{split}.csv").read_text())
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))

    def config(*overrides):
        pairs = ["DATA.PATH_TO_DATA_DIR", lists, "OUTPUT_DIR", out, "TEST.ENABLE", 0, *overrides]
        return load_config(path, [str(item) for item in pairs])

    run.run(config())
    checkpoint_path(out, 1).unlink()
    return lists, out, config


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("SOLVER.BASE_LR", 0.5, "SOLVER.BASE_LR: 0.003 then, 0.5 now"),
        ("SOLVER.MAX_EPOCH", 3, "SOLVER.MAX_EPOCH: 2 then, 3 now"),
        ("TRAIN.BATCH_SIZE", 2, "TRAIN.BATCH_SIZE: 4 then, 2 now"),
        ("RNG_SEED", 5, "RNG_SEED: 1 then, 5 now"),
        ("TIMESFORMER.DEPTH", 1, "TIMESFORMER.DEPTH: 2 then, 1 now"),
        (
            "TIMESFORMER.ATTENTION_TYPE",
            "axial",
            "ATTENTION_TYPE: 'divided_space_time' then, 'axial'",
        ),
    ],
)
def test_what_decides_the_numbers_must_be_as_it_was(begun, key, value, said):
    _, out, config = begun
    with pytest.raises(ConfigError) as error:
        preflight(config(key, value))
    text = str(error.value)
    path = out / "checkpoints/checkpoint_epoch_00001.pyth"
    assert f"{path} was written by a run with different settings" in text
    assert said in text
    assert "pass --override to resume" in text
    assert text.count(" then, ") == 1


def test_another_list_is_named_and_the_same_list_elsewhere_is_not(begun, tmp_path):
    lists, _, config = begun
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.csv").write_text((lists / f"{split}.csv").read_text())
    (tmp_path / "videos").symlink_to(lists / "videos")
    preflight(config("DATA.PATH_TO_DATA_DIR", tmp_path))
    lines = (tmp_path / "train.csv").read_text().splitlines()
    (tmp_path / "train.csv").write_text("\n".join(lines[::-1]))
    with pytest.raises(
        ConfigError, match=r"train list: '.*train.csv, 24 videos, \w{12}' then, '.*now"
    ):
        preflight(config("DATA.PATH_TO_DATA_DIR", tmp_path))


def test_videos_found_unreadable_since_are_noticed(begun):
    _, out, config = begun
    payload = {"sampling": resume_check.facts(6, 0)["sampling"]}
    with pytest.raises(CheckpointError, match="videos known to be unreadable: 0 then, 2 now"):
        resume_check.check_compatible(
            Checkpoint(out, payload), config().dump(), resume_check.facts(6, 2)
        )


def test_what_decides_no_number_may_differ_and_override_goes_on(begun, caplog):
    """Last: the run goes on here."""
    _, out, config = begun
    caplog.set_level(logging.INFO)
    cfg = config("LOG_PERIOD", 3, "DATA_LOADER.NUM_WORKERS", 1, "TRAIN.KEEP_CHECKPOINTS", 4,
                 "SOLVER.WEIGHT_DECAY", 0.5, "TRAIN.RESUME_ANYWAY", 1)  # fmt: skip
    preflight(cfg)
    run.run(cfg)
    assert "harmless differs from the checkpoint: LOG_PERIOD: 2 then, 3 now" in caplog.text
    assert "overridden differs from the checkpoint: SOLVER.WEIGHT_DECAY: 0.0001 then" in caplog.text
    assert [line["epoch"] for line in stats(out, "train_epoch")] == ["1/2", "2/2"]


def test_published_checkpoints_without_these_entries_are_not_compared(begun):
    _, out, config = begun
    entries = {"epoch": 3, "cfg": "NUM_GPUS: 8\nAVA:\n  BGR: false\n"}
    resume_check.check_compatible(Checkpoint(out, entries), config().dump(), {})


def test_a_checkpoint_with_the_old_names_of_keys_is_of_the_same_run(begun):
    _, out, config = begun
    cfg, old = config(), yaml.safe_load(config().dump())
    for now, then in {new: old for old, new in OLD_NAMES.items()}.items():
        section, name = now.split(".")
        old[section][then.split(".")[1]] = old[section].pop(name)
    old["TEST"]["VIEW_PLACEMENT"] = "released"
    found = Checkpoint(out, {"epoch": 0, "cfg": yaml.safe_dump(old)})
    resume_check.check_compatible(found, cfg.dump(), {})
    old["SOLVER"]["REFERENCE_BATCH_SIZE"] = 7
    found = Checkpoint(out, {"epoch": 0, "cfg": yaml.safe_dump(old)})
    with pytest.raises(CheckpointError, match="SOLVER.LR_REFERENCE_BATCH: 7 then, 0 now"):
        resume_check.check_compatible(found, cfg.dump(), {})
