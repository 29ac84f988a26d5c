"""What the detector's tests do not show: frames that change their size midway."""

import numpy as np
import pytest
import torch

from timesformer.datasets.transforms import Crop
from timesformer.inference.forward_flow import ForwardFlow
from timesformer.video.flow import FieldMaker, FlowSettings


def crop(height, width):
    return [Crop(short_side=min(height, width), top=0, left=0, size=16, flip=False)]


def clips(frames, rows, **options):
    """The clips of ``rows`` and the most fields that were held."""
    found, held = {}, []
    settings = FlowSettings("dis", 20.0, 256, False)
    forward = ForwardFlow(
        crop,
        lambda k, frames, _: found.update({k: torch.cat(frames, 2)}),
        FieldMaker(settings),
        **options,
    )
    for place in forward.begin(rows).tolist():
        forward.take(place, frames[place])
        held.append(len(forward.held))
    return found, max(held)


def rows_of(count, num_fields=2):
    """A clip of two frames, three apart, at every place."""
    return {k: [[k, *range(k, k + num_fields)], [k + 3, *range(k + 3, k + 3 + num_fields)]]
            for k in range(count)}  # fmt: skip


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (60, 60, 3), np.uint8)
    return [np.roll(texture, (t, 2 * t), (0, 1))[:32, :40].copy() for t in range(20)]


@pytest.mark.parametrize("has_rgb", [False, True])
def test_clips_after_a_change_of_size_are_those_of_their_part_alone(frames, has_rgb):
    larger = [np.kron(frame, np.ones((2, 2, 1), np.uint8)) for frame in frames]
    both, _ = clips([*frames, *larger], rows_of(30), has_rgb=has_rgb)
    before, _ = clips(frames, rows_of(10), has_rgb=has_rgb)
    after, _ = clips(larger, rows_of(10), has_rgb=has_rgb)
    assert both[0].shape == (1, 3 * has_rgb + 4, 2, 16, 16)
    assert len(both) == 30
    assert all(torch.equal(both[k], before[k]) for k in range(10))
    assert all(torch.equal(both[20 + k], after[k]) for k in range(10))


def test_memory_is_that_of_the_clips_that_overlap(frames):
    _, few = clips(frames, rows_of(5))
    _, many = clips(frames * 5, rows_of(90))
    assert many == few
