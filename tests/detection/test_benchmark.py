"""``timesformer benchmark detect``: four ways side by side."""

import re

from tests.cli.conftest import run_here, weights  # noqa: F401
from timesformer.detection.benchmark import Costs, format_costs


def test_the_table_says_how_the_ways_compare():
    text = format_costs(Costs(6.0, 1.5, 0.3, 0.25, 12, 99, 100))
    assert (
        "naive / detect 4.00, reading / decode 1.20, 12 windows, 99 frames decoded of 100" in text
    )


def test_a_film_is_measured(run_here, weights, numbered_video):  # noqa: F811
    video = numbered_video(60)
    words = ("detect", video, "--weights", weights, "--stride", 0.2, "--repeats", 1)
    status, text, error = run_here("benchmark", *words)
    assert (status, error) == (0, "")
    for name in ("naive", "detect", "reading", "decode"):
        assert re.search(rf"^{name} +\d", text, re.MULTILINE)
    assert re.search(r"8 windows, \d+ frames decoded of 60", text)
