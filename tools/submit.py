"""`timesformer submit` as a script: python tools/submit.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("submit")
