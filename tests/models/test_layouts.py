"""From clips to inputs of networks."""

import pytest
import torch

from timesformer.models import layouts


def numbered(num_frames):
    """A clip whose frame t is t everywhere."""
    return torch.arange(num_frames).float().view(1, 1, -1, 1, 1).expand(2, 3, -1, 4, 4)


def test_the_slow_pathway_has_a_quarter_of_the_frames_from_first_to_last():
    slow, fast = layouts.slow_fast(numbered(32))
    assert torch.equal(fast, numbered(32))
    # as SlowFast has it: linspace from the first to the last frame, rounded down
    assert slow[0, 0, :, 0, 0].tolist() == [0, 4, 8, 13, 17, 22, 26, 31]


def test_slow_fast_wants_a_multiple_of_four_frames():
    with pytest.raises(ValueError, match="6 frames, but SlowFast needs a multiple of 4"):
        layouts.slow_fast(numbered(6))


def test_frames_of_a_clip_lie_together():
    clip = torch.stack([numbered(3)[0], numbered(3)[0] + 10])
    assert layouts.frames(clip)[:, 0, 0, 0].tolist() == [0, 1, 2, 10, 11, 12]
    assert layouts.frames_first(clip)[1, :, 0, 0, 0].tolist() == [10, 11, 12]
    assert [*layouts.LAYOUTS] == ["clip", "frames", "frames_first", "slow_fast", "clip+flow"]
    assert layouts.clip(clip) is clip


def test_colours_and_flow_are_apart():
    clip = torch.arange(7.0).reshape(1, 7, 1, 1, 1).expand(2, 7, 4, 8, 8)
    rgb, flow = layouts.LAYOUTS["clip+flow"](clip)
    assert rgb[1, :, 0, 0, 0].tolist() == [0, 1, 2]
    assert flow[1, :, 3, 0, 0].tolist() == [3, 4, 5, 6]
