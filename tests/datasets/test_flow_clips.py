"""Clips of flow: which fields stand at a frame, and the laws of flips, scales and crops."""

import numpy as np
import pytest
import torch

from tests.video.moving import moving_video, shifted
from timesformer.config import load_config
from timesformer.datasets import build_dataset, load_views
from timesformer.datasets.flow_clips import (
    compute_fields,
    cut_flow,
    normalize_flow,
    scale_field,
    stacked,
)
from timesformer.datasets.transforms import Crop
from timesformer.datasets.views import select_within
from timesformer.video import Frames, VideoError, read_video
from timesformer.video.flow import FieldMaker, FlowSettings, pixels
from timesformer.video.images import choose_images, even_timeline

SETTINGS = FlowSettings("farneback", 20.0, 256)


@pytest.fixture
def config(tiny_yaml):
    flow = ["DATA.MODALITY", "flow", "DATA.FLOW.METHOD", "farneback"]
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in [*flow, *overrides]])


def naive_rows(frames, num_fields, num_frames):
    """For each frame of a clip itself, and the fields that follow it, in a loop."""
    rows = []
    for frame in frames:
        fields = []
        for i in range(num_fields):
            field = frame + i
            while field + 1 > num_frames - 1:  # there is no frame after it
                field -= 1
            fields.append(field)
        rows.append([frame, *fields])
    return rows


@pytest.mark.parametrize("num_frames", [2, 3, 12, 40])
@pytest.mark.parametrize("num_fields", [1, 5, 10])
def test_the_fields_follow_their_frame_and_end_with_the_video(num_frames, num_fields):
    clips = np.sort(np.random.default_rng(0).integers(0, num_frames, (3, 4)), axis=1)
    rows = stacked(lambda timeline: clips, num_fields)(even_timeline(num_frames, 30))
    assert rows.tolist() == [naive_rows(clip, num_fields, num_frames) for clip in clips.tolist()]


def test_the_fields_of_a_part_end_with_it():
    rows = stacked(lambda timeline: np.array([[0, len(timeline.pts) - 1]]), 3)
    part = select_within(rows, 10 / 30, 20 / 30, name="a.mp4")(even_timeline(40, 30))
    assert part.tolist() == [[[10, 10, 11, 12], [19, 18, 18, 18]]]


def test_computed_fields_are_those_between_the_frames():
    images = np.stack(shifted(7, (2, 1)))
    clip = np.array([[0, 3, 6]])
    read = compute_fields(lambda select: choose_images(images, select, fps=30), SETTINGS)
    frames = read(stacked(lambda timeline: clip, 3))
    maker = FieldMaker(SETTINGS)
    prepared = [maker.prepare(image) for image in images]
    for t, row in enumerate(naive_rows(clip[0].tolist(), 3, 7)):
        for i, field in enumerate(row[1:]):
            expected = maker.between(prepared[field], prepared[field + 1])
            assert np.array_equal(frames.images[frames.index[0, t, i]], expected)
    assert frames.indices.tolist() == clip.tolist()
    assert len(frames.images) == 6  # each once


@pytest.mark.parametrize("part", [False, True])
def test_a_single_frame_has_no_flow(part):
    images = np.stack(shifted(1, (1, 1)))
    read = compute_fields(lambda s: choose_images(images, s, fps=30), SETTINGS, name="a.mp4")
    with pytest.raises(VideoError, match="a.mp4: a single frame has no optical flow; remove it"):
        read(stacked(lambda timeline: np.zeros((1, 2), int), 2))


def test_the_last_frame_of_a_video_as_a_part_has_the_last_field():
    images = np.stack(shifted(5, (1, 1)))
    select = select_within(
        stacked(lambda timeline: np.zeros((1, 1), int), 2), 4 / 30, np.nan, name="a.mp4"
    )
    read = compute_fields(lambda s: choose_images(images, s, fps=30), SETTINGS)
    frames = read(select)
    assert len(frames.images) == 1
    assert frames.indices.tolist() == [[4]]


def frames_of(fields):
    index = np.arange(len(fields)).reshape(1, 1, -1)
    return Frames(np.stack(fields), index, index[..., 0], even_timeline(9, 30))


def test_channels_are_x_and_y_in_turn():
    fields = [np.full((8, 8, 2), (10 * i + 1, 10 * i + 2), np.uint8) for i in range(3)]
    clip = cut_flow(frames_of(fields), [[Crop(8, 0, 0, 8)]])
    assert clip.shape == (1, 6, 1, 8, 8)
    assert clip[0, :, 0, 0, 0].tolist() == [1, 2, 11, 12, 21, 22]
    assert clip.is_contiguous()


def test_a_crop_crops():
    field = np.random.default_rng(0).integers(0, 256, (12, 20, 2)).astype(np.uint8)
    clip = cut_flow(frames_of([field]), [[Crop(12, 3, 7, 8)]])
    assert np.array_equal(clip[0, :, 0].numpy(), field[3:11, 7:15].transpose(2, 0, 1))


def test_a_flip_mirrors_the_places_and_negates_x():
    field = np.random.default_rng(0).integers(1, 256, (8, 8, 2)).astype(np.uint8)
    crop = Crop(8, 0, 0, 8)
    plain, flipped = cut_flow(frames_of([field]), [[crop, crop._replace(flip=True)]])
    plain, flipped = normalize_flow(plain), normalize_flow(flipped)
    assert torch.equal(flipped[0], -plain[0].flip(-1))
    assert torch.equal(flipped[1], plain[1].flip(-1))


def test_the_fastest_motion_stays_fast_when_it_is_flipped():
    field = np.array([[[0, 0], [255, 255]]], np.uint8).repeat(2, axis=0)
    clip = cut_flow(frames_of([field]), [[Crop(2, 0, 0, 2, flip=True)]])
    assert clip[0, 0, 0, 0].tolist() == [1, 255]  # was 255 on the right, 0 on the left
    assert clip[0, 1, 0, 0].tolist() == [255, 0]


@pytest.mark.parametrize("short_side", [48, 64, 96])
def test_what_scales_a_field_scales_its_vectors(short_side):
    field = np.full((64, 80, 2), 128, np.uint8) + np.array([30, 212], np.uint8)  # + 30, - 44
    factor = short_side / 64
    scaled = scale_field(field, (short_side, int(80 * factor)))
    assert scaled.shape == (2, short_side, int(80 * factor))
    assert np.all(np.abs(scaled[0].astype(int) - 128 - 30 * factor) <= 0.5)
    assert np.all(np.abs(scaled[1].astype(int) - 128 + 44 * factor) <= 0.5)
    still = scale_field(np.full((64, 80, 2), 128, np.uint8), scaled.shape[1:])
    assert np.all(still == 128)


def test_flow_of_a_flipped_video_is_the_flipped_flow():
    images = np.stack(shifted(3, (3, -2)))
    crop = Crop(96, 0, 0, 96)
    clips = []
    for seen, flip in ((images[:, :, :96], True), (images[:, :, :96][:, :, ::-1], False)):
        read = compute_fields(lambda s, seen=seen: choose_images(seen, s, fps=30), SETTINGS)
        frames = read(stacked(lambda timeline: np.zeros((1, 1), int), 1))
        clips.append(cut_flow(frames, [[crop._replace(flip=flip)]])[0, :, 0].numpy())
    motion = [pixels(clip[:, 12:-12, 12:-12].transpose(1, 2, 0), 20.0) for clip in clips]
    assert np.abs(np.median(motion[0] - motion[1], axis=(0, 1))).max() < 0.1
    assert np.abs(np.median(motion[0], axis=(0, 1)) - (-3, -2)).max() < 0.1


def test_no_motion_is_0_and_the_bound_is_1():
    values = normalize_flow(torch.tensor([0, 64, 128, 192, 255], dtype=torch.uint8))
    assert values.tolist() == [-1, -0.5, 0, 0.5, 127 / 128]


def test_test_views_of_a_known_shift(tmp_path, config):
    path = moving_video(tmp_path / "a.mp4", 20, (4, -2), height=64, width=96)
    views = load_views(path, config("TEST.NUM_ENSEMBLE_VIEWS", 2, "DATA.FLOW.STACK", 5))
    assert views.shape == (6, 10, 4, 32, 32)  # 2 x 3 views, x and y of 5 fields
    pixels_of_clip = views * 128 * 40 / 255
    assert np.abs(pixels_of_clip[:, 0::2].median() - 2) < 0.16  # 64 pixels became 32
    assert np.abs(pixels_of_clip[:, 1::2].median() + 1) < 0.16


def test_training_draws_the_same_frames_and_crops_as_of_rgb(config):
    flow, rgb = config(), config("DATA.MODALITY", "rgb")
    one, two = build_dataset(flow, "train")[0, 0], build_dataset(rgb, "train")[0, 0]
    assert one.clips.shape == (1, 20, 4, 32, 32)
    assert (one.spans, one.labels.tolist()) == (two.spans, two.labels.tolist())
    assert torch.equal(one.clips, build_dataset(flow, "train")[0, 0].clips)


def test_indices_of_the_frames_are_those_of_rgb(tmp_path):
    path = moving_video(tmp_path / "a.mp4", 8, (1, 0))
    chosen = np.array([[1, 7]])
    read = compute_fields(lambda select: read_video(path, select), SETTINGS)
    frames = read(stacked(lambda timeline: chosen, 4))
    assert frames.indices.tolist() == [[1, 7]]
    assert frames.span.end_seconds == pytest.approx(7 / 30, abs=1e-3)
