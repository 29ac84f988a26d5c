"""A linear probe against the same training without kept features, and against a fit by hand."""

import csv
import json
import os
import re
import signal

import pytest
import torch
import torch.multiprocessing as mp
from torch import distributed as dist
from torch.nn import functional as F

from timesformer.config import ConfigError, load_config
from timesformer.datasets.build import build_dataset, build_loader, build_normalizer, build_view
from timesformer.engine import lr_at_epoch, run
from timesformer.evaluation import features as features_module
from timesformer.evaluation.features import build_fingerprint
from timesformer.evaluation.probe import (
    FeatureDataset,
    build_input_normalizer,
    build_probe_loaders,
)
from timesformer.models import build_model
from timesformer.runtime import log
from timesformer.video import VideoError

PROBE = ["TRAIN.FREEZE", "backbone", "TIMESFORMER.DROP_PATH_RATE", 0.3]
PROBE += ["SOLVER.MAX_EPOCH", 4, "TRAIN.EVAL_PERIOD", 2, "TRAIN.CHECKPOINT_PERIOD", 2]


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def weights(folder, epoch=4):
    path = folder / f"checkpoints/checkpoint_epoch_{epoch:05d}.pyth"
    return torch.load(path, weights_only=True)["model_state"]


def stats(folder, kind):
    text = (folder / "stdout.log").read_text()
    found = [json.loads(line) for line in re.findall(r"json_stats: (\{.*\})", text)]
    return [line for line in found if line.get("_type") == kind]


def same(a, b, tolerance=0.0):
    return all(torch.allclose(a[key], b[key], rtol=0, atol=tolerance) for key in a)


@pytest.fixture
def count_forwards(monkeypatch):
    """How many clips have gone through the backbone."""
    from timesformer.models.timesformer import TimeSformer

    clips, embed = [], TimeSformer.embed

    def watch(self, clip):
        clips.extend(range(len(clip)))
        return embed(self, clip)

    monkeypatch.setattr(TimeSformer, "embed", watch)
    return clips


def test_a_probe_trains_as_if_it_computed_its_features_again(config, tmp_path, count_forwards):
    """The oracle sees the same clips, new in each epoch: training of the middle clip by hand."""
    out = tmp_path / "out"
    run.run(config(*PROBE, "TEST.ENABLE", 0))
    assert len(count_forwards) == 24 + 7  # each training and validation video once, not in 4 epochs
    cfg = config(*PROBE)
    torch.manual_seed(cfg.RNG_SEED)
    model = build_model(cfg).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    clips = build_dataset(cfg, "train")
    clips.view = build_view(cfg, "val")
    order = build_loader(cfg, "train").batch_sampler
    optimizer = torch.optim.AdamW(model.head.parameters(), weight_decay=cfg.SOLVER.WEIGHT_DECAY)
    step = 0
    for epoch in range(4):
        order.set_epoch(epoch)
        for i, keys in enumerate(order):
            samples = [clips[key] for key in keys]
            logits = model(build_normalizer(cfg)(torch.cat([sample.clips for sample in samples])))
            labels = torch.cat([sample.labels for sample in samples])
            (F.cross_entropy(logits, labels) / 2).backward()  # GLOBAL_BATCH_SIZE 8, batches of 4
            if i % 2:
                optimizer.param_groups[0]["lr"] = lr_at_epoch(cfg, epoch + i / len(order))
                optimizer.step()
                model.zero_grad()
                step += 1
    assert step == 12
    trained = {key.removeprefix("model."): value for key, value in weights(out).items()}
    assert trained.keys() == before.keys()  # an ordinary checkpoint of the whole model
    assert same({k: v for k, v in before.items() if not k.startswith("head.")}, trained)
    assert same(model.head.state_dict(prefix="head."), trained, tolerance=1e-5)
    assert not torch.equal(before["head.weight"], trained["head.weight"])


def test_validation_and_test_score_what_the_checkpoint_scores(config, tmp_path):
    """The features of val are kept too: the error is that of a run that validates on clips."""
    run.run(config(*PROBE))
    out = tmp_path / "out"
    file = out / "checkpoints/checkpoint_epoch_00004.pyth"
    tested = ["TEST.CHECKPOINT_FILE_PATH", file, "OUTPUT_DIR", tmp_path / "tested"]
    again = config("TRAIN.ENABLE", 0, *tested)
    run.run(again)
    read = [list(csv.DictReader((folder / "test_predictions.csv").open()))
            for folder in (out, tmp_path / "tested")]  # fmt: skip
    assert read[0] == read[1]
    from timesformer.evaluation.validate import build_validator

    cfg = config()
    model = build_model(cfg)
    model.load_state_dict(weights(out))
    scalars = log.Scalars(None)
    rows = []
    scalars.row = rows.append
    build_validator(cfg, build_loader(cfg, "val"), torch.device("cpu"), {}).run(model, 3, scalars)
    (kept,) = [line for line in stats(out, "val_epoch") if line["epoch"] == "4/4"]
    assert kept["top1_err"] == pytest.approx(rows[-1]["top1_err"], abs=1e-3)
    assert kept["videos"] == 7


def test_a_signal_ends_a_probe_between_two_chunks(config, tmp_path, monkeypatch, count_forwards):
    """Features of a large list take hours: a scheduler, or a user, does not wait for the first step."""
    monkeypatch.setattr(features_module, "CHUNK", 10)
    write, options = features_module._write, [*PROBE, "TEST.ENABLE", 0]

    def strike(path, features):
        write(path, features)
        if path.name.endswith("10.pt"):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(features_module, "_write", strike)
    with pytest.raises(SystemExit) as end:
        run.run(config(*options))
    assert end.value.code == 0
    assert len(count_forwards) == 20
    assert "during features 21 to 24 of 24" in (tmp_path / "out/stdout.log").read_text()
    monkeypatch.setattr(features_module, "_write", write)
    run.run(config(*options))
    assert len(count_forwards) == 24 + 7


def test_an_interrupted_probe_goes_on_with_the_features_it_has(
    config, tmp_path, monkeypatch, count_forwards
):
    """Interrupted between two chunks of features, then between two checkpoints."""
    monkeypatch.setattr(features_module, "CHUNK", 10)
    options = [*PROBE, "TEST.ENABLE", 0]
    run.run(config(*options, "OUTPUT_DIR", tmp_path / "whole"))
    count_forwards.clear()
    write = features_module._write

    def fail_at_the_second(path, features):
        if path.name.endswith("10.pt"):
            raise KeyboardInterrupt
        write(path, features)

    monkeypatch.setattr(features_module, "_write", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run.run(config(*options))
    assert len(count_forwards) == 20
    monkeypatch.setattr(features_module, "_write", write)
    out = tmp_path / "out"
    (features,) = out.glob("features/train-*")
    (features / ".000-000000010.pt.123.tmp").write_text("of a killed process")
    run.run(config(*options))
    assert len(count_forwards) == 20 + 14 + 7
    assert not list(features.glob(".*"))
    (out / "checkpoints/checkpoint_epoch_00004.pyth").unlink()
    run.run(config(*options))
    assert len(count_forwards) == 20 + 14 + 7
    assert "resuming after 0 batches of epoch 3" in (out / "stdout.log").read_text()
    assert same(weights(tmp_path / "whole"), weights(out))


def test_features_are_kept_only_while_all_that_decides_them_is_the_same(config, data_dir, tmp_path):
    def of(*overrides, seed=0):
        cfg = config(*overrides)
        torch.manual_seed(seed)
        videos = build_dataset(cfg, "train").videos
        return build_fingerprint(cfg, build_model(cfg), videos, cfg.TRAIN.PROBE_CLIPS)

    first = of()
    assert of() == first
    assert of("SOLVER.BASE_LR", 0.5, "RNG_SEED", 9) == first  # one clip is not drawn
    assert of(seed=1) != first
    assert of("DATA.SAMPLING_RATE", 2) != first
    assert of("DATA.MEAN", "[0.4, 0.4, 0.4]") != first
    assert of("TRAIN.PRECISION", "bf16") != first
    assert of("TRAIN.PROBE_CLIPS", 2) != of("TRAIN.PROBE_CLIPS", 2, "RNG_SEED", 9)
    copy = tmp_path / "lists"
    copy.mkdir()
    lines = (data_dir / "train.csv").read_text().splitlines()
    (copy / "train.csv").write_text("\n".join(lines[::-1]) + "\n")
    options = ["DATA.PATH_TO_DATA_DIR", copy, "DATA.PATH_PREFIX", data_dir]
    assert of(*options) != first


def test_changed_weights_replace_the_features(config, tmp_path):
    options = [*PROBE, "TEST.ENABLE", 0, "SOLVER.MAX_EPOCH", 1]
    run.run(config(*options))
    (before,) = (tmp_path / "out/features").glob("train-*")
    for path in (tmp_path / "out/checkpoints").iterdir():
        path.unlink()
    run.run(config(*options, "RNG_SEED", 5))  # other random weights
    (after,) = (tmp_path / "out/features").glob("train-*")
    assert after != before
    assert f"have changed: removing {before}" in (tmp_path / "out/stdout.log").read_text()


def loaders(cfg):
    model = build_model(cfg)
    clips = build_loader(cfg, "train"), build_loader(cfg, "val")
    return model, build_probe_loaders(cfg, model, *clips, torch.device("cpu"))


def test_several_clips_take_turns(config):
    cfg = config(*PROBE, "TRAIN.PROBE_CLIPS", 2)
    model, (train, _) = loaders(cfg)
    dataset = build_dataset(cfg, "train")
    for epoch in (0, 1, 2):
        shown = train.dataset[(epoch, 5)]
        drawn = dataset[(epoch % 2, 5)]
        with torch.no_grad():
            expected = model.eval().forward_features(build_normalizer(cfg)(drawn.clips))
        assert torch.allclose(shown.clips, expected, atol=1e-5)
        assert shown.labels.tolist() == drawn.labels.tolist()
    assert not torch.equal(train.dataset[(0, 5)].clips, train.dataset[(1, 5)].clips)
    assert torch.equal(train.dataset[(0, 5, 1)].clips, train.dataset[(1, 5)].clips)


def test_a_video_that_cannot_be_read_is_left_out_and_named(config, data_dir, tmp_path, caplog):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "broken.mp4").write_bytes(b"no video")
    for split in ("train", "val"):
        text = (data_dir / f"{split}.csv").read_text().replace("videos/", f"{data_dir}/videos/")
        (lists / f"{split}.csv").write_text(f"{text}{lists}/broken.mp4 1\n")
    cfg = config(*PROBE, "DATA.PATH_TO_DATA_DIR", lists, "TRAIN.BATCH_SIZE", 24)
    _, (train, val) = loaders(cfg)
    assert "video left out of training" in caplog.text
    (batch,) = list(train)
    assert sorted(batch.indices.tolist()) == list(range(24))
    (batch,) = list(val)
    assert (batch.clips.shape, batch.failed.tolist()) == ((7, 32), [7])
    assert "broken.mp4" in batch.failures[0]
    with pytest.raises(VideoError, match=r"only 24 videos .* fewer than one batch \(25\)"):
        loaders(config(*PROBE, "DATA.PATH_TO_DATA_DIR", lists, "TRAIN.BATCH_SIZE", 25))


def test_without_kept_features_clips_are_new_in_every_epoch(config, count_forwards):
    cfg = config(*PROBE, "TRAIN.PROBE_CLIPS", 0, "MIXUP.ENABLED", 1, "SOLVER.MAX_EPOCH", 2)
    run.run(config(*PROBE, "TRAIN.PROBE_CLIPS", 0, "SOLVER.MAX_EPOCH", 2, "TEST.ENABLE", 0))
    assert len(count_forwards) == 2 * 24 + 7
    assert not isinstance(loaders(cfg)[1][0].dataset, FeatureDataset)
    clips = torch.full((1, 3, 4, 32, 32), 100, dtype=torch.uint8)
    assert not torch.equal(build_input_normalizer(cfg)(clips), clips)


@pytest.mark.parametrize("key", ["MIXUP.ENABLED", "AUG.NUM_REPEATS", "TRAIN.RANDOM_VALIDATION"])
def test_what_needs_new_clips_cannot_be_probed(config, key):
    with pytest.raises(ConfigError, match=f"{key} needs new clips .* set TRAIN.PROBE_CLIPS 0"):
        config(*PROBE, key, 2 if key == "AUG.NUM_REPEATS" else 1)


@pytest.mark.parametrize("limit", ["LIMIT_TRAIN_BATCHES", "LIMIT_VAL_BATCHES", "OVERFIT_BATCHES"])
def test_a_trial_of_a_few_batches_does_not_compute_the_features_of_all(config, limit):
    _, (train, _) = loaders(config(*PROBE, f"DATA.{limit}", 1))
    assert not isinstance(train.dataset, FeatureDataset)


def in_process(rank, path, folder):
    os.environ["LOCAL_WORLD_SIZE"] = "2"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    run.run(load_config(path, [str(item) for item in (*PROBE, *SGD, "OUTPUT_DIR", folder)]))
    dist.destroy_process_group()


SGD = ["SOLVER.OPTIMIZING_METHOD", "sgd", "TEST.ENABLE", 0]


def test_two_processes_share_the_features_and_train_like_one(config, tiny_yaml, tmp_path):
    run.run(config(*PROBE, *SGD, "OUTPUT_DIR", tmp_path / "one"))
    arguments = (str(tiny_yaml), str(tmp_path / "two"))
    (tmp_path / "two").mkdir()
    mp.start_processes(in_process, args=arguments, nprocs=2, start_method="fork")
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"), tolerance=1e-5)
    kept = [
        torch.load(next((tmp_path / name).glob("features/train-*/*.pt")), weights_only=True)
        for name in ("one", "two")
    ]
    order = kept[1]["videos"].argsort()
    assert torch.equal(kept[0]["videos"], kept[1]["videos"][order])
    assert torch.allclose(kept[0]["values"], kept[1]["values"][order], atol=1e-5)
