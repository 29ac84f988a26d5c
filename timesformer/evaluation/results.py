"""What a test leaves: predictions of every video, results of every class, and their summary.

test_predictions.csv   a row a video of the list
test_classes.csv       a row a class
test_results.json      the summary
"""

import csv
import io
import math
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from timesformer.datasets.lists import VideoList
from timesformer.evaluation import metrics
from timesformer.evaluation.loop import Scores
from timesformer.evaluation.metrics import ClassResults
from timesformer.evaluation.report.predictions import LIMITED
from timesformer.files import write_atomically
from timesformer.io.json_text import json_text
from timesformer.io.spreadsheet import safe_row
from timesformer.io.terminal import printable
from timesformer.video import TimeSpan

NAMED = 3  # videos in an error message
SHOWN = 5  # worst classes and confused pairs in the log
MOST_PAIRS = 20  # confused pairs in the summary


def split_finite(scores: Scores, videos: VideoList) -> tuple[Scores, dict[int, str]]:
    """``scores`` without the videos whose scores are not finite, and why those have none, by index."""
    finite, wrong = metrics.finite_rows(scores.values), {}
    for index, row in zip(scores.indices[~finite].tolist(), scores.values[~finite], strict=True):
        problem = metrics.describe_nonfinite(row)
        wrong[index] = f"{printable(videos.name(index))}: {problem}"
    values, labels, indices = (tensor[finite] for tensor in scores[:3])
    failures = dict(sorted((scores.failures | wrong).items()))
    return Scores(values, labels, indices, failures, scores.spans), wrong


def describe_all_nonfinite(reasons: Iterable[str], total: int, where: str) -> str:
    """Why a test has no accuracy: the first videos whose scores are not finite, ``where`` all are."""
    reasons = list(reasons)
    more = f"; {len(reasons) - NAMED} more are in {where}" if len(reasons) > NAMED else ""
    return (
        f"{len(reasons)} of {total} videos have scores that are not finite, so there is no accuracy: "
        f"{'; '.join(reasons[:NAMED])}{more}"
    )


def describe_unreadable(origin: str, reasons: Iterable[str]) -> str:
    """Why there are no results of the list ``origin``: how many videos failed, and the first reason."""
    reasons = list(reasons)
    return (
        f"no video of {origin} can be read ({len(reasons)} tried), so there is no accuracy; the "
        f"first: {reasons[0]}"
    )


def measure(scores: Scores) -> tuple[dict[str, float], ClassResults]:
    """The published metrics of finite scores, and the results of single classes."""
    values, labels = scores.values, scores.labels
    classes = metrics.class_results(values, labels)
    if labels.ndim == 2:
        return {"map": classes.mean}, classes
    return {f"top{k}_acc": metrics.accuracy(values, labels, k) for k in (1, 5)}, classes


def class_summary(
    classes: ClassResults, names: Sequence[str], *, multi_label: bool
) -> dict[str, Any]:
    """Entries of test_results.json on classes: means, levels of chance, the most confused pairs."""
    found: dict[str, Any] = {
        "classes": len(classes.videos),
        "classes_with_videos": int((classes.videos > 0).sum()),
    }
    if multi_label:
        return found | {"chance_map": classes.chance}
    pairs = [
        {"true": i, "predicted": j, "videos": count}
        | ({"true_name": names[i], "predicted_name": names[j]} if names else {})
        for i, j, count in classes.confused[:MOST_PAIRS]
    ]
    return found | {
        "mean_class_acc": classes.mean,
        "chance_acc": classes.chance,
        "majority_acc": classes.majority,
        "confused": pairs,
    }


def class_lines(classes: ClassResults, names: Sequence[str], *, multi_label: bool) -> Iterator[str]:
    """What a person wants to know of the classes, a line each."""

    def name(k: int) -> str:
        return printable(names[k]) if names else f"class {k}"

    met = np.flatnonzero(classes.videos)
    worst = sorted(met.tolist(), key=lambda k: (classes.accuracy[k], k))[:SHOWN]
    if multi_label:
        yield (
            f"mean average precision {classes.mean:.4f} over {len(met)} of {len(classes.videos)} "
            f"classes; chance: {classes.chance:.4f}"
        )
        shares = [f"{name(k)} {classes.accuracy[k]:.4f}" for k in worst]
    else:
        yield (
            f"mean class accuracy {classes.mean:.2f} % over {len(met)} of {len(classes.videos)} "
            f"classes; chance: {classes.chance:.2f} %, always the commonest class: "
            f"{classes.majority:.2f} %"
        )
        shares = [f"{name(k)} {classes.accuracy[k]:.1f} % of {classes.videos[k]}" for k in worst]
    if len(set(classes.accuracy[met])) > 1:  # else none is worse than another
        yield f"worst classes: {', '.join(shares)}"
    if pairs := classes.confused[:SHOWN]:
        confused = [f"{name(i)} taken for {name(j)} ({count})" for i, j, count in pairs]
        yield f"most confused: {', '.join(confused)}"


def write_predictions(
    path: Path, scores: Scores, videos: VideoList, names: Sequence[str] = ()
) -> None:
    """A row for each video of the list: path, label, prediction, error, and a score for each class.

    Videos without scores have an error instead of a prediction and scores. Several labels are written
    as in lists, ``3;7``; the prediction is the class of the highest score, of equal ones the first.
    With ``names`` of the classes, columns label_name and prediction_name follow the error; then
    come the seconds looked at, where they are known.
    """
    row_of = {index: row for row, index in enumerate(scores.indices.tolist())}
    best_of = metrics.likeliest(scores.values, 1)[:, 0].tolist()
    num_classes = scores.values.shape[1]
    columns = ["label_name", "prediction_name"] if names else []
    columns += TimeSpan._fields if scores.spans else ()
    columns += [f"score_{k}" for k in range(num_classes)]
    numbers = ",".join(["%.6g"] * num_classes) + "\r\n"  # for a row at once: 2 times as fast
    nothing = "," * (num_classes - 1) + "\r\n"
    with write_atomically(path, newline="") as file:
        csv.writer(file).writerow(["path", "label", "prediction", "error", *columns])
        for index in range(len(videos.labels)):
            row, label = row_of.get(index), videos.label_text(index)
            if row is None:
                best, called, values = "", "", nothing
                reason = scores.failures.get(index, LIMITED)
            else:
                best, called, reason = best_of[row], names[best_of[row]] if names else "", ""
                values = numbers % tuple(scores.values[row].tolist())
            cells = [videos.name(index), label, best, reason]
            if names:
                cells += [";".join(names[int(k)] for k in label.split(";") if k), called]
            if scores.spans:
                cells += _span_cells(scores.spans.get(index))
            file.write(f"{_csv_line(cells)},{values}")


def _csv_line(cells: Iterable[object]) -> str:
    """A row without its end."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(safe_row(cells))
    return text.getvalue()[:-2]


def _span_cells(span: TimeSpan | None) -> list[str]:
    seconds = span or [math.nan] * len(TimeSpan._fields)
    return ["" if math.isnan(each) else f"{each:.3f}" for each in seconds]


def write_classes(
    path: Path, classes: ClassResults, names: Sequence[str], *, multi_label: bool
) -> None:
    """A row for each class: its number, name, videos, and top-1 accuracy or average precision."""
    measured = ["average_precision"] if multi_label else ["right", "accuracy"]
    with write_atomically(path, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "name", "videos", *measured])
        for k, count in enumerate(classes.videos.tolist()):
            share = classes.accuracy[k]
            values = ["" if math.isnan(share) else f"{share:.6g}"]
            values = values if multi_label else [str(classes.right[k]), *values]
            writer.writerow(safe_row([k, names[k] if names else "", count, *values]))


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """The summary as JSON; missing metrics are null."""
    with write_atomically(path) as file:
        file.write(json_text(results) + "\n")


def write_pickle(path: Path, scores: Scores, videos: VideoList) -> None:
    """The published layout, [scores (videos, K), labels (videos,)] as tensors, in list order.

    Several labels are (videos, K). Videos without scores have nan. The published code stored the
    labels twice.
    """
    values = torch.full((len(videos.labels), scores.values.shape[1]), torch.nan)
    values[scores.indices] = scores.values
    with write_atomically(path, "wb") as file:
        pickle.dump([values, torch.from_numpy(videos.labels.copy())], file)
