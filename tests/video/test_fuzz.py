"""Mutated copies of videos through every backend: no crash, no hang, each outcome counted.

The suite reads a few; ``python -m tests.video.test_fuzz 2000 [FOLDER]`` reads 2,000 copies of the
files of FOLDER (default: the shared videos) and prints the counts and the memory curve.
"""

import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.conftest import SHARED, numbered_frame, write_video
from timesformer.video import READERS, VideoError
from timesformer.video.sampling import ClipShape, clip_indices, view_place

SLOW_SECONDS = 20
MARKS = {"torchcodec": pytest.mark.torchcodec}  # skipped where it cannot be loaded


def flip_bits(data, rng, others):
    for at in rng.integers(0, len(data), size=int(rng.integers(1, 200))):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def flip_header(data, rng, others):
    for at in rng.integers(0, min(len(data), 2000), size=int(rng.integers(1, 20))):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def truncate(data, rng, others):
    return data[: int(rng.integers(0, len(data)))]


def blank(data, rng, others):
    at = int(rng.integers(0, len(data)))
    data[at : at + int(rng.integers(1, 50_000))] = 0
    return data


def splice(data, rng, others):
    """The header of another file, or its middle, on this one's rest."""
    other = others[int(rng.integers(len(others)))]
    cut = int(rng.integers(1, min(len(data), len(other), 5000)))
    return np.concatenate([other[:cut], data[cut:]])


def repeat(data, rng, others):
    at, size = int(rng.integers(0, len(data))), int(rng.integers(1, 20_000))
    return np.concatenate([data[: at + size], data[at:]])


MUTATIONS = (flip_bits, flip_header, truncate, blank, splice, repeat)


def mutated(files, seed):
    """Copy number ``seed``: its bytes and the suffix of its origin."""
    rng = np.random.default_rng(seed)
    path = files[int(rng.integers(len(files)))]
    others = [np.fromfile(files[int(rng.integers(len(files)))], np.uint8)]
    mutation = MUTATIONS[seed % len(MUTATIONS)]
    return mutation(np.fromfile(path, np.uint8), rng, others), path.suffix


def outcome(seed, files, backend):
    """Read one copy: what happened, and the memory of this process afterwards, in MiB."""
    data, suffix = mutated(files, seed)
    shape = ClipShape(8, 32, 30)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"copy{suffix}"
        data.tofile(path)
        started = time.monotonic()
        try:
            frames = READERS[backend](
                path,
                lambda t: clip_indices(t, shape, view_place(0, 1, "official"))[None],
                time_limit=SLOW_SECONDS,
            )
            assert frames.images.dtype == np.uint8
            assert frames.images.ndim == 4
            kind = "frames"
        except VideoError as error:
            kind = _kind(str(error), str(path))
        if time.monotonic() - started > SLOW_SECONDS + 10:
            kind = "hang"
    return kind, psutil.Process().memory_info().rss / 2**20


def _kind(message, path):
    assert path in message
    return message.split("(")[1].split(":")[0] if "(" in message else message.removeprefix(path)


def fuzz(files, seeds, backend):
    """Counts of outcomes; a crash of the decoder counts as one, and names its seed."""
    counts, memory = Counter(), []
    with ProcessPoolExecutor(1) as pool:
        for seed in seeds:
            try:
                kind, used = pool.submit(
                    partial(outcome, files=files, backend=backend), seed
                ).result()
            except BrokenProcessPool:
                return Counter({f"crash at seed {seed}": 1}), memory
            counts[kind] += 1
            memory.append(used)
    return counts, memory


BACKENDS = [pytest.param(name, marks=MARKS.get(name, ())) for name in sorted(READERS)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_mutated_files_neither_crash_nor_hang(tmp_path, backend):
    files = []
    for name, gop in (("a.mp4", "12"), ("b.mkv", "5"), ("c.avi", "30")):
        frames = [numbered_frame(i) for i in range(60)]
        files.append(write_video(tmp_path / name, frames, options={"g": gop}))
    counts, _ = fuzz(files, range(90), backend)
    assert sum(counts.values()) == 90, counts
    assert not any(kind.startswith(("crash", "hang")) for kind in counts), counts
    assert 0 < counts["frames"] < 90, counts


def main():
    total = int(sys.argv[1])
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else SHARED / "videos"
    files = sorted(path for path in folder.iterdir() if path.suffix in (".mp4", ".mkv", ".avi"))
    files = [path for path in files if path.stat().st_size < 1_000_000]
    for backend in sorted(READERS):
        started = time.monotonic()
        counts, memory = fuzz(files, range(total), backend)
        print(backend, f"{time.monotonic() - started:.0f} s", dict(counts.most_common()))
        print("memory, MiB:", [round(used) for used in memory[:: max(total // 10, 1)]])


if __name__ == "__main__":
    main()
