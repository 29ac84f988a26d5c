"""The rules of segments as YAML: what ``detect --tune`` writes and ``detect --rules`` reads."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import yaml

from timesformer.config.strict_yaml import read_yaml_file
from timesformer.detection.rules import RulesError, SegmentRules
from timesformer.files import write_atomically
from timesformer.io.terminal import printable

FILE = "rules.yaml"  # in the folder of the results


def write_rules(path: Path, rules: SegmentRules) -> None:
    """Write all rules; WriteError if the file cannot be written."""
    with write_atomically(path, option="--out") as file:
        yaml.safe_dump(asdict(rules), file, sort_keys=False)


def read_rules(path: Path) -> SegmentRules:
    """The rules of a file; those that it lacks have their defaults.

    Raises:
        ConfigError: it cannot be read.
        RulesError: it holds something else, or rules that exclude each other.
    """
    found: Any = read_yaml_file(path)
    names = {field.name: field.type for field in fields(SegmentRules)}
    if not isinstance(found, dict):
        raise RulesError(f"{printable(path)} holds no rules; write lines as `onset: 0.5`")
    for name, value in found.items():
        if name not in names:
            raise RulesError(
                f"{printable(path)}: {printable(name)} is not a rule; rules are {', '.join(names)}"
            )
        if names[name] is float and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise RulesError(
                f"{printable(path)}: {name} is {printable(value)!r}, and must be a number"
            )
    return SegmentRules(**found)
