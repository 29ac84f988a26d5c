"""`timesformer train` as a script: python tools/run_net.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("train")
