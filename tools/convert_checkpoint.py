"""`timesformer convert` as a script: python tools/convert_checkpoint.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("convert")
