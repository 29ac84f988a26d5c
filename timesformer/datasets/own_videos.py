"""The videos of a folder to fine-tune on: of its lists if it has a train.csv, else its class folders."""

from pathlib import Path

from timesformer.datasets.annotations import SPLITS, LocatedClip
from timesformer.datasets.checks.listing import ListedVideo, read_listing
from timesformer.datasets.class_folders import ClassFolders, split_class_folders
from timesformer.datasets.class_names import FILE, class_names, names_beside
from timesformer.datasets.list_text import ListError
from timesformer.datasets.splits import complete_splits
from timesformer.io.terminal import printable

FIRST_LIST = "train.csv"


def own_videos(folder: Path, classes: str, *, seed: int) -> ClassFolders:
    """The videos of ``folder`` by split; ``seed`` decides the splits of class folders.

    Raises:
        ListError: those of ``split_class_folders`` and of ``listed_videos``.
    """
    if (folder / FIRST_LIST).is_file():
        return listed_videos(folder, classes)
    return split_class_folders(folder, classes, seed=seed)


def listed_videos(folder: Path, classes: str) -> ClassFolders:
    """The videos of train.csv, val.csv and test.csv; a missing one of the last two repeats the other.

    Raises:
        ListError: a wrong line, neither a val.csv nor a test.csv, or no names of classes: neither
            ``classes`` (a file or a known data set) nor a classes.txt.
    """
    names = class_names(classes) if classes else names_beside(folder / FIRST_LIST)
    if not names:
        raise ListError(
            f"{printable(folder)} has lists but no {FILE}; write one, a name a line, or pass --classes"
        )
    files = {split: folder / f"{split}.csv" for split in SPLITS}
    entries = [
        LocatedClip(Path(each.video), (each.label, *each.more), split, *each.part)
        for split, file in files.items()
        if file.is_file()
        for each in _lines(file)
    ]
    return ClassFolders(complete_splits(entries), names, [f"lists: those of {printable(folder)}"])


def _lines(file: Path) -> list[ListedVideo]:
    """The lines of a list, or a ListError on the first wrong one."""
    found = read_listing(file, prefix="", separator=" ")
    if found.problems:
        first = found.problems[0]
        raise ListError(f"{printable(file)}:{first.line}: {first.detail}")
    return found.entries
