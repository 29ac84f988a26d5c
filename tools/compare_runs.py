"""`timesformer compare` as a script: python tools/compare_runs.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("compare")
