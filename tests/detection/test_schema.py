"""report.json of detect-eval and watch-eval fits the schema that ships with the package."""

import json
from importlib.resources import files

import jsonschema
import pytest

from tests.detection.made import made_detection_report
from tests.detection.online_evaluation.made import made_stream_report
from timesformer.io.json_text import json_text

SCHEMA = json.loads(files("timesformer.detection").joinpath("schema.json").read_text())


@pytest.mark.parametrize(
    "report",
    [
        made_detection_report(),
        made_stream_report(),
        made_stream_report(noise=9, speed=None, fps=24),
    ],
    ids=["detection", "online", "without latency"],
)
def test_reports_fit(report):
    value = json.loads(json_text(report))
    valid = jsonschema.Draft202012Validator(SCHEMA)
    valid.validate(value)
    for name in ("warnings", "per_class"):
        assert not valid.is_valid({key: each for key, each in value.items() if key != name})
    assert not valid.is_valid(value | {"more": 1})


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
