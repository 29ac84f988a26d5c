"""`timesformer predict` as a script: python tools/predict.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("predict")
