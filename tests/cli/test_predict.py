"""The tool as a user runs it: what it prints, and its exit status."""

import json
import re
from functools import partial

import pytest
import torch

from tests.conftest import run_tool
from timesformer.checkpoint.temperature import store_temperature
from timesformer.cli import model
from timesformer.datasets.lists import read_list_file
from timesformer.inference.predictor import Predictor


@pytest.fixture
def tool(run_here):
    return partial(run_here, "predict")


def test_a_folder_gives_a_table(tool, weights, data_dir, tmp_path):
    (tmp_path / "two").mkdir()
    for i in range(2):
        (tmp_path / f"two/{i}.mp4").write_bytes((data_dir / f"videos/test {i}.mp4").read_bytes())
    status, out, err = tool(tmp_path / "two", "--weights", weights, "--top", 2, "--views", "1x1")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["video", "rank", "class", "probability", "seconds"]
    assert [line[0] for line in lines[2:]] == ["0.mp4", "2", "1.mp4", "2"]
    assert {line[2 if line[0].endswith(".mp4") else 1] for line in lines[2:]} <= {
        "dark", "grey", "light"}  # fmt: skip
    assert re.fullmatch(r"0\.mp4 1 \w+ [\d.]+ % \d\.\d–\d\.\d of \d\.\d s", " ".join(lines[2]))


def test_a_list_gives_its_rows_and_a_part_is_scored_as_in_a_test(tool, weights, data_dir, tmp_path):
    rows = [f"{data_dir}/videos/test {i}.mp4 0{part}" for i in (0, 1) for part in ("", " 0.0 0.3")]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    status, out, err = tool(tmp_path / "rows.csv", "--weights", weights, "--json", "--views", "1x1")
    assert (status, err) == (0, "")
    whole, part, *_ = found = json.loads(out)
    assert [row["video"][-10:] for row in found] == ["test 0.mp4"] * 2 + ["test 1.mp4"] * 2
    assert part["end_seconds"] <= 0.3 < whole["end_seconds"]
    predictor = Predictor.from_checkpoint(weights, "cpu", views="1x1")
    wanted = [
        each.top(1)[0].score for each in predictor.predict(read_list_file(tmp_path / "rows.csv"))
    ]
    assert [row["classes"][0]["score"] for row in found] == pytest.approx(wanted, rel=1e-5)
    status, _, err = tool(tmp_path / "rows.csv", "--weights", weights, "--annotate", tmp_path / "a")
    assert status == 2
    assert (
        "rows that are parts of videos, and --contact-sheet and --annotate draw whole ones" in err
    )


def test_rows_are_printed_while_later_videos_are_read(
    tool, weights, data_dir, tmp_path, monkeypatch
):
    """One batch a video; what stands on the output when the second one is asked for."""
    printed, seen = [], []
    monkeypatch.setattr(model, "show", printed.append)
    monkeypatch.setattr(
        model, "with_progress",
        lambda items, total: (seen.append(len(printed)) or each for each in items),
    )  # fmt: skip
    videos = [data_dir / f"videos/test {i}.mp4" for i in range(2)]
    for words, at_the_end in (([], 2), (["--csv"], 2), (["--json"], 1)):
        printed.clear(), seen.clear()
        assert tool(*videos, "--weights", weights, *words)[0] == 0
        assert seen == ([0, 1] if at_the_end == 2 else [0, 0])
        assert len(printed) == at_the_end
        assert all(name in "\n".join(map(str, printed)) for name in ("test 0.mp4", "test 1.mp4"))


def test_an_unreadable_video_among_good_ones_is_reported(tool, weights, data_dir, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    status, out, err = tool(
        tmp_path / "broken.mp4", data_dir / "videos/test [01].mp4", "--weights", weights, "--json"
    )
    assert status == 1
    found = json.loads(out)
    assert [bool(each["error"]) for each in found] == [True, False, False]
    assert [len(each["classes"]) for each in found] == [0, 3, 3]
    assert "cannot be read: " in err
    assert err.endswith("1 of 3 videos could not be read\n")
    assert found[0]["start_seconds"] is None
    assert 0 <= found[1]["start_seconds"] < found[1]["end_seconds"] < found[1]["duration_seconds"]


def test_scores_that_are_not_finite_are_no_prediction(tool, weights, data_dir, tmp_path):
    """JSON stays JSON, and the status is 1."""
    content = torch.load(weights, weights_only=True)
    head = next(name for name in content["model_state"] if name.endswith("head.bias"))
    content["model_state"][head][1] = 3e38  # finite, but not the sum over views
    torch.save(content, tmp_path / "bad.pyth")
    video = data_dir / "videos/test 0.mp4"
    status, out, err = tool(video, "--weights", tmp_path / "bad.pyth", "--json", "--views", "2x3")
    assert status == 1, err
    (found,) = json.loads(out, parse_constant=pytest.fail)
    assert (status, found["classes"]) == (1, [])
    assert "1 of 3 scores are not finite (the first: inf)" in found["error"]
    assert "has no prediction: " in err
    assert err.endswith("1 of 1 videos have scores that are not finite\n")
    status, out, _ = tool(video, "--weights", tmp_path / "bad.pyth", "--views", "2x3")
    assert status == 1
    assert "nan %" not in out
    assert "test 0.mp4  error  " in out


def test_images_of_a_pattern_are_left_out_and_a_single_one_is_an_error(
    tool, weights, data_dir, tmp_path, caplog
):
    (tmp_path / "two").mkdir()
    (tmp_path / "two/0.mp4").write_bytes((data_dir / "videos/test 0.mp4").read_bytes())
    (tmp_path / "two/cover.jpg").touch()
    status, out, _ = tool(f"{tmp_path}/two/*", "--weights", weights, "--json")
    assert status == 0
    assert [each["video"] for each in json.loads(out)] == [str(tmp_path / "two/0.mp4")]
    assert f"left out 1 image(s) ({tmp_path}/two/cover.jpg); a folder of frames is" in caplog.text
    status, _, err = tool(tmp_path / "two/cover.jpg", "--weights", weights)
    assert status == 2
    assert (
        f"cover.jpg: an image is not a video, but a folder of frames is one: give {tmp_path}/two"
        in err
    )


def test_pictures_on_request(tool, weights, data_dir, tmp_path):
    video = data_dir / "videos/test 0.mp4"
    status, _, _ = tool(video, "--weights", weights, "--csv", "--contact-sheet", tmp_path / "sheets",
                        "--annotate", tmp_path / "copies")  # fmt: skip
    assert status == 0
    assert (tmp_path / "sheets/test_0.png").stat().st_size > 1000
    assert (tmp_path / "copies/test_0.mp4").stat().st_size > 1000


def test_a_picture_that_fails_stops_nothing(tool, weights, data_dir, tmp_path):
    (tmp_path / "copies/test_0.mp4").mkdir(parents=True)
    videos = [data_dir / f"videos/test {i}.mp4" for i in range(2)]
    status, out, err = tool(*videos, "--weights", weights, "--annotate", tmp_path / "copies")
    assert status == 1
    assert "cannot be drawn" in err
    assert "test 1.mp4" in out
    assert (tmp_path / "copies/test_1.mp4").is_file()


def test_wrong_input_is_an_error_without_traceback(tool, weights, data_dir, tmp_path):
    video = data_dir / "videos/test 0.mp4"
    (tmp_path / "empty").mkdir()
    backbone = tmp_path / "backbone.pt"
    state = torch.load(weights, weights_only=True)["model_state"]
    torch.save({k: v for k, v in state.items() if ".head." not in k}, backbone)
    for words, message in (
        (["no.mp4", "--weights", weights], "no.mp4: no such file or folder"),
        (["", "--weights", weights], "the name of a video is empty"),
        ([tmp_path / "empty", "--weights", weights], "a folder without videos"),
        (["*.mpeg9", "--weights", weights], "no file matches"),
        ([video, "--weights", "none.pyth"], "none.pyth does not exist"),
        ([video, "--weights", video], "; weights are wanted here"),
        ([video, "--weights", weights, "--views", "ten"], "views are 'ten', but must be"),
        ([video, "--weights", weights, "--views", "100001x1"], "NUM_ENSEMBLE_VIEWS is 100001, but mus"),
        ([video, "--weights", weights, "--classes", "hmdb51"], "names 51 classes, but the classif"),
        ([video, "--weights", weights, "--annotate", weights], "File exists"),
        ([video, "--weights", weights, "--annotate", video.parent], "would overwrite them"),
        ([video, "--weights", weights, "--device", "mps"], "device is 'mps', which PyTorch cannot"),
        ([video, "--weights", weights, "--device", "meta"], "device is 'meta', which PyTorch cannot"),
        (
            [video, "--weights", backbone, "--set", "TIMESFORMER.NUM_HEADS", 2, "--set",
             "DATA.TEST_CROP_SIZE", 32],
            "holds no classifier",
        ),
    ):  # fmt: skip
        status, out, err = tool(*words)
        assert (status, out) == (2, ""), words
        assert message in err.splitlines()[-1]
        assert err.splitlines()[-1].startswith("timesformer predict: error: ")


def test_wrong_options_are_told_at_once(tool):
    for words, message in (
        ([], "Missing argument 'FILE_OR_FOLDER'"),
        (
            ["a.mp4", "--weights", "w", "--top", "0"],
            "Invalid value for '--top': ",
        ),
        (["a.mp4", "--weights", "w", "--precision", "int8"], "'int8' is not one of 'fp32', 'bf16'"),
        (["a.mp4", "--weights", "w", "--json", "--csv"], "--json and --csv exclude each other"),
    ):
        status, _, err = tool(*words)
        assert status == 2
        assert message in err


def test_it_runs_from_a_shell(weights, data_dir):
    done = run_tool("predict.py", data_dir / "videos/test 0.mp4", "--weights", weights)
    assert done.returncode == 0, done.stderr
    assert "test 0.mp4" in done.stdout


def test_a_temperature_of_the_checkpoint_is_used_and_said(tool, trained, data_dir):
    """Scores and classes stay; the probabilities are those of logits divided by it."""
    _, weights = trained("TEST.NUM_SPATIAL_CROPS", 1)
    video = data_dir / "videos/test 0.mp4"
    asked = (video, "--weights", weights, "--json")
    (plain,) = json.loads(tool(*asked)[1])
    store_temperature(weights, 2.5, {"list": "val.csv", "sha256": "0" * 64, "videos": 70})
    status, out, err = tool(*asked)
    (found,) = json.loads(out)
    assert status == 0
    assert "note: probabilities by temperature 2.5, fitted to 70 videos of val.csv" in err
    assert (plain["temperature"], found["temperature"]) == (None, 2.5)
    for key in ("label", "name", "score"):
        assert [c[key] for c in found["classes"]] == [c[key] for c in plain["classes"]]
    powers = [each["probability"] ** (1 / 2.5) for each in plain["classes"]]
    expected = [power / sum(powers) for power in powers]  # all three classes
    assert [each["probability"] for each in found["classes"]] == pytest.approx(expected, abs=1e-5)
