"""Lists, models and runs of a shootout that need no training."""

import csv
import json

import numpy as np

from timesformer.config import config_of
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.engine.shootout.candidates import Candidate
from timesformer.engine.shootout.folds import fold_videos
from timesformer.engine.shootout.shootout import Shootout


def made_videos(labels, *, names=("left", "right"), prefix="/videos/"):
    """A list of ``labels``; the videos need not exist."""
    paths = [f"{prefix}{i}.mp4" for i in range(len(labels))]
    return VideoList(PackedStrings(paths), np.array(labels), "list.csv", tuple(names))


def made_candidate(name, most_epochs=30):
    """A small TimeSformer under another name."""
    values = {
        "MODEL.NUM_CLASSES": 2,
        "SOLVER.MAX_EPOCH": most_epochs,
        "SOLVER.WARMUP_EPOCHS": 3.0,
        "TIMESFORMER.PRETRAINED_MODEL": "none",
        "NUM_GPUS": 0,
    }
    cfg = config_of(values, source="test")
    return Candidate(
        name, name.replace("/", "-"), cfg, most_epochs, 8, 32, 224, 10**6, 10**9, "random weights"
    )


class Runs:
    """Stands for the process of a run: writes what it would leave, with these answers."""

    def __init__(self, wrong=(), fails=()):
        self.wrong = wrong  # (folder of a model, path): videos that it gets wrong
        self.fails = fails  # folders of models
        self.done = []  # (folder of the model, folder of the run, epochs)

    def __call__(self, cfg, console):
        from pathlib import Path

        folder = Path(cfg.OUTPUT_DIR)
        model = folder.parent.name
        self.done.append((model, folder.name, cfg.SOLVER.MAX_EPOCH))
        if model in self.fails:
            return "there are no weights"
        sessions = [{"wall_seconds": 12.0, "peak_ram_gib": 0.5 + len(model) / 100,
                     "peak_gpu_gib": 0.0, "clips_per_second": 4.0}]  # fmt: skip
        (folder / "run.json").write_text(json.dumps({"sessions": sessions}))
        (folder / "config.yaml").write_text(cfg.dump())
        if folder.name == "trial":
            head = "type,epoch,batch,batches,time,loss,lr,grad_norm,top1_err,top5_err,map"
            head += ",clips_per_second,dt,dt_data,gpu_gib,ram_gib,videos,unreadable,skipped_steps"
            row = "train_iter,1,1,1,t,1,1,1,1,1,,4.0,0.001,0,0,0,,0,0"
            (folder / "metrics.csv").write_text(f"{head}\n{row}\n")
            return ""
        lines = (folder / "lists/test.csv").read_text().splitlines()
        rows = []
        for line in lines:
            path, label = line.split()
            answer = 1 - int(label) if (model, path) in self.wrong else int(label)
            scores = [0.2, 0.8] if answer else [0.8, 0.2]
            names = [("left", "right")[k] for k in (int(label), answer)]
            rows.append([path, label, answer, "", *names, *scores])
        with (folder / "test_predictions.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                [
                    "path",
                    "label",
                    "prediction",
                    "error",
                    "label_name",
                    "prediction_name",
                    "score_0",
                    "score_1",
                ]
            )
            writer.writerows(rows)
        found = {"scored": len(lines), "videos": len(lines), "seconds": 2.0, "nonfinite": 0}
        (folder / "test_results.json").write_text(json.dumps(found))
        return ""


def made_shootout(folder, runs, *, labels=(0, 1) * 6, num_folds=3, budget=None, method="finetune"):
    """A shootout whose runs are ``runs``; the lines that it tells are in ``runs.told``."""
    videos = made_videos(labels)
    folds = fold_videos(videos, num_folds=num_folds, group="none", seed=0)
    runs.told = []
    return Shootout(videos, folds, method, budget, folder, runs.told.append, start=runs)
