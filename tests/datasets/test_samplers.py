import numpy as np
import pytest

from timesformer.datasets.samplers import (
    EvalBatches,
    TrainBatches,
    class_shares,
    count_repeats,
)


def train(rank, world, *, num_videos=23, batch=4, epoch=0, seed=0, shares=None):
    batches = TrainBatches(
        num_videos, batch_size=batch // world, rank=rank, world=world, seed=seed, shares=shares
    )
    batches.set_epoch(epoch)
    assert len(list(batches)) == len(batches)
    return list(batches)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_global_batches_are_the_same_on_any_number_of_processes(world):
    parts = [train(rank, world) for rank in range(world)]
    together = [sum(group, []) for group in zip(*parts, strict=True)]
    assert together == train(0, 1)


def test_an_epoch_shows_no_video_twice_and_the_next_one_another_order():
    first, second = (sum(train(0, 1, epoch=epoch), []) for epoch in (0, 1))
    assert len({index for _, index in first}) == 20
    assert {epoch for epoch, _ in second} == {1}
    assert [index for _, index in first] != [index for _, index in second]
    assert [i for _, i in first] != [i for _, i in sum(train(0, 1, seed=1), [])]


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("num_videos", [1, 7, 12])
def test_evaluation_sees_every_video_exactly_once(world, num_videos):
    seen = []
    for rank in range(world):
        batches = EvalBatches(num_videos, batch_size=2, rank=rank, world=world)
        assert len(list(batches)) == len(batches)
        seen += [index for batch in batches for _, index in batch]
    assert sorted(seen) == list(range(num_videos))


@pytest.mark.parametrize("world", [2, 3, 7])
def test_videos_that_stay_together_form_the_same_batches_on_any_number_of_processes(world):
    chosen = np.array([9, 3, 4, 0, 7, 6, 2, 8])

    def groups(rank, world):
        batches = EvalBatches(10, batch_size=2, rank=rank, world=world, together=3, chosen=chosen)
        assert len(list(batches)) == len(batches)
        return [[index for _, index in batch] for batch in batches]

    assert groups(0, 1) == [[9, 3, 4], [0, 7, 6], [2, 8]]
    shares = [groups(rank, world) for rank in range(world)]
    assert sorted(sum(shares, [])) == sorted(groups(0, 1))
    assert [len(share) for share in shares] == [len(range(rank, 3, world)) for rank in range(world)]


LABELS = np.repeat([0, 1, 3], [64, 16, 4])  # class 2 has no video


def shown(sampler, epoch=0, seed=0):
    shares = class_shares(LABELS, sampler)
    keys = sum(train(0, 1, num_videos=84, epoch=epoch, seed=seed, shares=shares), [])
    return np.array([key[1] for key in keys]), keys


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [("uniform", [64, 16, 0, 4]), ("sqrt", [48, 24, 0, 12]), ("balanced", [28, 28, 0, 28])],
)
def test_a_class_gets_its_share_of_an_epoch_and_its_videos_take_turns(sampler, expected):
    order, keys = shown(sampler)
    assert len(set(keys)) == len(keys) == 84
    assert np.abs(np.bincount(LABELS[order], minlength=4) - expected).max() <= 1
    for label in (0, 1, 3):
        times = np.bincount(order, minlength=84)[label == LABELS]
        assert times.max() - times.min() <= 1


def test_a_video_that_is_shown_again_has_a_key_of_its_own():
    assert count_repeats(np.array([7, 3, 7, 7, 3, 0])).tolist() == [0, 0, 1, 2, 1, 0]
    keys = shown("balanced")[1]
    assert {len(key) for key in keys} == {2, 3}
    assert sorted(key[2] for key in keys if len(key) == 3 and key[1] == 80) == [1, 2, 3, 4, 5, 6]


def test_every_video_of_a_large_class_is_shown_sooner_or_later():
    seen = {int(i) for epoch in range(20) for i in shown("balanced", epoch)[0]}
    assert seen == set(range(84))


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("sampler", ["sqrt", "balanced"])
def test_sampled_batches_are_the_same_on_any_number_of_processes(sampler, world):
    shares = class_shares(LABELS, sampler)
    parts = [train(rank, world, num_videos=84, shares=shares) for rank in range(world)]
    together = [sum(group, []) for group in zip(*parts, strict=True)]
    assert together == train(0, 1, num_videos=84, shares=shares)
    assert shown(sampler)[1] == shown(sampler)[1] != shown(sampler, seed=1)[1]


def test_an_unknown_sampler_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"TRAIN\.SAMPLER is 'even'; choose one of uniform, sqrt"):
        class_shares(LABELS, "even")
