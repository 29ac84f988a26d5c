"""Which videos are the same: by their bytes, or by what is seen in them.

Looks the same: in every cell of three small pictures (8 x 9 cells, at 1/4, 1/2 and 3/4 of the
video), brightness without mean and contrast of the picture differs by at most NEAR standard
deviations, and the durations by at most NEAR_SECONDS. Of 58 real videos, 30 re-encodings (x264 at
crf 35, half size, mpeg4 at 200 kbit/s) differ by at most 0.15, two recordings of one person before
one wall by at least 0.58. Pictures that are nearly uniform say nothing and are not compared.
"""

import numpy as np

from timesformer.datasets.checks.video_info import COLUMNS, PICTURES_AT, ROWS
from timesformer.datasets.scan_index import ScanRow

NEAR = 0.3  # standard deviations
NEAR_SECONDS = 0.5
LEAST_CONTRAST = 4.0  # gray levels, standard deviation of a picture
SEARCHED_CELLS = 8  # the most different cells of a data set, in which neighbours are looked for
CHUNK = 4096  # videos that are looked up at once


def same_bytes(rows: dict[str, ScanRow]) -> dict[str, str]:
    """Videos that have the bytes of an earlier one, and that one."""
    first: dict[str, str] = {}
    found = {}
    for video, row in rows.items():
        if row.content and row.size:
            original = first.setdefault(row.content, video)
            if original != video:
                found[video] = original
    return found


def same_look(rows: dict[str, ScanRow]) -> dict[str, str]:
    """Videos that look like an earlier one with other bytes, and that one."""
    names, looks = [], []
    for video in rows.keys() - same_bytes(rows).keys():
        look = _look(rows[video].picture)
        if look is not None:
            names.append(video)
            looks.append(look)
    if len(names) < 2:
        return {}
    place = {video: i for i, video in enumerate(rows)}
    order = sorted(range(len(names)), key=lambda i: place[names[i]])
    names, looks = [names[i] for i in order], [looks[i] for i in order]
    found: dict[str, str] = {}
    for first, second in _near_pairs(np.stack(looks)):
        a, b = names[first], names[second]
        close = abs(rows[a].duration_seconds - rows[b].duration_seconds) <= NEAR_SECONDS
        if close and b not in found:
            found[b] = found.get(a, a)
    return found


def _look(picture: str) -> np.ndarray | None:
    """The cells of a picture without mean and contrast, (cells,); None if they say nothing."""
    if not picture:
        return None
    cells = np.frombuffer(bytes.fromhex(picture), np.uint8).astype(np.float32)
    cells = cells.reshape(len(PICTURES_AT), ROWS * COLUMNS)
    contrast = cells.std(axis=1, keepdims=True)
    if contrast.min() < LEAST_CONTRAST:
        return None
    look: np.ndarray = (cells - cells.mean(axis=1, keepdims=True)) / contrast
    return look.ravel()


def _near_pairs(looks: np.ndarray) -> list[tuple[int, int]]:
    """Pairs i < j of rows of (N, cells) that differ by at most NEAR in every cell, in order of i."""
    from sklearn.neighbors import KDTree  # slow to import

    telling = np.argsort(looks.std(axis=0))[-SEARCHED_CELLS:]
    tree = KDTree(looks[:, telling], metric="chebyshev")
    pairs = []
    for start in range(0, len(looks), CHUNK):
        nearby = tree.query_radius(looks[start : start + CHUNK, telling], NEAR)
        for i, others in enumerate(nearby, start=start):
            later = np.sort(others[others > i])
            near = np.abs(looks[later] - looks[i]).max(axis=1, initial=0) <= NEAR
            pairs += [(i, int(j)) for j in later[near]]
    return pairs
