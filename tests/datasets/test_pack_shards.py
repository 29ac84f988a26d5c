"""Which videos go into which shard."""

from pathlib import Path

import pytest

from timesformer.datasets.pack_shards import ShardError, plan, start
from timesformer.video.shard_writer import Item


def test_every_video_is_in_one_shard_and_the_order_is_that_of_the_seed():
    items = [Item(number, f"{number}.mp4", 0, 1000 * number) for number in range(40)]
    shards = plan(items, Path("out"), shard_size=60_000, seed=3)
    packed = [item for shard in shards for item in shard.items]
    assert sorted(packed) == items
    assert packed != items
    assert len(shards) > 5
    assert all(sum(item.size for item in shard.items) <= 60_000 for shard in shards)
    assert plan(items, Path("out"), shard_size=60_000, seed=3) == shards


def test_a_folder_of_other_shards_is_refused(tmp_path):
    assert not start(tmp_path / "train", "recipe")
    assert start(tmp_path / "train", "recipe")
    with pytest.raises(ShardError, match="holds shards of another list, size or seed"):
        start(tmp_path / "train", "other")
