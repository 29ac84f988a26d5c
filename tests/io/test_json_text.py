"""JSON without nan, whatever is written."""

import json
import math

from timesformer.io.json_text import json_text


def test_numbers_that_json_has_not_are_null():
    value = {"a": [math.nan, -math.inf, 1.5], "b": ({"c": math.inf},), "é": "NaN", "n": 3}
    text = json_text(value)
    assert "NaN" not in text.replace('"NaN"', "")
    assert json.loads(text) == {"a": [None, None, 1.5], "b": [{"c": None}], "é": "NaN", "n": 3}
    assert json.loads(json_text(["é\udcff"]).encode()) == ["é\udcff"]
    assert "é" in json_text(["é"])
    assert json_text({"k": {1}}, default=str, indent=None) == '{"k": "{1}"}'
