"""The runs of a shootout: a trial of each model, epochs that the budget allows, then every fold.

Each run is a process of its own. What is finished is not repeated; a model that fails is out, with the
reason, and the others are compared.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from timesformer.config import CfgNode
from timesformer.datasets.lists import VideoList
from timesformer.engine.shootout.budget import Sizes, Trial, plan_epochs
from timesformer.engine.shootout.candidates import Candidate, build_fold, build_trial
from timesformer.engine.shootout.fold_run import (
    CONSOLE,
    is_finished,
    read_fold,
    trial_speed,
    write_all_predictions,
    write_fold_lists,
)
from timesformer.engine.shootout.folds import Folds
from timesformer.evaluation.report.output import write_json
from timesformer.evaluation.run_costs import RunCosts
from timesformer.files import CONFIG, checkpoint_folder
from timesformer.tables import seconds_text

TRIAL, PLAN = "trial", "plan.json"
TRIAL_BATCHES = 6
NOT_TESTED = "it ended before its test"

Start = Callable[[CfgNode, Path], str]  # runs a configuration; why it failed, or ""
Tell = Callable[[str], None]  # called after each run with a line about it


@dataclass
class Entry:
    """A model and what became of it."""

    candidate: Candidate
    reason: str = ""  # why it is out; "": it is not
    epochs: int | None = None  # None: those of the recipe
    results: list[RunCosts] = field(default_factory=list)  # of the folds


@dataclass(frozen=True)
class Shootout:
    """What is compared, on which folds, in which time."""

    videos: VideoList
    folds: Folds
    method: str
    budget: float | None  # seconds of all models; None: no limit
    out: Path
    tell: Tell
    start: Start  # as ``own_process.run_alone``

    def run(self, candidates: Sequence[Candidate]) -> list[Entry]:
        """Run everything that is not there yet.

        Raises:
            BudgetError: a model cannot train one epoch in its share.
            WriteError: a file cannot be written.
        """
        entries = [Entry(candidate) for candidate in candidates]
        self._plan(entries)
        for entry in entries:
            for fold in range(self.folds.count):
                if not entry.reason:
                    self._run_fold(entry, fold)
            if not entry.reason:
                self._gather(entry)
        return entries

    def folder(self, candidate: Candidate) -> Path:
        """Of the runs of a model."""
        return self.out / candidate.folder

    def fold_folder(self, candidate: Candidate, fold: int) -> Path:
        """Of one fold, from 0."""
        return self.folder(candidate) / f"fold-{fold + 1}"

    def _plan(self, entries: Sequence[Entry]) -> None:
        """The epochs of each model; models that all have plans, as they began before, keep them."""
        if self.budget is None:
            return
        plans = {e.candidate.name: self.folder(e.candidate) / PLAN for e in entries}
        if not all(path.is_file() for path in plans.values()):
            trials = {entry.candidate.name: self._trial(entry) for entry in entries}
            running = {name: trial for name, trial in trials.items() if trial is not None}
            trains = self.method == "finetune"
            most = {e.candidate.name: e.candidate.most_epochs if trains else 1 for e in entries}
            sizes = Sizes(
                self.folds.count, self.folds.largest_training(), self.folds.largest_test()
            )
            for name, epochs in plan_epochs(self.budget, running, sizes, most).items():
                if not plans[name].is_file():  # a probe computes features once: no epochs to cut
                    write_json(plans[name], {"epochs": epochs if trains else None})
        for entry in entries:
            if not entry.reason:
                path = plans[entry.candidate.name]
                entry.epochs = json.loads(path.read_text(encoding="utf-8"))["epochs"]

    def _trial(self, entry: Entry) -> Trial | None:
        """What a few batches of the first fold took; None and a reason if they failed."""
        folder = self.folder(entry.candidate) / TRIAL
        measured = folder.with_name(f"{TRIAL}.json")
        if not measured.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            write_fold_lists(folder, self.videos, self.folds.of_video == 0)
            cfg = build_trial(entry.candidate.cfg, folder, TRIAL_BATCHES)
            began = time.monotonic()
            entry.reason = self.start(cfg, folder.parent / CONSOLE)
            seconds = time.monotonic() - began
            speed = None if entry.reason else trial_speed(folder)
            if speed is None:
                entry.reason = entry.reason or f"{NOT_TESTED}; see {folder.parent / CONSOLE}"
                self.tell(f"{entry.candidate.name}: failed: {entry.reason}")
                return None
            startup = max(seconds - speed.seconds, 0.0)
            write_json(measured, Trial(seconds, startup, speed.clips_per_second)._asdict())
            shutil.rmtree(folder, ignore_errors=True)
        trial = Trial(**json.loads(measured.read_text(encoding="utf-8")))
        self.tell(f"{entry.candidate.name}: {trial.clips_per_second:.1f} clips/s in training")
        return trial

    def _run_fold(self, entry: Entry, fold: int) -> None:
        """Train and test one fold, unless that is done; its costs, or the reason of its failure."""
        folder, name = self.fold_folder(entry.candidate, fold), entry.candidate.name
        if not is_finished(folder):
            write_fold_lists(folder, self.videos, self.folds.of_video == fold)
            cfg = build_fold(entry.candidate.cfg, folder, entry.epochs)
            entry.reason = self.start(cfg, folder / CONSOLE)
            if not is_finished(folder):
                entry.reason = entry.reason or f"{NOT_TESTED}; see {folder / CONSOLE}"
        found = read_fold(folder) if is_finished(folder) else entry.reason
        if isinstance(found, str):
            entry.reason = found
            self.tell(f"{name} fold {fold + 1}: failed: {found}")
            return
        entry.results.append(found)
        shutil.rmtree(checkpoint_folder(folder), ignore_errors=True)  # of a model a fold
        self.tell(f"{name} fold {fold + 1}: {seconds_text(found.training_seconds)} of training")

    def _gather(self, entry: Entry) -> None:
        """The predictions of all folds, as those of a run that a report and a comparison can read."""
        folders = [self.fold_folder(entry.candidate, fold) for fold in range(self.folds.count)]
        target = self.folder(entry.candidate)
        write_all_predictions(target, folders, self.folds.of_video, self.folds.groups.codes)
        shutil.copyfile(folders[0] / CONFIG, target / CONFIG)
