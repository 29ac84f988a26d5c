"""Several protocols from one decode: each has the scores, to the byte, of a test of it alone."""

import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import stirred
from timesformer.config import changed, load_config
from timesformer.config.protocols import PROTOCOLS
from timesformer.config.published import Published
from timesformer.datasets import clips
from timesformer.datasets.views import DenseSampling, SegmentSampling, Views
from timesformer.engine.run import launch_run
from timesformer.evaluation import metrics
from timesformer.evaluation import test as testing
from timesformer.evaluation.outcome import protocol_table
from timesformer.evaluation.protocols import build_protocols, build_shared_view, score_all
from timesformer.evaluation.scoring import Scoring, build_scoring
from timesformer.files import result_files, run_files
from timesformer.models import build_model
from timesformer.video.sampling import ClipShape

CPU = torch.device("cpu")
BOTH = ("TEST.PROTOCOLS", "[paper, official]")


@pytest.fixture
def config(tiny_yaml, data_dir, tmp_path):
    """A test of 9 videos, of which the second cannot be read, by a stirred model."""
    lists, weights = tmp_path / "lists", tmp_path / "model.pyth"
    lists.mkdir()
    (lists / "broken.mp4").write_text("no video")
    lines = [f"{data_dir}/{line}" for line in (data_dir / "test.csv").read_text().splitlines()]
    (lists / "test.csv").write_text("\n".join([lines[0], "broken.mp4 1", *lines[2:]]))
    (lists / "val.csv").write_text("\n".join(lines[:3]))

    def load(name, *overrides):
        keys = ("TRAIN.ENABLE", "False", "DATA.PATH_TO_DATA_DIR", lists, "OUTPUT_DIR", tmp_path / name,
                "TEST.CHECKPOINT_FILE_PATH", weights, *overrides)  # fmt: skip
        (tmp_path / name).mkdir(exist_ok=True)
        return load_config(tiny_yaml, [str(item) for item in keys])

    torch.save(stirred(build_model(load("weights"))).state_dict(), weights)
    return load


def written(cfg):
    """Name -> bytes of the predictions that a test writes."""
    testing.test(cfg, CPU)
    folder = Path(cfg.OUTPUT_DIR)
    return {path.name: path.read_bytes() for path in folder.glob("*predictions*")}


def alone(cfg, values=None):
    """The bytes of the predictions of one protocol, tested by itself."""
    values = {**(values or {}), "TEST.PROTOCOLS": ()}
    return written(changed(cfg, values))["test_predictions.csv"]


@pytest.mark.parametrize(
    ("views", "crops", "forward_batch", "configured"),
    [
        (1, 1, 0, ("official", "sum")),
        (1, 3, 8, ("paper", "softmax")),  # two videos in a forward batch
        (2, 3, 4, ("official", "max")),  # parts of 4 and 2 clips
        (3, 1, 2, ("paper", "sum")),
        (3, 2, 1, ("official", "softmax")),
    ],
)
def test_each_protocol_has_the_scores_of_a_test_of_it_alone(
    config, views, crops, forward_batch, configured
):
    cfg = config("out", "TEST.NUM_ENSEMBLE_VIEWS", views, "TEST.NUM_SPATIAL_CROPS", crops,
                 "TEST.FORWARD_BATCH", forward_batch, "TEST.VIEW_PLACEMENT", configured[0],
                 "DATA.ENSEMBLE_METHOD", configured[1], *BOTH)  # fmt: skip
    together = written(cfg)
    assert sorted(together) == [
        "test_predictions.csv",
        "test_predictions_official.csv",
        "test_predictions_paper.csv",
    ]
    assert together["test_predictions.csv"] == alone(cfg)
    for name, values in PROTOCOLS.items():
        assert together[f"test_predictions_{name}.csv"] == alone(cfg, values), name
    assert len(set(together.values())) > 1  # seconds and scores of two placements differ


def test_several_labels_have_the_sigmoids_of_the_paper(config):
    cfg = config("out", "DATA.MULTI_LABEL", True, "MODEL.LOSS_FUNC", "bce_logit", *BOTH)
    together = written(cfg)
    for name, values in PROTOCOLS.items():
        assert together[f"test_predictions_{name}.csv"] == alone(cfg, values), name
    found = json.loads((Path(cfg.OUTPUT_DIR) / "test_results_paper.json").read_text())
    assert found["ensemble"] == "sigmoid"


@pytest.mark.cuda
@pytest.mark.parametrize("views", [1, 3, 10])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_gpu_gives_each_protocol_the_scores_that_it_has_alone(config, views, precision):
    cfg = config("out", "TEST.NUM_ENSEMBLE_VIEWS", views, *BOTH)
    network = stirred(build_model(cfg)).cuda()
    autocast = partial(torch.autocast, "cuda", precision, precision != torch.float32)
    single = build_scoring(cfg, torch.device("cuda"), autocast)
    protocols = build_protocols(cfg)
    view = build_shared_view(cfg, protocols)
    videos = torch.randint(0, 256, (3, view.num_clips, 3, 4, 32, 32), dtype=torch.uint8)
    together = score_all(single, view, protocols).score(network, videos.flatten(0, 1))
    for p, protocol in enumerate(protocols):
        order = list(view.orders[protocol.placement])
        by_itself = partial(metrics.ensemble, num_views=3 * views, method=protocol.method)
        alone = replace(single, ensemble=by_itself).score(network, videos[:, order].flatten(0, 1))
        assert torch.equal(together[:, p], alone)


@pytest.mark.parametrize(
    ("overrides", "passes"),
    [
        ((), 8 * 9),  # three placements of views: the first clip is the same
        (("TEST.FORWARD_BATCH", 6), 8 * 2),  # those of each protocol together, as alone
        (("TEST.NUM_ENSEMBLE_VIEWS", 1), 8 * 6),
        (("TEST.NUM_ENSEMBLE_VIEWS", 4), 8 * 21),
    ],
)
def test_a_video_is_read_once_and_a_shared_clip_computed_once(
    config, monkeypatch, overrides, passes
):
    read, computed = [], []
    read_source, forward = clips.read_source, Scoring.rows_of
    monkeypatch.setattr(
        clips, "read_source", lambda s, *a, **k: read.append(s) or read_source(s, *a, **k)
    )
    monkeypatch.setattr(Scoring, "rows_of", lambda *a: computed.append(len(a[2])) or forward(*a))
    one_by_one = () if "TEST.FORWARD_BATCH" in overrides else ("TEST.FORWARD_BATCH", 1)
    written(config("out", *overrides, *one_by_one, *BOTH))
    assert len(read) == len(set(read)) == 9
    assert len(computed) == passes


def test_segments_have_the_same_clips_in_both_placements():
    view = Views(SegmentSampling(4), 2, "official", 8, 8, (0, 1, 2), others=("paper",))
    assert view.num_clips == 6
    assert view.orders == {"official": (0, 1, 2, 3, 4, 5), "paper": (0, 1, 2, 3, 4, 5)}


def test_the_clips_of_a_placement_are_where_it_has_them():
    view = Views(DenseSampling(ClipShape(4, 4, 30)), 3, "paper", 8, 8, (0, 2), others=("official",))
    assert view.parts == ((0, 1), (1, 2), (2, 2), (1, 3), (2, 3))
    assert view.rows == ([0, 1, 2], [0, 3, 4])
    assert view.orders == {"paper": (0, 1, 2, 3, 4, 5), "official": (0, 1, 6, 7, 8, 9)}
    assert view.num_clips == 10


def test_rows_of_a_video_are_its_protocols_one_after_the_other(config):
    """Against a loop over videos and protocols, of clips that are their own logits."""
    cfg = config("out", "TEST.NUM_SPATIAL_CROPS", 1, *BOTH)
    protocols = build_protocols(cfg)
    assert [(each.name, each.method) for each in protocols] == [
        ("", "sum"), ("paper", "softmax"), ("official", "sum")]  # fmt: skip
    view = build_shared_view(cfg, protocols)
    for size in (1, 2, 4, 5):
        plain = Scoring(CPU, lambda c: c, forward=lambda _, c: c, num_views=2, forward_batch=size)
        logits = torch.randn(3, view.num_clips, 5)
        scores = score_all(plain, view, protocols).score(None, logits.flatten(0, 1))
        assert scores.shape == (3, 3, 5)
        for i in range(3):
            for p, (places, method) in enumerate(
                (([0, 1], "sum"), ([0, 2], "softmax"), ([0, 1], "sum"))
            ):
                expected = metrics.ensemble(logits[i, places], 2, method)[0]
                assert torch.equal(scores[i, p], expected)


def test_two_processes_write_the_files_of_one(config, two_processes):
    keys = ("TEST.FORWARD_BATCH", 4, "TEST.SAVE_VIEWS", True, "TEST.NUM_SPATIAL_CROPS", 1, *BOTH)
    one, two = config("one", *keys), config("two", *keys)
    launch_run(one)
    two_processes.run(two)
    names = [
        name
        for protocol in ("", "paper", "official")
        for name in result_files("test", protocol)
        if "results" not in name and (not protocol or "views" not in name)
    ]
    assert len(names) == 7
    for name in names:
        first, second = (Path(cfg.OUTPUT_DIR, name) for cfg in (one, two))
        assert first.read_bytes() == second.read_bytes(), name
        assert first in run_files(one.OUTPUT_DIR)
    with np.load(Path(one.OUTPUT_DIR, "test_views.npz")) as views:  # of the configured protocol
        assert (str(views["placement"]), views["scores"].shape) == ("official", (9, 2, 3))
        total = views["scores"].astype(np.float32).sum(axis=1)
    with Path(one.OUTPUT_DIR, "test_predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.allclose(total[0], [float(rows[0][f"score_{k}"]) for k in range(3)], atol=0.02)


def test_the_rows_of_both_are_printed_and_recorded(config, capsys):
    cfg = config("out", "TEST.SPLIT", "val", *BOTH)
    launch_run(cfg)
    out = capsys.readouterr().out
    assert "published" not in out  # an own recipe
    folder = Path(cfg.OUTPUT_DIR)
    for name, ensemble in (("paper", "softmax"), ("official", "sum")):
        found = json.loads((folder / f"val_results_{name}.json").read_text())
        assert (found["ensemble"], found["videos"], found["scored"]) == (ensemble, 3, 3)
        assert (found["views"], found["clips"]) == (6, 9)
        assert f"temporal views ({name}) x" in found["protocol"]
        accuracies = f"{found['top1_acc']:.2f}", f"{found['top5_acc']:.2f}"
        assert [name, *accuracies] in [line.split() for line in out.splitlines()]
        assert (folder / f"val_classes_{name}.csv").is_file()


def test_the_published_number_of_the_recipe_stands_beside_a_protocol():
    none = {"top1_acc": None, "top5_acc": None}
    rows = [("paper", {"top1_acc": 78.1, "top5_acc": 93.55}), ("official", none)]
    known = Published("Kinetics/A", "78.0 / 93.7", "77.9 / 93.2")
    assert protocol_table(rows, known).splitlines() == [
        "",
        "protocol  top-1 %  top-5 %  published",
        "--------  -------  -------  -----------",
        "paper       78.10    93.55  78.0 / 93.7",
        "official     none     none  77.9 / 93.2",
        "published: Kinetics/A, in the paper; official: its released checkpoint",
    ]
    only = protocol_table(rows[1:], known._replace(released="")).splitlines()
    assert only[3].split() == ["official", "none", "none", "-"]
    assert protocol_table([("paper", {"map": 0.25})], None).splitlines()[1:] == [
        "protocol     map", "--------  ------", "paper     0.2500"]  # fmt: skip


def test_a_protocol_whose_scores_are_not_finite_has_no_accuracy_and_the_others_have(
    config, tmp_path
):
    """Sums of logits are too large, means of probabilities are not."""
    cfg = config("out", "TEST.VIEW_PLACEMENT", "paper", "DATA.ENSEMBLE_METHOD", "softmax",
                 "TEST.PROTOCOLS", "official")  # fmt: skip
    state = torch.load(tmp_path / "model.pyth", weights_only=True)
    state["head.bias"][1] = 3e38
    torch.save(state, tmp_path / "model.pyth")
    with pytest.raises(SystemExit) as end:
        launch_run(cfg)
    assert end.value.code == 1
    found = [
        json.loads(Path(cfg.OUTPUT_DIR, result_files("test", name).results).read_text())
        for name in ("", "official")
    ]
    assert [each["nonfinite"] for each in found] == [0, 8]
    assert found[0]["top1_acc"] is not None
    assert found[1]["top1_acc"] is None
    log = Path(cfg.OUTPUT_DIR, "stdout.log").read_text()
    assert "more are in test_predictions_official.csv" in log
