"""Episodes: what may be drawn, how often, and what a list lacks."""

from collections import Counter

import numpy as np
import pytest

from timesformer.features.episodes import check_episodes, classes_of, draw_episode
from timesformer.features.feature_set import FeaturesError

LABELS = np.repeat([3, 5, 9], [4, 5, 6])
GROUPS = np.array([0, 0, 1, 1, 2, 2, 2, 3, 4, 5, 5, 6, 6, 7, 8])


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_support_and_queries_are_of_their_classes_and_share_no_group(groups):
    present, classes = classes_of(LABELS, groups)
    assert present.tolist() == [3, 5, 9]
    codes = np.arange(len(LABELS)) if groups is None else groups
    rng = np.random.default_rng(0)
    for _ in range(200):
        found = draw_episode(classes, rng, ways=2, shots=2, queries=2)
        assert len(set(found.classes)) == 2
        assert found.support.shape == (2, 2)
        for place in range(2):
            label = present[found.classes[place]]
            asked = found.queries[found.truth == place]
            assert 1 <= len(asked) <= 2
            assert set(LABELS[found.support[place]]) == set(LABELS[asked]) == {label}
            assert not set(codes[found.support[place]]) & set(codes[asked])
            assert len({*found.support[place], *asked}) == 2 + len(asked)


def test_without_groups_every_support_and_query_is_equally_likely():
    _, classes = classes_of(np.zeros(4, int), None)
    rng = np.random.default_rng(0)
    drawn = [draw_episode(classes, rng, ways=1, shots=2, queries=1) for _ in range(6000)]
    counts = Counter((*sorted(each.support[0]), each.queries[0]) for each in drawn)
    assert len(counts) == 12
    assert all(count == pytest.approx(500, abs=100) for count in counts.values())


def test_small_classes_are_named():
    _, classes = classes_of(LABELS, None)
    names = ["jump", "run", "swim"]
    check_episodes(classes, names, ways=3, shots=3, origin="x.csv")
    with pytest.raises(
        FeaturesError, match=r"too few readable videos of jump \(4\), run \(5\); --shots 5"
    ):
        check_episodes(classes, names, ways=3, shots=5, origin="x.csv")
    with pytest.raises(
        FeaturesError, match=r"x.csv has 3 classes, but --ways 4 .* lower --ways to at most 3"
    ):
        check_episodes(classes, names, ways=4, shots=1, origin="x.csv")
    _, classes = classes_of(LABELS, GROUPS)
    with pytest.raises(
        FeaturesError, match=r"jump \(4 of 2 groups\), run \(5 of 3 groups\); --shots 3 needs 4"
    ):
        check_episodes(classes, names, ways=3, shots=3, origin="x.csv")
    _, classes = classes_of(np.arange(7), None)
    with pytest.raises(FeaturesError, match=r"e \(1\) and 2 more"):
        check_episodes(classes, "abcdefg", ways=3, shots=1, origin="x.csv")
