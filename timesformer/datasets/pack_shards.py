"""Pack the videos of a list into tar shards of the WebDataset layout, and write a list that names them.

For a list ``train.csv`` of lines ``path label`` it writes

    OUT/train/shard-000000.tar              members 000000.mp4 000000.cls 000000.json, ...
    OUT/train/shard-000000.tar.index.json   where its members lie
    OUT/train/shards.json                   the arguments that decided the content
    OUT/train.csv                           lines ``train/shard-000000.tar::000000.mp4 label``
    OUT/classes.txt                         the names of the classes, if there is one beside the list

A member's number is its line in the list, .cls holds its label, .json its original path, label and
SHA-256. A shard appears when it is whole, and the list last.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from math import nan
from pathlib import Path

import numpy as np
from tqdm import tqdm

from timesformer.datasets.class_names import FILE, read_class_names
from timesformer.datasets.lists import VideoList, read_list_file
from timesformer.datasets.write_lists import row_line, write_lines
from timesformer.errors import InputError
from timesformer.files import write_atomically
from timesformer.io.opening import require_regular
from timesformer.io.terminal import hides_bars, printable
from timesformer.io.timelimit import map_in_threads
from timesformer.video import shards, sources
from timesformer.video.shard_writer import (
    HEADERS,
    Item,
    Shard,
    is_complete,
    saved_index,
    write_shard,
)
from timesformer.video.shards import TAR_BLOCK

FORMAT = 1  # raise it when the same arguments give other shards than before


class ShardError(InputError, ValueError):
    """Shards that cannot be written, or are not what they should be; the message says why."""


def make_shards(
    origin: Path, out: Path, *, prefix: str, separator: str, shard_size: int, seed: int
) -> tuple[int, bool]:
    """Write the shards and the list of one list: how many there are, and whether any is new.

    Raises:
        ListError, ShardError, OSError: a bad list, missing videos, or a folder with other shards.
    """
    if origin.suffix != ".csv":
        raise ShardError(f"{origin}: the name of a list ends in .csv; rename it")
    videos = read_list_file(origin, prefix=prefix, separator=separator)
    items = items_of(videos)
    folder = out / origin.stem
    planned = plan(items, folder, shard_size=shard_size, seed=seed)
    begun = start(folder, recipe(items, shard_size, seed))
    if begun and (out / origin.name).exists() and all(map(is_complete, planned)):
        return len(planned), False
    total = sum(item.size for item in items)
    with tqdm(
        total=total, unit="B", unit_scale=True, desc=origin.stem, disable=hides_bars()
    ) as bar:
        for shard in planned:
            if is_complete(shard):
                bar.update(sum(item.size for item in shard.items))
            else:
                write_shard(shard, bar.update)
    place = {item.number: f"{folder.name}/{s.path.name}" for s in planned for item in s.items}
    lines = []
    for item in items:
        start_end = videos.segment(item.number) or (nan, nan)
        name = f"{place[item.number]}::{item.member}"
        lines.append(row_line(name, [item.label], *start_end))
    copy_class_names(videos, out)
    write_lines(out / origin.name, lines)
    return len(planned), True


def items_of(videos: VideoList) -> list[Item]:
    """The videos of a list, with their sizes.

    Raises:
        ShardError: some do not exist, or are folders of frames.
        SourceError: one is not a regular file.
        TimeLimitError: a server does not answer.
    """
    if missing := videos.missing():
        raise ShardError(
            f"{videos.origin}: {len(missing)} of {len(videos.labels)} videos do not exist "
            f"({', '.join(map(printable, missing[:3]))}); pass --prefix with their folder, or remove "
            "these lines"
        )
    if folder := next((path for path in videos.sources if os.path.isdir(path)), ""):
        raise ShardError(
            f"{videos.origin}: {printable(folder)} is a folder of frames, but shards hold video files; "
            "make a video of it, or remove the line"
        )
    for path in filter(sources.is_local_file, videos.sources):
        require_regular(path)
    sizes = map_in_threads(
        sources.size_of,
        videos.sources,
        seconds=sources.CHECK_SECONDS,
        at_once=sources.CHECKS_AT_ONCE,
    )
    rows = zip(videos.sources, videos.labels.tolist(), sizes, strict=True)
    return [Item(number, *row) for number, row in enumerate(rows)]


def copy_class_names(videos: VideoList, out: Path) -> None:
    """Write the names of the classes beside the new list.

    Raises:
        ShardError: another list wrote other names there.
    """
    if not videos.class_names:
        return
    beside = out / FILE
    if beside.exists() and read_class_names(beside) != videos.class_names:
        raise ShardError(
            f"{beside} has other class names than {Path(videos.origin).with_name(FILE)}; pack the "
            "lists of one data set into one folder"
        )
    write_lines(beside, videos.class_names)


def plan(items: Sequence[Item], folder: Path, *, shard_size: int, seed: int) -> list[Shard]:
    """Which videos lie in which shard: a random order, cut before a shard would grow too large."""
    groups: list[list[Item]] = []
    filled = 0
    for number in np.random.default_rng(seed).permutation(len(items)):
        item = items[number]
        size = -(-item.size // TAR_BLOCK) * TAR_BLOCK + HEADERS
        if not groups or filled + size > shard_size:
            groups.append([])
            filled = 0
        groups[-1].append(item)
        filled += size
    return [Shard(folder / f"shard-{i:06d}.tar", group) for i, group in enumerate(groups)]


def recipe(items: Sequence[Item], shard_size: int, seed: int) -> str:
    """What decides the content of the shards, as the text of shards.json."""
    rows = hashlib.sha256(json.dumps(items).encode()).hexdigest()
    made_from = {"videos": len(items), "digest": rows, "shard_size": shard_size, "seed": seed}
    return json.dumps({"format": FORMAT, **made_from}, indent=1) + "\n"


def start(folder: Path, text: str) -> bool:
    """Whether ``folder`` was begun with the same recipe; begins it if it is new."""
    record = folder / "shards.json"
    if record.exists():
        if record.read_text(errors="replace") != text:
            raise ShardError(
                f"{folder} holds shards of another list, size or seed; choose another folder or "
                "delete this one"
            )
        return True
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(record, option="--out", newline="\n") as file:
        file.write(text)
    return False


def verify_shards(out: Path, name: str) -> None:
    """Read every video of the written list back: content, label, index and number of videos.

    Raises:
        ShardError: all that is not as it was written.
    """
    videos = read_list_file(out / f"{name}.csv", prefix=str(out))
    rows = list(zip(videos.sources, videos.labels.tolist(), strict=True))
    problems = [
        text
        for row in tqdm(rows, desc=f"verify {name}", disable=hides_bars())
        for text in flaws(*row)
    ]
    for shard in sorted({shards.split_member(path)[0] for path, _ in rows}):
        with open(shard, "rb") as file:
            walked = shards.walk_tar(file)
        if walked != saved_index(shard):
            problems.append(f"{shard}: its headers are not what its index says")
    written = json.loads((out / name / "shards.json").read_text())["videos"]
    if len(rows) != written:
        problems.append(f"{out / name}.csv has {len(rows)} videos, but {written} were written")
    if problems:
        shown = "\n".join(problems[:10])
        raise ShardError(f"{len(problems)} flaws in {out / name}; write the shards again:\n{shown}")


def flaws(path: str, label: int) -> Iterator[str]:
    """What is wrong with one member and its label."""
    key = path.rpartition(".")[0]
    try:
        with sources.open_binary(f"{key}.json") as file:
            facts = json.load(file)
        with sources.open_binary(f"{key}.cls") as file:
            labels = {label, facts["label"], int(file.read())}
        with sources.open_binary(path) as file:
            same = hashlib.sha256(file.read()).hexdigest() == facts["sha256"]
    except (OSError, ValueError, KeyError) as error:
        yield f"{path}: {type(error).__name__}: {error}"
        return
    if len(labels) > 1:
        yield f"{path}: the labels of list, .cls and .json differ: {sorted(labels)}"
    if not same:
        yield f"{path}: not the bytes of {facts['path']}"
