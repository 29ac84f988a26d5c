"""Names of the Hugging Face hub: a folder here, the cache, a download, or where to get it."""

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from tests.checkpoint.test_load import model, same_weights
from timesformer.checkpoint import hub
from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.checkpoint.model_spec import read_model_spec

NAME = "owner/small-timesformer-k4.0"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty cache and an empty working folder, and no network."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hub, "_answers", lambda endpoint: False)
    monkeypatch.chdir(tmp_path)


def put(folder, seed=1):
    folder.mkdir(parents=True)
    state = {name: value.contiguous() for name, value in model(seed=seed).state_dict().items()}
    save_file(state, folder / "model.safetensors")


def put_in_cache(cache, commit="a" * 40, *, seed=1, refs=True):
    found = cache / "models--owner--small-timesformer-k4.0"
    put(found / "snapshots" / commit, seed)
    if refs:
        (found / "refs").mkdir(exist_ok=True)
        (found / "refs" / "main").write_text(commit)


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE"])
def test_a_name_is_taken_from_the_cache(tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    put_in_cache(tmp_path / "elsewhere" / ("hub" if variable == "HF_HOME" else ""))
    target = model(seed=2)
    assert load_weights(target, NAME).exact
    assert same_weights(target, model(seed=1))
    assert read_model_spec(NAME, overrides=["TIMESFORMER.NUM_HEADS", "2"]).has_classifier


def test_the_branch_main_decides_among_snapshots_and_none_is_needed(tmp_path):
    put_in_cache(tmp_path / "home" / "hub", "b" * 40, seed=3)
    put_in_cache(tmp_path / "home" / "hub", "c" * 40, seed=4, refs=False)
    target = model(seed=2)
    load_weights(target, NAME)
    assert same_weights(target, model(seed=3))


def test_a_folder_of_that_name_wins(tmp_path):
    put_in_cache(tmp_path / "home" / "hub")
    put(tmp_path / NAME, seed=5)
    target = model(seed=2)
    load_weights(target, NAME)
    assert same_weights(target, model(seed=5))


@pytest.mark.parametrize("offline", ["", "1"])
def test_without_cache_and_network_the_error_says_where_to_get_it(tmp_path, monkeypatch, offline):
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    with pytest.raises(CheckpointError) as error:
        load_weights(model(), NAME)
    for part in (NAME, str(tmp_path / "home/hub"), f"config.json of https://huggingface.co/{NAME}",
                 "HF_HUB_OFFLINE is set" if offline else "does not answer"):  # fmt: skip
        assert part in str(error.value)


def test_with_a_network_it_is_downloaded_once(tmp_path, monkeypatch):
    asked = []

    def download(name, *, cache_dir, allow_patterns):
        asked.append(allow_patterns)
        folder = tmp_path / "downloaded"
        if "pytorch_model*.bin" in allow_patterns:
            folder.mkdir()
            torch.save(model(seed=6).state_dict(), folder / "pytorch_model.bin")
        return str(folder)

    monkeypatch.setattr(hub, "_answers", lambda endpoint: True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    target = model(seed=2)
    load_weights(target, NAME)
    assert same_weights(target, model(seed=6))
    assert [patterns[-1] for patterns in asked] == ["model*.safetensors", "pytorch_model*.bin"]


def test_what_the_hub_refuses_is_one_line(monkeypatch):
    def refuse(*_, **__):
        raise OSError("404 Client Error\nRepository Not Found")

    monkeypatch.setattr(hub, "_answers", lambda endpoint: True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(
        CheckpointError, match="could not be downloaded .OSError: 404 Client Error."
    ) as e:
        load_weights(model(), NAME)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "name",
    ["a.pyth", "runs/best.pth", "/a/b", "a/b/c", "timm/vit", "./a", "a", "runs/x.safetensors"],
)
def test_paths_are_no_names(name):
    assert not hub.is_name(name)


def test_a_missing_folder_of_a_folder_that_is_here_is_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "_download", lambda name: pytest.fail("asked the network"))
    (tmp_path / "output").mkdir()
    with pytest.raises(CheckpointError, match="checkpoint output/run does not exist"):
        load_weights(model(), "output/run")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    assert hub.cache_folder() == str(tmp_path / "home" / "hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert hub.cache_folder() == str(tmp_path)
