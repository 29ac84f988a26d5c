import pytest

from timesformer.config import load_config
from timesformer.detection.build import build_reading, build_stream_problem
from timesformer.video.raft import RaftWeightsError


def test_flow_that_cannot_be_computed_is_told_at_once(tiny_yaml):
    flow = [
        "DATA.MODALITY",
        "flow",
        "DATA.FLOW.METHOD",
        "raft_small",
        "DATA.FLOW.WEIGHTS",
        "none.pth",
    ]
    with pytest.raises(RaftWeightsError, match=r"none.pth"):
        build_reading(load_config(tiny_yaml, flow))


def test_models_of_colours_watch_streams(tiny_yaml):
    assert build_stream_problem(load_config(tiny_yaml)) == ""
    flow = load_config(tiny_yaml, ["DATA.MODALITY", "rgb+flow"])
    assert "rgb+flow (DATA.MODALITY); record the stream" in build_stream_problem(flow)
