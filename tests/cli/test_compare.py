"""timesformer.evaluation.compare as a user calls it."""

import json

from tests.conftest import run_tool
from tests.evaluation.report.made import random_scores, write_csv, write_run

RESULT = {"top1_acc": 99.5, "top5_acc": 100.0, "videos": 400, "scored": 398, "unreadable": 2,
          "attention_type": "divided_space_time", "seconds": 2.5}  # fmt: skip


def test_runs_stand_side_by_side(tmp_path):
    for name, accuracy in (("a", 99.5), ("b long name", 43.25)):
        (tmp_path / name).mkdir()
        text = json.dumps({**RESULT, "top1_acc": accuracy})
        (tmp_path / name / "test_results.json").write_text(text)
        write_csv(tmp_path / name / "test_predictions.csv", *random_scores(20, 3))
    result = run_tool("compare_runs.py", tmp_path / "a", tmp_path / "b long name")
    assert result.returncode == 0
    head, _, first, second = result.stdout.splitlines()[:4]
    assert head.split()[:2] == ["run", "attention"]
    assert first.split() == ["a", "divided_space_time", "99.50", "100.00", "398/400", "2", "2.5"]
    assert "43.25" in second


def test_folders_without_a_result_are_named(tmp_path):
    result = run_tool("compare_runs.py", tmp_path)
    assert result.returncode == 2
    assert "test_results.json does not exist; test into this OUTPUT_DIR first" in result.stderr
    (tmp_path / "test_results.json").write_text("{}")
    result = run_tool("compare_runs.py", tmp_path)
    assert result.returncode == 2
    assert "is not the result of a test" in result.stderr


def test_runs_with_several_labels_a_video_show_their_precision(tmp_path):
    found = {key: value for key, value in RESULT.items() if "acc" not in key} | {"map": 0.51234}
    (tmp_path / "test_results.json").write_text(json.dumps(found))
    result = run_tool("compare_runs.py", tmp_path)
    assert result.returncode == 0
    assert result.stdout.splitlines()[2].split()[2:5] == ["map", "0.5123", "-"]


def test_a_limited_test_is_marked(tmp_path):
    found = {**RESULT, "scored": 40, "limited": "40 of 400 videos (DATA.LIMIT_VAL_BATCHES 0.1)"}
    (tmp_path / "test_results.json").write_text(json.dumps(found))
    result = run_tool("compare_runs.py", tmp_path)
    assert "40/400 LIMITED" in result.stdout.splitlines()[2]


def test_how_runs_ran_is_a_second_table(tmp_path):
    session = {"clips_per_second": 12.34, "peak_gpu_gib": 0, "peak_ram_gib": 2.5, "processes": 2,
               "environment": {"devices": ["CPU"]},
               "code": {"timesformer": "1.0", "commit": "0123456789abcdef"}}  # fmt: skip
    test_alone = {**session, "clips_per_second": None}
    record = {"status": "finished", "wall_seconds": 3723.4, "sessions": [session, test_alone],
              "result": {"best_validation": {"epoch": 3, "top1_err": 18.75}}}  # fmt: skip
    for name in ("a", "b", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test_results.json").write_text(json.dumps(RESULT))
        (tmp_path / name / "run.json").write_text(json.dumps(record))
        write_csv(tmp_path / name / "test_predictions.csv", *random_scores(20, 3))
    record["result"] = {"best_validation": {"epoch": 2, "map": 0.5}}
    (tmp_path / "b/run.json").write_text(json.dumps(record))
    (tmp_path / "old/run.json").write_text("{}")
    result = run_tool("compare_runs.py", tmp_path / "a", tmp_path / "b", tmp_path / "old")
    head, _, a, b = result.stdout.split("\n\n")[1].splitlines()
    assert head.split()[:4] == ["run", "status", "starts", "time"]
    assert " ".join(a.split()) == (
        "a finished 2 1:02:03 12.3 2.5 81.25 % at epoch 3 2 x CPU 0123456789"
    )
    assert "map 0.5000 at epoch 2" in b


def test_a_folder_with_predictions_alone_is_compared(run_here, tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        scores = random_scores(60, 3, seed=seed)[1]
        write_csv(tmp_path / name / "test_predictions.csv", random_scores(60, 3)[0], scores)
    status, text, _ = run_here("compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c")
    assert status == 0
    assert text.splitlines()[0].split()[:3] == ["A", "B", "A"]
    found = json.loads((tmp_path / "c/compare.json").read_text())
    pair = found["pairs"][0]
    assert f"{pair['difference']:+.2f}" in text
    assert (tmp_path / "c/index.html").is_file()


def test_runs_of_one_name_are_called_by_their_path(run_here, tmp_path):
    for name in ("x/run", "y/run"):
        write_csv(tmp_path / name / "test_predictions.csv", *random_scores(20, 3))
    text = run_here("compare", tmp_path / "x/run", tmp_path / "y/run")[1]
    assert str(tmp_path / "x/run") in text


def test_what_cannot_be_compared_is_status_2(run_here, tmp_path):
    write_csv(tmp_path / "a/test_predictions.csv", *random_scores(20, 3))
    write_csv(tmp_path / "b/test_predictions.csv", *random_scores(19, 3))
    (tmp_path / "c").mkdir()
    for words, message in (
        (("a", "b"), "--common takes the videos that all have"),
        (("a", "c"), "test_predictions.csv does not exist; test into this OUTPUT_DIR first"),
        (("a", "--out", "o"), "--out is for the comparison of two or more runs; name another run"),
        (("a", "b", "--group", "film"), "no such column"),
    ):
        folders = [tmp_path / word if len(word) == 1 else word for word in words]
        more = ["--common"] if "film" in words else []
        status, _, error = run_here("compare", *folders, *more)
        assert status == 2
        assert message in error
    assert run_here("compare", tmp_path / "a", tmp_path / "b", "--common")[0] == 0


def test_a_run_that_is_named_twice_is_numbered(tmp_path):
    file = write_csv(tmp_path / "a" / "test_predictions.csv", *random_scores(20, 3))
    out = tmp_path / "out"
    result = run_tool("compare_runs.py", file, file, "--no-frames", "--out", out)
    assert result.returncode == 0, result.stderr
    found = json.loads((out / "compare.json").read_text())
    assert [run["name"] for run in found["runs"]] == [str(file), f"{file} (2)"]
    assert found["only_in"] == {str(file): 0, f"{file} (2)": 0}
    assert (found["pairs"][0]["difference"], found["pairs"][0]["mcnemar_p"]) == (0, 1)


def test_models_are_a_markdown_table_alone_and_a_page_if_asked(run_here, tmp_path):
    runs = [tmp_path / name for name in ("a|b", "c")]
    for run in runs:
        write_run(run, "Motion/divST_6x6_32")
    status, printed, error = run_here("compare", *runs, "--markdown")
    assert status == 0, error
    starts = [line.split(" | ")[0] for line in printed.splitlines()]
    assert starts == ["| run", "| ---", r"| a\|b", "| c"]
    page = ["--no-frames", "--out", tmp_path / "out"]
    status, again, _ = run_here("compare", *runs, "--markdown", *page)
    assert (status, again.startswith(printed)) == (0, True)
    assert (tmp_path / "out/index.html").is_file()
    assert run_here("compare", runs[0], "--markdown")[0] == 0
    write_run(runs[0], "Motion/divST_6x6_32", num_videos=50)
    status, _, error = run_here("compare", *runs, "--markdown")
    assert status == 2
    assert "--common takes the videos that all have" in error
    assert run_here("compare", *runs, "--markdown", "--common")[0] == 0
