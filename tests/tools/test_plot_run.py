"""tools/plot_run.py as a user calls it, in this process."""

import subprocess
import sys

import cv2
import pytest

from tests.conftest import ROOT
from tests.visualize.test_training_curves import table

sys.path.insert(0, str(ROOT / "tools"))
import plot_run


@pytest.fixture
def plot(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["plot_run.py", *map(str, arguments)])
        status = plot_run.main()
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_runs_become_a_picture_in_a_new_folder(plot, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        table(tmp_path / name)
    out = tmp_path / "pictures/curves.png"
    status, said, _ = plot(tmp_path / "one", tmp_path / "two", "--out", out)
    assert (status, said) == (0, f"{out}: one, two\n")
    picture = cv2.imread(str(out))
    assert picture.shape[1] > 1000
    assert picture.std() > 5


def test_bad_input_is_one_line(plot, tmp_path):
    status, _, said = plot(tmp_path / "gone")
    assert (status, said.count("\n")) == (2, 1)
    assert said.startswith("plot_run.py: error: ")
    status, _, said = plot(tmp_path, "--out", "x.svg")
    assert status == 2
    assert "--out is x.svg, but the picture is a PNG; end the name with .png" in said
    table(tmp_path)
    status, _, said = plot(tmp_path, "--out", tmp_path / "metrics.csv" / "x.png")
    assert status == 2
    assert "error: " in said


def test_help_needs_nothing_heavy():
    code = (
        "import runpy, sys; sys.argv = ['plot_run.py', '--help']\n"
        f"try: runpy.run_path({str(ROOT / 'tools/plot_run.py')!r}, run_name='__main__')\n"
        "except SystemExit as e: assert e.code == 0\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
