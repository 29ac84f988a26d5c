"""One more evaluation of a training is one more entry, with its own rhythm."""

import pytest

from timesformer.config import load_config
from timesformer.engine import run, train
from timesformer.evaluation.evaluators import Evaluator, due_after


@pytest.mark.parametrize(("epoch", "due"), [(0, "a"), (1, "ab"), (2, "a"), (4, "ab")])
def test_each_evaluation_has_its_rhythm_and_all_see_the_last_epoch(epoch, due):
    evaluators = {"a": Evaluator(1, dict), "b": Evaluator(2, dict)}
    assert "".join(due_after(epoch, evaluators, num_epochs=5)) == due


def test_another_evaluation_runs_beside_the_validation(tiny_yaml, tmp_path, monkeypatch):
    build, epochs = train.build_evaluators, []

    def with_another(*args):
        another = Evaluator(2, lambda model, epoch, scalars: epochs.append(epoch) or {"score": 1.0})
        return build(*args) | {"another": another}

    monkeypatch.setattr(train, "build_evaluators", with_another)
    keys = ["SOLVER.MAX_EPOCH", "3", "TRAIN.EVAL_PERIOD", "3", "TEST.ENABLE", "False"]
    run.run(load_config(tiny_yaml, keys))
    assert epochs == [1, 2]
    said = (tmp_path / "out/stdout.log").read_text()
    assert said.count('"_type": "val_epoch"') == 1
