"""``timesformer detect-eval`` as a user calls it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.detection.made import as_database, as_results, random_columns, write_pair
from tests.detection.test_metrics import naive_ap


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth, found = random_columns(np.random.default_rng(5), annotations=30, detections=200)
    write_pair(tmp_path, truth, found)
    return truth, found


def test_json_is_one_object(run_here, files):
    words = ("--truth", "t.json", "--predictions", "p.json", "--tiou", "0.3:0.7:0.1", "--json")
    status, text, error = run_here("detect-eval", *words)
    report = json.loads(text)
    assert (status, error) == (0, "")
    assert list(report["mAP"]) == ["0.3", "0.4", "0.5", "0.6", "0.7"]
    expected = {
        name: np.mean([naive_ap(*files, k, float(name)) for k in range(3)])
        for name in report["mAP"]
    }
    assert report["mAP"] == pytest.approx(expected, abs=1e-12)
    assert report["average_mAP"] == pytest.approx(np.mean([*expected.values()]), abs=1e-12)
    keys = {"per_class", "average_recall", "per_frame_mAP", "edit", "f1", "unmatched", "warnings"}
    assert keys <= set(report)


def test_a_table_is_printed_and_warnings_are_errors_stream(run_here, files, tmp_path):
    results = as_results(files[1])
    results["results"]["other"] = [{"label": "jump", "score": 2, "segment": [0, 1]}]
    (tmp_path / "out").mkdir()
    (tmp_path / "out/all.json").write_text(json.dumps(results))
    words = ("--truth", "t.json", "--predictions", "out")
    status, text, error = run_here("detect-eval", *words)
    assert status == 0
    assert "per-frame mAP" in text
    assert "AP@0.7" in text
    assert (
        "warning: Wrong by definition: 1 detection in 1 video (other) that the truth does not have"
        in error
    )
    assert "warning: Left out: 1 detection" in run_here("detect-eval", *words, "--ignore-others")[2]


def test_annotations_of_the_background_are_left_out(run_here, files, tmp_path):
    text = (tmp_path / "t.json").read_text()
    (tmp_path / "t.json").write_text(text.replace('"swim"', '"background"'))
    words = ("--truth", "t.json", "--predictions", "p.json", "--json")
    _, text, error = run_here("detect-eval", *words)
    assert "of background, the class without an action; --background none counts it" in error
    assert [row["label"] for row in json.loads(text)["per_class"]] == ["jump", "run"]
    _, text, _ = run_here("detect-eval", *words, "--background", "none")
    assert len(json.loads(text)["per_class"]) == 3
    assert run_here("detect-eval", *words, "--background", "idle")[0] == 2


def test_a_page_is_written(run_here, files, tmp_path):
    words = ("--truth", "t.json", "--predictions", "p.json", "--json", "--out", "page")
    status, text, error = run_here("detect-eval", *words)
    assert (status, error) == (0, "report: page/index.html\n")
    assert json.loads((tmp_path / "page/report.json").read_text()) == json.loads(text)


def test_no_model_is_imported(files, tmp_path):
    code = (
        "import sys; from timesformer.cli.app import run; "
        "status = run(['detect-eval', '--truth', 't.json', '--predictions', 'p.json']); "
        "sys.exit(status or bool({'torch', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == 0


def test_a_list_is_a_truth_too(run_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "l.csv").write_text("/v/a.mp4 1 2.0 4.0\n")
    (tmp_path / "names.txt").write_text("run\njump\n")
    (tmp_path / "p.csv").write_text("video,label,score,start,end\na,jump,0.5,2,4\n")
    words = ("--truth", "l.csv", "--predictions", "p.csv", "--classes", "names.txt", "--json")
    status, text, _ = run_here("detect-eval", *words)
    assert (status, json.loads(text)["average_mAP"]) == (0, 1)


def test_a_truth_is_repaired_if_that_is_wanted(run_here, files, tmp_path):
    database = as_database(files[0])
    annotations = database["database"]["v0"]["annotations"]
    annotations += [annotations[0], {"label": "jump", "segment": [60, 90]}]
    (tmp_path / "t.json").write_text(json.dumps(database))
    words = ("--truth", "t.json", "--predictions", "p.json", "--json")
    status, _, error = run_here("detect-eval", *words)
    assert status == 2
    assert (
        "v0 has jump from 60 to 90 s, but the video ends at 70 s; correct it, or pass --cl" in error
    )
    status, text, _ = run_here("detect-eval", *words, "--clean")
    assert (status, json.loads(text)["annotations"]) == (0, 31)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--truth", "absent.json"], "absent.json: no such file"),
        (["--predictions", "absent"], "absent: no such file or folder"),
        (["--predictions", "t.json"], 't.json: no entry "results"'),
        (["--truth", "p.json"], "it holds results of a detector, no annotations"),
        (["--subset", "test"], "no video of the subset test; it has validation (4 videos)"),
        (["--tiou", "2"], "must be above 0 and at most 1"),
        (["--classes", "absent"], "no class names of 'absent'"),
    ],
)
def test_what_cannot_be_used_is_status_2(run_here, files, options, message):
    given = {"--truth": "t.json", "--predictions": "p.json"} | {options[0]: options[1]}
    words = [word for pair in given.items() for word in pair]
    status, text, error = run_here("detect-eval", *words)
    assert (status, text) == (2, "")
    assert message in error
