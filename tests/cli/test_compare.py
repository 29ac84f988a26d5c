"""timesformer.evaluation.compare as a user calls it."""

import json

from tests.conftest import run_tool

RESULT = {"top1_acc": 99.5, "top5_acc": 100.0, "videos": 400, "scored": 398, "unreadable": 2,
          "attention_type": "divided_space_time", "seconds": 2.5}  # fmt: skip


def test_runs_stand_side_by_side(tmp_path):
    for name, accuracy in (("a", 99.5), ("b long name", 43.25)):
        (tmp_path / name).mkdir()
        text = json.dumps({**RESULT, "top1_acc": accuracy})
        (tmp_path / name / "test_results.json").write_text(text)
    result = run_tool("compare_runs.py", tmp_path / "a", tmp_path / "b long name")
    assert result.returncode == 0
    head, _, first, second = result.stdout.splitlines()[:4]
    assert head.split()[:2] == ["run", "attention"]
    assert first.split() == ["a", "divided_space_time", "99.50", "100.00", "398/400", "2", "2.5"]
    assert "43.25" in second
    assert str(tmp_path / "a") in result.stdout.split("\n\n")[1]


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
