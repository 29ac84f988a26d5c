"""Online scores of frames against a loop over the frames, scikit-learn, and the definition of stages."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.detection.online_evaluation.made import LABELS, STRIDE, made_scores, made_truth
from tests.detection.test_ranking import naive_calibrated
from timesformer.detection.annotations import Annotations, Segment, Video
from timesformer.detection.online_evaluation.cells import STAGES, cut_time, stage_times
from timesformer.detection.online_evaluation.frames import coverage, frame_precisions
from timesformer.detection.online_evaluation.pairs import pair
from timesformer.detection.online_evaluation.streams import Stream

FPS = 24


def made_pairs(seed, *, delays=True, noise=1.5, videos=3, skip=0.2):
    """Streams with skipped windows and latencies of up to three strides."""
    rng = np.random.default_rng(seed)
    truth = made_truth(rng, videos=videos)["database"]
    streams, annotated = [], {}
    for name, entry in truth.items():
        windows, scores = made_scores(rng, entry, noise=noise)
        kept = rng.random(len(windows)) >= skip
        late = rng.random(kept.sum()) * 3 * STRIDE if delays else None
        streams.append(
            Stream(name, Path(name), LABELS, windows[kept], scores[kept], 60.0, STRIDE, late)
        )
        parts = (Segment(each["label"], *each["segment"]) for each in entry["annotations"])
        annotated[name] = Video(tuple(parts), entry["duration"])
    return pair(Annotations(Path("t"), annotated, "validation"), streams)


def frame_scores(pairs, video, as_seen):
    """(frames, labels) what is known at each frame, found by a loop."""
    stream = pairs.streams[video]
    scores = pairs.scores(video)
    times = stream.windows[:, 1]
    when = times + stream.delays if as_seen else times
    rows = []
    for frame in range(round(pairs.durations[video] * FPS)):
        known = [i for i in range(len(times)) if when[i] <= frame / FPS + 1e-9]
        rows.append(scores[max(known)] if known else np.full(scores.shape[1], -1.0))
    return np.array(rows)


def frame_stages(pairs, video, label):
    """(frames,) which tenth of an action of the class a frame is in, -1 for none."""
    found = []
    for frame in range(round(pairs.durations[video] * FPS)):
        stage = -1
        for i in pairs.actions_of(video):
            start, end = pairs.actions.times[i]
            if pairs.actions.label[i] == label and start <= frame / FPS + 1e-9 < end:
                stage = int((frame / FPS - start) / (end - start) * STAGES + 1e-6)
        found.append(stage)
    return np.array(found)


@pytest.mark.parametrize("as_seen", [False, True])
def test_a_grid_of_frames_is_a_loop_over_frames(as_seen):
    pairs = made_pairs(1)
    found = frame_precisions(pairs, cut_time(pairs, as_seen=as_seen, fps=FPS))
    scores = np.concatenate([frame_scores(pairs, video, as_seen) for video in range(3)])
    for k in range(len(pairs.labels)):
        stages = np.concatenate([frame_stages(pairs, video, k) for video in range(3)])
        is_true = stages >= 0
        expected = average_precision_score(is_true, scores[:, k])
        assert found.average[k] == pytest.approx(expected, abs=1e-9)
        expected = naive_calibrated(is_true, scores[:, k])
        assert found.calibrated[k] == pytest.approx(expected, abs=1e-9)
        for stage in range(STAGES):
            part = (stages == stage) | ~is_true
            expected = average_precision_score(is_true[part], scores[part, k])
            assert found.stages[k, stage] == pytest.approx(expected, abs=1e-9)
            expected = naive_calibrated(is_true[part], scores[part, k])
            assert found.calibrated_stages[k, stage] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("as_seen", [False, True])
def test_every_moment_is_a_fine_grid(as_seen):
    pairs = made_pairs(2)
    exact, fine = (
        frame_precisions(pairs, cut_time(pairs, as_seen=as_seen, fps=fps)) for fps in (None, 5000)
    )
    for one, other in zip(exact, fine, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_no_frame_in_a_stage_is_no_number():
    pairs = made_pairs(2, videos=1)
    found = frame_precisions(pairs, cut_time(pairs, as_seen=False, fps=0.5))
    assert np.isnan(found.stages).any()
    assert not np.isnan(found.average).any()


def test_stages_are_tenths_and_end_with_the_action():
    times = stage_times(np.array([[1.0, 4.3]]))
    np.testing.assert_allclose(np.diff(times), 0.33)
    assert times[0, [0, -1]].tolist() == [1.0, 4.3]


@pytest.mark.parametrize("as_seen", [False, True])
def test_coverage_is_the_share_of_moments_with_a_young_score(as_seen):
    pairs = made_pairs(4, skip=0.7)
    step, fresh, total = 0.005, 0, 0
    for video, stream in enumerate(pairs.streams):
        end = pairs.durations[video]
        when = stream.windows[:, 1] + (stream.delays if as_seen else 0)
        for time in np.arange(step / 2, end, step):
            known = np.flatnonzero(when <= time)
            total += 1
            fresh += bool(len(known)) and time - stream.windows[known.max(), 1] < 2 * STRIDE
    assert coverage(pairs, as_seen=as_seen) == pytest.approx(fresh / total, abs=2e-3)
