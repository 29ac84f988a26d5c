"""Scaling and cropping against the published arithmetic, in float and at full resolution."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from timesformer.datasets import transforms

MEAN, STD = (0.45, 0.40, 0.35), (0.225, 0.25, 0.2)


def images(height, width, count=2, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width].copy()


def published(frames, crop):
    """Normalise at full size, resize in float, crop, flip (official_behaviour 3.6)."""
    clip = torch.from_numpy(frames).permute(3, 0, 1, 2).float() / 255
    clip = (clip - torch.tensor(MEAN).view(3, 1, 1, 1)) / torch.tensor(STD).view(3, 1, 1, 1)
    height, width = clip.shape[2:]
    short = min(height, width)
    if short != crop.short_side:
        if height <= width:
            size = (crop.short_side, math.floor(width / height * crop.short_side))
        else:
            size = (math.floor(height / width * crop.short_side), crop.short_side)
        clip = F.interpolate(clip, size=size, mode="bilinear", align_corners=False)
    rows = slice(crop.top, crop.top + crop.size)
    clip = clip[:, :, rows, crop.left : crop.left + crop.size]
    return clip.flip(-1) if crop.flip else clip


@pytest.mark.parametrize("size", [(120, 160), (160, 120), (128, 128), (90, 333)])
@pytest.mark.parametrize("side", [64, 112, 90, 200])
@pytest.mark.parametrize("flip", [False, True])
def test_clips_equal_the_published_ones_up_to_rounding(size, side, flip):
    frames = images(*size)
    crop = transforms.uniform_crop(*size, short_side=side, size=64, index=2)._replace(flip=flip)
    ours = transforms.cut([transforms.scale(frame, side) for frame in frames], crop)
    assert ours.dtype == torch.uint8
    difference = transforms.normalize(ours, MEAN, STD) - published(frames, crop)
    assert difference.abs().max() < 1.01 / 255 / min(STD)
    assert difference.abs().mean() < 0.5 / 255 / min(STD)


def test_the_three_crops_have_the_published_offsets():
    crops = [transforms.uniform_crop(256, 340, short_side=256, size=224, index=i) for i in range(3)]
    assert [(crop.top, crop.left) for crop in crops] == [(16, 0), (16, 58), (16, 116)]
    tall = [transforms.uniform_crop(340, 256, short_side=256, size=224, index=i) for i in range(3)]
    assert [(crop.top, crop.left) for crop in tall] == [(0, 16), (58, 16), (116, 16)]
    odd = transforms.uniform_crop(101, 101, short_side=101, size=64, index=1)
    assert (odd.top, odd.left) == (19, 19)  # rounded up
    square = transforms.uniform_crop(100, 100, short_side=100, size=64, index=0)
    assert (square.top, square.left) == (18, 0)  # a square counts as wide


def test_random_crops_reach_every_offset_and_never_leave_the_frame():
    rng = np.random.default_rng(0)
    drawn = [
        transforms.random_crop(64, 96, jitter=(64, 64), size=62, flip=True, inverse=False, rng=rng)
        for _ in range(2000)
    ]
    assert {crop.top for crop in drawn} == {0, 1, 2}
    assert {crop.left for crop in drawn} == set(range(35))
    assert 0.45 < np.mean([crop.flip for crop in drawn]) < 0.55


@pytest.mark.parametrize("inverse", [False, True])
def test_scales_are_uniform_in_size_or_in_its_inverse(inverse):
    rng = np.random.default_rng(0)
    sides = [transforms.random_short_side(256, 512, rng, inverse=inverse) for _ in range(20000)]
    assert (min(sides), max(sides)) == (256, 512)
    expected = 2 / (1 / 256 + 1 / 512) if inverse else 384  # the median
    assert np.median(sides) == pytest.approx(expected, abs=4)


def test_a_flip_is_never_drawn_when_it_is_off():
    rng = np.random.default_rng(0)
    draw = {"jitter": (64, 80), "size": 64, "flip": False, "inverse": False, "rng": rng}
    assert not any(transforms.random_crop(64, 64, **draw).flip for _ in range(100))


def test_normalisation_is_per_channel():
    clip = torch.zeros(1, 3, 2, 4, 4, dtype=torch.uint8)
    clip[:, 1] = 255
    values = transforms.normalize(clip, MEAN, STD)[0, :, 0, 0, 0].tolist()
    assert values == pytest.approx([-0.45 / 0.225, (1 - 0.40) / 0.25, -0.35 / 0.2])


@pytest.mark.parametrize("width", [230, 237, 244, 251, 453])
def test_frames_whose_short_side_fits_are_left_alone(width):
    """Rounding width / height * height down would cut a column off."""
    assert transforms.scaled_size(224, width, 224) == (224, width)
    assert transforms.scaled_size(width, 224, 224) == (width, 224)
