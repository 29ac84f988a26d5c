"""`timesformer inspect` as a script: python tools/inspect_checkpoint.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("inspect")
