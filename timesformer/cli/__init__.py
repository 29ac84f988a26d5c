"""The command line: ``timesformer COMMAND``, ``python -m timesformer COMMAND``, and the published tools.

One file a command; nothing slow is imported before a command runs.
"""

import sys
from pathlib import Path
from typing import NoReturn

from timesformer.cli.app import run
from timesformer.cli.ending import arm, leave


def main() -> NoReturn:
    """Run the command that the command line names."""
    arm()
    leave(run(sys.argv[1:]))


def run_tool(name: str) -> NoReturn:
    """Run the command ``name`` with the command line of a tool, which keeps its own name."""
    arm()
    leave(run(sys.argv[1:], name=name, prog=Path(sys.argv[0]).name))
