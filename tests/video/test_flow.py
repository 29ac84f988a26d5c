"""Optical flow: a known shift by every method, and what bytes make of it."""

import cv2
import numpy as np
import pytest

from tests.video.moving import shifted
from timesformer.config.keys import KEYS
from timesformer.video.flow import (
    METHODS,
    FieldMaker,
    FlowError,
    FlowSettings,
    pixels,
    quantize,
    shrink,
)

OF_OPENCV = ("dis", "farneback", *(["tvl1"] if hasattr(cv2, "optflow") else []))


def field_of(first, second, method="dis", bound=20.0, short_side=256):
    maker = FieldMaker(FlowSettings(method, bound, short_side))
    return maker.between(maker.prepare(first), maker.prepare(second))


@pytest.mark.parametrize("method", OF_OPENCV)
@pytest.mark.parametrize("shift", [(3, -2), (-4, 0), (0, 5), (0, 0)])
def test_a_known_shift_is_found(method, shift):
    first, second = shifted(2, shift)
    flow = pixels(field_of(first, second, method), 20.0)
    inner = flow[12:-12, 12:-12]
    assert np.abs(np.median(inner, axis=(0, 1)) - shift).max() <= 0.1
    assert np.linalg.norm(inner - shift, axis=-1).mean() < 0.2


@pytest.mark.parametrize("method", OF_OPENCV)
@pytest.mark.parametrize("side", [2, 8, 15, 16, 32])
def test_tiny_frames_have_flow_of_their_size(method, side):
    first, second = shifted(2, (1, 0), height=side, width=side + 4)
    field = field_of(first, second, method)
    assert field.shape == (side, side + 4, 2)
    if side >= 15:
        assert np.abs(np.median(pixels(field, 20.0), axis=(0, 1)) - (1, 0)).max() < 0.3


def test_the_methods_are_those_that_a_configuration_can_name():
    assert set(METHODS) == set(KEYS["DATA.FLOW.METHOD"].choices)


def test_no_number_of_threads_changes_the_flow():
    first, second = shifted(2, (3, -2))
    before = cv2.getNumThreads()
    fields = []
    for count in (1, 2, 5):
        cv2.setNumThreads(count)
        fields.append(field_of(first, second))
    cv2.setNumThreads(before)
    assert all(np.array_equal(field, fields[0]) for field in fields)


def test_a_field_is_within_half_a_step_of_the_flow_and_128_is_no_motion():
    flow = np.random.default_rng(0).uniform(-19.9, 19.9, (50, 50, 2)).astype(np.float32)
    step = 40 / 255
    assert np.abs(pixels(quantize(flow, 20.0), 20.0) - flow).max() <= step / 2 + 1e-5
    assert np.all(quantize(np.zeros((1, 1, 2), np.float32), 20.0) == 128)
    fast = quantize(np.array([[[99.0, -99.0]]], np.float32), 20.0)
    assert fast.tolist() == [[[255, 0]]]


def test_published_quantisation_differs_by_one_step_at_most():
    """denseflow, whose output mmaction2 trains on: round(255 * (v + bound) / (2 * bound))."""
    flow = np.linspace(-25, 25, 999).reshape(1, -1, 1).repeat(2, axis=2)
    published = np.rint(255 * (flow.clip(-20, 20) + 20) / 40)
    assert np.abs(quantize(flow, 20.0) - published).max() == 1


def test_large_frames_are_scaled_down_and_small_ones_are_not():
    image = np.zeros((300, 400, 3), np.uint8)
    assert shrink(image, 256).shape == (256, 341, 3)
    assert shrink(image, 300) is image
    assert shrink(image, 999) is image


def test_vectors_are_pixels_of_the_frames_that_were_scaled_down():
    first, second = shifted(2, (4, -2), height=128, width=128)
    flow = pixels(field_of(first, second, short_side=64), 20.0)
    assert flow.shape == (64, 64, 2)
    assert np.abs(np.median(flow, axis=(0, 1)) - (2, -1)).max() < 0.1


def test_a_method_that_is_not_installed_is_named_with_its_package(monkeypatch):
    monkeypatch.delattr(cv2, "optflow", raising=False)
    with pytest.raises(FlowError, match="tvl1 is in .* pip install opencv-contrib-python-headless"):
        FieldMaker(FlowSettings("tvl1", 20.0, 256))


def test_an_unknown_method_lists_the_others():
    with pytest.raises(ValueError, match="is 'lk'; choose one of dis, farneback, tvl1, raft_small"):
        FieldMaker(FlowSettings("lk", 20.0, 256))


@pytest.mark.parametrize("method", OF_OPENCV)
def test_frames_of_another_size_before_change_nothing(method):
    small, large = shifted(2, (2, 1)), shifted(2, (3, -2), height=90, width=120)
    maker = FieldMaker(FlowSettings(method, 20.0, 256))
    for images in (small, large, small):
        found = maker.between(*map(maker.prepare, images))
        assert np.array_equal(found, field_of(*images, method))
