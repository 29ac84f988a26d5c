"""The list that a configuration names for a split."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from timesformer.config import CfgNode, portable
from timesformer.datasets.list_text import ListError
from timesformer.datasets.lists import VideoList, read_kinetics, read_list_file
from timesformer.datasets.ssv2 import read_ssv2
from timesformer.tables import choose
from timesformer.video.remote import is_url

DATASETS: dict[str, Callable[..., VideoList]] = {"kinetics": read_kinetics, "ssv2": read_ssv2}

EXTRA = "extra"  # the split of DATA.EXTRA_TRAIN
TRAINED = ("train", EXTRA)  # the splits that are trained on


@dataclass(frozen=True)
class ListSource:
    """The list of a split: the file that names the videos, and how it is read (ListError of ``lists``)."""

    file: Path
    read: Callable[[], VideoList]


def build_list_source(cfg: CfgNode, split: str) -> ListSource:
    """The list of ``split``, whose labels are checked; with DATA.OVERFIT_BATCHES, val is the train list.

    That of ``test`` is the one that TEST.SPLIT names, that of ``extra`` the one of DATA.EXTRA_TRAIN.

    ``file`` of SSv2 lists the frames of train, else of val.

    Raises:
        ListError: DATA.PATH_TO_DATA_DIR is empty.
    """
    if split == EXTRA:
        extra = portable(cfg.DATA.EXTRA_TRAIN)
        return _extra_source(extra, separator=cfg.DATA.PATH_LABEL_SEPARATOR)
    data, dataset = cfg.DATA, build_dataset_name(cfg, split)
    if not data.PATH_TO_DATA_DIR:
        raise ListError(
            "DATA.PATH_TO_DATA_DIR is empty; set it to the folder of train.csv, val.csv, test.csv"
        )
    folder, prefix = portable(data.PATH_TO_DATA_DIR), data.PATH_PREFIX
    part = cfg.TEST.SPLIT if split == "test" else split
    if split == "val" and data.OVERFIT_BATCHES:
        part = "train"
    read = partial(
        choose(DATASETS, dataset, key=f"{split.upper()}.DATASET"),
        folder,
        part,
        prefix=prefix if not prefix or is_url(prefix) else str(portable(prefix)),
        separator=data.PATH_LABEL_SEPARATOR,
        num_classes=cfg.MODEL.NUM_CLASSES,
        multi_label=data.MULTI_LABEL,
    )
    has_own_file = dataset == "kinetics" or part == "train"
    return ListSource(folder / f"{part if has_own_file else 'val'}.csv", read)


def build_splits(cfg: CfgNode) -> list[str]:
    """The splits whose lists a run reads."""
    trained = ["train", *[EXTRA] * bool(cfg.DATA.EXTRA_TRAIN), "val"]
    return trained * int(cfg.TRAIN.ENABLE) + ["test"] * int(cfg.TEST.ENABLE)


def _extra_source(path: Path, *, separator: str) -> ListSource:
    """A list of other classes: as many as are named beside it, else as its labels say."""
    file = path / "train.csv" if path.is_dir() else path

    def read() -> VideoList:
        if not file.is_file():
            raise ListError(
                f"list {file} does not exist; correct DATA.EXTRA_TRAIN, a list or the folder of its "
                "train.csv"
            )
        return read_list_file(file, separator=separator)

    return ListSource(file, read)


def build_dataset_name(cfg: CfgNode, split: str) -> str:
    """Kinetics or ssv2: how the list of ``split`` is read and its videos are sampled."""
    return str(cfg.TEST.DATASET if split == "test" else cfg.TRAIN.DATASET)


def read_list(cfg: CfgNode, split: str) -> VideoList:
    """The list of ``split`` (train, extra, val or test), parsed and checked against its classes.

    Raises:
        ListError: see ``lists``; also if DATA.PATH_TO_DATA_DIR is empty.
    """
    return build_list_source(cfg, split).read()
