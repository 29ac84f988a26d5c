"""FSDP2: every process keeps a part of each parameter, its gradient and its optimizer state.

A layer's parameters are gathered while it computes. Names stay, and ``full_state_dict`` puts the
parts together again: every checkpoint is an ordinary one.
"""

import contextlib
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from timesformer.models.classifier import Classifier, layers
from timesformer.runtime import collectives

_NEEDED = "set_reshard_after_forward"  # of FSDPModule, since PyTorch 2.8


def shard(model: Classifier, optimizer: torch.optim.Optimizer, device: torch.device) -> nn.Module:
    """``model`` in place, and the state that ``optimizer`` has for it; weights are the first process's."""
    with torch.no_grad():
        collectives.broadcast_tensors([*model.parameters(), *model.buffers()])
    whole = dict(model.named_parameters())
    world = dist.group.WORLD  # not a group of the mesh's own, whose time limit would be another
    mesh = DeviceMesh.from_group(world, device.type)
    for layer in layers(model):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    parts = dict(model.named_parameters())
    _shard_optimizer(optimizer, {whole[name]: parts[name] for name in whole}, mesh)
    return model


def version_problems() -> Iterator[str]:
    """What this PyTorch lacks; ``whole_parameters`` needs it at the first validation."""
    if not hasattr(FSDPModule, _NEEDED):
        yield (
            f"DIST.STRATEGY fsdp needs PyTorch 2.8, and this is {torch.__version__}; update it, or use "
            "ddp"
        )


def is_sharded(model: nn.Module) -> bool:
    """Whether ``shard`` was here."""
    return isinstance(model, FSDPModule)


@contextlib.contextmanager
def whole_parameters(model: nn.Module) -> Iterator[None]:
    """No exchange inside: for a validation, whose processes may have different numbers of batches."""
    parts = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for module in parts:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    yield
    for module in parts:
        module.reshard()
        module.set_reshard_after_forward(True, recurse=False)


def _shard_optimizer(
    optimizer: torch.optim.Optimizer, parts: dict[Tensor, nn.Parameter], mesh: DeviceMesh
) -> None:
    """Let it update ``parts`` in place of the whole parameters, with what it knows of them."""
    for group in optimizer.param_groups:
        group["params"] = [parts[parameter] for parameter in group["params"]]
        if isinstance(optimizer, torch.optim.SGD):  # PyTorch has no fused one for parts
            group["fused"] = False
    for parameter, state in list(optimizer.state.items()):
        part = parts[parameter]
        del optimizer.state[parameter]
        optimizer.state[part] = {
            name: _like(part, value, mesh) if _is_shaped_like(value, parameter) else value
            for name, value in state.items()
        }


def _is_shaped_like(value: object, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0 and value.shape == parameter.shape


def _like(part: nn.Parameter, value: Tensor, mesh: DeviceMesh) -> DTensor:
    assert isinstance(part, DTensor)
    return distribute_tensor(value, mesh, part.placements)
