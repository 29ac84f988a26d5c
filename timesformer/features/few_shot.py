"""Few-shot classification of features: accuracy over episodes, with an interval that counts videos.

Episodes of one list show the same videos again and again, so that they are not independent, and the usual
interval over episodes says only how exact the mean over all episodes of this list is. The interval over
videos says what other videos of the same classes would give: each video moves the accuracy by being a
query and by being support (its influence, as in ``evaluation.report.intervals``). The noise of a limited
number of episodes in these influences is subtracted, and its share of the mean added.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from timesformer.evaluation.report.intervals import (
    LEVEL,
    Interval,
    mean_interval,
    spread_of,
)
from timesformer.features.episodes import ClassVideos, Episode, draw_episode
from timesformer.features.feature_set import unit

# (W, K) support and (Q,) queries -> (Q,) places 0 .. W - 1 of the classes that are found
Classify = Callable[[np.ndarray, np.ndarray], np.ndarray]


class ClassAccuracy(NamedTuple):
    """Of the queries of one class, over all episodes."""

    accuracy: float | None  # None: no episode drew the class
    trials: int


class FewShot(NamedTuple):
    """Of all episodes with one number of shots."""

    accuracy: float  # mean of the episodes, in each the mean of its classes
    interval: Interval  # of other videos of these classes
    half_over_episodes: float  # half the interval as papers give it, episodes taken as independent
    per_class: list[ClassAccuracy]


def by_prototypes(vectors: np.ndarray) -> Classify:
    """The class whose mean support vector has the highest cosine; ``vectors`` (N, D) of length 1."""

    def classify(support: np.ndarray, queries: np.ndarray) -> np.ndarray:
        prototypes = unit(vectors[support].mean(axis=1))
        return np.asarray(np.argmax(vectors[queries] @ prototypes.T, axis=1))

    return classify


def by_nearest(distances: np.ndarray) -> Classify:
    """The class of the nearest support video; ``distances`` (N, N)."""

    def classify(support: np.ndarray, queries: np.ndarray) -> np.ndarray:
        nearest = np.argmin(distances[queries][:, support.ravel()], axis=1)
        return np.asarray(nearest // support.shape[1])

    return classify


def few_shot(
    classes: Sequence[ClassVideos],
    classify: Classify,
    *,
    ways: int,
    shots: int,
    queries: int,
    episodes: int,
    seed: int,
) -> FewShot:
    """Accuracy over ``episodes``, drawn from ``seed``; see ``draw_episode`` and ``check_episodes``."""
    rng = np.random.default_rng(seed)
    drawn, right = [], []
    for _ in range(episodes):
        episode = draw_episode(classes, rng, ways=ways, shots=shots, queries=queries)
        drawn.append(episode)
        right.append(classify(episode.support, episode.queries) == episode.truth)
    return summary(classes, drawn, right)


def summary(
    classes: Sequence[ClassVideos], episodes: Sequence[Episode], right: Sequence[np.ndarray]
) -> FewShot:
    """Of ``episodes`` and which of their queries, (Q,) bool each, got the right class."""
    size = 1 + max(int(each.videos.max()) for each in classes)
    asked, found = np.zeros((2, size))
    for episode, answers in zip(episodes, right, strict=True):
        asked[episode.queries] += 1
        found[episode.queries] += answers
    values = np.array([_mean_of_classes(e, r) for e, r in zip(episodes, right, strict=True)])
    noise = _variance_of_mean(values)
    counts = [(float(found[c.videos].sum()), int(asked[c.videos].sum())) for c in classes]
    return FewShot(
        float(values.mean()),
        _interval(classes, episodes, values, asked, found),
        float(norm.ppf((1 + LEVEL) / 2)) * noise**0.5,
        [ClassAccuracy(hits / trials if trials else None, trials) for hits, trials in counts],
    )


def _mean_of_classes(episode: Episode, values: np.ndarray) -> float:
    """The mean over the classes of an episode of their mean of ``values`` (Q,)."""
    sums = np.bincount(episode.truth, weights=values)
    return float((sums / np.bincount(episode.truth)).mean())


def _variance_of_mean(values: np.ndarray) -> float:
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0


def _interval(
    classes: Sequence[ClassVideos],
    episodes: Sequence[Episode],
    values: np.ndarray,
    asked: np.ndarray,
    found: np.ndarray,
) -> Interval:
    """Of the mean of ``values`` (E,); ``asked`` and ``found``: queries of each video, and the right ones.

    What a video does as support is what its episodes have beyond the mean accuracies of their queries:
    a video that is support cannot be a query, which alone would change the mean of an episode.
    """
    usual = found / np.maximum(asked, 1)
    shown, beyond = np.zeros((2, len(asked)))
    residuals = values - [_mean_of_classes(e, usual[e.queries]) for e in episodes]
    for episode, residual in zip(episodes, residuals.tolist(), strict=True):
        shown[episode.support] += 1
        beyond[episode.support] += residual
    parts, few = [], 0.0
    for one in classes:
        as_query = _deviations(found[one.videos], asked[one.videos])
        as_query /= max(asked[one.videos].sum(), 1) * len(classes)
        as_support = _deviations(beyond[one.videos], shown[one.videos]) / len(episodes)
        units = len(np.unique(one.groups))
        factor = units / (units - 1)  # the class mean is that of the same videos
        parts.append((as_query + as_support) * factor**0.5)
        few += (
            factor * float(shown[one.videos].sum()) / len(episodes) * _variance_of_mean(residuals)
        )
    influence = np.concatenate(parts)
    groups = np.unique(np.concatenate([c.groups for c in classes]), return_inverse=True)[1]
    raw = spread_of(influence, groups).variance
    if raw > 0:
        wanted = max(raw - few, 0.0) + _variance_of_mean(values)
        influence = influence * (wanted / raw) ** 0.5
    freedom = max(int(groups.max()) + 1 - len(classes), 1)
    return mean_interval(float(values.mean()), influence, groups, most_freedom=freedom)


def _deviations(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sums of what each video adds beyond the mean of its class, (n,)."""
    return np.asarray(sums - counts * (sums.sum() / max(counts.sum(), 1)))
