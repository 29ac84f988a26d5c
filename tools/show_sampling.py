"""`timesformer sampling` as a script: python tools/show_sampling.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("sampling")
