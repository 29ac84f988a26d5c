"""`timesformer benchmark` as a script: python tools/benchmark.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("benchmark")
