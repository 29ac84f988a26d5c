"""The folder of a fusion: the files of a test, so that reports, comparisons and fusions read it."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from timesformer.evaluation.report.fuse import Fused, Fusion
from timesformer.evaluation.report.fusion_weights import FusionError
from timesformer.files import (
    CONFIG,
    LOG,
    RESULTS,
    RUN_RECORD,
    discard,
    result_files,
    run_files,
)
from timesformer.io.terminal import printable


def check_folder(out: Path, runs: Iterable[Path]) -> None:
    """Whether a fusion may be written into ``out``.

    Raises:
        FusionError: it is a file, one of the ``runs``, or holds the results of another run.
    """
    folder = out.resolve()
    for run in runs:
        file = run.resolve()
        is_result = file.name in (*result_files("test"), *result_files("val"))
        if folder in (file, file.parent if is_result else file):
            raise FusionError(f"--out is {printable(out)}, one of the runs; name another folder")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FusionError(f"--out is {printable(out)}, which is a file; name a folder")
    there = {path.name for path in run_files(folder)}
    if there & {CONFIG, LOG, RUN_RECORD} or (there and not _is_fusion(folder)):
        raise FusionError(
            f"--out is {printable(out)}, which holds the results of another run "
            f"({printable(min(there))}); name another folder"
        )


def _is_fusion(folder: Path) -> bool:
    try:
        found = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "fusion" in found


def write_run(out: Path, fusion: Fusion) -> dict[str, Any]:
    """Write the files of the test and of val; returns the entries of test_results.json.

    Raises:
        WriteError: ``out`` cannot be written.
    """
    started = time.perf_counter()
    if fusion.val is None:
        for name in result_files("val"):  # of an earlier fusion
            discard(out / name)
    else:
        _write_list(out, "val", fusion.val, started)
    return _write_list(out, "test", fusion.test, started)


def weights_line(fused: Fused) -> str:
    """``0.700 x a + 0.300 x b (given weights)``."""
    pairs = zip(fused.weights.values, fused.names, strict=True)
    return f"{' + '.join(f'{w:.3f} x {name}' for w, name in pairs)} ({fused.weights.how})"


def _write_list(out: Path, split: str, fused: Fused, started: float) -> dict[str, Any]:
    import torch

    from timesformer.datasets.lists import PackedStrings, VideoList
    from timesformer.evaluation import results
    from timesformer.evaluation.loop import Scores
    from timesformer.video import TimeSpan

    several = fused.labels.ndim == 2
    names, files = fused.class_names, result_files(split)
    spans = {i: span and TimeSpan(*span) for i, span in fused.spans.items()}
    labels = torch.from_numpy(fused.labels[fused.indices])
    indices = torch.from_numpy(fused.indices)
    values = torch.from_numpy(fused.probabilities)
    scores = Scores(values, labels, indices, fused.failures, spans)
    origin = " and ".join(_distinct(fused, "list")) or str(fused.runs[0].origin)
    videos = VideoList(PackedStrings(fused.paths), fused.labels, origin, names)
    results.write_predictions(out / files.predictions, scores, videos, names)
    found, classes = results.measure(scores)
    results.write_classes(out / files.classes, classes, names, multi_label=several)
    limited = ", ".join(_distinct(fused, "limited"))
    written = {
        **found,
        **results.class_summary(classes, names, multi_label=several),
        "videos": len(fused.paths),
        "scored": len(fused.indices),
        "unreadable": len(fused.failures),
        "nonfinite": 0,
        **({"limited": limited} if limited else {}),
        "protocol": f"fusion of class probabilities: {weights_line(fused)}",
        "split": split,
        "views": _num_views(fused),
        "ensemble": "sigmoid" if several else "softmax",
        "precision": " + ".join(_distinct(fused, "precision")) or None,
        "attention_type": " + ".join(_distinct(fused, "attention_type")) or "unknown",
        "weights": _tested_weights(fused),
        "list": origin,
        "fusion": _facts(fused),
        "seconds": round(time.perf_counter() - started, 2),
    }
    results.write_results(out / files.results, written)
    return written


def _distinct(fused: Fused, name: str) -> list[str]:
    """What the results of the runs say of ``name``, each text once."""
    found = (run.record.result(name) for run in fused.runs)
    return list(dict.fromkeys(str(text) for text in found if text))


def _tested_weights(fused: Fused) -> str | None:
    """The files of all runs; None if one of them does not say."""
    files = [run.record.result("weights") for run in fused.runs]
    return " + ".join(map(str, files)) if all(files) else None


def _num_views(fused: Fused) -> int | None:
    """Clips of a video in all runs together."""
    views = [run.record.num_views for run in fused.runs]
    return None if None in views else sum(filter(None, views))


def _facts(fused: Fused) -> dict[str, Any]:
    return {
        "how": fused.weights.how,
        "runs": [
            {
                "run": name,
                "weight": weight,
                "predictions": run.origin.name,
                "sha256": run.sha256,
                "protocol": run.record.result("protocol"),
            }
            for name, weight, run in zip(fused.names, fused.weights.values, fused.runs, strict=True)
        ],
    }
