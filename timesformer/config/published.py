"""The published accuracies of the recipes, which stand in the head of each recipe, and nowhere else."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from yacs.config import CfgNode

from timesformer.config.keys import KEYS
from timesformer.config.load import load_config
from timesformer.config.protocols import PROTOCOLS
from timesformer.config.shipped import RECIPES, recipe_names
from timesformer.config.tree import flatten

_PAPER = re.compile(r"\b[Pp]aper (\d+\.\d+(?: / \d+\.\d+)?)")
_RELEASED = re.compile(r"\breleased checkpoint (\d+\.\d+(?: / \d+\.\d+)?)")
# What a comparison with a published number must have in common. A protocol is what is compared, and the
# shape of a forward batch changes no score but by rounding.
_ALIKE = [key.name for key in KEYS.values() if key.scored and key.name != "TEST.FORWARD_BATCH"]
_ALIKE = [name for name in _ALIKE if all(name not in values for values in PROTOCOLS.values())]


class Published(NamedTuple):
    """Top-1, or top-1 / top-5, in percent, as text; empty: not published."""

    recipe: str  # as Kinetics/TimeSformer_divST_8x32_224
    paper: str
    released: str  # of the released checkpoint, by the published code


def published() -> Iterator[Published]:
    """Those of all recipes that say any."""
    for name in recipe_names():
        text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
        head = " ".join(line for line in text.splitlines() if line.startswith("#"))
        found = [match[1] if (match := each.search(head)) else "" for each in (_PAPER, _RELEASED)]
        if any(found):
            yield Published(name, *found)


def build_published(cfg: CfgNode) -> Published | None:
    """Those of the recipe with the model, the classes, the clips and the views of ``cfg``; None: no such.

    The data are not compared: a list of other videos with as many classes looks the same.
    """
    mine = flatten(cfg)
    for each in published():
        theirs = flatten(load_config(RECIPES / f"{each.recipe}.yaml"))
        if all(mine[name] == theirs[name] for name in _ALIKE):
            return each
    return None
