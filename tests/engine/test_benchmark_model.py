"""The arithmetic of the report; that both models are of one size; what cannot be measured."""

import importlib.util
import json
import multiprocessing

import pytest
import torch

from timesformer.cli.app import run
from timesformer.config import ConfigError, changed, load_config
from timesformer.engine import benchmark_model
from timesformer.engine.benchmark_model import (
    Report,
    _host_bytes,
    build_heading,
    format_report,
    measure,
    summary,
)
from timesformer.engine.benchmark_variants import (
    Round,
    Variant,
    build_candidate,
    build_clip_shape,
    build_hf_model,
    parse_variant,
    parse_variants,
)
from timesformer.models import build_model
from timesformer.models.recompute import Checkpointed
from timesformer.models.speedups import SPEEDUPS, ShortAttention

CPU = torch.device("cpu")


@pytest.fixture
def cfg(tiny_yaml):
    return load_config(tiny_yaml)


def test_ratios_are_medians_over_rounds_not_ratios_of_medians():
    ours = [Round(2.0, 1.0, 9.0, 3.0), Round(8.0, 2.0, 6.0, 6.0), Round(3.0, 2.0, 8.0, 2.0)]
    theirs = [Round(4.0, 1.0, 9.0, 1.0), Round(4.0, 1.0, 9.0, 1.0), Round(2.0, 1.0, 9.0, 1.0)]
    report = Report("CPU", "axial", 2, 10, 100, {"fp32+compile": ours, "hf+fp32": theirs},
                    {"fp32+compile": 30, "hf+fp32": 60})  # fmt: skip
    row = summary(report)["fp32+compile"]
    assert (row["forward_seconds"], row["train_seconds"]) == (3.0, 8.0)
    assert (row["forward_over_bound"], row["train_over_bound"]) == (2.0, 3.0)  # of 2 4 1.5; 3 1 4
    assert row["forward_over_hf"] == 1.5  # of 0.5 2 1.5
    assert row["memory_over_hf"] == 0.5
    assert row["peak_flops"] == 100  # 2 clips of 100 in 2 seconds, the median bound
    table = format_report(report)
    assert "fp32+compile  3000        2.00     1.50  0.67     8000" in table
    assert "hf+fp32       4000        4.00     -" in table


def test_the_report_holds_every_round(cfg, monkeypatch):
    monkeypatch.setattr(benchmark_model, "_memory", lambda *_: 7)
    monkeypatch.setattr("timesformer.engine.benchmark_variants._MATRIX", {"cpu": 64})
    variants = parse_variants("fp32,bf16+checkpoint", on_gpu=False, hf=False)
    report = measure(cfg, variants, batch_size=2, repeats=3)
    assert {name: len(rounds) for name, rounds in report.rounds.items()} == {
        "fp32": 3,
        "bf16+checkpoint": 3,
    }
    assert all(min(round_) > 0 for rounds in report.rounds.values() for round_ in rounds)
    assert report.memory == {"fp32": 7, "bf16+checkpoint": 7}
    assert report.parameters == sum(p.numel() for p in build_model(cfg).parameters())
    round_ = report.rounds["fp32"][0]
    assert report.flops * 2 / round_.forward_bound > 1e7  # operations a second


def test_training_and_forward_run_in_the_named_arithmetic(cfg):
    candidate = build_candidate(cfg, parse_variant("bf16+checkpoint"), 2, CPU)
    kinds = []
    candidate.model.blocks[0].mlp.register_forward_hook(lambda m, i, out: kinds.append(out.dtype))
    assert all(isinstance(block, Checkpointed) for block in candidate.model.blocks)
    before = candidate.model.head.weight.detach().clone()
    candidate.forward()
    assert torch.equal(candidate.model.head.weight, before)
    candidate.train_step()
    assert not torch.equal(candidate.model.head.weight, before)
    assert set(kinds) == {torch.bfloat16}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TimeSformer", "r3d_18"])
def test_the_memory_of_training_steps_is_measured_in_a_process_of_its_own(cfg, name):
    if _host_bytes("VmHWM") is None:
        pytest.skip("the system does not tell")
    sizes = {"TIMESFORMER.EMBED_DIM": 256, "TIMESFORMER.DEPTH": 6, "MODEL.MODEL_NAME": name}
    tree = changed(cfg, sizes)
    parameters = sum(p.numel() for p in build_model(tree).parameters())
    peak = benchmark_model._memory(tree, parse_variant("fp32"), 1)
    assert 4 * 4 * parameters < peak < 12 * 4 * parameters  # weights, gradients, moments, more


def test_hugging_face_has_the_same_size(cfg):
    pytest.importorskip("transformers")
    ours, theirs = build_model(cfg), build_hf_model(cfg)
    count = [sum(p.numel() for p in model.parameters()) for model in (ours, theirs)]
    assert count[0] == count[1]
    clips = torch.randn(1, *build_clip_shape(cfg))
    assert theirs(clips.transpose(1, 2)).logits.shape == ours(clips).shape
    build_candidate(cfg, parse_variant("hf+fp32"), 1, CPU)


def test_a_speedup_can_be_left_out(cfg):
    parsed = parse_variants("fp32-short_attention, bf16+checkpoint-all", on_gpu=False, hf=False)
    assert [variant.without for variant in parsed] == [("short_attention",), tuple(SPEEDUPS)]
    model = build_candidate(cfg, parsed[0], 1, CPU).model
    assert not any(isinstance(module, ShortAttention) for module in model.modules())


def test_names_become_variants():
    assert parse_variants("fp32, bf16+compile+checkpoint", on_gpu=False, hf=True) == [
        Variant("fp32", "fp32"),
        Variant("bf16+compile+checkpoint", "bf16", True, True),
        Variant("hf+fp32", "fp32", by_hf=True),
        Variant("hf+bf16", "bf16", by_hf=True),
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("fp8", "'fp8' is not a variant; write fp32, tf32"),
        ("hf+bf16+compile", "is not a variant"),
        (
            "fp32-two_matrices",
            "leaves out two_matrices, which is not a speed-up; choose one of patch",
        ),
        ("tf32", "variant tf32 needs a GPU; a CPU has fp32 and bf16"),
    ],
)
def test_a_variant_that_cannot_be_measured_is_named(names, message):
    with pytest.raises(ConfigError, match=message.replace("+", r"\+")):
        parse_variants(names, on_gpu=False, hf=False)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="needs the package transformers: pip install tr"):
        parse_variants("fp32", on_gpu=False, hf=True)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("TIMESFORMER.ATTENTION_TYPE", "axial", "is axial, which Hugging Face has not"),
        (
            "MODEL.MODEL_NAME",
            "r3d_18",
            "is r3d_18, which is not a TimeSformer; run timesformer benchmark model without --compare hf",
        ),
    ],
)
def test_what_hugging_face_has_not_is_named_before_anything_is_measured(cfg, key, value, message):
    pytest.importorskip("transformers")
    variants = parse_variants("fp32", on_gpu=False, hf=True)
    with pytest.raises(ConfigError, match=f"{key} {message}"):
        measure(changed(cfg, {key: value}), variants, batch_size=1, repeats=1)


def test_the_heading_names_another_model(tiny_yaml, monkeypatch):
    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", "r3d_18"])
    monkeypatch.setattr(benchmark_model, "_memory", lambda *_: None)
    monkeypatch.setattr("timesformer.engine.benchmark_variants._MATRIX", {"cpu": 64})
    report = measure(cfg, parse_variants("fp32", on_gpu=False, hf=False), batch_size=1, repeats=1)
    assert build_heading(cfg, report).startswith("r3d_18, 33.2 M parameters")


def test_a_measuring_process_that_dies_is_named(cfg, monkeypatch):
    fork = multiprocessing.get_context("fork")
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: fork)
    monkeypatch.setattr(benchmark_model, "_train_alone", _die)
    with pytest.raises(ConfigError, match="the memory of fp32 died; lower the batch size"):
        benchmark_model._memory(cfg, parse_variant("fp32"), 1)


def _die(*_):
    raise SystemExit(1)


def test_the_tool_prints_a_table_and_writes_json(tiny_yaml, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark_model, "_memory", lambda *_: None)
    monkeypatch.setattr("timesformer.engine.benchmark_variants._MATRIX", {"cpu": 64})
    arguments = ["model", "--cfg", str(tiny_yaml), "--variants", "fp32", "--repeats", "2"]
    file = tmp_path / "model.json"
    assert run([*arguments, "--json", str(file), "NUM_GPUS", "0"], name="benchmark") == 0
    printed = capsys.readouterr().out
    assert "divided_space_time, 0.0 M parameters" in printed
    assert "medians of 2 rounds" in printed
    report = json.loads(file.read_text())
    assert len(report["rounds"]["fp32"]) == 2
    assert report["summary"]["fp32"]["train_over_bound"] > 0
    assert run([*arguments[:-1], "0"], name="benchmark") == 2
    assert "Invalid value for '--repeats': " in capsys.readouterr().err
