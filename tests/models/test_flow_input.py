"""A TimeSformer of optical flow: training on clips whose motion is the class."""

import pytest
import torch

from tests.video.moving import moving_video
from timesformer.config import load_config
from timesformer.engine.run import run
from timesformer.inference.predictor import Predictor
from timesformer.models import build_model

SHIFTS = {0: (3, 0), 1: (-3, 0), 2: (0, 3)}


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    """Twelve videos a split that move to the right, to the left or down, as the class says."""
    folder = tmp_path_factory.mktemp("moving")
    for split in ("train", "val", "test"):
        lines = []
        for i in range(12):
            name = f"{split}{i}.mp4"
            moving_video(folder / name, 14, SHIFTS[i % 3], height=32, width=32)
            lines.append(f"{name} {i % 3}\n")
        (folder / f"{split}.csv").write_text("".join(lines))
    return folder


@pytest.mark.parametrize(("modality", "channels"), [("flow", 4), ("rgb+flow", 7)])
def test_the_first_layer_takes_the_channels_of_the_modality(tiny_yaml, modality, channels):
    cfg = load_config(tiny_yaml, ["DATA.MODALITY", modality, "DATA.FLOW.STACK", "2"])
    model = build_model(cfg).eval()
    assert model.input_spec == (channels, 4, 32, 32)
    assert model(torch.randn(1, *model.input_spec)).shape == (1, 3)
    with pytest.raises(ValueError, match=rf"must be \(batch, {channels}, frames"):
        model(torch.randn(1, channels + 1, 4, 32, 32))


def test_a_model_blind_to_order_learns_the_direction_from_flow(tiny_yaml, motion, tmp_path):
    words = ["DATA.PATH_TO_DATA_DIR", motion, "DATA.MODALITY", "flow", "DATA.FLOW.STACK", 2,
             "DATA.FLOW.METHOD", "farneback", "DATA.FLOW.BOUND", 5, "DATA.RANDOM_FLIP", "False",
             "TIMESFORMER.ATTENTION_TYPE", "space_only", "SOLVER.MAX_EPOCH", 6,
             "TRAIN.EVAL_PERIOD", 6, "TRAIN.CHECKPOINT_PERIOD", 6, "TEST.ENABLE", "False",
             "SOLVER.BASE_LR", 0.01, "TIMESFORMER.LINEAR_STD", 0.1,
             "TEST.NUM_ENSEMBLE_VIEWS", 1]  # fmt: skip
    run(load_config(tiny_yaml, [str(word) for word in words]))
    weights = tmp_path / "out/checkpoints/checkpoint_epoch_00006.pyth"
    predictor = Predictor.from_checkpoint(weights, "cpu")
    videos = [str(motion / f"test{i}.mp4") for i in range(3)]
    assert [int(each.probabilities.argmax()) for each in predictor.predict(videos)] == [0, 1, 2]
