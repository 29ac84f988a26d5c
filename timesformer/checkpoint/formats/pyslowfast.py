"""Weights of PySlowFast by the names of PyTorchVideo: its ``.pyth`` files, and its older ones of Caffe2.

``s2.pathway0_res0.branch2.a.weight`` of a ``.pyth`` is ``res2_0_branch2a_w`` of a ``.pkl``. The networks
are the same, but for one shortcut of X3D, see ``fold_shortcuts``.
"""

import re
from collections.abc import Callable, Container, Mapping
from typing import NamedTuple

from timesformer.checkpoint.formats.weights import FormatError, Rules, State
from timesformer.config.strict_yaml import read_yaml

Finished = tuple[State, list[str]]  # the weights of the model, and notes about them
Finish = Callable[[State, Container[str]], Finished]

_CAFFE2: Rules = (  # to the names of a .pyth
    (r"^t_pool1_subsample_bn_", "s1_fuse.bn_"),
    (r"^t_pool1_subsample_", "s1_fuse.conv_f2s_"),
    (r"^t_res(\d)_\d+_branch2c_bn_subsample_bn_", r"s\1_fuse.bn_"),
    (r"^t_res(\d)_\d+_branch2c_bn_subsample_", r"s\1_fuse.conv_f2s_"),
    (r"^(?=res\d_|res_conv1_|conv1_[wb]$)", "pathway0_"),
    (r"^t_(?=res\d_|res_conv1_|conv1_)", "pathway1_"),
    (r"^(pathway\d_)res_conv1_bn_", r"s1.\1stem.bn_"),
    (r"^(pathway\d_)conv1_", r"s1.\1stem.conv_"),
    (r"^(pathway\d_)res(\d)_(\d+)_branch1_", r"s\2.\1res\3.branch1_"),
    (r"^(pathway\d_)res(\d)_(\d+)_branch2([abc])_", r"s\2.\1res\3.branch2.\4_"),
    (r"^pred_(?=[wb]$)", "head.projection_"),
    (r"(?<=bn)_s$", ".weight"),
    (r"(?<=bn)_rm$", ".running_mean"),
    (r"(?<=bn)_riv$", ".running_var"),
    (r"^(s\d(?:_fuse)?\..*|head\..*)_w$", r"\1.weight"),
    (r"^(s\d(?:_fuse)?\..*|head\..*)_b$", r"\1.bias"),
)
_IS_CAFFE2 = re.compile(r"(t_)?res\d_\d+_branch2a_w$")
_OF_TRAINING = re.compile(r"(\w+_momentum|lr|model_iter)$")  # beside the weights of Caffe2
_BLOCK: Rules = (
    (r"\.branch1\.", ".branch1_conv."),
    (r"\.branch1_bn\.", ".branch1_norm."),
    (r"\.branch2\.([abc])\.", r".branch2.conv_\1."),
    (r"\.branch2\.([abc])_bn\.", r".branch2.norm_\1."),
)
_STEM: Rules = (
    (r"^s1\.pathway0_stem\.conv\.", "blocks.0.conv."),
    (r"^s1\.pathway0_stem\.bn\.", "blocks.0.norm."),
)
_SLOWFAST: Rules = (
    (r"^s1\.pathway(\d)_stem\.conv\.", r"blocks.0.multipathway_blocks.\1.conv."),
    (r"^s1\.pathway(\d)_stem\.bn\.", r"blocks.0.multipathway_blocks.\1.norm."),
    *(
        (
            rf"^s{n + 1}\.pathway(\d)_res(\d+)\.",
            rf"blocks.{n}.multipathway_blocks.\1.res_blocks.\2.",
        )
        for n in range(1, 5)
    ),
    *(
        (rf"^s{n + 1}_fuse\.{theirs}\.", f"blocks.{n}.multipathway_fusion.{ours}.")
        for n in range(4)
        for theirs, ours in (("conv_f2s", "conv_fast_to_slow"), ("bn", "norm"))
    ),
    (r"^head\.projection\.", "blocks.6.proj."),
)
_X3D: Rules = (
    (r"^s1\.pathway0_stem\.conv_xy\.", "blocks.0.conv.conv_t."),
    (r"^s1\.pathway0_stem\.conv\.", "blocks.0.conv.conv_xy."),
    (r"^s1\.pathway0_stem\.bn\.", "blocks.0.norm."),
    (r"\.branch2\.b_bn\.", ".branch2.norm_b.0."),
    (r"\.branch2\.se\.fc1\.", ".branch2.norm_b.1.block.0."),
    (r"\.branch2\.se\.fc2\.", ".branch2.norm_b.1.block.2."),
    (r"^head\.conv_5\.", "blocks.5.pool.pre_conv."),
    (r"^head\.conv_5_bn\.", "blocks.5.pool.pre_norm."),
    (r"^head\.lin_5\.", "blocks.5.pool.post_conv."),
)
POOLS = (
    "this C2D pools over time after its first stage; a file of Caffe2 does not say whether its own does. "
    "C2D_NOPOOL_8x8_R50 of PySlowFast's model zoo does not, so its scores are not the published ones here"
)
_SHORTCUT_NORM = ".branch1_norm."
_EPSILON = 1e-5  # of all norms of PySlowFast
# MODEL.ARCH of networks that do not pool over time after their first stage, as c2d and i3d do.
_UNPOOLED = ("2d", "c2d_nopool", "i3d_nopool", "slow", "slow_c2d", "slow_i3d")


def _stages(count: int, *, pool: bool) -> Rules:
    """PySlowFast's stages s2 .. s5 and head to the blocks of PyTorchVideo; ``pool``: one is block 2."""
    shift = [0, *([1] * (count - 1) if pool else [0] * (count - 1))]
    rules: Rules = tuple(
        (rf"^s{n + 2}\.pathway0_res(\d+)\.", rf"blocks.{n + 1 + shift[n]}.res_blocks.\1.")
        for n in range(count)
    )
    return (*rules, (r"^head\.projection\.", f"blocks.{count + 1 + pool}.proj."))


def only_weights(state: State) -> State:
    """``state`` without what a file of Caffe2 has of its training: momenta, the rate, the step."""
    if not any(map(_IS_CAFFE2.match, state)):
        return state
    return {name: value for name, value in state.items() if not _OF_TRAINING.match(name)}


def fold_shortcuts(state: State, wanted: Container[str]) -> Finished:
    """Norms of shortcuts that the model has not become part of the layers beside them.

    The first block of X3D halves the frames' sides and keeps the channels. PySlowFast norms its
    shortcut, PyTorchVideo does not. A norm with fixed statistics is a scale and an offset of channels:
    the scale goes into the convolution before it, the offset to the norm whose output is added to the
    shortcut. Training continues without that norm.

    Args:
        state: tensors by the names of the model.
        wanted: names of its parameters.
    """
    norms = {name.rsplit(".", 1)[0] for name in state if _SHORTCUT_NORM in name}
    notes = []
    for norm in sorted(norms):
        parts = _Parts.of(norm)
        if f"{norm}.weight" not in wanted and parts.fit(state):
            state = parts.fold(state)
            notes.append(f"{norm}, which the model has not, is part of {parts.conv} now")
    return state, notes


class _Parts(NamedTuple):
    """Names of the tensors of a shortcut's norm, and of those beside it."""

    weight: str
    bias: str
    mean: str
    var: str
    conv: str  # before the norm
    last: str  # offset of what is added to the shortcut

    @classmethod
    def of(cls, norm: str) -> "_Parts":
        block = norm.removesuffix(_SHORTCUT_NORM[:-1])
        of_norm = (f"{norm}.{kind}" for kind in ("weight", "bias", "running_mean", "running_var"))
        return cls(*of_norm, f"{block}.branch1_conv.weight", f"{block}.branch2.norm_c.bias")

    def fit(self, state: State) -> bool:
        """Whether all are there, of the same number of channels."""
        if not state.keys() >= set(self) or state[self.conv].ndim != 5:
            return False
        return len({state[name].shape[:1] for name in self}) == 1

    def fold(self, state: State) -> State:
        scale = state[self.weight] / (state[self.var] + _EPSILON).sqrt()
        norm = self.weight.removesuffix("weight")
        kept = {name: value for name, value in state.items() if not name.startswith(norm)}
        kept[self.conv] = state[self.conv] * scale[:, None, None, None, None]
        kept[self.last] = state[self.last] + state[self.bias] - state[self.mean] * scale
        return kept


def doubt_pool(state: State, _: Container[str]) -> Finished:
    """A note on C2D: the model zoo's own does not pool over time, and names and shapes are the same."""
    first = state.get("blocks.0.conv.weight")
    is_c2d = first is not None and first.shape[2:3] == (1,)  # frames that it takes
    return state, [POOLS] if is_c2d else []


def refuse_other_pool(kind: str, said: object) -> None:
    """Raise FormatError if a file of a pooled network says that its own has no pool.

    Args:
        kind: a name of ``KINDS``.
        said: the configuration in the file, YAML text, if there is one.
    """
    if "with a pool" not in kind or not isinstance(said, str):
        return
    tree = read_yaml(said, source="its cfg")
    model = tree.get("MODEL") if isinstance(tree, Mapping) else None
    arch = str(model.get("ARCH", "")) if isinstance(model, Mapping) else ""
    if arch in _UNPOOLED:
        raise FormatError(
            f"the file says MODEL.ARCH {arch}, a network without the pool over time that this model has: "
            "its scores would be those of another network, and there is no such model here; use a file "
            "of c2d or i3d"
        )


_SLOWFAST_NAMES = (*_SLOWFAST, *_BLOCK)
_RESNET = (*_STEM, *_stages(4, pool=False), *_BLOCK)
_POOLED = (*_STEM, *_stages(4, pool=True), *_BLOCK)
KINDS: dict[str, tuple[Rules, Finish | None]] = {  # of two whose rules fit alike the first is taken
    "PySlowFast SlowFast": (_SLOWFAST_NAMES, None),
    "PySlowFast X3D": ((*_X3D, *_stages(4, pool=False), *_BLOCK), fold_shortcuts),
    "PySlowFast ResNet": (_RESNET, None),
    "PySlowFast ResNet with a pool": (_POOLED, None),
    "PySlowFast SlowFast of Caffe2": ((*_CAFFE2, *_SLOWFAST_NAMES), None),
    "PySlowFast ResNet of Caffe2": ((*_CAFFE2, *_RESNET), None),
    "PySlowFast ResNet with a pool of Caffe2": ((*_CAFFE2, *_POOLED), doubt_pool),
}
