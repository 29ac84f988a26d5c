"""``timesformer detect`` as a user calls it."""

import json
import os

import numpy as np
import pytest

from timesformer.detection.annotations import read_annotations
from timesformer.detection.detector import Detector
from timesformer.detection.files import segments_of
from timesformer.detection.rules import SegmentRules
from timesformer.detection.rules_file import read_rules
from timesformer.detection.timeline import read_timeline
from timesformer.detection.tune import tune
from timesformer.inference.predictor import Predictor

FAST = ["--onset", 0.36, "--offset", 0.34, "--min-on", 0, "--min-off", 0]


def test_the_files_are_those_of_the_detector_and_the_rules(
    run_here, weights, numbered_video, tmp_path
):
    video, out = numbered_video(150), tmp_path / "out"
    status, text, _ = run_here(
        "detect", video, "--weights", weights, "--stride", 0.25, *FAST, "--out", out,
        "--page", "--annotate",
    )  # fmt: skip
    assert status == 0
    expected = Detector(Predictor.from_checkpoint(weights, "cpu"), stride=0.25).run(video)
    found = read_timeline(out / "video.scores.npz")
    assert np.array_equal(found.probabilities, expected.probabilities)
    rules = SegmentRules(onset=0.36, offset=0.34, min_on=0, min_off=0)
    segments = segments_of(expected, rules)
    written = json.loads((out / "video.json").read_text())
    assert written["results"]["video"] == [
        {"label": s.label, "score": s.score, "segment": [s.start, s.end]} for s in segments
    ]
    assert written["external_data"]["rules"]["onset"] == 0.36
    assert text.startswith(f"video: {len(segments)} segment(s) in 5.0 s")
    names = {"video.json", "video.csv", "video.srt", "video.vtt", "video.scores.npz", "video.png"}
    names |= {"video.html", "video.mp4"}
    assert f'src="{os.path.relpath(video, out)}"' in (out / "video.html").read_text()
    assert {path.name for path in out.iterdir()} == names


def test_an_interruption_loses_nothing(run_here, weights, numbered_video, tmp_path, monkeypatch):
    video, run, out = numbered_video(150), Detector.run, tmp_path / "out"
    words = ["detect", video, "--weights", weights, "--stride", 0.25, "--out", out]
    assert run_here(*words, "--crops", 3)[0] == 0
    assert json.loads((out / "video.json").read_text())["external_data"]["crops"] == 3
    of_three = read_timeline(out / "video.scores.npz").probabilities
    assert run_here(*words)[0] == 0
    whole = read_timeline(out / "video.scores.npz").probabilities
    (out / "video.scores.npz").unlink()
    computed = []

    def interrupted(self, *args, after, **options):
        def count(digest, number, scores):
            after(digest, number, scores)
            computed.append(number)
            if len(computed) == 7:
                raise KeyboardInterrupt

        return run(self, *args, after=count, **options)

    monkeypatch.setattr(Detector, "run", interrupted)
    status, _, error = run_here(*words)
    assert status == 130
    assert "the same command resumes" in error
    unfinished = (out / "video.unfinished.npz").read_bytes()
    assert run_here(*words, "--crops", 3)[0] == 0  # scores of other crops do not count
    assert np.array_equal(read_timeline(out / "video.scores.npz").probabilities, of_three)
    (out / "video.unfinished.npz").write_bytes(unfinished)
    computed.clear()
    computed += range(7)
    assert run_here(*words)[0] == 0
    assert sorted(computed) == list(range(len(whole)))  # none twice
    assert np.array_equal(read_timeline(out / "video.scores.npz").probabilities, whole)
    assert not (out / "video.unfinished.npz").exists()


def test_rules_are_tuned_and_used(run_here, weights, numbered_video, tmp_path):
    video = numbered_video(150, name="films/a.mp4")
    truth = tmp_path / "truth.json"
    entry = {"subset": "validation", "duration": 5.0,
             "annotations": [{"label": "light", "segment": [0.0, 2.0]}]}  # fmt: skip
    truth.write_text(json.dumps({"database": {"a": entry}}))
    words = ["detect", video, "--weights", weights, "--stride", 0.25, "--pad", 0.1]
    status, text, _ = run_here(*words, "--tune", truth, "--out", tmp_path / "tuned")
    assert status == 0
    timelines = {"a": read_timeline(tmp_path / "tuned/a.scores.npz")}
    expected = tune(read_annotations(truth), timelines, SegmentRules(pad=0.1))
    rules = tmp_path / "tuned/rules.yaml"
    assert read_rules(rules) == expected.rules
    assert f"-> {expected.average_map:.4f} with onset {expected.rules.onset:g}" in text
    status, _, error = run_here(
        *words, "--tune", truth, "--subset", "testing", "--out", tmp_path / "x"
    )
    assert status == 2
    assert "testing" in error
    truth.write_text(json.dumps({"database": {"b": entry}}))
    status, _, error = run_here(*words, "--tune", truth, "--out", tmp_path / "x")
    assert status == 2
    assert (
        "has no annotations of a in the subset validation; name videos that it has, as b" in error
    )
    assert run_here(*words[:-2], "--rules", rules, "--out", tmp_path / "used")[0] == 0
    for name in ("a.csv", "a.srt"):
        used, tuned = (tmp_path / folder / name for folder in ("used", "tuned"))
        assert used.read_bytes() == tuned.read_bytes()
    assert run_here(*words[:-2], "--rules", rules, "--onset", 1, "--out", tmp_path / "o")[0] == 0
    assert json.loads((tmp_path / "o/a.json").read_text())["external_data"]["rules"]["onset"] == 1


def test_what_cannot_be_read_is_named_and_the_rest_is_done(
    run_here, weights, numbered_video, tmp_path
):
    numbered_video(60, name="films/good.mp4")
    (tmp_path / "films/bad.mp4").write_bytes(b"no video")
    damaged = numbered_video(300, name="films/damaged.mp4", gop=30)
    content = bytearray(damaged.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = b"\0" * third
    damaged.write_bytes(content)
    out = tmp_path / "out"
    status, text, error = run_here("detect", tmp_path / "films", "--weights", weights, "--out", out)
    assert status == 1
    assert "bad.mp4" in error
    assert "s cannot be read: " in error
    assert "good: " in text
    assert {path.stem for path in out.glob("*.json")} == {"good", "damaged"}
    gaps = json.loads((out / "damaged.json").read_text())["external_data"]["gaps"]
    assert gaps


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--onset", 0.2], "onset 0.2 is below offset 0.35"),
        (
            ["--stride", 9],
            "--stride is 9 seconds, but must be above 0 and at most a window of 0.533",
        ),
        (["--stride", 0], "0 must be more than 0 seconds"),
        (["--span", 3], "--span is 3, but a clip of this model has 0.533 seconds"),
        (["--smooth", "median:4"], "median:4"),
        (["--background", "nothing"], "no class is called 'nothing'"),
    ],
)
def test_options_that_exclude_each_other_are_status_2(
    run_here, weights, numbered_video, tmp_path, words, message
):
    video = numbered_video(40)
    status, _, error = run_here(
        "detect", video, "--weights", weights, "--out", tmp_path / "out", *words
    )
    assert status == 2
    assert message in error


def test_a_copy_never_replaces_the_film(run_here, weights, numbered_video, tmp_path):
    video = numbered_video(40, name="out/video.mp4")
    content = video.read_bytes()
    status, _, error = run_here(
        "detect", video, "--weights", weights, "--out", tmp_path / "out", "--annotate"
    )
    assert status == 2
    assert "--annotate would overwrite" in error
    assert video.read_bytes() == content


def test_a_film_that_does_not_exist_is_status_2(run_here, weights, tmp_path):
    status, _, error = run_here(
        "detect", tmp_path / "a.mp4", "--weights", weights, "--out", tmp_path / "o"
    )
    assert status == 2
    assert "a.mp4" in error


def test_every_film_of_a_list_is_read_once_and_whole(run_here, weights, numbered_video, tmp_path):
    numbered_video(60, name="films/a.mp4")
    numbered_video(40, name="films/b.mp4")
    rows = "films/a.mp4 0 0.5 1.5\nfilms/b.mp4 1\nfilms/a.mp4 2 1.5 2.0\n"
    (tmp_path / "list.csv").write_text(rows)
    words = ("detect", tmp_path / "list.csv", "--weights", weights, "--out", tmp_path / "out")
    status, text, _ = run_here(*words)
    assert status == 0
    assert text.count("a: ") == text.count("b: ") == 1
    assert json.loads((tmp_path / "out/a.json").read_text())["external_data"]["duration"] == 2
    (tmp_path / "list.csv").write_text("films/c.mp4 0\n")
    status, _, error = run_here(*words)
    assert status == 2
    assert "1 video(s) of the list do not exist (films/c.mp4); correct the list" in error


def test_a_class_called_background_is_the_background(run_here, trained, numbered_video, tmp_path):
    video, (_, path) = numbered_video(60), trained(names=["dark", "grey", "Background"])
    words = (
        "detect",
        video,
        "--weights",
        path,
        "--onset",
        0,
        "--offset",
        0,
        "--out",
        tmp_path / "o",
    )

    def labels():
        return {
            row["label"]
            for row in json.loads((tmp_path / "o/video.json").read_text())["results"]["video"]
        }

    status, _, error = run_here(*words)
    assert status == 0
    assert "note: Background is taken for the class without an action" in error
    assert labels() == {"dark", "grey"}
    assert "Background" not in run_here(*words, "--background", "none")[2]
    assert labels() == {"dark", "grey", "Background"}
    assert "note" not in run_here(*words, "--background", "grey")[2]
    assert labels() == {"dark", "Background"}


def test_what_is_unusual_about_a_film_is_said_once_and_as_predict_says_it(
    run_here, weights, numbered_video, tmp_path
):
    times = [*range(60), *range(90, 150)]
    video = numbered_video(120, pts=times, name="films/uneven.mp4")
    numbered_video(9, name="films/short.mp4")
    words = (tmp_path / "films", "--weights", weights)
    status, _, error = run_here("detect", *words, "--stride", 0.1, "--out", tmp_path / "out")
    assert status == 0
    said = [line for line in error.splitlines() if line.startswith("note: ") and "films" in line]
    assert len(said) == 2
    assert f"note: {video}: of an uneven frame rate: frames are 0.0333 to 1.03 s apart" in error
    assert "short.mp4: shorter than a clip of 0.5 s: 9 of 16 frames" in error
    predicted = run_here("predict", *words, "--views", "1x1")[2].splitlines()
    assert set(said) == {
        line for line in predicted if line.startswith("note: ") and "films" in line
    }
    [remark] = json.loads((tmp_path / "out/uneven.json").read_text())["external_data"]["remarks"]
    assert remark.startswith("of an uneven frame rate: ")
