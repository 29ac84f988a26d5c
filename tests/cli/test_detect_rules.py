"""The options of ``timesformer detect`` that say how scores become segments."""

from timesformer.cli.detect_rules import RuleOptions
from timesformer.detection.rules import SegmentRules
from timesformer.detection.rules_file import write_rules


def test_options_precede_the_file_and_the_file_precedes_the_defaults(tmp_path):
    write_rules(tmp_path / "r.yaml", SegmentRules(onset=0.7, min_on=3.0))
    assert RuleOptions().segment_rules() == SegmentRules()
    found = RuleOptions(tmp_path / "r.yaml", min_on=0.0, classes_at_once="likeliest")
    assert found.segment_rules() == SegmentRules(onset=0.7, min_on=0.0, classes="likeliest")
