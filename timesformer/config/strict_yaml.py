"""The one reader of YAML: of configuration files, their ``_BASE_``, and the ``cfg`` of checkpoints.

It takes plain data only. Refused are tags that make objects, keys that are given twice (YAML takes the
last one in silence), anchors that contain themselves, and text that grows beyond ``MOST_NODES`` values
when its aliases are replaced, is nested deeper than ``DEEPEST``, or is longer than ``MOST_BYTES``.
"""

import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from timesformer.errors import ConfigError
from timesformer.io.terminal import printable

MOST_BYTES = 1 << 20  # of a file; a configuration has about 4 KiB
MOST_NODES = 20_000  # values and keys; a configuration has about 300
DEEPEST = 32  # a configuration has 3 levels

_CORE = "tag:yaml.org,2002:"  # the tags that every YAML has, as !!float
_PLAIN = {
    _CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")
}


def read_yaml_file(path: Path) -> Any:
    """The data of a file.

    Raises:
        ConfigError: it cannot be read, is too long, is not UTF-8, or see ``read_yaml``.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(
                f"config file {printable(path)} is not a regular file; name a YAML file"
            )
        if status.st_size > MOST_BYTES:
            raise ConfigError(
                f"config file {printable(path)} has {status.st_size} bytes, and no configuration has "
                f"more than {MOST_BYTES}; name a YAML file"
            )
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{printable(path)}: not a readable YAML config: it is not UTF-8 ({error.reason}); save it "
            "as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"config file {printable(path)} cannot be read: {error.strerror}"
        ) from error
    return read_yaml(text, source=str(path))


def read_yaml(text: str, *, source: str) -> Any:
    """The data of a text; ``source`` names it in messages.

    Raises:
        ConfigError: it is not YAML, or more than plain data; with the line.
    """
    if len(text) > MOST_BYTES:
        raise ConfigError(
            f"{printable(source)}: {len(text)} characters are too many for a configuration"
        )
    try:
        return yaml.load(text, _StrictLoader)  # a SafeLoader
    except _Refused as error:
        raise ConfigError(f"{printable(source)}, {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(
            f"{printable(source)}: not a readable YAML config: {line}{_one_line(error.problem)}"
        ) from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise ConfigError(
            f"{printable(source)}: not a readable YAML config: {_one_line(error)}"
        ) from error


class _Refused(Exception):
    """Valid YAML that is not a configuration; the text begins with its line."""


class _StrictLoader(yaml.SafeLoader):
    """Counts nodes as if every alias were replaced, before anything is made of them."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._nodes = 0
        self._sizes: dict[int, int] = {}  # of nodes that have an anchor, by their identity

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, parent, index, line)
        tag = getattr(event, "tag", None)
        if tag not in (None, "!") and tag not in _PLAIN:
            shown = printable(str(tag).replace(_CORE, "!!")[:80])
            raise _Refused(f"line {line}: the tag {shown} makes objects; write plain values")
        if self._depth >= DEEPEST:
            raise _Refused(f"line {line}: nested deeper than {DEEPEST} levels")
        before = self._nodes
        self._count(1, line)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None:
            self._sizes[id(node)] = self._nodes - before
        return node

    def _alias(
        self, event: yaml.AliasEvent, parent: yaml.Node | None, index: Any, line: int
    ) -> yaml.Node | None:
        node = self.anchors.get(event.anchor)
        if node is not None and id(node) not in self._sizes:
            raise _Refused(f"line {line}: {printable(str(event.anchor)[:40])} contains itself")
        self._count(self._sizes.get(id(node), 0), line)
        return super().compose_node(parent, index)

    def _count(self, number: int, line: int) -> None:
        self._nodes += number
        if self._nodes > MOST_NODES:
            raise _Refused(
                f"line {line}: more than {MOST_NODES} values, with its aliases replaced; no "
                "configuration has as many"
            )

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused(f"line {line}: a key is a list or a mapping; write a name")
            if key.value in first and key.value != "<<":
                raise _Refused(
                    f"lines {first[key.value]} and {line}: {printable(key.value[:80])} is given "
                    "twice; remove one of them"
                )
            first.setdefault(key.value, line)
        return super().construct_mapping(node, deep=deep)


def _one_line(error: object) -> str:
    return printable(" ".join(str(error).split()))[:200]
