"""The architecture of a model of transformers: the text of its config.json, read once per run.

It becomes a value of the configuration, so that a checkpoint needs neither the folder nor the network.
"""

import json
import re
from pathlib import Path

from yacs.config import CfgNode

from timesformer.errors import ConfigError
from timesformer.io.endpoint import answers
from timesformer.io.terminal import first_line

PREFIX = "hf/"
FILE = "config.json"
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


def read_text(place: str) -> str:
    """The content of config.json of a folder, or of a name of the hub.

    Raises:
        ConfigError: there is none.
    """
    folder = Path(place).expanduser()
    if folder.is_dir() or not _HUB_NAME.fullmatch(place):
        path = folder / FILE
        if not path.is_file():
            raise ConfigError(
                f"MODEL.MODEL_NAME is {PREFIX + place!r}, but there is no {path}; name a folder that "
                "save_pretrained of transformers wrote, or OWNER/NAME of the Hugging Face hub"
            )
        return path.read_text(encoding="utf-8")
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    if isinstance(cached := try_to_load_from_cache(place, FILE), str):
        return Path(cached).read_text(encoding="utf-8")
    reason = f"{constants.ENDPOINT} does not answer"
    if constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE is set"
    elif answers(constants.ENDPOINT):
        try:
            return Path(hf_hub_download(place, FILE)).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:  # all that its client raises
            reason = f"{type(error).__name__}: {first_line(error)}"
    raise ConfigError(
        f"MODEL.MODEL_NAME is {PREFIX + place!r}, which is not a folder here, and {FILE} of that name is "
        f"not in the cache {constants.HF_HUB_CACHE} and could not be downloaded ({reason}); connect to "
        "the network once, or copy its files into a folder and name that"
    )
