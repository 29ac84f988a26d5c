"""`timesformer features` as a script: python tools/extract_features.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("features")
