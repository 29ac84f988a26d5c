"""The list that a configuration names for a split."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from timesformer.config import CfgNode, portable
from timesformer.datasets.list_text import ListError
from timesformer.datasets.lists import VideoList, read_kinetics
from timesformer.datasets.ssv2 import read_ssv2
from timesformer.tables import choose
from timesformer.video.remote import is_url

DATASETS: dict[str, Callable[..., VideoList]] = {"kinetics": read_kinetics, "ssv2": read_ssv2}


@dataclass(frozen=True)
class ListSource:
    """One list: its folder and ``part`` (train, val or test), and how its lines are read."""

    folder: Path
    part: str
    dataset: str
    key: str  # that names the data set, for messages
    prefix: str
    separator: str
    num_classes: int
    multi_label: bool

    @property
    def file(self) -> Path:
        """The file that lists the videos; of SSv2 the frames of train, else of val."""
        is_named = self.dataset == "kinetics" or self.part == "train"
        return self.folder / f"{self.part if is_named else 'val'}.csv"

    def read(self) -> VideoList:
        """The list, parsed and checked against ``num_classes``; ListError as of ``lists``."""
        return choose(DATASETS, self.dataset, key=self.key)(
            self.folder,
            self.part,
            prefix=self.prefix,
            separator=self.separator,
            num_classes=self.num_classes,
            multi_label=self.multi_label,
        )


def build_list_source(cfg: CfgNode, split: str) -> ListSource:
    """Where the list of ``split`` is. With DATA.OVERFIT_BATCHES, val is the train list.

    Raises:
        ListError: DATA.PATH_TO_DATA_DIR is empty.
    """
    data, prefix = cfg.DATA, cfg.DATA.PATH_PREFIX
    if not data.PATH_TO_DATA_DIR:
        raise ListError(
            "DATA.PATH_TO_DATA_DIR is empty; set it to the folder of train.csv, val.csv, test.csv"
        )
    return ListSource(
        portable(data.PATH_TO_DATA_DIR),
        "train" if split == "val" and data.OVERFIT_BATCHES else split,
        dataset=build_dataset_name(cfg, split),
        key=f"{split.upper()}.DATASET",
        prefix=prefix if not prefix or is_url(prefix) else str(portable(prefix)),
        separator=data.PATH_LABEL_SEPARATOR,
        num_classes=cfg.MODEL.NUM_CLASSES,
        multi_label=data.MULTI_LABEL,
    )


def build_dataset_name(cfg: CfgNode, split: str) -> str:
    """Kinetics or ssv2: how the list of ``split`` is read and its videos are sampled."""
    return str(cfg.TEST.DATASET if split == "test" else cfg.TRAIN.DATASET)


def read_list(cfg: CfgNode, split: str) -> VideoList:
    """The list of ``split`` (train, val or test), parsed and checked against NUM_CLASSES.

    Raises:
        ListError: see ``lists``; also if DATA.PATH_TO_DATA_DIR is empty.
    """
    return build_list_source(cfg, split).read()
