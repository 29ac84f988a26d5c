"""`timesformer shards` as a script: python tools/make_shards.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("shards")
