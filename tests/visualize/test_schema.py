"""Numbers of another version are refused, not drawn in part."""

import pytest

from tests.visualize.made_report import made_comparison, made_report
from timesformer.visualize.report_page import render_comparison, render_report
from timesformer.visualize.schema import SchemaError


def test_a_report_of_an_old_schema_is_refused():
    for version in (0, 2, None):
        with pytest.raises(
            SchemaError, match=f"has the schema {version}, and this version draws the"
        ):
            render_report(made_report() | {"schema_version": version})
    with pytest.raises(SchemaError, match="make it again from the predictions"):
        render_comparison(made_comparison() | {"schema_version": 0})


def test_numbers_of_another_page_are_refused():
    with pytest.raises(SchemaError, match=r"not those of a comparison \(kind report\)"):
        render_comparison(made_report())
    with pytest.raises(SchemaError, match=r"not those of a report \(kind None\)"):
        render_report({})
