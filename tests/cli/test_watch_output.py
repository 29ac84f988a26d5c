"""What a person reads beside the lines of JSON."""

from timesformer.cli.watch_output import Warnings, in_words
from timesformer.detection.online.items import SourceChange, Summary, Window

LATENCY = {"model": {"p50": 0.0102, "p95": 0.02, "p99": 0.03, "max": 0.04}}


def summary(**changed):
    values = {"due": 9, "scored": 7, "skipped": 2, "unreadable": 0, "reconnects": 0, "timelines": 1,
              "frames": 90, "stream_seconds": 3.0, "wall_seconds": 3.1, "fps": 29.0,
              "latency": LATENCY}  # fmt: skip
    return Summary(**values | changed)


def test_the_summary_in_words():
    assert in_words(summary()).splitlines() == [
        "3.0 s of video in 3.1 s: 9 windows due, 7 scored, 2 skipped; 90 frames, 29.0 a second",
        "latency in ms, model: p50 10.2, p95 20.0, p99 30.0, max 40.0",
    ]
    more = in_words(summary(unreadable=3, reconnects=2, timelines=3)).splitlines()
    assert more[1:3] == [
        "3 of the windows could not be read",
        "connected again 2 times, 3 timelines",
    ]


def test_a_late_window_is_told_once_until_one_is_in_time(capsys):
    warn = Warnings(0.5)
    for latency in (0.1, 0.9, 0.8, 0.2, 0.7):
        warn.look(Window(0, 0.0, 1.0, "a", 0.5, latency, 0.0, 0.0, None))
    told = capsys.readouterr().err.splitlines()
    assert [line.split("known ")[1].split(" s")[0] for line in told] == ["0.90", "0.70"]


def test_changes_of_the_source_are_told(capsys):
    warn = Warnings(None)
    warn.look(SourceChange("lost", "refused\n", retry_in=0.5))
    warn.look(SourceChange("stalled", "no frame for 5 seconds"))
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "lost: refused\\n; connecting again in 0.5 s",
        "stalled: no frame for 5 seconds",
    ]
