"""``hf/NAME``: the video classifiers of transformers, of a folder or of a name on the hub.

The architecture is the text of ``config.json`` in MODEL.HF_CONFIG, which a configuration reads from the
folder once; a checkpoint carries it, so that it needs no folder. Parameters have transformers' names.
"""

import copy
import json
from typing import Any

from torch import Tensor

from timesformer.config import CfgNode, ConfigError
from timesformer.config.hf_config import read_pixels, read_processor, read_text
from timesformer.models.library import LibraryModel

PREFIX = "hf/"
INSTALL = 'pip install "timesformer[hf]"'


class HuggingFaceVideo(LibraryModel):
    """A video classifier of transformers, whose files may have other names than its parameters."""

    def own_names(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """As transformers reads them: missing ones are left out, unknown ones stay as they are."""
        from transformers.utils import logging

        net: Any = self._net
        config = copy.deepcopy(net.config)
        head = state.get(f"{self.classifier_name}.weight")
        if head is not None:
            config.num_labels = head.shape[0]
        level = logging.get_verbosity()
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            read, info = type(net).from_pretrained(
                None, config=config, state_dict=dict(state), output_loading_info=True,
                ignore_mismatched_sizes=True,
            )  # fmt: skip
        finally:
            logging.set_verbosity(level)
        mismatched = {name for name, *_ in info["mismatched_keys"]}
        found = {
            name: value
            for name, value in read.state_dict().items()
            if name not in info["missing_keys"] and name not in mismatched
        }
        return found | {n: state[n] for n in {*info["unexpected_keys"], *mismatched} if n in state}


def build_huggingface(cfg: CfgNode, in_channels: int) -> HuggingFaceVideo:
    """The model of MODEL.HF_CONFIG with freshly drawn weights.

    Raises:
        ConfigError: transformers is not installed, or knows no video classifier of this type.
    """
    try:
        from transformers import AutoConfig, AutoModelForVideoClassification
    except ImportError as error:
        raise ConfigError(
            f"the models {PREFIX}NAME need the package transformers ({error}); install it with {INSTALL}"
        ) from error
    said = json.loads(cfg.MODEL.HF_CONFIG) | {"num_channels": in_channels}
    side = cfg.DATA.TRAIN_CROP_SIZE
    try:
        config = AutoConfig.for_model(**said, num_labels=cfg.MODEL.NUM_CLASSES)
        net = AutoModelForVideoClassification.from_config(config)  # type: ignore[no-untyped-call]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"MODEL.MODEL_NAME is {cfg.MODEL.MODEL_NAME!r}, of the type {said.get('model_type')!r}, and "
            f"this transformers has no video classifier of it ({str(error).splitlines()[0]})"
        ) from error
    return HuggingFaceVideo(
        net,
        kind=cfg.MODEL.MODEL_NAME,
        num_classes=cfg.MODEL.NUM_CLASSES,
        input_spec=(in_channels, cfg.DATA.NUM_FRAMES, side, side),
        layout="frames_first",
        argument=net.main_input_name,
    )


def class_of(model_type: str) -> str:
    """Name of transformers' video classifier of this type, VideoMAEForVideoClassification of videomae."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES

    name: str = MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES[model_type]
    return name


SPANS = {  # model_type -> frames from one clip's start to its end, as its published classifiers see them
    "videomae": 64,
    "vivit": 64,
    "vjepa2": 64,
    "timesformer": 256,
}


def defaults(name: str) -> dict[str, Any]:
    """The clips of config.json, at the rate of the papers, and the pixels that the processor says."""
    place = name.removeprefix(PREFIX)
    said, pixels = json.loads(read_text(place)), read_pixels(read_processor(place))
    num_frames = said.get("num_frames", said.get("frames_per_clip"))
    span = SPANS.get(said.get("model_type", ""))
    side = said.get("image_size", said.get("crop_size"))
    short = max(pixels.get("short_side") or side or 0, side or 0)
    found = {
        "DATA.NUM_FRAMES": num_frames,
        "DATA.SAMPLING_RATE": max(span // num_frames, 1) if span and num_frames else None,
        "DATA.TRAIN_CROP_SIZE": side,
        "DATA.TEST_CROP_SIZE": side,
        "DATA.TRAIN_JITTER_SCALES": [short, short * 5 // 4] if side else None,
        "TEST.NUM_SPATIAL_CROPS": 1,  # the centre of the scaled frame
        "DATA.MEAN": pixels.get("mean"),
        "DATA.STD": pixels.get("std"),
    }
    return {key: value for key, value in found.items() if value is not None}
