import pytest

from timesformer.engine.early_stopping import EarlyStopping


@pytest.mark.parametrize(
    ("metric", "values"), [("top1_err", [50, 40, 45, 40, 39]), ("map", [0.1, 0.3, 0.2, 0.3, 0.4])]
)
def test_only_what_is_better_is_best_and_patience_ends(metric, values):
    best, never = EarlyStopping(patience=2), EarlyStopping(patience=0)
    judged, over = [], []
    for epoch, value in enumerate(values):
        assert best.update({metric: value, "videos": 7}, epoch) == never.update(
            {metric: value}, epoch
        )
        judged.append(best.epoch)
        over.append(best.is_over)
        resumed = EarlyStopping(patience=2)
        resumed.load_state_dict(best.state_dict())
        best = resumed
    assert judged == [0, 1, 1, 1, 4]
    assert over == [False, False, False, True, False]
    assert not never.is_over


def test_a_score_that_is_no_number_is_never_best():
    best = EarlyStopping(patience=1)
    assert not best.update({"map": float("nan")}, 0)
    assert best.is_over
