"""`timesformer plot` as a script: python tools/plot_run.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("plot")
