"""``timesformer watch-eval`` as a user calls it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.detection.online_evaluation.made import LABELS, write_rows, write_streams


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_streams(tmp_path, noise=2.0, skipped={5, 6})


WORDS = ("--truth", "t.json", "--predictions", "streams")


def test_json_is_one_object(run_here, files):
    status, text, error = run_here("watch-eval", *WORDS, "--json", "--false-alarms", "100")
    report = json.loads(text)
    assert (status, error) == (0, "")
    assert report["windows"] == {"scored": 345, "skipped": 6, "unread": 0}
    assert report["predictions"] == [f"streams/v{k}.jsonl" for k in range(3)]
    assert report["stream_time"]["per_frame_mAP"] > report["as_seen"]["per_frame_mAP"] > 0.3
    assert report["false_alarms_per_hour"] == 100


def test_tables_are_printed_and_warnings_are_on_the_error_stream(run_here, files):
    status, text, error = run_here("watch-eval", *WORDS, "--fps", "24")
    assert status == 0
    assert "in stream time  as seen" in text
    assert "early detection, mAP" in text
    assert "warning: The streams last 0.05 hours, so a rate of 1 an hour allows no false" in error


def test_a_page_is_written(run_here, files, tmp_path):
    words = (*WORDS, "--json", "--out", "page", "--false-alarms", "100")
    status, text, error = run_here("watch-eval", *words)
    assert (status, error) == (0, "report: page/index.html\n")
    assert json.loads((tmp_path / "page/report.json").read_text()) == json.loads(text)


def test_no_model_is_imported(files, tmp_path):
    code = (
        "import sys; from timesformer.cli.app import run; "
        f"status = run(['watch-eval', *{WORDS}]); "
        "sys.exit(status or bool({'torch', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == 0


def test_a_camera_gets_its_name_and_a_list_its_classes_from_the_stream(run_here, files, tmp_path):
    rows = [json.loads(line) for line in (tmp_path / "streams/v0.jsonl").read_text().splitlines()]
    write_rows(tmp_path / "camera.jsonl", [rows[0] | {"source": "/dev/video0"}, *rows[1:]])
    entry = json.loads((tmp_path / "t.json").read_text())["database"]["v0"]
    lines = [
        f"/films/v0.mp4 {LABELS.index(each['label'])} {each['segment'][0]} {each['segment'][1]}\n"
        for each in entry["annotations"]
    ]
    (tmp_path / "list.csv").write_text("".join(lines))
    words = ("--truth", "list.csv", "--predictions", "camera.jsonl", "--json")
    status, _, error = run_here("watch-eval", *words)
    assert (status, "the streams are video0" in error) == (2, True)
    status, text, _ = run_here("watch-eval", *words, "--video", "v0")
    report = json.loads(text)
    assert (status, report["annotations"]) == (0, len(entry["annotations"]))
    assert {row["label"] for row in report["per_class"]} <= {*LABELS}


def test_other_rules_announce_other_starts(run_here, files, tmp_path):
    (tmp_path / "rules.yaml").write_text("onset: 0.6\noffset: 0.4\n")
    _, text, _ = run_here("watch-eval", *WORDS, "--json")
    assert json.loads(text)["stream_time"]["announced"]["starts"] == 0
    _, text, _ = run_here("watch-eval", *WORDS, "--json", "--rules", "rules.yaml")
    views = json.loads(text)
    announced = [views[name]["announced"] for name in ("stream_time", "as_seen")]
    assert announced[0]["starts"] > 5
    assert announced[1]["mean_seconds"] == pytest.approx(announced[0]["mean_seconds"] + 0.3)


def test_scores_of_detect_have_no_latency(run_here, files, tmp_path):
    from timesformer.detection.online_evaluation.read_streams import read_streams
    from timesformer.detection.timeline import Timeline

    (tmp_path / "detections").mkdir()
    for stream in read_streams([tmp_path / "streams"]):
        path = tmp_path / f"detections/{stream.video}.scores.npz"
        Timeline("x", stream.windows, stream.scores, LABELS, 60.0).save(path)
    _, text, _ = run_here("watch-eval", *WORDS[:3], "detections", "--json")
    _, lines, _ = run_here("watch-eval", *WORDS, "--json")
    report, streams = json.loads(text), json.loads(lines)
    assert report["as_seen"] is None
    nothing = {"announced": None}
    assert report["stream_time"] | nothing == streams["stream_time"] | nothing


def test_a_stream_that_was_cut_short_is_evaluated_if_that_is_wanted(run_here, files, tmp_path):
    lines = (tmp_path / "streams/v0.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_text("".join(lines[:61]))
    words = ("--truth", "t.json", "--predictions", "cut.jsonl")
    status, text, error = run_here("watch-eval", *words)
    assert (status, text) == (2, "")
    assert "the stream of v0 ends at 31.5 s, and the video at 60 s; watch it to its end" in error
    status, _, error = run_here("watch-eval", *words, "--partial", "--json")
    assert status == 0
    assert "warning: v0: only its first 31.5 of 60.0 s are evaluated" in error


def without_probabilities(text):
    rows = [json.loads(line) for line in text.splitlines()]
    return "".join(
        json.dumps({key: value for key, value in row.items() if key != "probabilities"}) + "\n"
        for row in rows
    )


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (None, ["--truth", "absent.json"], "absent.json: no such file"),
        (None, ["--predictions", "absent"], "absent: no such file or folder"),
        (None, ["--subset", "test"], "no video of the subset test; it has validation (3 videos)"),
        (None, ["--fps", "0"], "0 must be more than 0 frames a second"),
        (None, ["--false-alarms", "-1"], "greater than or equal to 0"),
        (None, ["--video", "v0"], "--video names one stream, and there are 3 files"),
        (None, ["--timeline", "1"], "no timeline 1; it has those from 0 to 0"),
        (None, ["--rules", "t.json"], "version is not a rule"),
        (without_probabilities, [], "v0.jsonl has no probabilities in its windows"),
        (lambda text: text[:-20], [], "v0.jsonl:119: the line is torn or not JSON"),
        (lambda text: "", [], "v0.jsonl is empty"),
        (
            lambda text: text.replace('"jump"', '"leap"', 1),
            [],
            "v0.jsonl and streams/v1.jsonl have other classes (4 and 4)",
        ),
    ],
)
def test_what_cannot_be_used_is_status_2(run_here, files, tmp_path, change, options, message):
    path = tmp_path / "streams/v0.jsonl"
    if change:
        path.write_text(change(path.read_text()))
    given = dict(zip(WORDS[::2], WORDS[1::2], strict=True)) | dict([options] if options else [])
    words = [word for pair in given.items() for word in pair]
    status, text, error = run_here("watch-eval", *words)
    assert (status, text) == (2, "")
    assert message in error.replace("\n", " ")


def test_classes_that_the_model_does_not_have_are_named(run_here, files, tmp_path):
    truth = (tmp_path / "t.json").read_text().replace('"jump"', '"leap"')
    (tmp_path / "t.json").write_text(truth)
    status, text, error = run_here("watch-eval", *WORDS)
    assert (status, text) == (2, "")
    assert (
        "1 of 3 classes of the truth are not classes of the model: leap; it has background" in error
    )


def test_annotations_of_the_background_are_left_out(run_here, files, tmp_path):
    truth = json.loads((tmp_path / "t.json").read_text())
    part = {"label": "background", "segment": [0.5, 1.5]}
    truth["database"]["v0"]["annotations"].append(part)
    (tmp_path / "t.json").write_text(json.dumps(truth))
    _, text, error = run_here("watch-eval", *WORDS, "--json")
    assert "warning: Left out: 1 annotation of background, the class without an action" in error
    assert len(json.loads(text)["per_class"]) == 3
    _, text, _ = run_here("watch-eval", *WORDS, "--json", "--background", "none")
    assert len(json.loads(text)["per_class"]) == 4


def test_no_number_is_nan_in_json(run_here, files):
    _, text, _ = run_here("watch-eval", *WORDS, "--fps", "0.1", "--json")
    report = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert None in [stage["mAP"] for stage in report["stream_time"]["stages"]]
    assert not np.isnan(report["stream_time"]["per_frame_mAP"])
