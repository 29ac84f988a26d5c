"""The table of models in Markdown: what a model is, what its run took, and its accuracy."""

import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from tests.evaluation.report.made import write_run
from timesformer.config import load_config
from timesformer.evaluation.compare import ResultError
from timesformer.evaluation.model_table import model_table
from timesformer.models import build_model


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_says_what_the_model_is_what_it_took_and_how_accurate_it_is(tmp_path):
    lstm, div = tmp_path / "lstm", tmp_path / "div"
    right = write_run(lstm, "Motion/CNN_lstm_6x6_32")
    write_run(div, "Motion/divST_6x6_32")
    head, rule, first, second = model_table([lstm, div], ["lstm", "div"]).splitlines()
    assert cells(head)[:3] == ["run", "model", "modality"]
    assert len(cells(head)) == len(cells(rule)) == len(cells(first))
    model = build_model(load_config("Motion/CNN_lstm_6x6_32"))
    count = sum(parameter.numel() for parameter in model.parameters())
    interval = binomtest(right, 60).proportion_ci(method="wilson")
    assert cells(first) == [
        "lstm", "timm/test_resnet+lstm", "rgb", f"{count / 1e6:.2f} M", "0.025", "1.6 min", "30",
        f"{100 * right / 60:.1f}", f"{100 * interval.low:.1f} .. {100 * interval.high:.1f}",
    ]  # fmt: skip
    assert cells(second)[1] == "TimeSformer, divided_space_time"


def test_the_cost_of_convolutions_and_linear_layers_is_their_products(tmp_path):
    """Counted by hooks, of which the table knows nothing."""
    model = build_model(load_config("Motion/CNN_mean_6x6_32")).eval()
    counts = []

    def of_conv(conv, _, out):
        counts.append(out.numel() * conv.weight[0].numel())

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(of_conv)
        if isinstance(module, nn.Linear):
            module.register_forward_hook(
                lambda linear, _, out: counts.append(out.numel() * linear.in_features)
            )
    model(torch.zeros(1, 3, 6, 32, 32))
    write_run(tmp_path, "Motion/CNN_mean_6x6_32")
    assert cells(model_table([tmp_path], ["mean"]).splitlines()[2])[4] == f"{sum(counts) / 1e9:.3f}"


def test_a_folder_that_is_no_run_is_named(tmp_path):
    write_run(tmp_path / "a", "Motion/divST_6x6_32")
    (tmp_path / "a/test_results.json").write_text("{}")
    with pytest.raises(
        ResultError, match="a has no readable results of a training and a test: Key"
    ):
        model_table([tmp_path / "a"], ["a"])
