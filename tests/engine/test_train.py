"""Training as a user runs it: resume, accumulation, processes, and what it writes."""

import csv
import dataclasses
import json
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
import yaml

from tests.conftest import ROOT, numbered_frame, run_tool, write_video
from timesformer.checkpoint.load import CheckpointError
from timesformer.config import load_config
from timesformer.config.schedule import is_due
from timesformer.datasets import build_loader
from timesformer.engine import run
from timesformer.engine.optim import build_optimizer, lr_at_epoch, set_lr
from timesformer.engine.parallel import parallelize
from timesformer.engine.restore import Start, restore
from timesformer.engine.train_state import build_train_state
from timesformer.engine.trainer import build_trainer, seed_step
from timesformer.models import build_model
from timesformer.runtime import collectives, log, rendezvous
from timesformer.runtime.launch import free_port
from timesformer.runtime.metrics_csv import read_rows

CPU = torch.device("cpu")


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def stats(folder, kind):
    """The json_stats of stdout.log whose _type or split is ``kind``."""
    text = (folder / "stdout.log").read_text()
    found = [json.loads(line) for line in re.findall(r"json_stats: (\{.*\})", text)]
    return [s for s in found if kind in (s.get("_type"), s.get("split"))]


def losses(folder):
    return [(s["epoch"], s["iter"], s["loss"]) for s in stats(folder, "train_iter")]


def final_weights(folder, epoch):
    path = folder / "checkpoints" / f"checkpoint_epoch_{epoch:05d}.pyth"
    return torch.load(path, weights_only=True)["model_state"]


def same_state(a, b, tolerance=0.0):
    return all(torch.allclose(a[key], b[key], rtol=0, atol=tolerance) for key in a)


def test_a_run_writes_the_published_files_and_those_that_were_missing(tiny_yaml, tmp_path):
    out = tmp_path / "out"
    result = run_tool("run_net.py", "--cfg", tiny_yaml, "TENSORBOARD.ENABLE", "True",
                      "TEST.SAVE_RESULTS_PATH", "scores.pkl")  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert sorted(p.name for p in out.iterdir()) == sorted(
        ["checkpoints", "config.yaml", "metrics.csv", "run.json", "runs-kinetics",
         "scores.pkl", "stdout.log", "test_classes.csv", "test_predictions.csv", "test_results.json"]
    )  # fmt: skip
    assert [p.name for p in sorted((out / "checkpoints").iterdir())] == [
        "checkpoint_best.pyth",
        "checkpoint_epoch_00001.pyth",
        "checkpoint_epoch_00002.pyth",
    ]
    options = ["TENSORBOARD.ENABLE", "True", "TEST.SAVE_RESULTS_PATH", "scores.pkl"]
    assert load_config(out / "config.yaml").dump() == load_config(tiny_yaml, options).dump()
    saved = torch.load(out / "checkpoints/checkpoint_epoch_00002.pyth", weights_only=True)
    assert yaml.safe_load(saved["cfg"]) == yaml.safe_load((out / "config.yaml").read_text())

    line = re.compile(r"\[\d\d/\d\d \d\d:\d\d:\d\d\]\[INFO\] \w+\.py: +\d+: ")
    first_lines = (out / "stdout.log").read_text().splitlines()
    assert line.match(first_lines[0])
    iteration = stats(out, "train_iter")[0]
    assert iteration.keys() >= {"dt", "dt_data", "dt_net", "epoch", "eta", "gpu_mem", "iter",
                                "loss", "lr", "top1_err", "top5_err"}  # fmt: skip
    assert (iteration["epoch"], iteration["iter"]) == ("1/2", "2/6")
    assert re.search(r'"loss": \d+\.\d{5},', (out / "stdout.log").read_text())
    assert [s["epoch"] for s in stats(out, "train_epoch")] == ["1/2", "2/2"]
    assert [s["videos"] for s in stats(out, "val_epoch")] == [7, 7]
    (final,) = stats(out, "test_final")
    assert re.fullmatch(r"\d+\.\d\d", final["top1_acc"])

    with (out / "test_predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    labels = [int(row["label"]) for row in rows]
    scores = np.array([[float(row[f"score_{k}"]) for k in range(3)] for row in rows])
    assert 100 * np.mean(scores.argmax(axis=1) == labels) == pytest.approx(
        float(final["top1_acc"]), abs=0.005
    )
    assert [int(row["prediction"]) for row in rows] == scores.argmax(axis=1).tolist()
    assert all(row["path"].endswith(f"test {i}.mp4") for i, row in enumerate(rows))
    with (out / "scores.pkl").open("rb") as file:
        pickled_scores, pickled_labels = pickle.load(file)
    assert np.allclose(pickled_scores.numpy(), scores, rtol=1e-4)
    assert pickled_labels.tolist() == labels
    results = json.loads((out / "test_results.json").read_text())
    assert (results["videos"], results["scored"], results["unreadable"]) == (9, 9, 0)
    assert results["top1_acc"] == pytest.approx(float(final["top1_acc"]), abs=0.005)
    assert "2 temporal views (official) x 3 crops" in results["protocol"]

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "runs-kinetics"))
    events.Reload()
    assert [e.step for e in events.Scalars("Train/loss")] == list(range(12))
    assert [e.step for e in events.Scalars("Val/Top1_err")] == [1, 2]
    assert [e.step for e in events.Scalars("Train/clips_per_second")] == [1, 3, 5, 7, 9, 11]
    rows = read_rows(out / "metrics.csv")
    assert [float(r["loss"]) for r in rows if r["type"] == "train_iter"] == pytest.approx(
        [s["loss"] for s in stats(out, "train_iter")], abs=1e-5
    )
    assert [r["videos"] for r in rows if r["type"] == "val_epoch"] == ["7", "7"]


def run_here(cfg):
    run.run(cfg)


@pytest.mark.parametrize("finetune", [False, True])
def test_a_resumed_run_ends_like_an_uninterrupted_one(config, tmp_path, finetune):
    """Drop path, dropout and mixup on: every random draw must come back."""
    random = ["TIMESFORMER.DROP_PATH_RATE", 0.3, "TIMESFORMER.DROP_RATE", 0.1, "MIXUP.ENABLED", 1]
    random += ["SOLVER.MAX_EPOCH", 3, "TEST.ENABLE", 0]
    if finetune:
        source = tmp_path / "source.pyth"
        torch.manual_seed(5)
        torch.save({"model_state": build_model(config()).state_dict()}, source)
        random += ["TRAIN.FINETUNE", 1, "TRAIN.CHECKPOINT_FILE_PATH", source]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_here(config(*random, "OUTPUT_DIR", whole))
    run_here(config(*random, "OUTPUT_DIR", parts))
    (parts / "checkpoints/checkpoint_epoch_00003.pyth").unlink()
    (parts / "checkpoints/checkpoint_epoch_00002.pyth").unlink()
    run_here(config(*random, "OUTPUT_DIR", parts))
    assert "resuming after 0 batches of epoch 2" in (parts / "stdout.log").read_text()
    assert losses(parts) == losses(whole)
    assert same_state(final_weights(whole, 3), final_weights(parts, 3))


def test_a_finished_run_trains_nothing_more(config, tmp_path):
    run_here(config("SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", 0))
    before = losses(tmp_path / "out")
    run_here(config("SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", 0))
    assert losses(tmp_path / "out") == before


@pytest.fixture
def uneven(data_dir, tmp_path, config):
    """Lists of 23, 7 and 8 videos, a batch for 1, 2 and 3 processes, and weights to test.

    Three whole batches, of which two make a step: the last step has one.
    """
    folder = tmp_path / "uneven"
    folder.mkdir()
    (folder / "videos").symlink_to(data_dir / "videos")
    for split, count in (("train", 23), ("val", 7), ("test", 8)):
        lines = (data_dir / f"{split}.csv").read_text().splitlines()[:count]
        (folder / f"{split}.csv").write_text("\n".join(lines))
    model = build_model(config())
    torch.nn.init.normal_(model.head.weight)
    torch.save(model.state_dict(), tmp_path / "tested.pyth")
    options = ["DATA.PATH_TO_DATA_DIR", folder, "TRAIN.BATCH_SIZE", 6, "GLOBAL_BATCH_SIZE", 12]
    options += ["TEST.CHECKPOINT_FILE_PATH", tmp_path / "tested.pyth", "SOLVER.MAX_EPOCH", 1]
    options += ["LOG_PERIOD", 1]
    return [str(option) for option in [*options, "TEST.SAVE_RESULTS_PATH", "scores.pkl"]]


def precise_losses(folder):
    """Of metrics.csv: the log has five decimals."""
    return [float(row["loss"]) for row in read_rows(folder / "metrics.csv") if row["loss"]]


def as_torchrun(rank, cfg, count, address):
    """One of ``count`` processes of a machine, forked: nothing is imported again."""
    os.environ |= rendezvous.environment(
        rank=rank, world_size=count, local_rank=rank, local_world_size=count, address=address
    )
    run.launch_run(cfg)


def test_one_two_and_three_processes_train_and_test_alike(tiny_yaml, tmp_path, uneven):
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    run_here(load_config(tiny_yaml, [*uneven, "OUTPUT_DIR", str(one)]))
    for count, folder in ((2, two), (3, three)):
        cfg = load_config(tiny_yaml, [*uneven, "OUTPUT_DIR", str(folder)])
        arguments = (cfg, count, f"localhost:{free_port()}")
        mp.start_processes(as_torchrun, args=arguments, nprocs=count, start_method="fork")
    for several in (two, three):
        assert len(losses(several)) == 3
        assert [key[:2] for key in losses(one)] == [key[:2] for key in losses(several)]
        series = [precise_losses(folder) for folder in (one, several)]
        assert np.abs(np.subtract(*series)).max() < 1e-5
        assert same_state(final_weights(one, 1), final_weights(several, 1), tolerance=1e-4)
        assert [s["top1_err"] for s in stats(one, "val_epoch")] == [
            s["top1_err"] for s in stats(several, "val_epoch")
        ]
        assert stats(one, "test_final") == stats(several, "test_final")
        written = [(folder / "test_predictions.csv").read_bytes() for folder in (one, several)]
        assert written[0] == written[1]
        pickled = [pickle.loads((folder / "scores.pkl").read_bytes()) for folder in (one, several)]
        assert all(torch.equal(a, b) for a, b in zip(*pickled, strict=True))
        rows = [read_rows(folder / "metrics.csv") for folder in (one, several)]
        for column in ("type", "epoch", "batch", "lr", "top1_err", "videos", "unreadable"):
            assert [r[column] for r in rows[0]] == [r[column] for r in rows[1]]


def test_two_shards_started_by_hand_train_together(tiny_yaml, tmp_path):
    """The published --num_shards crashed; with one process a machine it trained two models."""
    folder = tmp_path / "shards"
    command = [sys.executable, str(ROOT / "tools/run_net.py"), "--cfg", str(tiny_yaml)]
    command += ["--num_shards", "2", "--init_method", f"tcp://localhost:{free_port()}"]
    options = ["TRAIN.BATCH_SIZE", "2", "SOLVER.MAX_EPOCH", "1", "OUTPUT_DIR", str(folder)]
    processes = [
        subprocess.Popen(
            [*command, "--shard_id", str(shard), *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for shard in range(2)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    alone = tmp_path / "alone"
    run_here(load_config(tiny_yaml, ["SOLVER.MAX_EPOCH", "1", "OUTPUT_DIR", str(alone)]))
    series = [precise_losses(each) for each in (folder, alone)]
    assert np.abs(np.subtract(*series)).max() < 1e-5
    assert same_state(final_weights(folder, 1), final_weights(alone, 1), tolerance=1e-4)


def trainer(cfg, accumulation):
    torch.manual_seed(0)
    model = build_model(cfg)
    state = build_train_state(cfg, model, CPU)
    model = parallelize(model, cfg, CPU, state.optimizer)
    made = build_trainer(cfg, model, state, CPU, log.Scalars(None))
    made.settings = dataclasses.replace(made.settings, accumulation=accumulation)
    return made


def optimizer_step(subject, *batches):
    """One step of a trainer from these batches."""
    step, last = subject.step, len(batches) - 1
    results = [step.accumulate(b, len(batches), is_last=i == last) for i, b in enumerate(batches)]
    return step.update([result.loss for result in results])


def test_accumulated_batches_step_like_one_large_batch(config):
    options = ["SOLVER.OPTIMIZING_METHOD", "sgd", "SOLVER.MAX_EPOCH", 1]
    cfg = config(*options, "TRAIN.BATCH_SIZE", 4)
    small = trainer(cfg, accumulation=3)
    small.run_epoch(build_loader(cfg, "train"), Start.of_epoch(0))
    large = trainer(config(*options, "TRAIN.BATCH_SIZE", 12), accumulation=1)
    loader = build_loader(config(*options, "TRAIN.BATCH_SIZE", 12), "train")
    loader.batch_sampler.set_epoch(0)
    for i, batch in enumerate(loader):
        set_lr(large.step.state.optimizer, lr_at_epoch(cfg, (3 * i + 2) / 6))
        optimizer_step(large, batch)
    models = (subject.step.model for subject in (small, large))
    pairs = zip(*(model.parameters() for model in models), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_the_gradient_norm_is_that_of_the_whole_group_and_is_logged(config, tmp_path):
    cfg = config("SOLVER.MAX_EPOCH", 1, "TRAIN.PRECISION", "fp32")
    subject = trainer(cfg, accumulation=2)
    for batch in list(build_loader(cfg, "train"))[:2]:
        subject.step.accumulate(batch, 2, is_last=False)
    squares = [(p.grad.double() ** 2).sum() for p in subject.step.model.parameters()]
    norm = subject.step.state.step(torch.tensor(True)).norm
    assert float(norm) == pytest.approx(float(sum(squares) ** 0.5), rel=1e-5)
    run_here(config("SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", 0))
    rows = [r for r in read_rows(tmp_path / "out/metrics.csv") if r["type"] == "train_iter"]
    assert all(0 < float(row["grad_norm"]) < 100 for row in rows)
    assert len({row["grad_norm"] for row in rows}) == len(rows)


def test_the_incomplete_last_group_of_an_epoch_is_not_lost(config, monkeypatch):
    cfg = config("SOLVER.MAX_EPOCH", 1)
    subject = trainer(cfg, accumulation=4)  # 6 batches: a group of 4 and one of 2
    steps, scaled = [], []
    optimizer = subject.step.state.optimizer
    monkeypatch.setattr(optimizer, "step", lambda: steps.append(len(scaled)))
    accumulate = subject.step.accumulate

    def watch(batch, group, *, is_last):
        scaled.append(group)
        return accumulate(batch, group, is_last=is_last)

    monkeypatch.setattr(subject.step, "accumulate", watch)
    subject.run_epoch(build_loader(cfg, "train"), Start.of_epoch(0))
    assert steps == [4, 6]
    assert scaled == [4, 4, 4, 4, 2, 2]


def test_the_batches_of_an_optimizer_step_are_logged(config, tmp_path):
    options = ["TRAIN.BATCH_SIZE", 6, "GLOBAL_BATCH_SIZE", 64, "SOLVER.MAX_EPOCH", 1]
    run_here(config(*options, "TEST.ENABLE", 0))
    text = (tmp_path / "out/stdout.log").read_text()
    assert "takes 10 batch(es) of 6: 60 clips instead of GLOBAL_BATCH_SIZE 64" in text


def test_bf16_computes_in_bf16_and_keeps_fp32_parameters(config):
    cfg, kinds = config("TRAIN.PRECISION", "bf16"), []
    subject = trainer(cfg, accumulation=1).step
    subject.model.blocks[0].mlp.register_forward_hook(lambda m, i, out: kinds.append(out.dtype))
    batch = next(iter(build_loader(cfg, "train")))
    loss = subject.accumulate(batch, 1, is_last=True).loss
    assert kinds[0] == torch.bfloat16
    assert loss.dtype == torch.float32
    assert {p.dtype for p in subject.model.parameters()} == {torch.float32}


def test_things_are_due_at_their_period_and_at_the_end():
    assert [epoch + 1 for epoch in range(7) if is_due(epoch, 3, 7)] == [3, 6, 7]


class TestRestore:
    """Where the first weights come from."""

    @pytest.fixture
    def source(self, config, tmp_path):
        torch.manual_seed(7)
        cfg = config()
        model = build_model(cfg)
        path = tmp_path / "source.pyth"
        state = {f"model.{key}": value for key, value in model.state_dict().items()}
        optimizer = build_optimizer(model, cfg).state_dict()
        torch.save({"epoch": 0, "model_state": state, "optimizer_state": optimizer}, path)
        return path, model

    def start(self, cfg):
        torch.manual_seed(1)
        model = build_model(cfg)
        start = restore(cfg, build_train_state(cfg, model, CPU))
        assert start.position.batch == 0
        return start.position.epoch, model

    def same(self, a, b):
        return same_state(a.state_dict(), b.state_dict())

    def test_fine_tuning_takes_weights_and_starts_at_the_first_epoch(self, config, source):
        path, origin = source
        options = ["TRAIN.CHECKPOINT_FILE_PATH", path, "TRAIN.FINETUNE", 1]
        epoch, model = self.start(config(*options))
        assert (epoch, self.same(model, origin)) == (0, True)

    def test_a_checkpoint_without_fine_tuning_resumes_at_its_epoch(self, config, source):
        path, origin = source
        epoch, model = self.start(config("TRAIN.CHECKPOINT_FILE_PATH", path))
        assert (epoch, self.same(model, origin)) == (1, True)

    def test_an_epoch_reset_starts_again(self, config, source):
        path, _ = source
        reset = ["TRAIN.CHECKPOINT_EPOCH_RESET", 1]
        assert self.start(config("TRAIN.CHECKPOINT_FILE_PATH", path, *reset))[0] == 0

    def test_a_finished_checkpoint_is_named_instead_of_training_nothing(self, config, source):
        options = ["TRAIN.CHECKPOINT_FILE_PATH", source[0], "SOLVER.MAX_EPOCH", 1]
        with pytest.raises(CheckpointError, match=r"of epoch 1, and .*MAX_EPOCH is 1.*FINETUNE"):
            self.start(config(*options))

    def test_a_pretrained_file_gives_the_weights(self, config, source):
        path, origin = source
        epoch, model = self.start(config("TIMESFORMER.PRETRAINED_MODEL", path))
        assert (epoch, self.same(model, origin)) == (0, True)

    def test_an_empty_name_asks_for_imagenet_and_names_the_ways_out(self, config):
        with pytest.raises(CheckpointError, match="no ImageNet weights for a ViT of patch 8"):
            self.start(config("TIMESFORMER.PRETRAINED_MODEL", ""))

    def test_nothing_is_fetched_when_fine_tuning_or_resuming(self, config, source, tmp_path):
        path, _ = source
        empty = ["TIMESFORMER.PRETRAINED_MODEL", ""]
        fine = ["TRAIN.CHECKPOINT_FILE_PATH", path, "TRAIN.FINETUNE", 1]
        assert self.start(config(*empty, *fine))[0] == 0
        run_here(config("SOLVER.MAX_EPOCH", 1))
        assert self.start(config(*empty, "SOLVER.MAX_EPOCH", 1))[0] == 1

    def test_the_folder_is_left_alone_without_auto_resume(self, config):
        run_here(config("SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", 0))
        assert self.start(config("TRAIN.AUTO_RESUME", 0))[0] == 0


def test_a_broken_video_is_counted_and_named_and_training_continues(tiny_yaml, tmp_path):
    folder = tmp_path / "broken"
    for i in range(8):
        write_video(folder / f"{i}.mp4", [numbered_frame(i)] * 12)
    (folder / "2.mp4").write_bytes((folder / "2.mp4").read_bytes()[:300])
    (folder / "5.mp4").write_text("no video")
    for split in ("train", "val", "test"):
        (folder / f"{split}.csv").write_text("".join(f"{i}.mp4 {i % 3}\n" for i in range(8)))
    options = ["DATA.PATH_TO_DATA_DIR", folder, "SOLVER.MAX_EPOCH", "1"]
    result = run_tool("run_net.py", "--cfg", tiny_yaml, *options)
    assert result.returncode == 0, result.stdout + result.stderr
    out = tmp_path / "out"
    text = (out / "stdout.log").read_text()
    for name in ("2.mp4", "5.mp4"):
        assert re.search(rf"WARNING\].*video replaced by another: .*{name}", text)
        assert len(re.findall(rf"WARNING\].*video not scored: .*{name}", text)) == 2  # val and test
    assert stats(out, "train_epoch")[0]["unreadable"] >= 2
    val = stats(out, "val_epoch")[0]
    assert (val["videos"], val["unreadable"]) == (6, 2)
    assert "scored 6 of 8 videos, 2 unreadable" in text
    with (out / "test_predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["error"]) for row in rows] == [i in (2, 5) for i in range(8)]
    assert [row["prediction"] == "" for row in rows] == [i in (2, 5) for i in range(8)]
    right = [row["prediction"] == row["label"] for row in rows if not row["error"]]
    (final,) = stats(out, "test_final")
    assert float(final["top1_acc"]) == pytest.approx(100 * np.mean(right), abs=0.005)


def test_figures_are_written_on_request(config, tmp_path):
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"dark": 0, "grey": 1, "light": 2}))
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps({"not dark": ["grey", "light"]}))
    subset = tmp_path / "subset.txt"
    subset.write_text("dark\nlight\n")
    board = {"ENABLE": 1, "CLASS_NAMES_PATH": names, "CATEGORIES_PATH": groups,
             "CONFUSION_MATRIX.ENABLE": 1, "CONFUSION_MATRIX.SUBSET_PATH": subset,
             "HISTOGRAM.ENABLE": 1, "HISTOGRAM.SUBSET_PATH": subset, "LOG_DIR": "board",
             "REPORT.ENABLE": 1}  # fmt: skip
    options = [text for key, value in board.items() for text in (f"TENSORBOARD.{key}", value)]
    run_here(config(*options, "SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", 0))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "out/board"))
    events.Reload()
    assert set(events.Tags()["images"]) == {
        "Confusion Matrix",
        "Confusion Matrix Subset",
        "Confusion Matrices Grouped by Parent Classes/not dark",
        "Top 10 predictions by classes/dark",
        "Top 10 predictions by classes/light",
        *(
            f"Report/{name}"
            for name in ("accuracy", "per_class", "confusion", "reliability", "coverage")
        ),
    }


def test_model_info_counts_attention(config, tmp_path):
    from timesformer.models.flops import multiply_adds
    from timesformer.models.timesformer import TimeSformer

    with torch.device("meta"):
        count = multiply_adds(TimeSformer()) / 1e9
    assert count == pytest.approx(196.1, rel=0.005)  # fvcore, on the published model
    run_here(config("LOG_MODEL_INFO", 1, "SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", 0))
    assert "parameters, 0.00 G multiply-adds" in (tmp_path / "out/stdout.log").read_text()


@pytest.mark.cuda
def test_training_on_a_gpu_follows_the_cpu(config, tmp_path):
    for name, gpus in (("cpu", 0), ("gpu", 1)):
        run_here(config("NUM_GPUS", gpus, "OUTPUT_DIR", tmp_path / name))
    ours, theirs = (losses(tmp_path / name) for name in ("cpu", "gpu"))
    assert np.allclose([x[2] for x in ours], [x[2] for x in theirs], atol=1e-2)


def test_each_process_draws_its_own_masks_and_the_same_again(monkeypatch):
    """For any run: by the seed, the epoch, the step and the process, and by nothing else."""

    def drawn(rank, *, seed=0, epoch=1, step=2):
        monkeypatch.setattr(collectives, "rank", lambda: rank)
        seed_step(seed, epoch, step)
        return float(torch.rand(())), float(np.random.rand())

    ranks = [drawn(rank) for rank in range(3)]
    assert [drawn(rank) for rank in range(3)] == ranks
    others = [drawn(0, seed=1), drawn(0, epoch=2), drawn(0, step=3)]
    assert len(set(ranks + others)) == 6
    assert len({both[1] for both in ranks + others}) == 6


def test_a_clip_is_the_same_whichever_process_reads_it(config):
    """The global batch of three processes, put together, is that of one, pixel for pixel."""
    cfg = config("TRAIN.BATCH_SIZE", 6)
    one = next(iter(build_loader(cfg, "train")))
    parts = []
    for rank in range(3):
        loader = build_loader(cfg, "train")
        sampler = loader.batch_sampler
        sampler.rank, sampler.world, sampler.batch_size = rank, 3, 2
        parts.append(next(iter(loader)))
    assert torch.equal(torch.cat([part.indices for part in parts]), one.indices)
    assert torch.equal(torch.cat([part.clips for part in parts]), one.clips)
