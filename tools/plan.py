"""`timesformer plan` as a script: python tools/plan.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("plan")
