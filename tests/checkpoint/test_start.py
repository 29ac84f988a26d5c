"""The same weights are the same start, whatever their file is called; others are not."""

import json

import pytest

from timesformer.checkpoint import start
from timesformer.checkpoint.start import (
    build_start,
    described,
    differs,
    digest,
    identify,
    located,
    said_by,
)
from timesformer.config import CfgNode


def config(file="", *, tuned=False, reset=False, cut=(), pretrained="none"):
    return CfgNode(
        {
            "TRAIN": {"FINETUNE": tuned, "CHECKPOINT_FILE_PATH": str(file), "CHECKPOINT_EPOCH_RESET":
                      reset, "CHECKPOINT_CLEAR_NAME_PATTERN": cut},
            "TIMESFORMER": {"PRETRAINED_MODEL": str(pretrained)},
        }
    )  # fmt: skip


@pytest.fixture
def files(tmp_path):
    made = {name: tmp_path / name for name in ("a", "copy", "b")}
    for name, path in made.items():
        path.write_bytes(b"b" if name == "b" else b"a")
    return made


SAME = [
    (config(), config(pretrained="None")),
    (config("a", tuned=True), config("copy", reset=True)),
    (config("a", tuned=True), config(pretrained="copy")),
    (config("a", tuned=True, pretrained="b"), config("a", tuned=True)),  # is not read
    (config("a"), config("copy")),
    (config(pretrained=""), config(pretrained="")),
    (config(pretrained="timm/x"), config(pretrained="timm/x")),
]
OTHERS = [
    (config(), config(pretrained="")),
    (config("a", tuned=True), config("b", tuned=True)),
    (config("a"), config("a", reset=True)),
    (config("a"), config("a", cut=["x."])),
    (config(pretrained="timm/x"), config(pretrained="timm/y")),
    (config(pretrained=""), config(pretrained="a")),
]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [(*pair, True) for pair in SAME] + [(*pair, False) for pair in OTHERS],
)
def test_content_decides_whether_it_is_the_same_start(files, monkeypatch, one, other, is_same):
    monkeypatch.chdir(files["a"].parent)
    then, now = identify(build_start(one)), identify(build_start(other))
    assert differs(then, now) == differs(now, then) == (not is_same)


def test_without_a_hash_the_paths_are_compared_and_the_files_where_they_are(files):
    a, copy, b = (identify(build_start(config(files[name]))) for name in ("a", "copy", "b"))
    old = {**a, "sha256": ""}
    assert [differs(old, now) for now in (a, copy, b)] == [False, False, True]
    files["a"].unlink()
    assert [differs(old, now) for now in (a, copy, b)] == [False, True, True]


def test_a_published_configuration_without_these_keys_says_nothing():
    assert said_by({"TRAIN.FINETUNE": True}) is None


def test_files_of_an_earlier_run_are_found_where_they_were_moved(tmp_path):
    folder = tmp_path / "checkpoints"
    for name, content in (("earlier-2/x", "2"), ("earlier-10/x", "10"), ("earlier-old/x", "no")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    second = digest(folder / "earlier-2/x")
    assert located(folder / "x") == folder / "earlier-10/x"
    assert located(folder / "x", second) == folder / "earlier-2/x"
    (folder / "x").write_text("new")
    assert located(folder / "x") == folder / "x"
    assert located(folder / "x", second) == folder / "earlier-2/x"
    assert located(folder / "x", "of no file") == folder / "x"
    assert located(tmp_path / "x") == tmp_path / "x"


def test_a_folder_and_shards_have_the_hash_of_all_their_files(tmp_path):
    for name in ("m", "n"):
        (tmp_path / name).mkdir()
        for part in ("1", "2"):
            (tmp_path / name / part).write_text(part)
        (tmp_path / name / "a.index.json").write_text(json.dumps({"weight_map": {"w": "2"}}))
    m, n = tmp_path / "m", tmp_path / "n"
    assert digest(m) == digest(n) != ""
    assert digest(m / "a.index.json") == digest(n / "a.index.json")
    (n / "2").write_text("3")
    assert digest(m) != digest(n)
    assert digest(m / "a.index.json") != digest(n / "a.index.json")
    assert digest(tmp_path / "nowhere") == ""


def test_a_file_is_read_once_while_it_is_as_it_was(files, monkeypatch):
    first = digest(files["a"])
    monkeypatch.setattr(start.hashlib, "sha256", lambda: 1 / 0)
    assert digest(files["a"]) == first


def test_a_start_is_described_in_words(files):
    assert described(identify(build_start(config()))) == "random weights"
    said = described(identify(build_start(config(files["a"], tuned=True, cut=["module."]))))
    assert said.startswith(f"the weights of {files['a']} (SHA-256 ca978112ca1b) without module.")
