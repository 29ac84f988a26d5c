"""The one loop: rows in the order of the list, on any number of processes and in batches of any size."""

import pytest
import torch

from timesformer.config import load_config
from timesformer.datasets import build_loader, read_list
from timesformer.datasets.build import build_normalizer
from timesformer.evaluation import Scores, Scoring, evaluate
from timesformer.evaluation.loop import merge
from timesformer.runtime import collectives, signals

CPU = torch.device("cpu")


class Colours(torch.nn.Module):
    """The mean of each channel: the rows of a batch cannot depend on each other."""

    def forward(self, clips):
        return clips.mean(dim=(2, 3, 4))


def scores(cfg, **options):
    scoring = Scoring(CPU, build_normalizer(cfg))
    return evaluate(Colours(), build_loader(cfg, "val"), scoring, **options)


@pytest.mark.parametrize("batch_size", ["6", "60"])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_rows_do_not_depend_on_processes_and_batches(tiny_yaml, monkeypatch, world, batch_size):
    expected = scores(load_config(tiny_yaml))
    cfg = load_config(tiny_yaml, ["TRAIN.BATCH_SIZE", batch_size])
    monkeypatch.setattr(collectives, "world_size", lambda: world)
    parts = []
    for rank in range(world):
        monkeypatch.setattr(collectives, "rank", lambda rank=rank: rank)
        parts.append(scores(cfg))
    found = merge(parts[::-1])
    assert torch.equal(found.values, expected.values)
    assert found.indices.tolist() == list(range(7))
    assert found.labels.tolist() == read_list(cfg, "val").labels.tolist()
    assert found.failures == {}


def test_failures_and_parts_without_videos_are_merged():
    def part(indices, failures):
        tensor = torch.tensor(indices)
        return Scores(tensor[:, None].float(), tensor, tensor, failures, {})

    found = merge([part([3], {1: "early"}), part([0, 2], {4: "late"}), merge([])])
    assert found.values.ravel().tolist() == [0, 2, 3]
    assert list(found.failures.items()) == [(1, "early"), (4, "late")]


def test_each_batch_can_be_watched(tiny_yaml):
    seen = []
    scores(
        load_config(tiny_yaml, ["TRAIN.BATCH_SIZE", "4"]),
        after_batch=lambda progress, batch, rows: seen.append((*progress[:2], rows.shape)),
    )
    assert seen == [(1, 2, (4, 3)), (2, 2, (3, 3))]


def test_a_signal_before_the_first_batch_ends_the_evaluation(tiny_yaml, monkeypatch):
    monkeypatch.setattr(signals, "requested", lambda: True)
    with pytest.raises(signals.Interrupted, match="during validation; the same command repeats"):
        scores(load_config(tiny_yaml), title="validation", after_batch=pytest.fail)
