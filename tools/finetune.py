"""`timesformer finetune` as a script: python tools/finetune.py --help."""

from timesformer.cli import run_tool

if __name__ == "__main__":
    run_tool("finetune")
