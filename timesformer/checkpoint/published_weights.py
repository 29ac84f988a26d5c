"""Weights that a library publishes for its models, by the names that the library gives them."""

import urllib.error
from collections.abc import Callable, Mapping
from typing import NamedTuple

from timesformer.checkpoint import timm_hub
from timesformer.checkpoint.files import CheckpointError
from timesformer.checkpoint.formats import Weights
from timesformer.checkpoint.load import read_weights
from timesformer.io.terminal import first_line
from timesformer.models.baselines import (
    frame_wise,
    huggingface_video,
    pytorchvideo_hub,
    torchvision_video,
    two_stream,
)


class Published(NamedTuple):
    """The weights of a family: ``names`` of those of a model, and how one is read; "" is the first."""

    names: Callable[[str], tuple[str, ...]]
    read: Callable[[str, str], Weights]


def is_published(kind: str, name: str) -> bool:
    """Whether ``name`` is that of weights that a library has for the model ``kind``."""
    row = _row(kind)
    return row is not None and name in row.names(kind)


def read_published(kind: str, name: str) -> Weights:
    """Weights ``name`` of the model ``kind``, downloaded once; "" for those that the library prefers.

    Raises:
        CheckpointError: there are none, or they cannot be fetched.
    """
    row = _row(kind)
    if row is None:
        raise CheckpointError(f"no library publishes weights for {kind}")
    try:
        return row.read(kind, name)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise CheckpointError(
            f"the published weights {name or 'of'} {kind} could not be fetched ({first_line(error)}); "
            "connect to the network once, or copy their file to this machine and name it"
        ) from error


def _row(kind: str) -> Published | None:
    return next((row for prefix, row in PUBLISHED.items() if kind.startswith(prefix)), None)


def _none(_: str) -> tuple[str, ...]:
    return ()


def _torchvision_names(kind: str) -> tuple[str, ...]:
    return ("DEFAULT", *torchvision_video.weights_of(kind))


def _torchvision(kind: str, name: str) -> Weights:
    known = torchvision_video.weights_of(kind)
    chosen = known[name] if name in known else next(iter(known.values()))
    return Weights(chosen.get_state_dict(progress=False), format=f"torchvision {chosen.name}")


def _timm(kind: str, _: str) -> Weights:
    return timm_hub.fetch(kind, converted=False)


def _two_stream(kind: str, _: str) -> Weights:
    return timm_hub.fetch(f"timm/{two_stream.split_name(kind)[0]}", converted=False)


def _pytorchvideo(kind: str, _: str) -> Weights:
    name = kind.removeprefix(pytorchvideo_hub.PREFIX)
    net = getattr(pytorchvideo_hub.load_hub(), name)(pretrained=True)
    return Weights(net.state_dict(), format="pytorchvideo")


def _huggingface(kind: str, _: str) -> Weights:
    return read_weights(kind.removeprefix(huggingface_video.PREFIX), converted=False)


PUBLISHED: Mapping[str, Published] = {
    torchvision_video.PREFIX: Published(_torchvision_names, _torchvision),
    "r3d_18": Published(_torchvision_names, _torchvision),
    frame_wise.PREFIX: Published(_none, _timm),
    two_stream.PREFIX: Published(_none, _two_stream),
    pytorchvideo_hub.PREFIX: Published(_none, _pytorchvideo),
    huggingface_video.PREFIX: Published(_none, _huggingface),
}
