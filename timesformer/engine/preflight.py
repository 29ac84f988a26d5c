"""Checks before a run starts: GPUs, lists, videos, checkpoints, the output folder.

All problems are reported together, before a process is started or a frame decoded.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from timesformer.checkpoint import hub, resume_check, start
from timesformer.checkpoint.load import CheckpointError, load_tested
from timesformer.checkpoint.metadata import fingerprint
from timesformer.checkpoint.pretrained import build_start_options, load_start
from timesformer.checkpoint.published_weights import is_published
from timesformer.checkpoint.run_folder import build_run_settings, standing, start_of
from timesformer.checkpoint.timm_hub import is_name
from timesformer.config import CfgNode, ConfigError, portable
from timesformer.config.batch_sizes import num_machines
from timesformer.datasets import read_list
from timesformer.datasets.build import build_view, build_worker_count
from timesformer.datasets.flip_map import build_flip_map
from timesformer.datasets.joint_lists import join, read_lists
from timesformer.datasets.list_source import EXTRA, build_splits
from timesformer.datasets.lists import VideoList
from timesformer.datasets.modality import build_flow_problems
from timesformer.datasets.resource_limits import open_files_problem
from timesformer.datasets.scan_index import known_bad, other_places
from timesformer.engine.fsdp import version_problems
from timesformer.errors import InputError
from timesformer.evaluation.view_scores import memory_problem
from timesformer.files import best_checkpoint, checkpoint_folder
from timesformer.models import build_model
from timesformer.models.classifier import classifier_parameters
from timesformer.models.freeze import frozen_names
from timesformer.models.trial import build_input_problem
from timesformer.runtime.precision import precision_problems
from timesformer.video import check_torchcodec

Check = Callable[[CfgNode], Iterable[str]]

_PREFIX_WAY = "set DATA.PATH_PREFIX to their folder"
_PROBE_BYTES = 1 << 16  # an empty file fits on a full disk

_OTHER_FILES = 24  # that a run has open at once: logs, checkpoints, connections
_LOADER_FILES = 8  # of a loader process: channels and batches, of two splits


def preflight(cfg: CfgNode) -> None:
    """Raise one ConfigError that lists all problems that would stop the run later."""
    problems = [problem for check in CHECKS for problem in _found_by(check, cfg)]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))  # lists may have the same


def _found_by(check: Check, cfg: CfgNode) -> Iterator[str]:
    """The problems that ``check`` returns, and the one that it raises."""
    try:
        yield from check(cfg)
    except InputError as error:
        yield str(error)


def _device_problems(cfg: CfgNode) -> Iterator[str]:
    available = torch.cuda.device_count()
    if available < cfg.NUM_GPUS:
        remedy = f"NUM_GPUS {available}" if available else "NUM_GPUS 0 to run on the CPU"
        yield f"NUM_GPUS is {cfg.NUM_GPUS}, but this machine has {available}; pass {remedy}"
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 0))  # set by torchrun
    if not local:
        return
    if cfg.NUM_GPUS not in (0, local):
        yield (
            f"NUM_GPUS is {cfg.NUM_GPUS}, but torchrun started {local} processes on this machine; "
            f"pass NUM_GPUS {local}, or 0 for the CPU"
        )
    repeats = {"TRAIN": cfg.AUG.NUM_REPEATS, "TEST": 1}
    for section, repeat in repeats.items():
        if cfg[section].ENABLE and cfg[section].BATCH_SIZE % (local * repeat):
            share = f" times AUG.NUM_REPEATS ({repeat})" if repeat > 1 else ""
            yield (
                f"{section}.BATCH_SIZE is {cfg[section].BATCH_SIZE}, but the {local} processes of "
                f"this machine{share} must divide it"
            )


def _arithmetic_problems(cfg: CfgNode) -> Iterator[str]:
    parts = [section for section in ("TRAIN", "TEST") if cfg[section].ENABLE]
    if cfg.NUM_GPUS:
        yield from precision_problems({f"{part}.PRECISION": cfg[part].PRECISION for part in parts})
    if cfg.TRAIN.ENABLE and cfg.DIST.STRATEGY == "fsdp":
        yield from version_problems()


def _loader_problems(cfg: CfgNode) -> Iterator[str]:
    workers = build_worker_count(cfg)
    problem = open_files_problem(_OTHER_FILES + _LOADER_FILES * workers) if workers else ""
    if problem:
        yield problem


def _output_problems(cfg: CfgNode) -> Iterator[str]:
    """Problems of OUTPUT_DIR and its folder of checkpoints, which may be a link to another disk."""
    checkpoints = checkpoint_folder(cfg.OUTPUT_DIR)
    if os.path.lexists(checkpoints) and not checkpoints.is_dir():
        to = f"a link to {checkpoints.readlink()}" if checkpoints.is_symlink() else "a file"
        yield (
            f"{checkpoints} is {to}, but must be a folder, for the checkpoints of the run; move it away "
            "or use another OUTPUT_DIR"
        )
    for folder in [Path(cfg.OUTPUT_DIR), *[checkpoints] * checkpoints.is_dir()]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".write-test-{os.getpid()}"
            try:
                probe.write_bytes(bytes(_PROBE_BYTES))
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            yield (
                f"OUTPUT_DIR is {cfg.OUTPUT_DIR!r}, but {folder} cannot be written: "
                f"{error.strerror}; choose a place that can be written"
            )


def _checkpoint_problems(cfg: CfgNode) -> Iterator[str]:
    """Files that are missing, cannot be read, or do not fit the model."""
    named = []
    if cfg.TRAIN.ENABLE:
        named.append("TRAIN.CHECKPOINT_FILE_PATH")
        if cfg.TIMESFORMER.PRETRAINED_MODEL.lower() != "none":
            named.append("TIMESFORMER.PRETRAINED_MODEL")
    if cfg.TEST.ENABLE and not _is_written_by_this_run(cfg):
        named.append("TEST.CHECKPOINT_FILE_PATH")
    for key in named:
        section, name = key.split(".")
        if not cfg[section][name]:
            continue
        path = _file(cfg, key)
        is_known = is_published(cfg.MODEL.MODEL_NAME, cfg[section][name])
        is_known = is_known or is_name(path) or hub.is_name(path)
        if not (path.exists() or path.is_symlink() or is_known):
            yield f"{key} is {cfg[section][name]!r}, but there is no such file; check the path"
            continue
        try:
            _check_fit(cfg, key)
        except CheckpointError as error:
            yield f"{key}: {error}"


def _is_written_by_this_run(cfg: CfgNode) -> bool:
    """Whether the checkpoint to test is one that training is going to write."""
    path = _file(cfg, "TEST.CHECKPOINT_FILE_PATH")
    return cfg.TRAIN.ENABLE and path.resolve().parent == checkpoint_folder(cfg.OUTPUT_DIR).resolve()


def _file(cfg: CfgNode, key: str) -> Path:
    section, name = key.split(".")
    if key == "TEST.CHECKPOINT_FILE_PATH" and cfg[section][name] == "best":
        return best_checkpoint(cfg.OUTPUT_DIR)
    if section == "TEST":
        return portable(cfg[section][name])
    return start.located(cfg[section][name])


def _check_fit(cfg: CfgNode, key: str) -> None:
    """Raise CheckpointError if the file of ``key`` does not fit the configured model."""
    with torch.device("meta"):
        model = build_model(cfg)
    section, name = key.split(".")
    if section == "TEST":
        load_tested(model, _file(cfg, key))
    else:
        options = build_start_options(cfg, cut=section == "TRAIN")
        load_start(model, cfg[section][name], options)


def _resume_problems(cfg: CfgNode) -> Sequence[str]:
    """Differences from the run in OUTPUT_DIR, whose tensors are read when it resumes."""
    newest = standing(build_run_settings(cfg), is_said=True).newest if cfg.TRAIN.ENABLE else None
    if newest is None:
        return ()
    now = {start.KEY: start.identify(start.build_start(cfg), start_of(newest))}
    trained = [split for split in build_splits(cfg) if split != "test"]
    now["data"] = {split: fingerprint(read_list(cfg, split)) for split in trained}
    anyway = cfg.TRAIN.RESUME_ANYWAY
    resume_check.check_compatible(newest, cfg.dump(), now, resume_anyway=anyway)
    return ()


def _input_problems(cfg: CfgNode) -> Iterator[str]:
    """Clips that are too short or too small for the model."""
    if problem := build_input_problem(cfg):
        yield problem


def _freeze_problems(cfg: CfgNode) -> Sequence[str]:
    if not cfg.TRAIN.ENABLE:
        return ()
    with torch.device("meta"):
        model = build_model(cfg)
    frozen = frozen_names(model, cfg.TRAIN.FREEZE)
    if cfg.DATA.EXTRA_TRAIN and frozen >= set(classifier_parameters(model)):
        return [
            f"TRAIN.FREEZE is {list(cfg.TRAIN.FREEZE)}, which freezes the classifier, but with "
            "DATA.EXTRA_TRAIN each list trains one; leave the classifier out, as backbone does"
        ]
    return ()


def _board_problems(cfg: CfgNode) -> Sequence[str]:
    """Problems of the files of TENSORBOARD.* figures, if they are enabled."""
    if cfg.TRAIN.ENABLE and cfg.TENSORBOARD.ENABLE:
        from timesformer.evaluation.figures import build_figures

        build_figures(cfg)
    return ()


def _decoder_problems(cfg: CfgNode) -> Sequence[str]:
    if cfg.DATA.DECODING_BACKEND == "torchcodec":
        check_torchcodec(cfg.DATA.DECODING_DEVICE)
    return ()


def _list_problems(cfg: CfgNode, *, split: str) -> Iterator[str]:
    if split not in build_splits(cfg):
        return
    lists = read_lists(cfg, split)
    if cfg.DATA.CHECK_EXISTENCE:
        for name, each in lists.items():
            # DATA.PATH_PREFIX is of the lists of PATH_TO_DATA_DIR alone
            way = "correct them in this list" if name == EXTRA else _PREFIX_WAY
            yield from _existence_problems(each, way)
    folders = other_places(cfg.OUTPUT_DIR)
    unreadable = sum(len(known_bad(each, folders)) for each in lists.values())
    videos = join(lists.values(), cfg.MODEL.NUM_CLASSES)
    usable = len(videos.labels) - unreadable
    batch = cfg.TRAIN.BATCH_SIZE * num_machines(cfg) // cfg.AUG.NUM_REPEATS
    overfitted = batch * cfg.DATA.OVERFIT_BATCHES
    if split == "train" and usable < overfitted:
        yield (
            f"DATA.OVERFIT_BATCHES is {cfg.DATA.OVERFIT_BATCHES}, {overfitted} videos, but "
            f"{videos.origin} has {usable} that can be used; lower it or TRAIN.BATCH_SIZE"
        )
    if split == "train" and usable < batch:
        known = f" that its index does not call unreadable ({unreadable} are)" if unreadable else ""
        yield (
            f"{videos.origin} has {usable} videos{known}, fewer than one batch "
            f"({batch}); lower TRAIN.BATCH_SIZE"
        )


def _views_problems(cfg: CfgNode) -> Iterator[str]:
    if cfg.TEST.ENABLE and cfg.TEST.SAVE_VIEWS:
        num_videos = len(read_list(cfg, "test").labels)
        num_views = build_view(cfg, "test").num_clips
        if problem := memory_problem(num_videos, num_views, cfg.MODEL.NUM_CLASSES):
            yield problem


def _existence_problems(videos: VideoList, way: str) -> Iterator[str]:
    try:
        missing = videos.missing()
    except OSError as error:
        yield f"{videos.origin}: {error}"
        return
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        yield (
            f"{videos.origin}: {len(missing)} of {len(videos.labels)} videos do not exist "
            f"({shown}); {way}, or remove these lines"
        )


def _flip_map_problems(cfg: CfgNode) -> Sequence[str]:
    if cfg.TRAIN.ENABLE:
        build_flip_map(cfg)
    return ()


CHECKS: tuple[Check, ...] = (
    _device_problems,
    _output_problems,
    _checkpoint_problems,
    _input_problems,
    _board_problems,
    _decoder_problems,
    _arithmetic_problems,
    _freeze_problems,
    _resume_problems,
    _loader_problems,
    *(partial(_list_problems, split=split) for split in ("train", "val", "test")),
    build_flow_problems,
    _views_problems,
    _flip_map_problems,
)
