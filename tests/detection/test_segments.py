"""Segmenter against its definition, written again over whole arrays of one class, window by window."""

import numpy as np
import pytest

from timesformer.detection.results import Detection
from timesformer.detection.rules import RulesError, SegmentRules
from timesformer.detection.segment_arrays import Windows, find_all_segments
from timesformer.detection.segments import ScoresError, Segmenter, detections_in, find_segments

NAMES = ("idle", "jump", "run")


def grid(count, *, stride=0.5, span=1.0, gaps=()):
    """Starts and ends of windows; the ones in ``gaps`` are missing."""
    kept = [k for k in range(count) if k not in gaps]
    starts = np.array([k * stride for k in kept])
    return starts, starts + span


def runs_of(starts, ends, scores):
    """Windows without a gap between them."""
    runs = [[0]]
    for k in range(1, len(starts)):
        if starts[k] > ends[k - 1] + 1e-6 or np.isnan(scores[[k - 1, k], 0]).any():
            runs.append([])
        runs[-1].append(k)
    return [run for run in runs if not np.isnan(scores[run[0], 0])]


def smooth(scores, runs, text):
    kind, _, length = text.partition(":")
    smoothed = np.array(scores, float)
    for run in runs if length else ():
        for i, k in enumerate(run):
            near = run[max(i - int(length) // 2, 0) : i + int(length) // 2 + 1]
            smoothed[k] = getattr(np, kind)([scores[j] for j in near], axis=0)
    return smoothed


def cell(k, starts, ends, duration):
    """Half way to the neighbours, unless they are behind a gap."""
    middles, low, high = (starts + ends) / 2, starts[k], ends[k]
    if k and starts[k] <= ends[k - 1] + 1e-6:
        low = (middles[k] + middles[k - 1]) / 2
    if k + 1 == len(starts):
        return low, duration
    if starts[k + 1] <= ends[k] + 1e-6:
        high = (middles[k] + middles[k + 1]) / 2
    return low, high


def active_regions(run, starts, ends, y, rules, duration):
    """[start, end, first window, last window] of one class in one run."""
    regions, region = [], None
    for k in run:
        low, high = cell(k, starts, ends, duration)
        if region and y[k] < rules.offset:
            region = None
        elif not region and y[k] > rules.onset:
            region = [low, high, k, k]
            regions.append(region)
        if region:
            region[1], region[3] = high, k
    return regions


def fill(regions, rules):
    filled = []
    for region in regions:
        gap = region[0] - filled[-1][1] if filled else None
        if filled and (gap <= 0 or gap < rules.min_off):
            filled[-1][1], filled[-1][3] = region[1], region[3]
        else:
            filled.append(region)
    return filled


def naive(starts, ends, scores, rules, duration, class_names=NAMES):
    """The rules by definition: [(label, start, end, score)]."""
    runs = runs_of(starts, ends, scores)
    smoothed = smooth(scores, runs, rules.smooth)
    found = []
    for c, name in enumerate(class_names):
        y = smoothed[:, c].copy()
        if rules.classes == "likeliest":
            y[smoothed.argmax(axis=1) != c] = -1
        regions = [
            each for run in runs for each in active_regions(run, starts, ends, y, rules, duration)
        ]
        padded = [
            [max(a - rules.pad, starts[0]), min(b + rules.pad, duration), i, j]
            for a, b, i, j in regions
        ]
        for a, b, i, j in fill(padded, rules) if name != rules.background else ():
            if b - a >= rules.min_on:
                found.append((name, a, b, np.nanmean([scores[k][c] for k in range(i, j + 1)])))
    return sorted(found, key=lambda row: (row[1], row[2], row[0]))


def assert_same(found, expected):
    assert [row.label for row in found] == [row[0] for row in expected]
    numbers = np.array([(row.start, row.end, row.score) for row in found]).reshape(-1, 3)
    assert numbers == pytest.approx(
        np.array([row[1:] for row in expected]).reshape(-1, 3), abs=1e-9
    )


def random_rules(rng):
    onset = rng.choice([0.3, 0.5, 0.7])
    return SegmentRules(
        onset=onset,
        offset=onset * rng.choice([0.5, 0.8, 1.0]),
        min_on=rng.choice([0.0, 0.9, 2.0]),
        min_off=rng.choice([0.0, 0.5, 0.6, 1.7]),
        pad=rng.choice([0.0, 0.1, 0.5]),
        smooth=str(rng.choice(["none", "median:3", "median:7", "mean:3", "mean:5"])),
        classes=str(rng.choice(["all", "likeliest"])),
        background=rng.choice([None, "idle"]),
    )


def random_scores(rng, count):
    """Levels that hold for some windows, with noise, and some scores that are equal to a threshold."""
    levels = np.repeat(rng.random((count, 3)), rng.integers(1, 6), axis=0)[:count]
    scores = 0.7 * levels + 0.3 * rng.random((count, 3))
    scores[rng.random((count, 3)) < 0.1] = 0.5
    scores[rng.random(count) < rng.choice([0, 0.05])] = np.nan
    return scores.astype(np.float32)


@pytest.mark.parametrize("seed", range(60))
def test_segments_are_those_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    gaps = set(rng.choice(count, rng.integers(0, 3) * 4).tolist()) - {0}
    span = rng.choice([0.5, 1.0, 1.3])
    starts, ends = grid(count, span=span, gaps=gaps)
    scores = random_scores(rng, len(starts))
    rules = random_rules(rng)
    duration = ends[-1] + rng.choice([0, 0.3])
    expected = naive(starts, ends, scores.astype(float), rules, duration)
    found = find_segments(starts, ends, scores, NAMES, rules, duration=duration)
    assert_same(found, expected)


@pytest.mark.parametrize("seed", range(20))
def test_all_videos_at_once_are_each_alone(seed):
    rng = np.random.default_rng(seed)
    rules = random_rules(rng)
    parts = []
    for video in range(4):
        starts, ends = grid(int(rng.integers(1, 40)), gaps={7, 8, 9} if video else ())
        scores = random_scores(rng, len(starts)).astype(float)
        parts.append((np.full(len(starts), video), starts, ends, scores))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    durations = np.array([part[2][-1] + rng.choice([0, 0.3]) for part in parts])
    found = find_all_segments(Windows(*columns, durations), rules, NAMES)
    for video, starts, ends, scores in parts:
        duration = durations[video[0]]
        alone = find_segments(starts, ends, scores, NAMES, rules, duration=duration)
        mine = found.video == video[0]
        numbers = np.column_stack([found.scores[mine], found.times[mine]]).tolist()
        together = [
            Detection(NAMES[k], *row) for k, row in zip(found.label[mine], numbers, strict=True)
        ]
        together.sort(key=lambda row: (row.start, row.end, row.label))
        assert_same(together, [(r.label, r.start, r.end, r.score) for r in alone])


@pytest.mark.parametrize("smooth", ["none", "median:5", "mean:3"])
def test_a_stream_says_the_segments_of_a_file_and_later_by_the_delay(smooth):
    """A start is known with the window of it, and what follows from N // 2 windows later at most."""
    rng = np.random.default_rng(7)
    starts, ends = grid(300)
    scores = random_scores(rng, 300)
    rules = SegmentRules(smooth=smooth, min_on=2.6, min_off=0.6)
    machine, events = Segmenter(NAMES, rules), []
    for k in range(300):
        fresh = machine.feed(starts[k], ends[k], scores[k])
        assert all(event.known_at == ends[k] for event in fresh)
        events += fresh
    events += machine.close()
    assert detections_in(events) == find_segments(starts, ends, scores, NAMES, rules)
    delay = rules.smoothing.delay * 0.5
    started = {}
    for event in events:
        if event.kind == "start":
            assert event.known_at == pytest.approx(event.start + 0.75 + delay, abs=0.26)
            started[event.label] = event.start
        else:
            assert event.start == started.pop(event.label)
            if event.known_at < ends[-1]:
                assert event.known_at <= event.end + 0.6 + 1.3 + delay
    assert not started
    assert {event.kind for event in events} == {"start", "end", "withdrawn"}


def test_a_hand_made_case():
    """Windows of 1 s every 0.5 s: jump is above 0.5 in those from 1.0 and 1.5 s on, of middles 1.5 and
    2.0, so from 1.25 to 2.25 s; 0.4 of the next window holds it until 2.75 s: mean of .9, .8, .4."""
    starts, ends = grid(6)
    scores = np.zeros((6, 3))
    scores[:, 1] = [0.1, 0.4, 0.9, 0.8, 0.4, 0.1]
    (found,) = find_segments(starts, ends, scores, NAMES, SegmentRules(min_on=0))
    assert found == ("jump", pytest.approx(0.7), 1.25, 2.75)


def test_an_action_may_fill_the_file():
    starts, ends = grid(4)
    (found,) = find_segments(starts, ends, np.tile([0, 0.9, 0], (4, 1)), NAMES, SegmentRules())
    assert found == ("jump", pytest.approx(0.9), 0.0, 2.5)


def test_a_machine_that_is_closed_is_new():
    machine = Segmenter(NAMES, SegmentRules(min_on=0))
    assert machine.close() == []
    for _ in range(2):
        machine.feed(0, 1, np.array([0, 0.9, 0]))
        (event,) = machine.close()
        assert event == ("end", "jump", 0, 1, 0.9, 1)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"onset": 0.3}, "onset 0.3 is below offset 0.35"),
        ({"onset": 1.5}, "onset is 1.5; a probability is at most 1"),
        ({"min_on": -1.0}, "min_on is -1; it must be 0 or more"),
        ({"min_off": float("nan")}, "min_off is nan"),
        ({"pad": -0.1}, "pad is -0.1"),
        ({"classes": "best"}, "classes is 'best'; write all or likeliest"),
    ],
)
def test_rules_that_cannot_be_are_named(rules, message):
    with pytest.raises(RulesError, match=message):
        SegmentRules(**rules)


def test_a_background_that_the_model_does_not_have_is_named():
    with pytest.raises(
        RulesError, match="no class is called 'nothing', .* 3 classes: idle, jump, run"
    ):
        Segmenter(NAMES, SegmentRules(background="nothing"))


@pytest.mark.parametrize(
    ("start", "end", "scores", "message"),
    [
        (0, 1, [0, 0, 0], "is not later than the one before, which ends at 2 s"),
        (3, 3, [0, 0, 0], "a window from 3 to 3 s holds nothing"),
        (2, 3, [0, 0], "no finite score for each of 3 classes"),
        (2, 3, [0, np.nan, 0], "no finite score"),
    ],
)
def test_scores_that_are_none_are_named(start, end, scores, message):
    machine = Segmenter(NAMES, SegmentRules())
    machine.feed(1, 2, np.zeros(3))
    with pytest.raises(ScoresError, match=message):
        machine.feed(start, end, np.array(scores))


def test_a_gap_ends_all_and_a_short_one_is_filled():
    starts, ends = np.array([0.0, 1.0, 2.5, 3.5]), np.array([1.0, 2.0, 3.5, 4.5])
    scores = np.tile([0, 0.9, 0], (4, 1))
    scores[2] = 0.4  # not enough to begin again
    rules = SegmentRules(min_on=0, min_off=0.4)
    found = find_segments(starts, ends, scores, NAMES, rules)
    assert [(r.start, r.end) for r in found] == [(0, 2), (3.5, 4.5)]
    unseen = np.tile([0, 0.9, 0], (6, 1))
    unseen[3] = np.nan  # of middle 2.0 s
    found = find_segments(*grid(6), unseen, NAMES, SegmentRules(min_off=0), duration=3.6)
    assert [(r.start, r.end) for r in found] == [(0, 1.75), (2.25, 3.6)]
    filled = find_segments(starts, ends, np.tile([0, 0.9, 0], (4, 1)), NAMES, SegmentRules())
    assert [(r.start, r.end) for r in filled] == [(0, 4.5)]


def test_padding_does_not_reach_before_the_stream():
    starts, ends = grid(4)
    found = find_segments(
        starts + 100, ends + 100, np.tile([0, 0.9, 0], (4, 1)), NAMES, SegmentRules(pad=2)
    )
    assert [(row.start, row.end) for row in found] == [(100, 102.5)]


def test_an_end_is_known_at_once_where_no_gap_is_filled():
    machine = Segmenter(NAMES, SegmentRules(min_on=0, min_off=0))
    assert [event.kind for event in machine.feed(0, 1, np.array([0, 0.9, 0]))] == ["start"]
    (event,) = machine.feed(0.5, 1.5, np.zeros(3))
    assert event == ("end", "jump", 0, 0.75, 0.9, 1.5)
