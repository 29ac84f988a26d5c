"""What scan processes of tests do with a file; a module of its own, because they import it.

Without torch, which takes seconds in every process.
"""

import os
from pathlib import Path

from timesformer.datasets.checks.video_info import VideoInfo


def inspect(path):
    """Notes that it was called; a file holds its number of frames, or a problem."""
    with open(Path(path).parent / "calls.log", "a") as log:
        log.write(Path(path).name + "\n")
    text = Path(path).read_text()
    if text == "abort":
        os.abort()
    return VideoInfo(frames=int(text), content=text) if text.isdigit() else VideoInfo(problem=text)
