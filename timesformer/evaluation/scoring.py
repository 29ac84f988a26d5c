"""How the clips of a video become one row: its class scores, or its features.

clips   (B * V, 3, T, S, S)  uint8, the V views of a video one after the other
rows    (B, ...)             float32: scores (B, K), or features (B, D)

Kernels round differently for other shapes, so all forward batches of a test have the same one, which
follows from the configuration alone: as many whole videos as TEST.FORWARD_BATCH holds, or the views of
one video in parts of that size. Incomplete forward batches are padded with black clips, which are not
scored.

Several protocols may score other clips of the same videos (``orders``). Each gets the forward batches that
it has alone, and so the same rows to the bit; one that two of them have is computed once.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from timesformer.config import CfgNode, ConfigError
from timesformer.datasets.build import build_view
from timesformer.datasets.modality import build_normalizer
from timesformer.evaluation import metrics
from timesformer.models.classifier import Classifier

CLIPS = 8  # in a forward batch where TEST.FORWARD_BATCH is 0; the published test batch
SMALL = 1 << 16  # pixels of a forward batch that takes a CPU little longer than one clip


def logits(model: Classifier, clips: Tensor) -> Tensor:
    """What a classifier computes of clips, (N, K) float32."""
    rows: Tensor = model(clips).float()
    return rows


@dataclass(frozen=True)
class Scoring:
    """What ``evaluate`` computes of the clips of a video."""

    device: torch.device
    normalize: Callable[[Tensor], Tensor]
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext
    forward: Callable[[Classifier, Tensor], Tensor] = logits  # a row for each clip
    num_views: int = 1  # of a video in one protocol
    ensemble: Callable[[Tensor], Tensor] | None = None  # (P * V, ...) of one video -> (1, ...)
    forward_batch: int = 0  # clips; 0: those that the loader gives together, not padded
    orders: tuple[tuple[int, ...], ...] = ()  # the clips of each protocol; (): one, all clips

    @property
    def videos_together(self) -> int:
        """Videos of a forward batch; several processes must not divide them."""
        return max(self.forward_batch // self.num_views, 1)

    @torch.no_grad()
    def score(self, model: Classifier, clips: Tensor) -> Tensor:
        """Rows of all videos of ``clips``, on the device.

        Raises:
            ConfigError: a forward batch does not fit into memory.
        """
        if not self.forward_batch:
            rows = self.rows_of(model, clips)
        else:
            orders = self.orders or (tuple(range(self.num_views)),)
            videos = clips.unflatten(0, (-1, 1 + max(map(max, orders))))
            groups = videos.split(self.videos_together)
            rows = torch.cat([self._rows(model, group, orders) for group in groups])
        if self.ensemble is None:
            return rows
        num_rows = self.num_views * max(len(self.orders), 1)
        return torch.cat([self.ensemble(of_video) for of_video in rows.split(num_rows)])

    def _rows(self, model: Classifier, videos: Tensor, orders: Sequence[tuple[int, ...]]) -> Tensor:
        """Rows (b * P * V, ...) of ``videos`` (b, clips, 3, T, S, S), in the order of the protocols."""
        size = self.forward_batch
        parts = [order[at : at + size] for order in orders for at in range(0, len(order), size)]
        rows = {part: self._padded(model, videos, part) for part in dict.fromkeys(parts)}
        return torch.cat([rows[part] for part in parts], dim=1).flatten(0, 1)

    def _padded(self, model: Classifier, videos: Tensor, part: tuple[int, ...]) -> Tensor:
        """Rows (b, part, ...) of some clips of ``videos``, from a forward batch of ``videos_together``."""
        clips = chosen(videos, part).flatten(0, 1)
        padded = clips
        missing = self.videos_together * len(part) - len(clips)
        if missing:  # without a copy of a full batch, which may be page-locked
            padded = torch.cat([clips, clips.new_zeros(missing, *clips.shape[1:])])
        rows: Tensor = self.rows_of(model, padded)[: len(clips)].unflatten(0, (-1, len(part)))
        return rows

    def rows_of(self, model: Classifier, clips: Tensor) -> Tensor:
        """A row for each of N clips, which go through the model together; errors as ``score``."""
        try:
            inputs = self.normalize(clips.to(self.device, non_blocking=True))
            with self.autocast():
                return self.forward(model, inputs)
        except torch.OutOfMemoryError as error:
            if not self.forward_batch:
                raise
            several = len(clips) > 1
            what = f"{len(clips)} clips at once do" if several else "1 clip does"
            remedy = "lower it" if several else "use TEST.PRECISION bf16, or another device"
            raise ConfigError(
                f"TEST.FORWARD_BATCH is {self.forward_batch} on this device, but {what} not fit "
                f"into its memory; {remedy} ({str(error).partition(chr(10))[0]})"
            ) from error


def chosen(videos: Tensor, part: Sequence[int]) -> Tensor:
    """Some clips of each video, (b, clips, ...) -> (b, part, ...); no copy if they follow each other."""
    if list(part) == list(range(part[0], part[-1] + 1)):
        return videos[:, part[0] : part[-1] + 1]
    return videos[:, list(part)]


def build_scoring(
    cfg: CfgNode,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Scoring:
    """Class scores of the views of a test, ensembled as configured."""
    return Scoring(
        device,
        build_normalizer(cfg),
        autocast,
        num_views=build_view(cfg, "test").num_clips,
        ensemble=partial(
            metrics.ensemble,
            num_views=build_view(cfg, "test").num_clips,
            method=build_ensemble_method(cfg),
        ),
        forward_batch=cfg.TEST.FORWARD_BATCH or build_forward_batch(cfg, device),
    )


def build_forward_batch(cfg: CfgNode, device: torch.device) -> int:
    """Clips of a forward batch where TEST.FORWARD_BATCH is 0: one on a CPU, unless clips are tiny."""
    pixels = CLIPS * cfg.DATA.NUM_FRAMES * cfg.DATA.TEST_CROP_SIZE**2
    return 1 if device.type == "cpu" and pixels > SMALL else CLIPS


def build_ensemble_method(cfg: CfgNode) -> str:
    """DATA.ENSEMBLE_METHOD; with several labels ``softmax`` means the sigmoid of each class."""
    method: str = cfg.DATA.ENSEMBLE_METHOD
    return "sigmoid" if cfg.DATA.MULTI_LABEL and method == "softmax" else method


def build_probabilities(
    cfg: CfgNode, temperature: float | None = None
) -> Callable[[Tensor], Tensor]:
    """Class probabilities of the scores of a test, (..., K) -> (..., K)."""
    return partial(
        metrics.probabilities,
        num_views=build_view(cfg, "test").num_clips,
        method=build_ensemble_method(cfg),
        multi_label=cfg.DATA.MULTI_LABEL,
        temperature=temperature,
    )
