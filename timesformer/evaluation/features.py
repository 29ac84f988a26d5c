"""Features of the clips of a list: computed once, kept in files, resumed after an interruption.

    OUTPUT_DIR/features/train-<fingerprint>/<clip>-<first video>.pt    a chunk of the list

The fingerprint covers everything that decides a feature: weights, videos, preprocessing. If it
changes, the old features are deleted and new ones computed.
"""

import hashlib
import io
import logging
import shutil
from pathlib import Path

import torch
from torch import Tensor

from timesformer.config import CfgNode
from timesformer.datasets.build import build_worker_count
from timesformer.datasets.clips import ClipDataset
from timesformer.datasets.lists import FRAME_END, VideoList
from timesformer.datasets.loader import ClipLoader
from timesformer.datasets.modality import build_normalizer
from timesformer.datasets.samplers import EvalBatches
from timesformer.datasets.scan_index import file_state
from timesformer.evaluation.loop import Scores, evaluate, merge
from timesformer.evaluation.scoring import Scoring
from timesformer.files import remove_temporaries, write_atomically
from timesformer.models.classifier import Classifier, backbone_bytes
from timesformer.runtime import collectives
from timesformer.runtime.precision import Precision

logger = logging.getLogger(__name__)

CHUNK = 256  # videos; the most that an interruption costs


def build_features(
    cfg: CfgNode, model: Classifier, dataset: ClipDataset, device: torch.device, *, split: str
) -> list[Scores]:
    """Features (N, D) of TRAIN.PROBE_CLIPS clips of every training video, of one of other videos.

    ``model`` is bare, and all processes have its weights. All processes call it together.

    Raises:
        Interrupted: a signal asked for the end; the finished chunks are kept.
    """
    num_clips = cfg.TRAIN.PROBE_CLIPS if split == "train" else 1
    digest = build_fingerprint(cfg, model, dataset.videos, num_clips)
    folder = Path(cfg.OUTPUT_DIR) / "features" / f"{split}-{digest[:16]}"
    if collectives.is_main():
        _prepare(folder, split=split, num_videos=len(dataset), num_clips=num_clips)
    loader = ClipLoader(
        dataset,
        EvalBatches(
            len(dataset),
            batch_size=max(cfg.TRAIN.BATCH_SIZE // collectives.local_world_size(), 1),
            rank=collectives.rank(),
            world=collectives.world_size(),
        ),
        num_workers=build_worker_count(cfg),
        pin_memory=cfg.DATA_LOADER.PIN_MEMORY and device.type == "cuda",
        start_method="spawn" if cfg.DATA.DECODING_DEVICE == "cuda" else None,
    )
    precision = Precision(cfg.TRAIN.PRECISION, device)
    scoring = Scoring(device, build_normalizer(cfg), precision.autocast, forward=clip_features)
    return [
        merge([_chunk(folder, epoch, first, model, loader, scoring)
               for first in range(0, len(dataset), CHUNK)])
        for epoch in range(num_clips)
    ]  # fmt: skip


def clip_features(model: Classifier, clips: Tensor) -> Tensor:
    """What the backbone computes of clips, (N, D) float32."""
    return model.forward_features(clips).float()


def _prepare(folder: Path, *, split: str, num_videos: int, num_clips: int) -> None:
    """Make ``folder``, remove those of other fingerprints, and log what will be computed."""
    is_known = folder.is_dir()
    for other in folder.parent.glob(f"{split}-*"):
        if other != folder:
            logger.info("weights, list or preprocessing have changed: removing %s", other)
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    remove_temporaries(folder, "*")
    clips = (
        "one clip each: the middle one, its centre crop, without augmentation"
        if num_clips == 1
        else f"{num_clips} random clips each, augmented, the same ones in every run"
    )
    verb = "resuming" if is_known else "computing"
    logger.info(
        "%s the features of %d %s videos, %s, in %s", verb, num_videos, split, clips, folder
    )


def _chunk(
    folder: Path, epoch: int, first: int, model: Classifier, loader: ClipLoader, scoring: Scoring
) -> Scores:
    """The features of CHUNK videos from ``first`` on, by the clips that training draws in ``epoch``."""
    path = folder / f"{epoch:03d}-{first:09d}.pt"
    stored = _read(path) if collectives.is_main() else None
    found: Scores | None = collectives.broadcast_object(stored)
    if found is None:
        total, batches = len(loader.dataset), loader.batch_sampler
        assert isinstance(batches, EvalBatches)
        last = min(first + CHUNK, total)
        batches.indices = range(first + collectives.rank(), last, collectives.world_size())
        batches.set_epoch(epoch)
        title = f"features {first + 1} to {last} of {total}"
        found = evaluate(model, loader, scoring, title=title)
        if collectives.is_main():
            _write(path, found)
    return found


def build_fingerprint(cfg: CfgNode, model: Classifier, videos: VideoList, num_clips: int) -> str:
    """SHA-256 of what decides the features: frozen weights, videos, preprocessing, draws."""
    digest = hashlib.sha256()
    for part in backbone_bytes(model):
        digest.update(part)
    for i in range(len(videos.labels)):
        files = videos.sources[i].split(FRAME_END)
        row = (files, [file_state(file) for file in files], videos.segment(i), videos.label_text(i))
        digest.update(repr(row).encode("utf-8", "surrogateescape"))
    sections = [cfg.DATA, cfg.TIMESFORMER] + [cfg.AUG] * (num_clips > 1)
    settings: list[object] = [section.dump() for section in sections]
    settings += [cfg.TRAIN.PRECISION, num_clips, cfg.RNG_SEED * (num_clips > 1)]
    digest.update(repr(settings).encode())
    return digest.hexdigest()


def _read(path: Path) -> Scores | None:
    if not path.is_file():
        return None
    stored = torch.load(path, weights_only=True)
    return Scores(stored["values"], stored["labels"], stored["videos"], stored["failures"], {})


def _write(path: Path, found: Scores) -> None:
    """Write a whole file or none."""
    content = io.BytesIO()  # the zip writer hides the errors of a disk
    kept = {"values": found.values, "labels": found.labels, "videos": found.indices}
    torch.save(kept | {"failures": found.failures}, content)
    with write_atomically(path, "wb") as file:
        file.write(content.getbuffer())
