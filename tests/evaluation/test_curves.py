"""Curves of runs: from metrics.csv and from the logs of the published code."""

import json

import pytest

from timesformer.evaluation import curves
from timesformer.evaluation.curves import CurvesError, read_run, read_runs
from timesformer.runtime.metrics_csv import MetricsCSV


def published_line(**stats):
    """As the published code logs it: keys sorted, floats with five decimals."""
    return (
        f"[11/23 08:00:00][INFO] logging.py:  99: json_stats: {json.dumps(stats, sort_keys=True)}\n"
    )


def step(epoch, batch, loss, **more):
    return published_line(_type="train_iter", dt=0.5, dt_data=0.1, dt_net=0.4, epoch=f"{epoch}/3",
                          eta="0:10:00", gpu_mem="7.68G", iter=f"{batch}/4", loss=loss, lr=0.005,
                          top1_err=50.0, top5_err=10.0, **more)  # fmt: skip


def validation(epoch, **score):
    return published_line(RAM="1/2G", _type="val_epoch", epoch=f"{epoch}/3", gpu_mem="7.68G",
                          min_top1_err=1.0, time_diff=3.0, **score)  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def run(name, text):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stdout.log").write_text(text)
        return tmp_path / name

    return run


def table(folder, epochs=2, **more):
    metrics = MetricsCSV(folder / "metrics.csv", epoch=0)
    for epoch in range(1, epochs + 1):
        for batch in (2, 4):
            metrics.add({"type": "train_iter", "epoch": epoch, "batch": batch, "batches": 4,
                         "loss": 3.0 / epoch, "lr": 0.1, "clips_per_second": 8.0})  # fmt: skip
        metrics.add({"type": "val_epoch", "epoch": epoch, "batch": 0, "top1_err": 40.0, **more})


def test_a_log_of_the_published_code_has_its_curves(write):
    log = "[11/23 08:00:00][INFO] run.py: 1: starting\n" + step(1, 2, 3.0) + step(1, 4, 2.0)
    log += validation(1, top1_err=40.0, top5_err=10.0) + step(2, 2, 1.5)
    run = read_run(write("published", log))
    assert run.name == "published"
    assert run.loss == [(0.5, 3.0), (1.0, 2.0), (1.5, 1.5)]
    assert run.lr == [(0.5, 0.005), (1.0, 0.005), (1.5, 0.005)]
    assert run.validation == [(1.0, 60.0)]
    assert run.clips_per_second == []


def test_of_batches_that_a_resumed_run_trained_again_the_last_line_counts(write):
    first = step(1, 2, 9.0) + step(1, 4, 8.0) + validation(1, top1_err=90.0) + step(2, 2, 7.0)
    again = step(1, 4, 5.0) + validation(1, top1_err=50.0) + step(2, 2, 4.0)
    run = read_run(write("resumed", first + again))
    assert run.loss == [(0.5, 9.0), (1.0, 5.0), (1.5, 4.0)]
    assert run.validation == [(1.0, 50.0)]


def test_what_is_torn_or_not_a_number_is_left_out(write):
    torn = step(1, 4, 2.0)[:80] + "\n" + published_line(_type="train_iter", epoch="x")
    nan = published_line(_type="train_iter", epoch="1/3", iter="3/4", loss=None, lr=0.1)
    run = read_run(write("torn", step(1, 2, 3.0) + torn + "json_stats: {[}\n" + nan))
    assert run.loss == [(0.5, 3.0)]
    assert run.lr == [(0.5, 0.005), (0.75, 0.1)]


def test_videos_of_several_labels_have_their_precision_in_percent(write):
    run = read_run(write("several", step(1, 2, 3.0) + validation(1, map=0.75)))
    assert (run.metric, run.validation) == ("mAP", [(1.0, 75.0)])


def test_metrics_csv_is_preferred_and_a_file_can_be_named(write, tmp_path):
    folder = write("both", step(1, 2, 99.0))
    table(folder)
    run = read_run(folder)
    assert run.loss == [(0.5, 3.0), (1.0, 3.0), (1.5, 1.5), (2.0, 1.5)]
    assert run.clips_per_second[0] == (0.5, 8.0)
    assert read_run(folder / "metrics.csv") == run
    assert read_run(folder / "stdout.log").loss == [(0.5, 99.0)]


def test_runs_of_one_name_are_named_by_their_paths(write, tmp_path):
    write("a", ""), write("b", "")
    paths = [write("a/run", step(1, 2, 1.0)), write("b/run", step(1, 2, 1.0))]
    assert [run.name for run in read_runs(paths)] == [str(path) for path in paths]
    assert [run.name for run in read_runs(paths[:1])] == ["run"]


def test_what_cannot_be_drawn_says_why(write, tmp_path):
    with pytest.raises(CurvesError, match="gone: no such file or folder; name the OUTPUT_DIR"):
        read_run(tmp_path / "gone")
    with pytest.raises(CurvesError, match=r"has neither metrics\.csv nor stdout\.log"):
        read_run(tmp_path)
    with pytest.raises(CurvesError, match=r"stdout\.log has no row of a log line or validation"):
        read_run(write("empty", "nothing\n"))


def test_a_file_that_may_not_be_read_is_named(write, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(curves, "read_log", refuse)
    with pytest.raises(CurvesError, match=r"stdout\.log: Permission denied"):
        read_run(write("closed", step(1, 2, 3.0)))


@pytest.mark.parametrize("kind", ["log", "table"])
def test_epochs_shorter_than_a_log_period_have_their_rows_as_curve(kind, write, tmp_path):
    if kind == "log":
        lines = [published_line(_type="train_epoch", epoch=f"{e}/3", loss=3.0 / e, lr=0.1)
                 for e in (1, 2, 3)]  # fmt: skip
        folder = write("short", "".join(lines) + validation(3, top1_err=40.0))
    else:
        folder = tmp_path / "short"
        folder.mkdir()
        rows = MetricsCSV(folder / "metrics.csv", epoch=0)
        for epoch in (1, 2, 3):
            rows.add({"type": "train_epoch", "epoch": epoch, "batch": 2, "batches": 2,
                      "loss": 3.0 / epoch, "lr": 0.1})  # fmt: skip
    assert read_run(folder).loss == [(1.0, 3.0), (2.0, 1.5), (3.0, 1.0)]
