"""Few-shot accuracy against a loop, and an interval that holds what other videos give."""

import numpy as np
import pytest

from tests.features.made import made_features
from timesformer.features.episodes import classes_of, draw_episode
from timesformer.features.feature_set import unit
from timesformer.features.few_shot import by_nearest, by_prototypes, few_shot, summary

SETTINGS = {"ways": 3, "shots": 2, "queries": 4, "episodes": 60, "seed": 1}


def test_accuracy_is_that_of_a_loop_over_queries():
    made = made_features((5, 6, 7, 8), noise=1.0)
    vectors = made.vectors()
    _, classes = classes_of(made.labels, None)
    found = few_shot(classes, by_prototypes(vectors), **SETTINGS)
    rng = np.random.default_rng(1)
    accuracies = []
    for _ in range(60):
        episode = draw_episode(classes, rng, ways=3, shots=2, queries=4)
        by_class = {place: [] for place in range(3)}
        for query, truth in zip(episode.queries, episode.truth, strict=True):
            middles = [vectors[videos].sum(axis=0) for videos in episode.support]
            cosines = [vectors[query] @ middle / np.linalg.norm(middle) for middle in middles]
            by_class[truth].append(int(np.argmax(cosines)) == truth)
        accuracies.append(np.mean([np.mean(answers) for answers in by_class.values()]))
    assert found.accuracy == pytest.approx(np.mean(accuracies))
    error = np.std(accuracies, ddof=1) / 60**0.5
    assert found.half_over_episodes == pytest.approx(1.959964 * error)


def test_the_nearest_support_video_decides():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    support = np.array([[0, 1], [2, 3], [4, 5]])
    found = by_nearest(distances)(support, np.arange(6, 12))
    for query, place in zip(range(6, 12), found, strict=True):
        nearest = min(range(6), key=lambda i: distances[query, i])
        assert place == nearest // 2


def test_classes_that_lie_apart_are_all_right():
    made = made_features(noise=0.01)
    _, classes = classes_of(made.labels, None)
    found = few_shot(classes, by_prototypes(made.vectors()), **SETTINGS)
    assert found.accuracy == 1
    assert found.interval.high == 1
    assert 0.5 < found.interval.low < 0.9  # 15 videos do not say more
    assert [each.accuracy for each in found.per_class] == [1, 1, 1]


def test_features_without_classes_give_chance():
    vectors = unit(np.random.default_rng(0).normal(size=(200, 8)))
    _, classes = classes_of(np.arange(200) % 5, None)
    found = few_shot(
        classes, by_prototypes(vectors), ways=5, shots=1, queries=15, episodes=300, seed=0
    )
    assert found.accuracy == pytest.approx(0.2, abs=0.03)
    assert found.interval.low < 0.2 < found.interval.high


def test_a_class_that_no_episode_draws_has_no_accuracy():
    made = made_features((3, 3, 3))
    _, classes = classes_of(made.labels, None)
    rng = np.random.default_rng(0)
    episode = draw_episode(classes[:2], rng, ways=2, shots=1, queries=2)
    found = summary(classes, [episode] * 3, [np.ones(4, bool)] * 3)
    assert found.per_class[2] == (None, 0)
    assert found.half_over_episodes == 0


@pytest.mark.parametrize("together", [1, 3])
def test_the_interval_holds_the_accuracy_of_other_videos(together):
    """Together: clips of one film, which are alike. Papers' interval holds it in few lists."""
    settings = {"ways": 3, "shots": 1, "queries": 6}
    rng = np.random.default_rng(3)
    middles = rng.normal(size=(5, 6))

    def accuracy(films, episodes):
        size = 5 * films * together
        labels = np.repeat(np.arange(5), films * together)
        groups = np.repeat(np.arange(5 * films), together)
        offsets = rng.normal(size=(5 * films, 6)).repeat(together, axis=0)
        own = rng.normal(size=(size, 6))
        share = 0.0 if together == 1 else 0.8
        values = middles[labels] + share * offsets + (1 - share**2) ** 0.5 * own
        _, classes = classes_of(labels, groups)
        return few_shot(classes, by_prototypes(unit(values)), **settings, episodes=episodes, seed=0)

    truth = accuracy(300, 1500).accuracy
    found = [accuracy(8, 80) for _ in range(30)]
    held = [each.interval.low <= truth <= each.interval.high for each in found]
    of_papers = [abs(each.accuracy - truth) <= each.half_over_episodes for each in found]
    assert np.mean(held) >= 0.85
    assert np.mean(of_papers) <= 0.6
    widths = [each.interval.high - each.interval.low for each in found]
    spread = np.std([each.accuracy for each in found])
    assert np.mean(widths) == pytest.approx(3.92 * spread, rel=0.5)
