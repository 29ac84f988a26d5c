"""Rules as YAML."""

import pytest

from timesformer.config import ConfigError
from timesformer.detection.rules import RulesError, SegmentRules
from timesformer.detection.rules_file import read_rules, write_rules


def test_rules_are_read_as_they_were_written(tmp_path):
    for rules in (
        SegmentRules(),
        SegmentRules(0.7, 0.2, 0.0, 3.0, 0.5, "median:5", "likeliest", "ä"),
    ):
        write_rules(tmp_path / "rules.yaml", rules)
        assert read_rules(tmp_path / "rules.yaml") == rules


def test_rules_that_lack_have_their_defaults(tmp_path):
    (tmp_path / "rules.yaml").write_text("onset: 1\n")
    assert read_rules(tmp_path / "rules.yaml") == SegmentRules(onset=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "holds no rules; write lines as `onset: 0.5`"),
        ("onsett: 1", "onsett is not a rule; rules are onset, offset"),
        ("onset: high", "onset is 'high', and must be a number"),
        ("onset: true", "onset is 'True', and must be a number"),
        ("onset: 0.1", "onset 0.1 is below offset 0.35"),
    ],
)
def test_what_is_not_a_rule_is_named(tmp_path, text, message):
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(RulesError, match=message):
        read_rules(tmp_path / "rules.yaml")


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigError, match="absent.yaml"):
        read_rules(tmp_path / "absent.yaml")
