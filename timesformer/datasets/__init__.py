"""Lists of videos to samples to batches.

The names of this door are imported when they are used, because scan processes (``checks``) import this
package and must start without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timesformer.datasets.build import build_dataset, build_loader, build_view, load_views
    from timesformer.datasets.list_source import read_list

__all__ = ["build_dataset", "build_loader", "build_view", "load_views", "read_list"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    module = "list_source" if name == "read_list" else "build"
    return getattr(import_module(f"{__name__}.{module}"), name)
