"""The cache of flow gives the very clips that are computed, and what it lacks is said before a run."""

import os
import re
import shlex
import shutil

import pytest
import torch

from timesformer.cli.app import run
from timesformer.config import ConfigError, load_config
from timesformer.datasets import build_dataset, read_list
from timesformer.datasets.extract_flow import extract_flow
from timesformer.datasets.flow_cache import cache_problems, extract_command
from timesformer.datasets.modality import build_flow_problems, build_flow_settings
from timesformer.engine.preflight import preflight
from timesformer.video.flow_file import digest, flow_path
from timesformer.video.raft import RaftWeightsError


@pytest.fixture(scope="module")
def cache(data_dir, tmp_path_factory):
    """The flow of all lists of ``data_dir``, by the command."""
    out = tmp_path_factory.mktemp("flow cache") / "flow"
    lists = [str(data_dir / f"{split}.csv") for split in ("train", "val", "test")]
    words = [*lists, "--out", str(out), "--method", "farneback", "--workers", "2"]
    assert run(words, name="extract-flow") == 0
    return out


@pytest.fixture
def config(tiny_yaml):
    flow = ["DATA.MODALITY", "flow", "DATA.FLOW.METHOD", "farneback"]
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in [*flow, *overrides]])


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_cached_clips_are_the_computed_ones_to_the_bit(config, cache, split):
    computed = build_dataset(config(), split)
    cached = build_dataset(config("DATA.FLOW.CACHE", cache), split)
    for index in range(3):
        one, two = computed[1, index], cached[1, index]
        assert torch.equal(one.clips, two.clips)
        assert (one.spans, one.remarks) == (two.spans, two.remarks)
        assert torch.equal(one.labels, two.labels)


def test_a_part_of_a_video_is_the_same_from_the_cache(config, cache, data_dir, tmp_path):
    video = data_dir / "videos" / "test 0.mp4"
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/test.csv").write_text(f'"{video}" 0 0.2 0.4\n')
    options = ["DATA.PATH_TO_DATA_DIR", tmp_path / "lists"]
    one = build_dataset(config(*options), "test")[0, 0]
    two = build_dataset(config(*options, "DATA.FLOW.CACHE", cache), "test")[0, 0]
    assert torch.equal(one.clips, two.clips)
    assert one.spans == two.spans


def test_videos_may_move(config, cache, data_dir, tmp_path):
    moved = shutil.copytree(data_dir, tmp_path / "moved")
    cfg = config("DATA.FLOW.CACHE", cache, "DATA.PATH_TO_DATA_DIR", moved)
    assert len(build_dataset(cfg, "test")[0, 0].clips)


def test_a_run_that_can_start_passes(config, cache):
    preflight_of_data(config("DATA.FLOW.CACHE", cache))


def preflight_of_data(cfg):
    """The problems that the whole check reports, those of the model apart."""
    try:
        preflight(cfg)
    except ConfigError as error:
        problems = str(error).splitlines()
    else:
        problems = []
    return [line for line in problems if "flow" in line]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["DATA.FLOW.METHOD", "dis"],
            "24 of 24 .* have flow of method farneback, not dis in .*/flow; set DATA.FLOW",
        ),
        (["DATA.FLOW.BOUND", "10"], "have flow of bound 20.0, not 10.0"),
        (["DATA.FLOW.SHORT_SIDE", "32"], "have flow of short_side 256, not 32"),
        (["DATA.APPLY_ROTATION", "True"], "apply_rotation False, not True"),
    ],
)
def test_flow_of_other_settings_is_refused_before_the_run(config, cache, overrides, message):
    problems = preflight_of_data(config("DATA.FLOW.CACHE", cache, *overrides))
    assert len(problems) == 3  # one for each list
    assert any(re.search(message, line) for line in problems)


def test_the_command_for_other_settings_is_accepted(config, cache, data_dir, tmp_path):
    part = shutil.copytree(cache, tmp_path / "flow")
    options = ["DATA.FLOW.SHORT_SIDE", 32, "TRAIN.ENABLE", "False"]
    [problem] = preflight_of_data(config("DATA.FLOW.CACHE", part, *options))
    assert run(shlex.split(problem.partition("; run: ")[2])[2:], name="extract-flow") == 0
    other = tmp_path / "flow_farneback_20_32"
    assert preflight_of_data(config("DATA.FLOW.CACHE", other, *options)) == []


def test_what_is_missing_is_named_with_a_command_that_writes_it(config, cache, data_dir, tmp_path):
    part = shutil.copytree(cache, tmp_path / "a part")
    lost = sorted(part.glob("*/*.npz"))[:2]
    for path in lost:
        path.unlink()
    cfg = config("DATA.FLOW.CACHE", part)
    problems = preflight_of_data(cfg)
    assert problems
    assert all("have no flow in" in line for line in problems)
    command = problems[0].partition("; run: ")[2]
    words = shlex.split(command)
    assert words[:2] == ["timesformer", "extract-flow"]
    for line in problems:
        assert run(shlex.split(line.partition("; run: ")[2])[2:], name="extract-flow") == 0
    assert preflight_of_data(cfg) == []
    for path in lost:
        assert path.read_bytes() == (cache / path.relative_to(part)).read_bytes()


def test_a_damaged_file_is_found_before_the_run(config, cache, tmp_path):
    part = shutil.copytree(cache, tmp_path / "flow")
    path = sorted(part.glob("*/*.npz"))[0]
    path.write_bytes(path.read_bytes()[:-10])
    problems = preflight_of_data(config("DATA.FLOW.CACHE", part))
    assert len(problems) == 1
    assert f"{path} is damaged" in problems[0]


def test_a_video_without_flow_is_unreadable_and_replaced_in_training(config, cache, tmp_path):
    part = shutil.copytree(cache, tmp_path / "flow")
    cfg = config("DATA.FLOW.CACHE", part)
    first = build_dataset(cfg, "train")
    flow_path(part, digest(first.videos.files(0))).unlink()
    sample = first[0, 0]
    assert re.search("train 0.mp4: .*flow has no flow of it", sample.failures[0])
    assert len(sample.clips) == 1


def test_an_unreadable_video_does_not_stop_a_run(config, tmp_path, data_dir):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    (tmp_path / "test.csv").write_text(f"{broken} 0\n")
    cfg = config("DATA.PATH_TO_DATA_DIR", tmp_path, "DATA.FLOW.CACHE", tmp_path / "flow")
    settings = build_flow_settings(cfg)
    extract_flow([str(broken)], tmp_path / "flow", settings, weights="", workers=1)
    videos = read_list(cfg, "test")
    assert list(cache_problems(videos, tmp_path / "flow", settings, command=str)) == []
    sample = build_dataset(cfg, "test")[0, 0]
    assert not len(sample.clips)
    assert "broken.mp4" in sample.failures[0]


def test_the_command_has_the_settings_that_are_not_defaults(config):
    cfg = config("DATA.APPLY_ROTATION", "True", "DATA.FLOW.BOUND", "12.5")
    command = extract_command(
        "a b/train.csv",
        "flow",
        settings=build_flow_settings(cfg),
        prefix="/data",
        separator=",",
        weights="w",
    )
    assert command == (
        "timesformer extract-flow 'a b/train.csv' --out flow --method farneback --bound 12.5 "
        "--short-side 256 --apply-rotation --prefix /data --separator , --weights w"
    )


def test_the_file_of_weights_that_is_checked_is_the_one_that_is_read(
    tiny_yaml, tmp_path, monkeypatch
):
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path))
    (tmp_path / "raft.pth").write_bytes(b"not weights")
    words = ["DATA.MODALITY", "flow", "DATA.FLOW.METHOD", "raft_small"]
    cfg = load_config(tiny_yaml, [*words, "DATA.FLOW.WEIGHTS", "~/raft.pth"])
    with pytest.raises(RaftWeightsError, match=r"raft.pth: not the weights"):
        list(build_flow_problems(cfg))
