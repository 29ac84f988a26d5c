"""Features of the clips of a list, computed once, kept in files, gone on with after an interruption.

    OUTPUT_DIR/features/train-<fingerprint>/<clip>-<first video>.pt    a chunk of the list

The fingerprint is of everything that decides a feature: weights, videos, preprocessing. Where it
differs, features are computed anew and the old ones are deleted.
"""

import hashlib
import io
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from timesformer.config import CfgNode
from timesformer.datasets import normalizer, num_workers
from timesformer.datasets.clips import ClipDataset
from timesformer.datasets.index import file_state
from timesformer.datasets.lists import FRAME_END, VideoList
from timesformer.datasets.loader import ClipLoader
from timesformer.datasets.samplers import EvalBatches
from timesformer.files import write_atomically
from timesformer.runtime import collectives, log, signals
from timesformer.runtime.precision import Precision

logger = logging.getLogger(__name__)

CHUNK = 256  # videos; what an interruption costs at most


class Features(NamedTuple):
    """Features (N, D) float32 of N clips, their labels (N,) or (N, K), and videos without clips."""

    values: Tensor
    labels: Tensor
    videos: Tensor  # (N,) index of each clip's video in the list
    failures: dict[int, str]  # index of a video: why it has no features

    @classmethod
    def joined(cls, parts: "Iterable[Features]") -> "Features":
        parts = list(parts)
        filled = [part for part in parts if len(part.values)] or parts[:1]
        tensors = (torch.cat(column) for column in zip(*(part[:3] for part in filled), strict=True))
        return cls(*tensors, {i: text for part in parts for i, text in part.failures.items()})


class FeatureStore:
    """Features of the clips of ``dataset``, by the epoch that draws them, from files or ``model``."""

    def __init__(
        self, cfg: CfgNode, model: nn.Module, dataset: ClipDataset, device: torch.device
    ) -> None:
        """``model`` is bare; all processes have its weights."""
        self.cfg = cfg
        self.model = model
        self.dataset = dataset
        self.device = device
        self.normalize = normalizer(cfg)
        self.precision = Precision(cfg.TRAIN.PRECISION, device)
        world = collectives.world_size()
        batch_size = max(cfg.TRAIN.BATCH_SIZE // collectives.local_world_size(), 1)
        self.batches = EvalBatches(
            len(dataset), batch_size=batch_size, rank=collectives.rank(), world=world
        )
        self.loader = ClipLoader(
            dataset,
            self.batches,
            num_workers=num_workers(cfg),
            pin_memory=cfg.DATA_LOADER.PIN_MEMORY and device.type == "cuda",
            start_method="spawn" if cfg.DATA.DECODING_DEVICE == "cuda" else None,
        )

    def get(self, folder: Path, epoch: int) -> Features:
        """One clip of every video, as training draws it in ``epoch``; all processes call together.

        Raises:
            Interrupted: a signal asked for the end; the chunks that are done are kept.
        """
        firsts = range(0, len(self.dataset), CHUNK)
        title = "features"
        chunks = log.progress(firsts, total=len(firsts), title=title)
        parts = []
        for first in chunks:
            parts.append(self._chunk(folder, epoch, first))
            signals.end_if_agreed("between features, and the same command goes on with the rest")
        return Features.joined(parts)

    def _chunk(self, folder: Path, epoch: int, first: int) -> Features:
        path = folder / f"{epoch:03d}-{first:09d}.pt"
        stored = _read(path) if collectives.is_main() else None
        stored = collectives.gather(stored)[0]
        if stored is None:
            stored = Features.joined(collectives.gather(self._compute(epoch, first)))
            if collectives.is_main():
                _write(path, stored)
        return stored

    @torch.no_grad()
    def _compute(self, epoch: int, first: int) -> Features:
        """This process's share of a chunk."""
        last = min(first + CHUNK, len(self.dataset))
        rank, world = collectives.rank(), collectives.world_size()
        self.batches.indices = range(first + rank, last, world)
        self.batches.set_epoch(epoch)
        self.model.eval()
        parts = []
        for batch in self.loader:
            failures = dict(zip(batch.failed.tolist(), batch.failures, strict=True))
            values = torch.empty(0, self.model.head.in_features)
            if len(batch.labels):
                clips = self.normalize(batch.clips.to(self.device, non_blocking=True))
                with self.precision.autocast():
                    values = self.model.forward_features(clips).float().cpu()
            parts.append(Features(values, batch.labels, batch.indices, failures))
        nothing = torch.empty(0)
        return Features.joined(parts or [Features(nothing, nothing.long(), nothing.long(), {})])


def cached_features(
    cfg: CfgNode, model: nn.Module, dataset: ClipDataset, device: torch.device, *, split: str
) -> list[Features]:
    """Features of TRAIN.PROBE_CLIPS clips of every training video, of one of every other video."""
    num_clips = cfg.TRAIN.PROBE_CLIPS if split == "train" else 1
    root = Path(cfg.OUTPUT_DIR) / "features"
    folder = root / f"{split}-{fingerprint(cfg, model, dataset.videos, num_clips)[:16]}"
    if collectives.is_main():
        known = folder.is_dir()
        for other in root.glob(f"{split}-*"):
            if other != folder:
                logger.info("weights, list or preprocessing have changed: removing %s", other)
                shutil.rmtree(other)
        folder.mkdir(parents=True, exist_ok=True)
        logger.info(
            "%s the features of %d %s videos, %s, in %s",
            "going on with" if known else "computing",
            len(dataset),
            split,
            "one clip each: the middle one, its centre crop, nothing augmented"
            if num_clips == 1
            else f"{num_clips} random clips each, augmented, the same ones in every run",
            folder,
        )
    store = FeatureStore(cfg, model, dataset, device)
    return [store.get(folder, epoch) for epoch in range(num_clips)]


def fingerprint(cfg: CfgNode, model: nn.Module, videos: VideoList, num_clips: int) -> str:
    """SHA-256 of what decides the features: frozen weights, videos, preprocessing, draws."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if not name.startswith("head."):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    for i in range(len(videos.labels)):
        files = videos.sources[i].split(FRAME_END)
        row = (files, [file_state(file) for file in files], videos.segment(i), videos.label_text(i))
        digest.update(repr(row).encode("utf-8", "surrogateescape"))
    sections = [cfg.DATA, cfg.TIMESFORMER] + [cfg.AUG] * (num_clips > 1)
    settings: list[Any] = [section.dump() for section in sections]
    settings += [cfg.TRAIN.PRECISION, num_clips, cfg.RNG_SEED * (num_clips > 1)]
    digest.update(repr(settings).encode())
    return digest.hexdigest()


def _read(path: Path) -> Features | None:
    if not path.is_file():
        return None
    return Features(**torch.load(path, weights_only=True))


def _write(path: Path, features: Features) -> None:
    """Write a whole file or none."""
    content = io.BytesIO()  # the zip writer hides the errors of a disk
    torch.save(features._asdict(), content)
    with write_atomically(path, "wb") as file:
        file.write(content.getbuffer())
