import torch

from timesformer.engine.ema import EMA


def test_the_average_follows_its_formula_and_goes_on_from_a_checkpoint():
    model = torch.nn.Linear(1, 1, bias=False)
    average = EMA(model, decay=0.75)
    assert average.state_dict() == {}
    expected = None
    for value in (4.0, 8.0, 0.0, 2.0):
        model.weight.data.fill_(value)
        average.update()
        expected = value if expected is None else 0.75 * expected + 0.25 * value
        assert average.evaluated.weight.item() == expected
        resumed = EMA(model, decay=0.75)
        resumed.load_state_dict(average.state_dict())
        average = resumed
    assert list(average.state_dict()["ema_state"]) == ["model.weight"]


def test_without_decay_the_model_itself_is_evaluated():
    model = torch.nn.Linear(1, 1)
    average = EMA(model, decay=0.0)
    average.update()
    assert average.evaluated is model
    assert average.state_dict() == {}


def test_a_checkpoint_without_an_average_starts_one_from_its_weights():
    model = torch.nn.Linear(1, 1, bias=False)
    average = EMA(model, decay=0.5)
    average.load_state_dict({"model_state": {}})
    model.weight.data.fill_(3.0)
    average.update()
    assert average.evaluated.weight.item() == 3.0
    model.weight.data.fill_(7.0)
    assert average.evaluated.weight.item() == 3.0


def test_before_the_first_step_the_model_itself_is_evaluated():
    """As after resuming at the end of an epoch, before its validation."""
    model = torch.nn.Linear(1, 1, bias=False)
    average = EMA(model, decay=0.5)
    model.weight.data.fill_(3.0)
    average.load_state_dict({"model_state": {}})
    assert average.evaluated.weight.item() == 3.0
