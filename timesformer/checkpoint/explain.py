"""Why a file cannot be read as weights, in words: by what it begins with, and what it is instead."""

from pathlib import Path

from timesformer.io.terminal import first_line, printable

_NO_WEIGHTS = (
    (b"version https://git-lfs", "a pointer of Git LFS: fetch the file itself with `git lfs pull`"),
    (b"<!doctype html", "a web page: download the file again"),
    (b"<html", "a web page: download the file again"),
)


def explain(path: Path, error: Exception) -> str:
    """The message about a file or folder whose parser raised ``error``."""
    name = printable(path)
    if path.is_dir():
        return (
            f"sharded checkpoint {name} cannot be read ({type(error).__name__}: "
            f"{first_line(error)}); it is not whole: copy the folder again"
        )
    with path.open("rb") as file:
        head = file.read(256).lstrip().lower()
    for start, what in _NO_WEIGHTS:
        if head.startswith(start):
            return f"checkpoint {name} is not a weights file, but {what}"
    if video := _video(path):
        return (
            f"checkpoint {name} is not a weights file, but {video}; weights are wanted here, as .pyth, "
            ".pt or .safetensors"
        )
    return (
        f"checkpoint {name} cannot be read ({path.stat().st_size} bytes, {type(error).__name__}: "
        f"{first_line(error)}); it is truncated or not a PyTorch file: copy it again"
    )


def _video(path: Path) -> str:
    """What a video or picture is, in words; empty for anything else, and for lists of other files."""
    import av

    from timesformer.io.opening import local_url, open_media

    try:
        with open_media(local_url(path), name=path) as container:
            stream = container.streams.video[0]
            next(container.decode(stream))
            size = f"{stream.codec_context.width} x {stream.codec_context.height}"
            kind = "a picture" if container.format.name.endswith("_pipe") else "a video"
            return f"{kind} ({stream.codec_context.name}, {size})"
    except (av.error.FFmpegError, OSError, IndexError, StopIteration, ValueError):
        return ""
