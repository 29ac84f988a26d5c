import pytest

from timesformer.datasets.samplers import EvalBatches, TrainBatches


def train(rank, world, *, num_videos=23, batch=4, epoch=0, seed=0):
    batches = TrainBatches(num_videos, batch_size=batch // world, rank=rank, world=world, seed=seed)
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
