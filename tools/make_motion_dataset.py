"""`timesformer make-motion-dataset` as a script: python tools/make_motion_dataset.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("make-motion-dataset")
