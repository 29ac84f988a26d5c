"""metrics.csv: whole rows, and none twice or lost when a run goes on."""

import pytest

from timesformer.files import METRICS
from timesformer.runtime.metrics_csv import (
    COLUMNS,
    MetricsCSV,
    best_validation,
    position,
    read_rows,
)


def train(epoch, batch, loss=1.0):
    return {"type": "train_iter", "epoch": epoch, "batch": batch, "batches": 4, "loss": loss}


def val(epoch, top1_err):
    return {"type": "val_epoch", "epoch": epoch, "batch": 0, "top1_err": top1_err}


def end(epoch):
    return {"type": "train_epoch", "epoch": epoch, "batch": 4, "batches": 4}


def a_run(metrics, epochs):
    """Two log lines, the epoch and its validation, for each of ``epochs`` counted from 1."""
    for epoch in epochs:
        for row in (train(epoch, 2), train(epoch, 4), end(epoch), val(epoch, 50.0)):
            metrics.add(row)


def places(path):
    return [(row["type"], int(row["epoch"]), int(row["batch"])) for row in read_rows(path)]


@pytest.mark.parametrize(
    ("epoch", "batch", "kept"),
    [(0, 0, 0), (0, 1, 0), (0, 2, 1), (0, 3, 1), (0, 4, 2), (1, 0, 4), (1, 2, 5), (9, 0, 12)],
)
def test_rows_from_where_a_run_resumes_on_are_cut(tmp_path, epoch, batch, kept):
    """(epoch, batch) is due: at (0, 4) the epoch has yet to end, at (1, 0) it was validated."""
    path = tmp_path / METRICS
    a_run(MetricsCSV(path, epoch=0), epochs=[1, 2, 3])
    before = path.read_text().splitlines()
    MetricsCSV(path, epoch=epoch, batch=batch)
    assert path.read_text().splitlines() == before[: 1 + kept]


@pytest.mark.parametrize("torn", ["train_iter,3", "train_iter,3,2,4,2026-11-23T08:00:00+00:00,0.1"])
def test_a_half_written_row_is_dropped_and_nothing_is_twice(tmp_path, torn):
    path = tmp_path / METRICS
    a_run(MetricsCSV(path, epoch=0), epochs=[1, 2])
    expected = places(path)
    with path.open("a") as file:
        file.write(torn)
    a_run(MetricsCSV(path, epoch=1), epochs=[2])
    assert places(path) == expected


def test_a_number_torn_off_in_the_last_column_is_not_taken_for_a_number(tmp_path):
    path = tmp_path / METRICS
    metrics = MetricsCSV(path, epoch=0)
    metrics.add(train(1, 2) | {"unreadable": 12})
    whole = path.read_text()
    path.write_text(whole[: whole.rindex("2")])
    assert read_rows(path) == []


def test_a_file_of_other_columns_gets_the_columns_of_today(tmp_path):
    path = tmp_path / METRICS
    path.write_text("type,epoch,batch,mood\ntrain_iter,1,2,good\n\ntrain_iter,x,2,bad\n")
    MetricsCSV(path, epoch=1).add(train(2, 2))
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert places(path) == [("train_iter", 1, 2), ("train_iter", 2, 2)]


def test_numbers_keep_seven_digits(tmp_path):
    metrics = MetricsCSV(tmp_path / METRICS, epoch=0)
    metrics.add(train(1, 2, loss=1.2345678e-6))
    (row,) = read_rows(tmp_path / METRICS)
    assert float(row["loss"]) == 1.234568e-6
    assert row["time"].endswith("+00:00")
    assert row["lr"] == ""


def test_a_column_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="mood"):
        MetricsCSV(tmp_path / METRICS, epoch=0).add(train(1, 2) | {"mood": "good"})


def test_the_best_validation_has_the_lowest_error_or_the_highest_precision(tmp_path):
    metrics = MetricsCSV(tmp_path / METRICS, epoch=0)
    for epoch, error in enumerate((40.0, 30.0, 35.0, float("nan")), start=1):
        metrics.add(val(epoch, error))
    rows = read_rows(tmp_path / METRICS)
    assert best_validation(rows)["epoch"] == "2"
    assert best_validation([]) is None
    pairs = zip(rows, ("0.1", "nan", "0.3", "0.2"), strict=True)
    several = [dict(row, top1_err="", map=m) for row, m in pairs]
    assert best_validation(several)["epoch"] == "3"
    assert position(rows[1]) == (2, 0)
