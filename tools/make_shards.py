"""Pack the videos of lists into tar shards of the WebDataset layout, and write lists that name them.

    python tools/make_shards.py data/kinetics/train.csv data/kinetics/val.csv --out /fast/kinetics
    python tools/run_net.py --cfg FILE DATA.PATH_TO_DATA_DIR /fast/kinetics

writes, for a list ``train.csv`` of lines ``path label``,

    DIR/train/shard-000000.tar              members 000000.mp4 000000.cls 000000.json, ...
    DIR/train/shard-000000.tar.index.json   where its members lie
    DIR/train/shards.json                   the arguments that decided the content
    DIR/train.csv                           lines ``train/shard-000000.tar::000000.mp4 label``

A member's number is its line in the list, .cls holds its label, .json its original path, label and
SHA-256. Videos lie in the shards in an order drawn from ``--seed``, for readers that go through them
one after the other; the list keeps its order, so training from it gives the same clips as from the
files. The same arguments give the same bytes. A shard appears when it is whole, and the list last:
the same command again goes on where it was interrupted.
"""

import argparse
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple, NoReturn
from urllib.parse import urlsplit

from timesformer.command import arm, command, leave

if __name__ == "__main__":
    arm()

import numpy as np
from tqdm import tqdm

from timesformer.datasets.lists import read_kinetics
from timesformer.errors import InputError
from timesformer.video import remote, shards, sources

FORMAT = 1  # raise it when the same arguments give other shards than before
ANY_LABEL = 2**31  # labels are checked against MODEL.NUM_CLASSES by the run, not here
TAR_BLOCK = 512
HEADERS = 5 * TAR_BLOCK  # three headers, and the blocks of .cls and .json
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class Item(NamedTuple):
    """Video ``number`` of a list."""

    number: int
    path: str
    label: int
    size: int  # bytes

    @property
    def member(self) -> str:
        """Name in the shard; WebDataset takes what precedes the first dot as the key."""
        path = urlsplit(self.path).path if remote.is_url(self.path) else self.path
        suffix = Path(shards.split_member(path)[1] or path).suffix.lower()
        return f"{self.number:06d}{suffix if re.fullmatch(r'[.][a-z0-9]+', suffix) else '.bin'}"


class Shard(NamedTuple):
    """A tar to write, and what it will hold."""

    path: Path
    items: list[Item]


class Digest:
    """A file that is read once, forwards, and hashed on the way."""

    def __init__(self, file: IO[bytes], bar: "tqdm[NoReturn]") -> None:
        self.file, self.bar, self.sha = file, bar, hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.sha.update(data)
        self.bar.update(len(data))
        return data


class ShardError(InputError, ValueError):
    """Shards that cannot be written, or are not what they should be; the message says why."""


def make_shards(
    origin: Path, out: Path, *, prefix: str, separator: str, shard_size: int, seed: int
) -> int:
    """Write the shards and the list of one list; returns how many shards there are.

    Raises:
        ListError, ShardError, OSError: a bad list, missing videos, or a folder with other shards.
    """
    items = read_items(origin, prefix=prefix, separator=separator)
    folder = out / origin.stem
    planned = plan(items, folder, shard_size=shard_size, seed=seed)
    begun = start(folder, recipe(items, shard_size, seed))
    if begun and (out / origin.name).exists() and all(map(is_complete, planned)):
        print(f"{out / origin.name}: complete already, nothing to do")
        return len(planned)
    total = sum(item.size for item in items)
    with tqdm(total=total, unit="B", unit_scale=True, desc=origin.stem) as bar:
        for shard in planned:
            if is_complete(shard):
                bar.update(sum(item.size for item in shard.items))
            else:
                write_shard(shard, bar)
    place = {item.number: f"{folder.name}/{s.path.name}" for s in planned for item in s.items}
    lines = [f"{place[item.number]}::{item.member} {item.label}\n" for item in items]
    write_whole(out / origin.name, "".join(lines))
    return len(planned)


def read_items(origin: Path, *, prefix: str, separator: str) -> list[Item]:
    """The videos of a list, with their sizes."""
    if origin.suffix != ".csv":
        raise ShardError(f"{origin}: the name of a list ends in .csv; rename it")
    videos = read_kinetics(
        origin.parent, origin.stem, prefix=prefix, separator=separator, num_classes=ANY_LABEL
    )
    if missing := videos.missing():
        raise ShardError(
            f"{origin}: {len(missing)} of {len(videos.labels)} videos do not exist "
            f"({', '.join(missing[:3])}); pass --prefix with their folder, or remove these lines"
        )
    with ThreadPoolExecutor(sources.CHECKS_AT_ONCE) as pool:
        sizes = list(pool.map(sources.size_of, videos.sources))
    rows = zip(videos.sources, videos.labels.tolist(), sizes, strict=True)
    return [Item(number, *row) for number, row in enumerate(rows)]


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
        if record.read_text() != text:
            raise ShardError(
                f"{folder} holds shards of another list, size or seed; choose another folder or "
                "delete this one"
            )
        return True
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(record, text)
    return False


def is_complete(shard: Shard) -> bool:
    """Whether an earlier run wrote the shard to its end."""
    index = Path(shards.index_path(shard.path))
    if not shard.path.exists() or not index.exists():
        return False
    return bool(json.loads(index.read_text())["bytes"] == shard.path.stat().st_size)


def write_shard(shard: Shard, bar: "tqdm[NoReturn]") -> None:
    """Write the tar and then its index, whole or not at all."""
    partial = shard.path.with_suffix(".tar.partial")
    with tarfile.open(partial, "w") as tar:
        for item in shard.items:
            key = item.member.split(".")[0]
            with sources.open_binary(item.path) as file:
                digest = Digest(file, bar)
                tar.addfile(header(item.member, item.size), digest)  # type: ignore[arg-type]
            facts = {"path": item.path, "label": item.label, "sha256": digest.sha.hexdigest()}
            for suffix, text in (("cls", str(item.label)), ("json", json.dumps(facts))):
                data = text.encode()
                tar.addfile(header(f"{key}.{suffix}", len(data)), io.BytesIO(data))
    with open(partial, "rb") as file:
        members = shards.walk_tar(file)
    partial.replace(shard.path)
    index = {"bytes": shard.path.stat().st_size, "members": members}
    write_whole(Path(shards.index_path(shard.path)), json.dumps(index))


def header(name: str, size: int) -> tarfile.TarInfo:
    """Without times and users, so that the same videos give the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def write_whole(path: Path, text: str) -> None:
    """Write a whole file or none."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", errors="surrogateescape")
    partial.replace(path)


def verify(out: Path, name: str) -> None:
    """Read every video of the written list back: content, label, index and number of videos.

    Raises:
        ShardError: all that is not as it was written.
    """
    videos = read_kinetics(out, name, prefix=str(out), separator=" ", num_classes=ANY_LABEL)
    rows = list(zip(videos.sources, videos.labels.tolist(), strict=True))
    problems = [text for row in tqdm(rows, desc=f"verify {name}") for text in flaws(*row)]
    for shard in sorted({shards.split_member(path)[0] for path, _ in rows}):
        with open(shard, "rb") as file:
            if shards.walk_tar(file) != shards.tar_index(shard):
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


def byte_size(text: str) -> int:
    """Argument type: 256MB, 1GB, 1000000."""
    match = re.fullmatch(r"(\d+)([KMG]B)?", text.strip().upper())
    if not match or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it as 256MB or 1GB")
    return int(match[1]) * UNITS[match[2] or ""]


def seed_number(text: str) -> int:
    """Argument type: 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, at least 0")
    return int(text)


@command("make_shards.py", interrupted="the same command goes on")
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description="Pack the videos of lists into tar shards of the WebDataset layout.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("lists", nargs="+", type=Path, help="csv files of lines `path label`")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--prefix", default="", help="folder or URL of the videos")
    parser.add_argument("--separator", default=" ", help="between path and label")
    parser.add_argument("--shard-size", type=byte_size, default="256MB", help="of a tar, at most")
    parser.add_argument("--seed", type=seed_number, default=0, help="decides the order in shards")
    parser.add_argument("--verify", action="store_true", help="read every shard back")
    args = parser.parse_args()
    clash = len({path.name for path in args.lists}) < len(args.lists)
    if clash or any(os.path.abspath(p.parent) == os.path.abspath(args.out) for p in args.lists):
        parser.error("lists need different names, and --out another folder than theirs")
    options = {"prefix": args.prefix, "separator": args.separator}
    for path in args.lists:
        count = make_shards(path, args.out, shard_size=args.shard_size, seed=args.seed, **options)
        if args.verify:
            verify(args.out, path.stem)
        print(f"{args.out / path.name}: {count} shards" + ", verified" * args.verify)


if __name__ == "__main__":
    leave(main())
