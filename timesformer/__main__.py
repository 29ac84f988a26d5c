"""``python -m timesformer`` is the command ``timesformer``."""

from timesformer.cli import main

if __name__ == "__main__":
    main()
