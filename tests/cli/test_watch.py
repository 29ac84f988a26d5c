"""``timesformer watch`` as a user calls it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from timesformer.detection.detector import Detector
from timesformer.detection.files import segments_of
from timesformer.detection.rules import SegmentRules
from timesformer.inference.predictor import Predictor

RULES = ["--onset", 0.36, "--offset", 0.34, "--min-on", 0, "--min-off", 0]


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_lines_are_those_of_detect(run_here, weights, numbered_video):
    video = numbered_video(120)
    expected = Detector(Predictor.from_checkpoint(weights, "cpu"), stride=0.25).run(video)
    words = ["watch", video, "--weights", weights, "--stride", 0.25, *RULES]
    status, text, error = run_here(*words, "--probabilities", "--max-latency", 1e-9)
    assert status == 0
    first, *rest, last = lines_of(text)
    assert (first["kind"], first["source"], first["stride"]) == ("stream", str(video), 0.25)
    assert first["class_names"] == ["dark", "grey", "light"]
    assert first["rules"]["onset"] == 0.36
    windows = [line for line in rest if line["kind"] == "window"]
    assert [line["probabilities"] for line in windows] == expected.probabilities.tolist()
    assert [[line["start"], line["end"]] for line in windows] == expected.windows.tolist()
    for line in windows:
        assert line["latency"] == pytest.approx(
            line["waiting"] + line["decode"] + line["model"], abs=3e-6
        )
        assert line["probability"] == max(line["probabilities"])
    rules = SegmentRules(onset=0.36, offset=0.34, min_on=0, min_off=0)
    found = [(a["label"], a["score"], a["start"], a["end"]) for a in rest if a["kind"] == "end"]
    assert sorted(found) == sorted(map(tuple, segments_of(expected, rules)))
    assert (last["kind"], last["due"]) == ("summary", len(windows))
    assert "4.0 s of video in" in error
    assert "latency in ms, model: p50" in error
    assert error.count("above --max-latency 1e-09; a longer --stride or --late skip helps") == 1

    status, text, _ = run_here(*words, "--events")
    assert status == 0
    kinds = {line["kind"] for line in lines_of(text)}
    assert kinds <= {"stream", "start", "end", "withdrawn", "summary"}
    assert {"start", "end"} < kinds


def test_a_source_that_breaks_off_is_status_1(run_here, weights, numbered_video):
    video = numbered_video(300, gop=30)
    content = bytearray(video.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = b"\0" * third
    video.write_bytes(content)
    status, text, error = run_here("watch", video, "--weights", weights)
    assert status == 1
    assert "cannot be decoded" in error
    assert lines_of(text)[-1]["unreadable"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no.mp4"], "no.mp4: no such file; check the path"),
        (["video.mp4", "--speed", 2], "--speed is for a file with --realtime; add it"),
        (["video.mp4", "--late", "drop"], "--late is 'drop'; write skip, wait, or queue:N"),
        (["video.mp4", "--onset", 0.1], "onset 0.1 is below offset 0.35"),
        (["video.mp4", "--background", "idle"], "no class is called 'idle'"),
        (["video.mp4", "--budget", "fast"], "--budget is 'fast'; write a time as 200ms or 1.5s"),
        (["video.mp4", "--budget", "1ms"], "but a window takes"),
        (["video.mp4", "--budget", "1s", "--stride", 1], "--budget chooses --stride and --crops"),
        (["/dev/video77"], "/dev/video77: no such camera; there is"),
    ],
)
def test_wrong_input_is_named(run_here, weights, numbered_video, monkeypatch, words, message):
    monkeypatch.chdir(numbered_video(30).parent)
    status, _, error = run_here("watch", *words, "--weights", weights)
    assert status == 2
    assert message in error
    assert "Traceback" not in error


def test_a_budget_chooses_and_says_what(run_here, weights, numbered_video):
    status, text, error = run_here("watch", numbered_video(90), "--weights", weights, "--budget", "30s",
                                   "DATA.SAMPLING_RATE", 30)  # fmt: skip
    assert status == 0
    first = lines_of(text)[0]
    assert (
        f"--budget 30s: fp32, --crops {first['crops']}, --stride {first['stride']:g}; a window"
        in error
    )
    assert first["stride"] <= first["span"] / 2


def test_ctrl_c_prints_the_summary(weights, numbered_video, tmp_path):
    command = [sys.executable, "-m", "timesformer", "watch", str(numbered_video(600)), "--weights",
               str(weights), "--realtime", "--stride", "0.25"]  # fmt: skip
    out = tmp_path / "out.jsonl"
    with open(out, "w") as file, subprocess.Popen(
        command, stdout=file, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        while '"window"' not in out.read_text():
            time.sleep(0.1)
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    lines = lines_of(out.read_text())
    assert process.returncode == 130
    assert lines[-1]["kind"] == "summary"
    kinds = [line["kind"] for line in lines]
    assert lines[-1]["due"] == kinds.count("window") + kinds.count("skipped")
    assert "windows due" in error
    assert "Traceback" not in error
