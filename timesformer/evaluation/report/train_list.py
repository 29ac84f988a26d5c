"""How many training videos each class has, from the list of a training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from timesformer.datasets.list_lines import check_label, parse_row
from timesformer.datasets.list_paths import row_lines
from timesformer.evaluation.report.predictions import Predictions


@dataclass(frozen=True)
class TrainList:
    """Videos of each class that a model was trained on."""

    origin: str
    videos: np.ndarray  # (K,) int64


def find_train_list(predictions: Predictions) -> Path | None:
    """train.csv of the run's configuration, None if there is none."""
    folder = predictions.record.key("DATA.PATH_TO_DATA_DIR")
    kinetics = predictions.record.key("TRAIN.DATASET") == "kinetics"
    file = Path(str(folder), "train.csv")
    return file if folder and kinetics and file.is_file() else None


def read_train_list(file: Path, predictions: Predictions) -> TrainList:
    """The number of videos of each class in ``file``; the videos themselves need not exist.

    Raises:
        ListError: a line that cannot be read, or a label that the predictions do not have.
    """
    separator = predictions.record.key("DATA.PATH_LABEL_SEPARATOR")
    separator = separator if isinstance(separator, str) and separator else " "
    videos = np.zeros(predictions.num_classes, dtype=np.int64)
    for number, line in row_lines(file, prefix="", separator=separator):
        where = f"{file}:{number}"
        for label in parse_row(line, separator, where).labels:
            check_label(label, len(videos), where)
            videos[label] += 1
    return TrainList(str(file), videos)
