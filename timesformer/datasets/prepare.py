"""Lists for training from other annotation formats: train.csv, val.csv, test.csv and classes.txt."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tqdm import tqdm

from timesformer.datasets.annotation_formats import ANNOTATION_FORMATS
from timesformer.datasets.annotations import (
    AnnotatedClip,
    LocatedClip,
    Source,
    describe_unlisted,
    locate_clips,
)
from timesformer.datasets.film_formats import FILM_FORMATS
from timesformer.datasets.film_rows import FilmChoices, film_rows
from timesformer.datasets.list_text import ListError
from timesformer.datasets.splits import assign_splits, complete_splits
from timesformer.datasets.write_lists import Parts, write_lines, write_lists
from timesformer.io.terminal import hides_bars, printable
from timesformer.runtime.processes import process_pool
from timesformer.video import VideoError
from timesformer.video.encode import reencode

TIMEOUT = 3600.0  # seconds for one video; long ones are re-encoded in many minutes


class Prepared(NamedTuple):
    """The lists that were written."""

    lines: list[str]  # of a report
    num_failures: int  # videos that could not be re-encoded


class Resize(NamedTuple):
    """How videos are re-encoded; ``time_limit`` is in seconds for one video."""

    short_side: int
    num_processes: int
    time_limit: float = TIMEOUT


class Rows(NamedTuple):
    """Rows of lists as a format gives them, before they are checked and written."""

    entries: list[LocatedClip]
    class_names: Sequence[str]
    missing: Sequence[AnnotatedClip]
    lines: Sequence[str] = ()
    reports: Mapping[str, Sequence[str]] = {}  # OUT/<name>.txt -> its lines
    of_films: bool = False  # several rows are of one file
    background: int | None = None  # the label of seconds without an action


def prepare(
    source: Source,
    form: str,
    out: Path,
    *,
    shares: Mapping[str, float],
    seed: int,
    allow_missing: bool,
    resize: Resize | None = None,
    films: FilmChoices | None = None,
) -> Prepared:
    """Write the lists of annotations.

    Args:
        source: the videos and what is known of them.
        form: of the annotations, one of ANNOTATION_FORMATS or FILM_FORMATS.
        out: folder to write.
        shares: part of each class, or of the films, for val and test, where the format has no splits.
        seed: of a split that is made here, and of background.
        allow_missing: write the lists there are, even without train or val.
        resize: re-encode every video, under OUT/videos-<short side>.
        films: how films become rows; None: as by default.

    Raises:
        ListError: annotations, videos or labels that do not fit.
    """
    videos = source.videos
    if form in FILM_FORMATS:
        choices = films or FilmChoices()
        found = film_rows(source, form, choices, seed=seed, shares=shares)
        background = len(found.class_names) - 1 if choices.background else None
        rows = Rows(*found, of_films=True, background=background)
    else:
        rows = _clip_rows(source, form, seed=seed, shares=shares)
    names = rows.class_names
    parts = complete_splits(rows.entries, partial=allow_missing)
    failures: list[str] = []
    if resize:
        parts, failures = reencoded(parts, videos.root, out, resize)
    _check_labels(parts, names)
    write_lists(out, parts, names)
    unused = (*videos.describe_unused(), *describe_unlisted(videos, rows.entries))
    lines = [*map(printable, unused), *rows.lines]
    lines.append(_table(parts, rows, len(failures)))
    lines += _report("missing", [clip.name for clip in rows.missing], out)
    for name, texts in rows.reports.items():
        lines += _report(name, texts, out)
    lines += _report("failed", failures, out)
    lines.append(f"lists: {out}; train with DATA.PATH_TO_DATA_DIR {out}")
    return Prepared(lines, len(failures))


def _clip_rows(source: Source, form: str, *, seed: int, shares: Mapping[str, float]) -> Rows:
    """The rows of a format of clips, with a split each."""
    annotations = ANNOTATION_FORMATS[form](source)
    entries, missing = locate_clips(annotations.clips, source.videos)
    names = annotations.class_names
    return Rows(assign_splits(entries, seed=seed, shares=shares, names=names), names, missing)


def reencoded(parts: Parts, root: Path, out: Path, resize: Resize) -> tuple[Parts, list[str]]:
    """Re-encode every video of ``parts`` to OUT/videos-<short side>.

    Returns the parts that point there, and why some videos are not among them.

    Raises:
        ListError: a frame folder, which has nothing to re-encode; ``out`` within ``root``; no video
            of a list could be re-encoded.
    """
    paths = sorted({entry.path for part in parts.values() for entry in part})
    if folder := next((path for path in paths if path.is_dir()), None):
        raise ListError(f"--resize works on video files, but {folder} is a folder of frames")
    if out.resolve().is_relative_to(root.resolve()):
        raise ListError(
            f"--out {out} lies in --videos {root}, so the next run would take its videos for yours; "
            "choose another folder"
        )
    targets = _targets(paths, root, out / f"videos-{resize.short_side}")
    failures: dict[Path, str] = {}
    with process_pool(resize.num_processes) as pool:
        work = partial(reencode, short_side=resize.short_side, time_limit=resize.time_limit)
        waiting = {pool.submit(work, path, target): path for path, target in targets.items()}
        done = as_completed(waiting)
        bar = partial(tqdm, unit="video", desc=f"resize {resize.short_side}", disable=hides_bars())
        for future in bar(done, total=len(waiting)):
            if isinstance(error := future.exception(), VideoError):
                failures[waiting[future]] = str(error)
            elif error:
                raise error
    kept = {
        split: [e._replace(path=targets[e.path]) for e in part if e.path not in failures]
        for split, part in parts.items()
    }
    if not all(kept.values()):
        raise ListError(
            f"re-encoding left a list empty; the first: {next(iter(failures.values()))}"
        )
    return kept, sorted(failures.values())


def _targets(paths: Sequence[Path], root: Path, folder: Path) -> dict[Path, Path]:
    """Where each video goes: a/b.avi to a/b.mp4, or a/b.avi.mp4 where there is an a/b.mkv too."""
    stems = Counter(path.with_suffix("") for path in paths)
    targets = {}
    for path in paths:
        stem = path.with_suffix("") if stems[path.with_suffix("")] == 1 else path
        relative = stem.relative_to(root)
        targets[path] = folder / relative.with_name(f"{relative.name}.mp4")
    return targets


def _table(parts: Parts, rows: Rows, failed: int) -> str:
    """The table that a run prints."""
    table = {split: _row(part, split, rows) for split, part in parts.items()}
    labels = {label for part in parts.values() for entry in part for label in entry.labels}
    several = any(len(entry.labels) > 1 for part in parts.values() for entry in part)
    lines = [pd.DataFrame.from_dict(table, orient="index").to_string()]
    lines.append(f"missing: {len(rows.missing)}; not re-encoded: {failed}")
    lines.append(f"MODEL.NUM_CLASSES {len(rows.class_names) or max(labels) + 1}")
    if several:
        lines.append("DATA.MULTI_LABEL True MODEL.LOSS_FUNC bce_logit")
    return "\n".join(lines)


def _row(part: Sequence[LocatedClip], split: str, rows: Rows) -> dict[str, int]:
    """The numbers of one split."""
    counts = Counter(label for entry in part for label in entry.labels)
    num_background = 0 if rows.background is None else counts.pop(rows.background, 0)
    segments = {"segments": len(part) - num_background, "background": num_background}
    return {
        "videos": len({entry.path for entry in part}) if rows.of_films else len(part),
        **(segments if rows.of_films else {}),
        "classes": len(counts),
        "fewest": min(counts.values(), default=0),
        "most": max(counts.values(), default=0),
        "missing": sum(clip.split == split for clip in rows.missing),
    }


def _check_labels(parts: Parts, names: Sequence[str]) -> None:
    """Raise ListError if a label has no name, where there are names."""
    largest = max(label for part in parts.values() for entry in part for label in entry.labels)
    if names and largest >= len(names):
        raise ListError(f"label {largest} has no name: --classes names {len(names)} classes")


def _report(name: str, texts: Sequence[str], out: Path) -> list[str]:
    """Write ``texts`` into OUT/<name>.txt; a line that shows the first of them."""
    path = out / f"{name}.txt"
    path.unlink(missing_ok=True)
    if not texts:
        return []
    texts = [printable(text) for text in texts]
    write_lines(path, texts)
    more = ", ..." if len(texts) > 3 else ""
    return [f"{name}: {', '.join(texts[:3])}{more}; all in {path}"]
