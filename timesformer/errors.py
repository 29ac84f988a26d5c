"""The family of errors that are the input's fault: the message names the thing, rule and remedy.

A command prints such a message without a traceback and ends with status 2.
"""

INPUT_STATUS = 2  # exit status of a command whose input cannot be used


class InputError(Exception):
    """Base of the errors of configurations, lists, videos, weights and files that a user gave."""


class ConfigError(InputError, ValueError):
    """A configuration that cannot be used; the message names key, value, rule and remedy."""


EXPLAINED = (InputError, FloatingPointError)  # by their message, without a traceback
