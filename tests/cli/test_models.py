"""The list of models."""

import json

import pytest


def test_a_pattern_lists_models_with_their_size_cost_and_input(run_here):
    status, out, _ = run_here("models", "r3d_18", "--json")
    assert status == 0
    found = json.loads(out)
    assert [each["name"] for each in found] == ["r3d_18", "torchvision/r3d_18"]
    facts = found[1]
    assert facts["parameters"] == 33_371_472  # as torchvision states of its weights
    assert facts["multiply_adds"] / 1e9 == pytest.approx(40.70, abs=0.005)  # the same
    assert (facts["num_frames"], facts["side"], facts["fewest_frames"]) == (16, 112, 1)
    assert facts["layout"] == "clip"
    assert facts["licence"] == "not stated"


def test_models_of_timm_are_listed_by_their_prefix(run_here):
    status, out, _ = run_here("models", "timm/test_resnet+*")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[2:]] == [
        f"timm/test_resnet+{step}" for step in ("mean", "max", "attention", "lstm", "gru")
    ]


def test_c3d_needs_16_frames(run_here):
    _, out, _ = run_here("models", "c3d")
    assert out.splitlines()[-1].split()[:2] == ["c3d", "79.6"]
    assert "16 x 112²   16 " in out


def test_a_name_that_no_model_has_gets_the_nearest(run_here):
    status, _, error = run_here("models", "c4d")
    assert status == 2
    assert "no such model; the nearest names are c3d, " in error
    status, _, error = run_here("models", "torchvision/r3d_19")
    assert status == 2
    assert "nearest names are torchvision/r3d_18, " in error
