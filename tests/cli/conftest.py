"""Commands in this process, and what they are given."""

import pytest

from timesformer.cli.app import run
from timesformer.io.terminal import set_verbosity


@pytest.fixture
def run_here(capsys):
    """Run a command: (status, what it printed, its errors)."""

    def run_command(name, *words):
        status = run([str(word) for word in words], name=name, prog=f"timesformer {name}")
        return status, *capsys.readouterr()

    yield run_command
    set_verbosity(0)


@pytest.fixture
def weights(trained):
    """A checkpoint of the tiny configuration."""
    return trained()[1]
