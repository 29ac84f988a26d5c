"""The architecture of a model of transformers: the text of its config.json, read once per run.

It becomes a value of the configuration, so that a checkpoint needs neither the folder nor the network.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from timesformer.errors import ConfigError
from timesformer.io.endpoint import answers
from timesformer.io.terminal import first_line

PREFIX = "hf/"
FILE = "config.json"
PREPROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json")
"""Files beside it that tell of pixels; transformers 5 writes either, by the kind of processor."""
VIDEO = re.compile(r"(videomae|vivit|vjepa2|videoprism\w*)$")  # values of model_type
WHITE = 255
DIGITS = 9  # to which 255 / 255 and the like are rounded
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Names of classes are those of the weights; a run has its own. Paths and versions say nothing of a model.
_LEFT_OUT = ("id2label", "label2id", "num_labels", "_name_or_path", "transformers_version", "torch_dtype",
             "dtype", "problem_type")  # fmt: skip


def fill_hf_config(cfg: CfgNode) -> None:
    """Set MODEL.HF_CONFIG if the model is of transformers and the key is empty.

    Raises:
        ConfigError: the folder or the name of the hub has no configuration, or it cannot be read.
    """
    name = cfg.MODEL.MODEL_NAME
    if not name.startswith(PREFIX) or cfg.MODEL.HF_CONFIG:
        return
    place = name.removeprefix(PREFIX)
    text = read_text(place)
    try:
        said = json.loads(text)
        kind = said["model_type"]
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"MODEL.MODEL_NAME is {name!r}, but its {FILE} names no model_type; name a folder that "
            "save_pretrained of transformers wrote"
        ) from error
    assert kind is not None
    kept = {key: value for key, value in said.items() if key not in _LEFT_OUT}
    cfg.MODEL.HF_CONFIG = json.dumps(kept, sort_keys=True)


def is_video_model(said: Mapping[str, Any]) -> bool:
    """Whether the content of a config.json is that of a video classifier that is not a TimeSformer."""
    return bool(VIDEO.match(str(said.get("model_type", ""))))


def read_pixels(said: Mapping[str, Any]) -> dict[str, Any]:
    """What the processor of a model does to pixels, from the JSON that transformers keeps of it.

    Returns:
        ``mean`` and ``std`` of pixels of 0 .. 1, ``crop_size``, ``short_side``; those that it says.
        With ``offset``, as ViViT's, pixels are scaled and lowered by one before they are normalised.
    """
    crop, size = said.get("crop_size"), said.get("size")
    scale = said.get("rescale_factor", 1 / WHITE) * WHITE  # of white, in the units of mean and std
    offset = 1.0 if said.get("offset") else 0.0
    as_they_are = said.get("do_normalize") is False
    mean = [0.0] * 3 if as_they_are else said.get("image_mean")
    std = [1.0] * 3 if as_they_are else said.get("image_std")
    facts = {
        "mean": mean and [round((each + offset) / scale, DIGITS) for each in mean],
        "std": std and [round(each / scale, DIGITS) for each in std],
        "crop_size": crop.get("height") if isinstance(crop, Mapping) else crop,
        "short_side": size.get("shortest_edge") if isinstance(size, Mapping) else size,
    }
    return {name: value for name, value in facts.items() if value is not None}


def read_text(place: str) -> str:
    """The content of config.json of a folder, or of a name of the hub.

    Raises:
        ConfigError: there is none.
    """
    if _is_folder(place):
        path = Path(place).expanduser() / FILE
        if not path.is_file():
            raise ConfigError(
                f"MODEL.MODEL_NAME is {PREFIX + place!r}, but there is no {path}; name a folder that "
                "save_pretrained of transformers wrote, or OWNER/NAME of the Hugging Face hub"
            )
        return path.read_text(encoding="utf-8")
    found, reason = _of_hub(place, FILE)
    if found is None:
        from huggingface_hub import constants

        raise ConfigError(
            f"MODEL.MODEL_NAME is {PREFIX + place!r}, which is not a folder here, and {FILE} of that name "
            f"is not in the cache {constants.HF_HUB_CACHE} and could not be downloaded ({reason}); "
            "connect to the network once, or copy its files into a folder and name that"
        )
    return found


def read_processor(place: str) -> dict[str, Any]:
    """What the processor of a folder, or of a name of the hub, says of itself; empty without one."""
    folder = Path(place).expanduser()
    for name in PREPROCESSORS:
        if not _is_folder(place):
            text = _of_hub(place, name)[0]
        else:
            text = path.read_text(encoding="utf-8") if (path := folder / name).is_file() else None
        if text is not None:
            said = json.loads(text)
            return said if isinstance(said, dict) else {}
    return {}


def _is_folder(place: str) -> bool:
    return Path(place).expanduser().is_dir() or not _HUB_NAME.fullmatch(place)


def _of_hub(name: str, file: str) -> tuple[str | None, str]:
    """The content of a file of the hub, from its cache or downloaded; or None, and why."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    if isinstance(cached := try_to_load_from_cache(name, file), str):
        return Path(cached).read_text(encoding="utf-8"), ""
    if constants.HF_HUB_OFFLINE:
        return None, "HF_HUB_OFFLINE is set"
    if not answers(constants.ENDPOINT):
        return None, f"{constants.ENDPOINT} does not answer"
    try:
        return Path(hf_hub_download(name, file)).read_text(encoding="utf-8"), ""
    except (OSError, ValueError) as error:  # all that its client raises
        return None, f"{type(error).__name__}: {first_line(error)}"
