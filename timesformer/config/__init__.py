"""The configuration of a run: every key, how a YAML file becomes one, and what it may not say."""

from timesformer.config.defaults import defaults
from timesformer.config.load import ConfigError, load_config

__all__ = ["ConfigError", "defaults", "load_config"]
