"""The depths of a network that another library wrote, found by its structure."""

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # exactly: a subclass is one layer


def layer_groups(
    model: nn.Module, classifier_name: str, opened: tuple[str, ...] = ()
) -> list[tuple[str, ...]]:
    """Names of the modules and parameters of each depth, in their order, without the classifier.

    Containers are opened. A network without any at its top has its depth in the longest list of
    modules, as the blocks of a transformer; what lies around that is opened. Dropout goes with the
    layer before it.

    Args:
        model: its children stand in the order in which they are used.
        classifier_name: of the module to leave out.
        opened: names of more modules whose children are depths.
    """
    tops = [model, *(model.get_submodule(name) for name in opened)]
    is_flat = any(type(child) in _CONTAINERS for top in tops for child in top.children())
    around = set(opened) | (set() if is_flat else _around_longest(model))
    groups: list[list[str]] = []
    waiting: list[str] = []  # parameters of an opened module, which go with its first child
    for name, part in _parts(model, "", classifier_name, around):
        if part is None:
            waiting.append(name)
        elif isinstance(part, _DropoutNd):
            if groups:
                groups[-1].append(name)
        elif any(True for _ in part.parameters()):
            groups.append([*waiting, name])
            waiting = []
    if waiting:
        groups.append(waiting)
    return [tuple(group) for group in groups]


def _parts(
    module: nn.Module, prefix: str, classifier_name: str, around: set[str]
) -> Iterator[tuple[str, nn.Module | None]]:
    """The parts of ``module`` with their names; parameters of its own come first, as None."""
    for name, _ in module.named_parameters(recurse=False):
        yield prefix + name, None
    for name, child in module.named_children():
        full = prefix + name
        if full == classifier_name:
            continue
        is_way = full in around or classifier_name.startswith(f"{full}.")
        if type(child) in _CONTAINERS or is_way:
            yield from _parts(child, f"{full}.", classifier_name, around)
        else:
            yield full, child


def _around_longest(model: nn.Module) -> set[str]:
    """Names of the modules that contain the longest list of modules with parameters."""
    lists = [
        (len(module), name)
        for name, module in model.named_modules()
        if type(module) is nn.ModuleList and any(True for _ in module.parameters())
    ]
    if not lists:
        return set()
    parts = max(lists, key=lambda each: each[0])[1].split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts))}
