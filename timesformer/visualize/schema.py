"""Which version of report.json and compare.json the pages draw."""

from collections.abc import Mapping
from typing import Any

from timesformer.errors import InputError
from timesformer.io.terminal import printable

SCHEMA_VERSION = 1


class SchemaError(InputError, ValueError):
    """Numbers of another version, or of another page."""


def require_schema(numbers: Mapping[str, Any], kind: str) -> None:
    """Raise a SchemaError unless ``numbers`` are a ``kind``, report or comparison, of this version."""
    found, version = numbers.get("kind"), numbers.get("schema_version")
    if found != kind:
        raise SchemaError(f"the numbers are not those of a {kind} (kind {printable(str(found))})")
    if version != SCHEMA_VERSION:
        raise SchemaError(
            f"the {kind} has the schema {printable(str(version))}, and this version draws the schema "
            f"{SCHEMA_VERSION}; make it again from the predictions"
        )
