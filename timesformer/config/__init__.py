"""The configuration of a run: every key is a row of ``keys_*.py``; files and overrides give its values.

``load_config`` reads, ``changed`` changes, and both refuse values that cannot be used.
"""

from yacs.config import CfgNode

from timesformer.config.load import flat_values, load_config, portable
from timesformer.config.tree import changed, config_of, defaults
from timesformer.errors import ConfigError

__all__ = [
    "CfgNode",
    "ConfigError",
    "changed",
    "config_of",
    "defaults",
    "flat_values",
    "load_config",
    "portable",
]
