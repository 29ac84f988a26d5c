"""Tools in this process, and what they are given."""

import sys

import pytest


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Run an imported tool: (status, what it printed, its errors)."""

    def run(tool, *words):
        monkeypatch.setattr(sys, "argv", [f"{tool.__name__}.py", *map(str, words)])
        try:
            status = tool.main()
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def weights(trained):
    """A checkpoint of the tiny configuration."""
    return trained()[1]
