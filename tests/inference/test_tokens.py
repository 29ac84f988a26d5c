"""Features against loops over clips."""

import torch

from timesformer.inference.tokens import TOKENS, of_clips, of_videos


def test_frames_keep_their_order_over_temporal_views_and_lose_the_crops():
    grid = torch.randn(12, 5, 2, 3, 7)  # 2 videos, 3 temporal views of 2 crops
    clips = of_clips(TOKENS["frames"], torch.randn(12, 7), grid)
    found = of_videos(TOKENS["frames"], clips, num_temporal=3, num_crops=2)
    assert found.shape == (2, 15, 7)
    for video in range(2):
        for view in range(3):
            first = video * 6 + view * 2
            for t in range(5):
                expected = grid[first : first + 2, t].mean(dim=(0, 1, 2))
                assert torch.allclose(found[video, view * 5 + t], expected, atol=1e-6)


def test_features_of_all_tokens_are_float32():
    tokens = torch.randn(2, 7, dtype=torch.bfloat16), torch.randn(2, 5, 2, 3, 7).bfloat16()
    assert all(of_clips(kind, *tokens).dtype == torch.float32 for kind in TOKENS.values())
