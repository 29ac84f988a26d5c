"""Help and wrong options are answered before anything slow is imported."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

TOOLS = sorted((ROOT / "tools").glob("*.py"))
SLOW = {"torch", "av", "cv2", "yaml", "pandas"}
NEEDED = {"make_motion_dataset.py": {"av", "cv2", "pandas"}}  # all its functions draw


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_help_imports_nothing_slow(tool):
    code = (
        f"import runpy, sys; sys.argv = [{tool.name!r}, '--help']\n"
        f"try: runpy.run_path({str(tool)!r}, run_name='__main__')\n"
        "except SystemExit as e: assert e.code == 0\n"
        f"sys.exit(', '.join({SLOW - NEEDED.get(tool.name, set())} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {tool.name}")
