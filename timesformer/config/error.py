"""The error of configurations."""

from timesformer.errors import InputError


class ConfigError(InputError, ValueError):
    """A configuration that cannot be used; the message names key, value, rule and remedy."""
