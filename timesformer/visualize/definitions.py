"""What the numbers of a report mean, one sentence each, and how to get those that it has not."""

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
    single = report["task"] != "multi_label"
    return [
        *rows,
        *(_PER_CLASS if single else ()),
        *(_CALIBRATION if report.get("calibration") else ()),
    ]


def absent(report: Mapping[str, Any]) -> list[str]:
    """What ``report`` might have, and how to get it, a sentence each."""
    calibration = report.get("calibration")
    has_change = any(row.get("change") for row in report["per_class"])
    missing = {
        "Accuracy against views: test with TEST.SAVE_VIEWS True, then report with --views.": not (
            report.get("views")
        ),
        "Accuracy against training videos: report with --train-list FILE.": (
            not report.get("training_frequency")
        ),
        "A temperature: report with --temperature val.": bool(
            calibration and not calibration["temperature"]
        ),
        "The change of each class against another run: report with --against RUN.": not has_change,
        "The validation: no record of the training lies beside the predictions.": (
            report["run"].get("split") == "test" and not report.get("validation")
        ),
    }
    return [text for text, is_missing in missing.items() if is_missing]
