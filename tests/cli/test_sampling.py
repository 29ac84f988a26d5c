"""The contact sheet shows what a run takes."""

import re

import cv2
import numpy as np
import pytest

from tests.conftest import numbered_frame, run_tool
from tests.video.moving import moving_video
from timesformer.config import load_config
from timesformer.datasets import load_views
from timesformer.datasets.augment import build_augment
from timesformer.datasets.augment_record import describe_augment
from timesformer.inference.sheets import build_sampling_sheet
from timesformer.visualize import contact_sheet

AUGMENTED = [
    *("AUG.AUTO_AUGMENT", "randaugment", "AUG.COLOR_JITTER", "[0.4, 0.4, 0.4, 0.1]"),
    *("AUG.GRAYSCALE_PROB", "1", "AUG.BLUR_PROB", "1", "AUG.ERASING_PROB", "1"),
]


@pytest.fixture
def show(tiny_yaml, tmp_path, run_here):
    """Run the command in this process; returns status, output, errors and the sheet's path."""

    def run(video, *arguments):
        out = tmp_path / "sheets/sheet.png"
        return *run_here("sampling", video, "--cfg", tiny_yaml, "--out", out, *arguments), out

    return run


def test_the_frames_of_every_view_are_printed_and_drawn(show, numbered_video):
    video = numbered_video(60, width=128)
    status, said, _, out = show(video, "TEST.NUM_ENSEMBLE_VIEWS", 3, "TEST.VIEW_PLACEMENT", "paper")
    assert status == 0
    assert "60 frames, 1.97 s, 128 x 64" in said
    views = re.findall(r"view (\d) +([\d.]+) \.\. +([\d.]+) s  frames +(.*)", said)
    assert [view[3].split() for view in views] == [
        ["0", "5", "10", "15"],
        ["22", "27", "32", "37"],
        ["44", "49", "54", "59"],
    ]
    assert views[1][1:3] == ("0.73", "1.23")  # 22 / 30, 37 / 30
    for crop in ("left", "centre", "right"):
        assert said.count(f"{crop} crop: short side scaled to 32, cut at (0, ") == 3
    assert cv2.imread(str(out)).shape[0] > 9 * 130  # a row for each of 9 views, 1.3 inch at 100 dpi


def test_the_sheet_holds_the_very_clips_of_a_test(tiny_yaml, numbered_video):
    video, cfg = numbered_video(60, width=128), load_config(tiny_yaml, ["TEST.BATCH_SIZE", "6"])
    sheet = build_sampling_sheet(cfg, video, split="test", num_clips=1, augment=False)
    views = (load_views(video, cfg) * 0.225 + 0.45) * 255
    for row, view in zip(sheet.rows, views, strict=True):
        assert np.abs(row.clip - view.permute(1, 2, 3, 0).numpy()).max() < 0.01
    boxes = {row.box for row in sheet.rows}
    assert boxes == {(0, 0, 64), (32, 0, 64), (64, 0, 64)}  # of frames of 128 x 64


def test_training_clips_show_what_was_drawn_for_them(show, numbered_video):
    status, said, _, out = show(numbered_video(60), "--augment", "--clips", 3, *AUGMENTED)
    assert status == 0
    assert "training clips with augmentation: 3 x 4 frames of 32 x 32" in said
    captions = re.findall(r"clip \d: (.*)", said)
    assert len(captions) == 3
    for caption in captions:
        for word in ("brightness 1?0?.", "hue ", "grey", "blur .* px", r"erased \d+ x \d+ at "):
            assert re.search(word, caption), caption
    assert len(set(captions)) == 3
    assert out.is_file()


def test_recording_what_is_drawn_changes_nothing(tiny_yaml):
    import torch

    transform = build_augment(load_config(tiny_yaml, AUGMENTED))
    clip, captions = torch.randint(0, 256, (3, 4, 32, 32), dtype=torch.uint8), []
    plain = transform(clip, np.random.default_rng(3))
    shown = describe_augment(clip, np.random.default_rng(3), augment=transform, captions=captions)
    assert torch.equal(plain, shown)
    box = re.search(r"erased (\d+) x (\d+) at \((\d+), (\d+)\)", captions[0])
    height, width, top, left = map(int, box.groups())
    assert (shown[:, :, top : top + height, left : left + width] == 115).all()  # 0.45 of 255


def test_without_aug_the_sheet_says_so(show, numbered_video):
    status, said, _, _ = show(numbered_video(60), "--augment")
    assert status == 0
    assert "training clips (the AUG section asks for no augmentation): 6 x 4" in said


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_split_can_be_shown(show, numbered_video, split):
    status, said, _, _ = show(
        numbered_video(9), "--split", split, "DATA.REVERSE_INPUT_CHANNEL", "True"
    )
    assert status == 0
    assert "repeated frames in red: the video is shorter than a clip" in said
    assert "given to the model as BGR" in said


def test_long_clips_are_thinned_out_on_the_sheet_alone(show, numbered_video):
    _, said, _, _ = show(numbered_video(60), "DATA.NUM_FRAMES", 32, "DATA.SAMPLING_RATE", 1)
    assert f"{contact_sheet.MOST_SHOWN} of 32 frames shown" in said
    assert len(said.split("frames  ")[1].splitlines()[0].split()) == 32


def test_a_frame_folder_and_an_upright_video_can_be_shown(show, tmp_path, numbered_video):
    (tmp_path / "frames").mkdir()
    for i in range(20):
        cv2.imwrite(str(tmp_path / f"frames/{i:02d}.png"), numbered_frame(i))
    status, said, _, _ = show(tmp_path / "frames")
    assert status == 0
    assert "frames: 20 frames" in said
    status, said, _, _ = show(numbered_video(20, height=96, width=64))
    assert status == 0
    assert "view 1, bottom crop" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["DATA.NUM_FRAME", "8"], "unknown config key DATA.NUM_FRAME; did you mean"),
        (["--augment", "--split", "test"], "--augment is of training clips, not of --split test"),
        (["--clips", "0"], "Invalid value for '--clips': "),
        (["--out", "sheet.jpg"], "--out is sheet.jpg, but the sheet is a PNG"),
        (["--out", "/dev/null/sheet.png"], "/dev/null"),
    ],
)
def test_options_that_cannot_be_used_are_named(show, numbered_video, arguments, message):
    status, _, errors, _ = show(numbered_video(20), *arguments)
    assert status == 2
    assert message in errors


def test_videos_that_cannot_be_read_are_named(show, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("none.mp4", "none.mp4: no such video or folder; check the path"),
        ("text.mp4", "text.mp4: cannot be decoded"),
        ("empty", "empty: a folder without frames"),
    ):
        status, _, errors, out = show(tmp_path / name)
        assert status == 2
        assert message in errors
        assert not out.exists()


def test_as_a_user_runs_it(tiny_yaml, numbered_video, tmp_path):
    result = run_tool(
        "show_sampling.py", numbered_video(30), "--cfg", tiny_yaml, "--out", tmp_path / "a.png",
        "TEST.NUM_ENSEMBLE_VIEWS", 1,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "a.png: 3 clips" in result.stdout
    result = run_tool("show_sampling.py", "no.mp4", "--cfg", tmp_path / "no.yaml")
    assert result.returncode == 2
    assert "no.yaml does not exist" in result.stderr
    assert "Traceback" not in result.stderr


def test_flow_is_drawn_as_colours_beside_the_frames(tiny_yaml, tmp_path):
    video = moving_video(tmp_path / "a.mp4", 20, (4, 0), height=64, width=64)
    cfg = load_config(tiny_yaml, ["DATA.MODALITY", "flow", "DATA.FLOW.METHOD", "farneback"])
    sheet = build_sampling_sheet(cfg, video, split="test", num_clips=1, augment=False)
    assert "right red" in sheet.title
    for row in sheet.rows:
        assert row.frame.shape == (64, 64, 3)
        assert row.clip.shape == (4, 32, 32, 3)
        red, green, blue = np.median(row.clip, axis=(0, 1, 2))
        assert red == 255
        assert max(green, blue) < 100
    assert sheet.rows[0].indices.tolist() == [0, 5, 10, 15]
