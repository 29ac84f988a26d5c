"""Lists of videos to samples to batches.

The names of this door are imported when they are used, because scan processes (``checks``) import this
package and must start without torch.
"""

from typing import TYPE_CHECKING

from timesformer.lazy import lazy_names

if TYPE_CHECKING:
    from timesformer.datasets.build import build_dataset, build_loader, build_view, load_views
    from timesformer.datasets.list_source import read_list

__all__ = ["build_dataset", "build_loader", "build_view", "load_views", "read_list"]
__getattr__ = lazy_names(__name__, dict.fromkeys(__all__, "build") | {"read_list": "list_source"})
