"""One command from class folders and weights to a tested checkpoint; and what it refuses."""

import json

import pytest
import torch

from tests.conftest import run_tool
from timesformer.config import load_config
from timesformer.datasets.lists import read_kinetics
from timesformer.models import build_model

FAST = ["SOLVER.MAX_EPOCH", "2", "TRAIN.CHECKPOINT_PERIOD", "1", "TRAIN.KEEP_CHECKPOINTS", "0"]

CLIP_RATE = 5  # 4 frames of it span the 20 frames of the videos


@pytest.fixture
def weights(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml, ["MODEL.NUM_CLASSES", "5", "DATA.SAMPLING_RATE", "32"])
    path = tmp_path / "start.pyth"
    torch.save({"model_state": build_model(cfg).state_dict(), "cfg": cfg.dump()}, path)
    return path


@pytest.fixture
def clips(data_dir, tmp_path):
    """4 videos of each of three classes."""
    folder = tmp_path / "clips"
    for line in (data_dir / "train.csv").read_text().splitlines()[:12]:
        path, _, label = line.rpartition(" ")
        target = folder / ("bright", "dark", "grey")[int(label)] / path.split("/")[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(data_dir / path)
    return folder


@pytest.fixture
def finetune(run_here):
    """Run the command in this process; returns its status and what it prints."""

    def run(*arguments):
        status, out, error = run_here("finetune", *arguments)
        return status, out + error

    return run


def state(folder, epoch):
    path = folder / f"checkpoints/checkpoint_epoch_{epoch:05d}.pyth"
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("recipe", [[], ["--recipe", "gentle"]])
def test_one_command_trains_tests_and_says_how_to_predict(
    finetune, clips, weights, tmp_path, recipe
):
    out = tmp_path / "out"
    command = [clips, "--from", weights, "--out", out, *recipe, *FAST]
    status, text = finetune(*command)
    assert status == 0, text
    name = recipe[-1] if recipe else "probe"
    assert f"recipe: {name} (" in text
    cfg = load_config(out / "config.yaml")
    assert cfg.TEST.VIEW_PLACEMENT == "paper"
    assert cfg.DATA.SAMPLING_RATE == CLIP_RATE
    assert f"(SAMPLING_RATE {CLIP_RATE}): 100 % of 6 videos hold one; median 0.7 s, " in text
    assert "the longest of the weights is 32\n" in text
    assert "videos: 6 train, 3 val, 3 test" in text
    same = f"timesformer train --cfg {out}/finetune.yaml SOLVER.MAX_EPOCH 2"
    assert f"the same as: {same}" in text
    assert (
        load_config(out / "finetune.yaml", FAST).dump() == load_config(out / "config.yaml").dump()
    )
    lists = {split: read_kinetics(out / "lists", split, prefix="", separator=" ", num_classes=3)
             for split in ("train", "val", "test")}  # fmt: skip
    names = [videos.name(i) for videos in lists.values() for i in range(len(videos.labels))]
    assert len(set(names)) == 12
    assert lists["train"].class_names == ("bright", "dark", "grey")
    found = json.loads((out / "test_results.json").read_text())
    assert f"accuracy {found['top1_acc']:.2f} % on 3 of 3 test videos" in text
    assert f"predict: timesformer predict VIDEO --weights {found['weights']}" in text
    trained = state(out, 2)
    assert trained["class_names"] == ["bright", "dark", "grey"]
    assert found["weights"].endswith("checkpoint_best.pyth")
    (out / "checkpoints/checkpoint_epoch_00002.pyth").unlink()
    status, text = finetune(*command)
    assert status == 0
    assert "resuming after" in text
    assert f"clips as before (SAMPLING_RATE {CLIP_RATE} in {out}/finetune.yaml)" in text
    again = state(out, 2)["model_state"]
    assert all(torch.equal(trained["model_state"][key], value) for key, value in again.items())


def test_a_folder_of_lists_is_taken_as_it_is(finetune, data_dir, weights, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("dark\ngrey\nlight\n")
    out = tmp_path / "out"
    status, text = finetune(data_dir, "--from", weights, "--classes", names, "--out", out,
                            "SOLVER.MAX_EPOCH", "1", "DATA.LIMIT_TRAIN_BATCHES", "1")  # fmt: skip
    assert status == 0, text
    assert f"lists: those of {data_dir}" in text
    assert "3 classes: dark, grey, light\nvideos: 24 train, 7 val, 9 test" in text
    assert "on 9 of 9 test videos" in text
    status, text = finetune(data_dir, "--from", weights, "--out", tmp_path / "other")
    assert status == 2
    assert "has lists but no classes.txt; write one, a name a line, or pass --classes" in text


def test_the_clip_length_can_be_given_and_is_measured(finetune, clips, weights, tmp_path):
    status, text = finetune(clips, "--from", weights, "--out", tmp_path / "out", *FAST,
                            "DATA.SAMPLING_RATE", 30)  # fmt: skip
    assert status == 0
    assert "(SAMPLING_RATE 30): 0 % of 6 videos hold one; median 0.7 s, as given" in text
    assert load_config(tmp_path / "out/config.yaml").DATA.SAMPLING_RATE == 30


def test_under_torchrun_the_first_process_alone_owns_the_folder_and_writes(
    finetune, clips, weights, tmp_path, monkeypatch
):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("timesformer.engine.run.launch_run", lambda _: None)
    monkeypatch.setattr("timesformer.runtime.run_lock.owned", lambda _: 1 / 0)
    out = tmp_path / "out"
    assert finetune(clips, "--from", weights, "--out", out, "TEST.ENABLE", "False")[0] == 0
    assert not (out / "finetune.yaml").exists()


def test_two_videos_a_class_are_validated_and_tested_alike(finetune, clips, weights, tmp_path):
    for folder in clips.iterdir():
        for path in sorted(folder.iterdir())[2:]:
            path.unlink()
    status, text = finetune(clips, "--from", weights, "--out", tmp_path / "out", *FAST)
    assert status == 0
    assert "val and test are the same videos" in text


def test_going_on_with_other_settings_must_be_asked_for(finetune, clips, weights, tmp_path):
    command = [clips, "--from", weights, "--out", tmp_path / "out"]
    assert finetune(*command, *FAST)[0] == 0
    (tmp_path / "out/checkpoints/checkpoint_epoch_00002.pyth").unlink()
    status, text = finetune(*command, *FAST, "SOLVER.BASE_LR", "0.5")
    assert status == 2
    assert "SOLVER.BASE_LR" in text
    assert "--override" in text
    settings = (tmp_path / "out/finetune.yaml").read_text()
    assert finetune(*command, "--recipe", "full", *FAST)[0] == 2
    assert (tmp_path / "out/finetune.yaml").read_text() == settings
    status, text = finetune(*command, "--override", *FAST, "SOLVER.BASE_LR", "0.5")
    assert status == 0
    assert "finetune.yaml SOLVER.MAX_EPOCH 2" in text
    assert "SOLVER.BASE_LR 0.5 TRAIN.RESUME_ANYWAY True" in text


def test_weights_that_do_not_tell_their_heads_are_told(finetune, clips, weights, tmp_path):
    bare = tmp_path / "bare.pth"
    torch.save(torch.load(weights, weights_only=True)["model_state"], bare)
    command = [clips, "--from", bare, "--out", tmp_path / "out", *FAST]
    command += ["DATA.TRAIN_JITTER_SCALES", "[32, 40]"]
    status, text = finetune(*command)
    assert status == 2
    assert "add TIMESFORMER.NUM_HEADS" in text
    assert finetune(*command, "TIMESFORMER.NUM_HEADS", 2)[0] == 0
    assert load_config(tmp_path / "out/config.yaml").TIMESFORMER.NUM_HEADS == 2


def test_folders_of_splits_are_taken_as_they_are(finetune, clips, weights, tmp_path):
    root = tmp_path / "split"
    for split in ("train", "val"):
        (root / split).mkdir(parents=True)
        for folder in clips.iterdir():
            (root / split / folder.name).mkdir()
            for path in sorted(folder.iterdir())[:: 1 if split == "train" else 3]:
                (root / split / folder.name / path.name).symlink_to(path.resolve())
    status, text = finetune(root, "--from", weights, "--out", tmp_path / "out", *FAST)
    assert status == 0
    assert "videos: 12 train, 6 val, 6 test" in text


def test_class_names_can_be_given_in_another_order(finetune, clips, weights, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("grey\nbright\ndark\n")
    out = tmp_path / "out"
    assert finetune(clips, "--from", weights, "--out", out, "--classes", names, *FAST)[0] == 0
    assert state(out, 2)["class_names"] == ["grey", "bright", "dark"]


class TestInputThatCannotBeUsed:
    """Status 2, one line, nothing trained."""

    @pytest.fixture
    def refused(self, finetune, clips, weights, tmp_path):
        def run(folder=clips, source=weights, *more):
            status, text = finetune(folder, "--from", source, "--out", tmp_path / "out", *more)
            assert status == 2
            assert "Traceback" not in text
            assert not list(tmp_path.glob("out/checkpoints/*"))
            return text

        return run

    def test_no_folder(self, refused, tmp_path):
        assert "nowhere is not a folder; give the folder of" in refused(tmp_path / "nowhere")

    def test_no_class_folders(self, refused, clips):
        assert "bright has no class folders with videos; make a" in refused(clips / "bright")

    def test_no_videos(self, refused, tmp_path):
        (tmp_path / "empty/a").mkdir(parents=True)
        assert "holds no video file and no frame folder; check" in refused(tmp_path / "empty")

    def test_a_class_with_one_video(self, refused, clips):
        for path in sorted((clips / "dark").iterdir())[1:]:
            path.unlink()
        assert "class 'dark' has one video, but training and testing need one each" in refused()

    def test_a_class_of_one_film(self, refused, clips):
        for i, path in enumerate(sorted((clips / "dark").iterdir())):
            path.rename(path.with_name(f"v_Dark_g01_c0{i}.mp4"))
        assert "class 'dark' has 4 videos of one film, but training and" in refused()

    def test_a_video_as_weights(self, refused, clips):
        video = next((clips / "dark").iterdir())
        assert f"{video} is not a weights file, but a video" in refused(clips, video)

    def test_weights_that_are_not_there(self, refused, tmp_path):
        assert "gone.pyth does not exist" in refused(source=tmp_path / "gone.pyth")

    @pytest.mark.parametrize("names", ["bright\ndark\n", "bright\ndark\ngrey\nnoise\n"])
    def test_names_that_are_not_those_of_the_folders(
        self, refused, clips, weights, tmp_path, names
    ):
        path = tmp_path / "names.txt"
        path.write_text(names)
        text = refused(clips, weights, "--classes", path)
        assert (
            f"names {names.count(chr(10))} classes and there are 3 class folders, which differ"
            in text
        )
        assert "differ in grey;" in text or "differ in noise;" in text

    def test_a_class_count_that_is_not_that_of_the_folders(self, refused, clips, weights):
        text = refused(clips, weights, "MODEL.NUM_CLASSES", "7")
        assert "classes.txt names 3 classes, but MODEL.NUM_CLASSES is 7; set it to 3" in text

    def test_an_unknown_key(self, refused, clips, weights):
        assert "did you mean SOLVER.BASE_LR" in refused(clips, weights, "SOLVER.BASE_LRR", "1")

    def test_other_videos_than_those_it_was_started_with(self, finetune, clips, weights, tmp_path):
        out = tmp_path / "out"
        assert finetune(clips, "--from", weights, "--out", out, *FAST)[0] == 0
        next((clips / "dark").iterdir()).unlink()
        status, text = finetune(clips, "--from", weights, "--out", out, *FAST)
        assert status == 2
        assert "was written for other videos or another --seed" in text


def test_help_comes_without_loading_the_model():
    result = run_tool("finetune.py", "--help")
    assert result.returncode == 0
    assert "FOLDER" in result.stdout
