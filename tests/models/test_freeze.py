"""Frozen parameters: which, in what mode, and training around them on one and two processes."""

import os

import pytest
import torch
import torch.multiprocessing as mp
from torch import distributed as dist

from tests.conftest import TINY
from timesformer.config import ConfigError, load_config
from timesformer.datasets.clips import Batch
from timesformer.engine import run
from timesformer.engine.preflight import preflight
from timesformer.engine.train_state import build_train_state
from timesformer.engine.trainer import build_trainer
from timesformer.models import build_model
from timesformer.models.freeze import freeze, frozen_names, set_train_mode
from timesformer.runtime import log

RANDOM = ["TIMESFORMER.DROP_PATH_RATE", 0.5, "TIMESFORMER.DROP_RATE", 0.5]
CPU = torch.device("cpu")


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def trained_names(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_the_backbone_is_all_but_the_head(config):
    model = build_model(config())
    freeze(model, ["backbone"])
    assert trained_names(model) == {"head.weight", "head.bias"}


def test_patterns_are_those_of_file_names(config):
    model = build_model(config())
    freeze(model, ["patch_embed.*", "*_embed", "blocks.[0].attn*"])
    names = {name for name, _ in model.named_parameters()}
    assert names - trained_names(model) == {
        "patch_embed.proj.weight", "patch_embed.proj.bias", "pos_embed", "time_embed",
        "blocks.0.attn.qkv.weight", "blocks.0.attn.qkv.bias", "blocks.0.attn.proj.weight",
        "blocks.0.attn.proj.bias",
    }  # fmt: skip


def test_nothing_is_frozen_by_default(config):
    for cfg in (config(), config("TRAIN.FREEZE", ""), config("TRAIN.FREEZE", "[]")):
        assert cfg.TRAIN.FREEZE == ()
        assert frozen_names(build_model(cfg), cfg.TRAIN.FREEZE) == set()


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ("bakbone", r"FREEZE has 'bakbone', but no parameter is called so; use backbone, or patte"),
        ("['blocks.*', 'blocks.7.*']", r"has 'blocks.7.\*', but no .* as blocks.\*, cls_token, he"),
        ("['backbone', 'head.*']", r"freezes every parameter, so that there is nothing to train"),
    ],
)
def test_what_cannot_be_frozen_is_an_error_before_the_run(config, patterns, message):
    with pytest.raises(ConfigError, match=message):
        preflight(config("TRAIN.FREEZE", patterns))


def test_a_frozen_backbone_gives_the_same_features_each_time(config):
    cfg = config("TRAIN.FREEZE", "backbone", *RANDOM)
    model = build_model(cfg)
    clips = torch.randn(2, 3, 4, 32, 32)
    model.train()
    assert not torch.equal(model.forward_features(clips), model.forward_features(clips))
    freeze(model, cfg.TRAIN.FREEZE)
    set_train_mode(model)
    assert torch.equal(model.forward_features(clips), model.forward_features(clips))
    assert model.head.training


def test_only_what_is_wholly_frozen_is_in_evaluation_mode(config):
    model = build_model(config("TRAIN.FREEZE", "['blocks.0.*', 'blocks.1.attn.*']", *RANDOM))
    freeze(model, ["blocks.0.*", "blocks.1.attn.*"])
    set_train_mode(model)
    assert not any(module.training for module in model.blocks[0].modules())
    assert not model.blocks[1].attn.training
    assert model.blocks[1].training
    assert model.blocks[1].mlp.training
    assert model.embed_drop.training


def batch(clips, labels):
    return Batch(clips, labels, torch.arange(len(labels)), (), torch.empty(0).long())


def steps(model, state, cfg, rank=0, world=1):
    """Two optimizer steps, each of two accumulated batches."""
    generator = torch.Generator().manual_seed(3)
    step = build_trainer(cfg, model, state, CPU, log.Scalars(None)).step
    set_train_mode(state.model)
    losses = []
    for i in range(4):
        clips = torch.randint(0, 255, (4, 3, 4, 32, 32), generator=generator, dtype=torch.uint8)
        labels = torch.randint(0, 3, (4,), generator=generator)
        mine = slice(rank * 4 // world, (rank + 1) * 4 // world)
        result = step.accumulate(batch(clips[mine], labels[mine]), 2, is_last=i % 2 == 1)
        losses.append(result.loss)
        if i % 2:
            step.update(losses)
            losses.clear()


def start(cfg):
    torch.manual_seed(4)
    model = build_model(cfg)
    freeze(model, cfg.TRAIN.FREEZE)
    return model, build_train_state(cfg, model, CPU)


FROZEN = ["TRAIN.FREEZE", "['blocks.0.*', 'patch_embed.*']", "SOLVER.LAYER_DECAY", 0.5]
FROZEN += ["SOLVER.OPTIMIZING_METHOD", "sgd", "SOLVER.BASE_LR", 0.1]


def in_process(rank, path, folder):
    os.environ["LOCAL_WORLD_SIZE"] = "2"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    cfg = load_config(path, [str(item) for item in FROZEN])
    model, state = start(cfg)
    steps(torch.nn.parallel.DistributedDataParallel(model), state, cfg, rank, 2)
    if rank == 0:
        torch.save(model.state_dict(), f"{folder}/two.pt")
    dist.destroy_process_group()


def test_accumulation_around_frozen_parts_is_the_same_on_two_processes(config, tiny_yaml, tmp_path):
    cfg = config(*FROZEN)
    model, state = start(cfg)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    steps(model, state, cfg)
    trained = trained_names(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == (name not in trained), name
    arguments = (str(tiny_yaml), str(tmp_path))
    mp.start_processes(in_process, args=arguments, nprocs=2, start_method="fork")
    other = torch.load(tmp_path / "two.pt", weights_only=True)
    for name, value in model.state_dict().items():
        assert torch.allclose(other[name], value, rtol=0, atol=1e-6), name


def test_a_partly_frozen_run_resumes_like_an_uninterrupted_one(config, tmp_path):
    options = [*RANDOM, *FROZEN, "SOLVER.ZERO_WD_1D_PARAM", 1, "SOLVER.MAX_EPOCH", 2]
    options += ["TEST.ENABLE", 0, "TRAIN.EVAL_PERIOD", 2]
    states = []
    for name in ("whole", "parts"):
        run.run(config(*options, "OUTPUT_DIR", tmp_path / name))
        last = tmp_path / name / "checkpoints/checkpoint_epoch_00002.pyth"
        if name == "parts":
            last.unlink()
            run.run(config(*options, "OUTPUT_DIR", tmp_path / name))
            assert (
                "resuming after 6 batches of epoch 1"
                in (tmp_path / name / "stdout.log").read_text()
            )
        states.append(torch.load(last, weights_only=True)["model_state"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert TINY["TIMESFORMER"]["DEPTH"] == 2  # so that one block is frozen and one is not
