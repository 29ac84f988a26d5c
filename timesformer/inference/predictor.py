"""Videos to classes or features, by the same views and the same scores as testing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from timesformer.checkpoint.load import CheckpointError, refuse_unless_tested
from timesformer.checkpoint.match import match
from timesformer.checkpoint.metadata import read_temperature
from timesformer.checkpoint.model_spec import NO_CLASSIFIER, ModelSpec, read_model_spec
from timesformer.config import CfgNode, changed
from timesformer.datasets import build_loader, build_view
from timesformer.datasets.clips import Batch
from timesformer.datasets.lists import VideoList
from timesformer.evaluation import metrics
from timesformer.evaluation.loop import score_batches
from timesformer.evaluation.scoring import Scoring, build_probabilities, build_scoring
from timesformer.inference.device import open_device
from timesformer.inference.many_views import ManyViews, build_many_views
from timesformer.inference.tokens import build_token_scoring
from timesformer.inference.videos import Videos, build_image_views, is_one, listed_videos
from timesformer.inference.view_options import refuse_too_many, view_overrides
from timesformer.io.terminal import printable
from timesformer.models import build_model
from timesformer.models.classifier import Classifier, classifier_parameters
from timesformer.models.speedups import speed_up
from timesformer.tables import choose
from timesformer.video import TimeSpan, VideoError
from timesformer.video.images import FOLDER_FPS
from timesformer.video.remarks import Remark

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}  # -> the dtype of autocast
NOTHING = torch.empty(0)


class Ranked(NamedTuple):
    """One of the likeliest classes of a video."""

    label: int
    name: str
    probability: float  # 0 .. 1
    score: float  # as in test_predictions.csv


class Prediction(NamedTuple):
    """Class scores of one video, or the ``error`` that there is instead.

    With an error K is 0, unless the scores exist but are not finite.
    """

    video: str
    scores: Tensor  # (K,) float32, as testing writes them
    probabilities: Tensor  # (K,)
    class_names: tuple[str, ...] = ()
    error: str = ""
    span: TimeSpan | None = None  # the seconds that the clips show
    remarks: tuple[Remark, ...] = ()  # what is unusual about the video
    temperature: float | None = None  # of the checkpoint, by which logits became probabilities

    def top(self, k: int = 5) -> list[Ranked]:
        """The ``k`` likeliest classes, best first; all if there are fewer.

        Raises:
            VideoError: there is none, see ``error``.
        """
        if self.error:
            raise VideoError(self.error)
        labels = metrics.likeliest(self.scores, k).tolist()
        return [
            Ranked(
                label,
                self.class_names[label] if self.class_names else f"class {label}",
                float(self.probabilities[label]),
                float(self.scores[label]),
            )
            for label in labels
        ]


class Features(NamedTuple):
    """Features of one video, (D,) or (T, D) float32; or the ``error`` that there is instead.

    As in ``Prediction``, values that are not finite are there too.
    """

    video: str
    values: Tensor
    error: str = ""
    span: TimeSpan | None = None
    remarks: tuple[Remark, ...] = ()


class Predictor:
    """A model with all that it takes to use it; ``from_checkpoint`` makes one."""

    def __init__(
        self, model: Classifier, description: ModelSpec, *, device: torch.device, precision: str
    ) -> None:
        self.model = model
        self.description = description
        self.cfg = description.cfg
        self.class_names = description.class_names
        self.temperature = read_temperature(description.weights.about)
        self.device, self.precision = device, precision
        dtype = choose(PRECISIONS, precision, key="precision")
        autocast = partial(torch.autocast, device.type, dtype=dtype, enabled=dtype is not None)
        self.scoring = build_scoring(description.cfg, device, autocast)
        if dtype is not None:  # once, and not again for every batch: the same numbers
            for module in model.modules():
                if isinstance(module, nn.Linear | nn.Conv2d):
                    module.to(dtype)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | PathLike[str],
        device: str = "auto",
        *,
        precision: str = "fp32",
        views: str | None = None,
        classes: str | PathLike[str] | None = None,
        cfg: str | PathLike[str] | None = None,
        overrides: Iterable[str] = (),
    ) -> "Predictor":
        """A predictor from nothing but a checkpoint.

        Args:
            path: the checkpoint of a TimeSformer, or an image ViT for features.
            device: auto (a GPU if there is one), cpu, cuda, cuda:1 ...
            precision: fp32 or bf16.
            views: temporal views x crops of a video, as ``10x3``; None: as in its recipe.
            classes: a data set (``kinetics400``) or a file that names the classes.
            cfg: a YAML file with what the checkpoint lacks.
            overrides: ``KEY VALUE ...`` pairs of the configuration.

        Raises:
            CheckpointError: not a checkpoint, not of a TimeSformer, or one that lacks weights.
            ConfigError: no such device, values that do not fit together, or more views than memory holds.
            ClassNamesError: class names that cannot be read.
        """
        where = open_device(device)
        overrides = [*overrides, *(view_overrides(views) if views else ())]
        description = read_model_spec(path, cfg_file=cfg, overrides=overrides, classes=classes)
        settings = description.cfg
        if build_many_views(settings) is None:
            refuse_too_many(
                build_view(settings, "test").num_clips,
                num_frames=settings.DATA.NUM_FRAMES,
                size=settings.DATA.TEST_CROP_SIZE,
            )
        model = _build(description).to(where).eval()
        return cls(model, description, device=where, precision=precision)

    def predict(self, videos: Videos, *, fps: float = FOLDER_FPS) -> list[Prediction]:
        """Predictions of one video or several, in their order.

        Args:
            videos: a file, a frame folder, a URL; decoded frames, uint8 RGB, (frames, height,
                width, 3) or (frames, 3, height, width); or a list of either kind.
            fps: of decoded frames.

        Raises:
            CheckpointError: the model has no trained classifier.
        """
        return list(self.stream(videos, fps=fps))

    def features(self, videos: Videos, *, tokens: str = "cls", fps: float = FOLDER_FPS) -> Tensor:
        """Features of a video, (D,), or of a list of them, (videos, D); float32 on the CPU.

        ``cls`` is the class token, ``pooled`` the mean of the patch tokens, both averaged over the
        views; ``frames`` the mean patch token of each frame, (T, D), averaged over the crops, with
        the temporal views one after the other.

        Raises:
            VideoError: a video cannot be read.
        """
        found = list(self.stream_features(videos, tokens=tokens, fps=fps))
        if errors := [each.error for each in found if each.error]:
            raise VideoError("; ".join(errors))
        values = [each.values for each in found]
        return values[0] if is_one(videos) else torch.stack(values)

    def stream(self, videos: Videos, *, fps: float = FOLDER_FPS) -> Iterator[Prediction]:
        """``predict``, each prediction as soon as it is computed."""
        if not self.description.has_classifier:
            raise CheckpointError(f"{self.description.path} {NO_CLASSIFIER}")
        temperature = self.temperature.value if self.temperature else None
        to_probabilities = build_probabilities(self.cfg, temperature)
        for video, scores, *rest in self._each(videos, fps, self.scoring):
            probabilities = to_probabilities(scores)
            yield Prediction(
                video, scores, probabilities, self.class_names, *rest, temperature=temperature
            )

    def stream_features(
        self, videos: Videos, *, tokens: str = "cls", fps: float = FOLDER_FPS
    ) -> Iterator[Features]:
        """``features``, each video's as soon as they are computed."""
        yield from self._each(videos, fps, build_token_scoring(self.cfg, self.scoring, tokens))

    def _each(self, videos: Videos, fps: float, scoring: Scoring) -> Iterator[Features]:
        """The row (empty if unreadable) of each video, in order."""
        listed, together = listed_videos(videos), scoring.videos_together
        many = build_many_views(self.cfg)
        if many is not None and isinstance(listed, VideoList):
            yield from self._each_of_many_views(listed, scoring, many)
            return
        if isinstance(listed, VideoList):
            batches: Iterable[Batch] = build_batches(self.cfg, listed, self.device, together)
        else:
            batches = self._cut(listed, fps, together)
        for batch, values in score_batches(self.model, batches, scoring):
            rows = iter(values.cpu())
            errors = dict(zip(batch.failed.tolist(), batch.failures, strict=True))
            spans = dict(zip(batch.indices.tolist(), batch.spans, strict=True))
            for index in sorted([*errors, *spans]):
                name = listed.name(index) if isinstance(listed, VideoList) else f"frames {index}"
                row = NOTHING if index in errors else next(rows)
                error = errors.get(index, "") or _nonfinite(name, row)
                remarks = tuple(remark for remark in batch.remarks if remark.name == name)
                yield Features(name, row, error, spans.get(index), remarks)

    def _each_of_many_views(
        self, listed: VideoList, scoring: Scoring, many: ManyViews
    ) -> Iterator[Features]:
        """``_each`` of videos of which not all clips are in memory."""
        for index in range(len(listed.labels)):
            name = listed.name(index)
            try:
                row, span, remarks = many.score(self.model, scoring, listed, index)
            except VideoError as error:
                yield Features(name, NOTHING, str(error))
            else:
                yield Features(name, row, _nonfinite(name, row), span, remarks)

    def _cut(self, videos: Sequence[np.ndarray], fps: float, together: int) -> Iterator[Batch]:
        """Views of decoded frames."""
        none = torch.empty(0, dtype=torch.int64)
        for indices in torch.arange(len(videos)).split(together):
            cut = [build_image_views(self.cfg, videos[i], fps=fps) for i in indices.tolist()]
            views, spans = zip(*cut, strict=True)
            yield Batch(torch.cat(views), indices, indices, (), none, spans=spans)


def build_batches(
    cfg: CfgNode, videos: VideoList, device: torch.device, together: int
) -> Iterable[Batch]:
    """Views of files, read by loader processes while the model computes; a single batch here."""
    cfg = changed(cfg, {"NUM_GPUS": int(device.type == "cuda")})
    if len(videos.labels) * build_view(cfg, "test").num_clips <= cfg.TEST.BATCH_SIZE:
        cfg = changed(cfg, {"DATA_LOADER.NUM_WORKERS": 0})
    return build_loader(cfg, "test", videos, together=together)


def _nonfinite(name: str, row: Tensor) -> str:
    """Why the scores or features of a video are of no use; "" if they are."""
    if row.isfinite().all():
        return ""
    return f"{printable(name)}: {metrics.describe_nonfinite(row)}"


def _build(description: ModelSpec) -> Classifier:
    """The described model on the CPU, its parameters the tensors of the file if that is all it needs."""
    with torch.device("meta"):  # fresh values would be thrown away
        model = build_model(description.cfg)
    if not model.has_whole_state:
        model = build_model(description.cfg)
    weights = description.weights
    state = {
        key: value.float() if value.is_floating_point() else value
        for key, value in weights.state.items()
    }
    report = match(
        model,
        replace(weights, state=state),
        source=description.path,
        strict=False,
        assign=model.has_whole_state,
    )
    needless = () if description.has_classifier else classifier_parameters(model)
    refuse_unless_tested(
        replace(
            report,
            newly_initialized=[name for name in report.newly_initialized if name not in needless],
            unused=[name for name in report.unused if name not in weights.dropped],
        )
    )
    if not description.has_classifier:
        model.reset_classifier(0)
    return speed_up(model)
