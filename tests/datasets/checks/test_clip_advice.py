"""Advice on clips from what a scan knows."""

from tests.datasets.checks.test_problems import listing, row
from timesformer.datasets.checks.clip_advice import PUBLISHED, clip_advice, short_lines
from timesformer.datasets.checks.listing import Problem
from timesformer.video.sampling import ClipShape

ROWS = {
    "two": row("1"),
    "cut": row("2", frames=30, problem="truncated"),  # whose header says 2 s
    "bad": row("3", frames=0, problem="zero frames"),
    "folder": row("4", frames=90)._replace(fps=0.0, duration_seconds=0.0),
}
VIDEOS = [("two", 0), ("cut", 0), ("bad", 1), ("folder", 1), ("gone", 0)]


def test_lengths_are_of_frames_that_are_there_and_of_the_training_list():
    lists = [listing("val", ("two", 0)), listing("train", *VIDEOS)]
    text = (
        "DATA.SAMPLING_RATE 3 for DATA.NUM_FRAMES 8: clips of 0.8 s (SAMPLING_RATE 3): 100 % of 3 "
    )
    assert clip_advice(lists, ROWS, PUBLISHED, is_configured=False) == [
        ("clip length", text + "videos hold one; median 2.0 s")
    ]
    ((_, text),) = clip_advice(lists[:1], ROWS, ClipShape(4, 32, 30), is_configured=True)
    assert text.startswith("DATA.SAMPLING_RATE 15: clips of 2.0 s (SAMPLING_RATE 15): 100 % of 1 ")


def test_there_is_none_without_lengths_or_for_segments():
    unknown = [listing("train", ("bad", 0), ("gone", 0))]
    assert clip_advice(unknown, ROWS, PUBLISHED, is_configured=False) == []
    assert clip_advice([listing("train", *VIDEOS)], ROWS, None, is_configured=True) == []


def test_short_videos_are_a_line_a_list():
    lists = [listing(split, *VIDEOS) for split in ("train", "val", "test")]
    short = [
        Problem("too short", f"{split}.csv", 1, "cut", "0", "") for split in ("val", "val", "test")
    ]
    short.append(Problem("missing", "train.csv", 1, "gone", "0", ""))
    assert list(short_lines(short, lists, ClipShape(4, 8, 30))) == [
        "too short: 2 of 5 videos of val.csv are shorter than a clip of 1.1 s",
        "too short: 1 of 5 videos of test.csv are shorter than a clip of 1.1 s",
    ]
    assert next(short_lines(short, lists, None)).endswith("val.csv are shorter than a clip")
