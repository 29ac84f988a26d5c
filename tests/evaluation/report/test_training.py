"""The curves of a training beside its test."""

import pytest

from timesformer.evaluation.report.records import RunRecord
from timesformer.evaluation.report.training import MOST_POINTS, training_curves

HEAD = "type,epoch,batch,batches,loss,lr,clips_per_second,top1_err,map\n"


@pytest.fixture
def curves(tmp_path):
    def of(text):
        (tmp_path / "metrics.csv").write_text(text)
        return training_curves(RunRecord(folder=tmp_path))

    return of


def test_loss_and_validation_are_points_by_epoch(curves):
    found = curves(
        f"{HEAD}train_iter,1,5,10,2.5,0.1,9,,\ntrain_iter,1,10,10,2.25,0.1,9,,\n"
        "val_epoch,1,0,9,,,,40,\nval_epoch,2,0,9,,,,nan,\n"
    )
    assert found == {
        "metric": "top1",
        "loss": [[0.5, 2.5], [1.0, 2.25]],
        "validation": [[1.0, 60.0]],
    }
    assert curves(f"{HEAD}val_epoch,3,0,9,,,,,0.25\n") == {
        "metric": "map",
        "loss": [],
        "validation": [[3.0, 25.0]],
    }


def test_many_losses_are_averaged(curves):
    rows = (f"train_iter,1,{i},3000,{i % 2},0.1,9,,\n" for i in range(1, 3001))
    loss = curves(HEAD + "".join(rows))["loss"]
    assert len(loss) == MOST_POINTS
    assert {value for _, value in loss} == {0.5}
    assert loss[0][0] == pytest.approx(5.5 / 3000)


def test_a_folder_without_a_training_has_none(curves, tmp_path):
    assert training_curves(RunRecord()) is None
    assert training_curves(RunRecord(folder=tmp_path)) is None
    for text in ("", "a,b\n1,2\n", HEAD, f"{HEAD}train_iter,x,y,z,1,1,1,,\n"):
        assert curves(text) is None
