"""`timesformer prepare` as a script: python tools/prepare_data.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("prepare")
