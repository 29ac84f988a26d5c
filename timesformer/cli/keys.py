"""List configuration keys with their defaults, choices and meaning.

PATTERN is a part of a name in any case, or with * and ? a whole name.

$ timesformer keys
$ timesformer keys lr
$ timesformer keys "solver.*lr*"
"""

import textwrap
from typing import Annotated

import typer

from timesformer.cli.app import command


@command()
def main(
    pattern: Annotated[str, typer.Argument(show_default=False, help="Default: all keys.")] = "",
) -> None:
    """Print the rows of the keys."""
    from timesformer.config.keys import find, unknown
    from timesformer.errors import ConfigError

    found = find(pattern)
    if not found:
        raise ConfigError(unknown(pattern))
    for key in found:
        default = '""' if key.default == "" else key.default
        print(f"{key.name}  {default}  ({key.allowed})")
        print(textwrap.indent(textwrap.fill(key.meaning, 96), "    "))
