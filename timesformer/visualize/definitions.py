"""What the numbers of a report mean, one sentence each."""

from collections.abc import Mapping
from typing import Any

_ACCURACY = {
    "map": ("mAP", "The mean over the classes of the average precision."),
    "top1": ("top-1", "The share of videos whose class has the highest score."),
    "top5": ("top-5", "The share of videos whose class is among the five highest scores."),
    "mean_class": ("mean class", "The mean over the classes of the share of their videos that are right."),
    "macro_f1": ("macro F1", "The mean over the classes of the harmonic mean of precision and recall."),
    "chance": ("chance", "What a guess among all classes gets on average."),
    "majority": ("largest class", "What predicting the most frequent class for every video gets."),
}  # fmt: skip
_CALIBRATION = (
    ("confidence", "The probability of the predicted class."),
    ("calibration error", "The mean distance of confidence and share of right answers over 15 bins of "
     "equally many videos, from 0 to 1."),
    ("log likelihood", "The mean logarithm of the probability of the true class, in nats."),
    ("Brier score", "The mean squared distance of the probabilities from the true class, from 0 to 2."),
)  # fmt: skip
_PER_CLASS = (
    ("precision", "The share of the videos predicted as a class that are of it."),
    ("margin", "The distance of the two highest probabilities."),
)


def definitions(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and sentence of each number that ``report`` has."""
    rows = [row for name, row in _ACCURACY.items() if report["accuracy"].get(name)]
    return [*rows, *_PER_CLASS, *(_CALIBRATION if report.get("calibration") else ())]
