"""The shell scripts name what a bare machine lacks."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def fake_python(folder, body):
    path = folder / "python-fake"
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path):
    """The scripts and nothing installed."""
    folder = tmp_path / "checkout"
    (folder / "tools").mkdir(parents=True)
    for name in ("venv.sh", "quickstart.sh", "test.sh"):
        shutil.copy(ROOT / "tools" / name, folder / "tools")
    return folder


def run(checkout, script, python):
    return subprocess.run(
        ["bash", str(checkout / "tools" / script)],
        env={**os.environ, "PYTHON": str(python)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("script", ["quickstart.sh", "test.sh"])
def test_a_python_that_is_too_old_is_named_with_its_remedy(checkout, tmp_path, script):
    body = "print('Python 3.8.10') if '--version' in sys.argv else sys.exit(1)"
    result = run(checkout, script, fake_python(tmp_path, body))
    assert result.returncode == 1
    assert "Python 3.8.10, but Python 3.10 or newer is needed" in result.stderr
    assert f"PYTHON=python3.12 bash {checkout}/tools/{script}" in result.stderr


@pytest.mark.parametrize("script", ["quickstart.sh", "test.sh"])
def test_a_missing_venv_module_is_named_with_its_remedy(checkout, tmp_path, script):
    body = "sys.exit('ensurepip' in ' '.join(sys.argv))"
    result = run(checkout, script, fake_python(tmp_path, body))
    assert result.returncode == 1
    assert "has no venv module; install it: sudo apt-get install python3-venv" in result.stderr
    assert not (checkout / ".venv").exists()


def test_a_missing_interpreter_is_named(checkout):
    result = run(checkout, "test.sh", "/nowhere/python3")
    assert result.returncode == 1
    assert "Python 3.10 or newer" in result.stderr


def test_the_scripts_are_valid_bash():
    for path in [*ROOT.glob("tools/*.sh"), ROOT / ".ci/run"]:
        assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
