"""One configuration key: name, default, meaning, and which values it takes."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from operator import ge, gt, le, lt
from typing import Any

from timesformer.config.coerce import coerce, type_in_words
from timesformer.errors import ConfigError

EMPTY = '""'  # in lists of choices
_COMPARE = {"at_least": ge, "above": gt, "at_most": le, "below": lt}


@dataclass(frozen=True)
class Key:
    """A row of the tables in ``keys_*.py``."""

    name: str  # as TRAIN.BATCH_SIZE
    default: Any  # its type is the type of the key
    meaning: str
    _: KW_ONLY
    choices: tuple[Any, ...] = ()
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    note: str = ""  # what to add to the message about a wrong choice
    ours: bool = False  # the published code has no such key
    free: bool = False  # decides no number of a training, so a run that resumes may change it
    scored: bool = False  # decides a score, so a prediction takes it from the checkpoint
    was: str = ""  # the name that it had before, which still works
    old_choices: Mapping[str, str] = field(default_factory=dict, hash=False)  # these work too

    @property
    def allowed(self) -> str:
        """The choices, the range or the type, in words."""
        if self.choices:
            return f"one of {', '.join(str(choice) or EMPTY for choice in self.choices)}"
        range_ = (f"{name.replace('_', ' ')} {bound}" for name, bound in self._bounds.items())
        return " and ".join(range_) or type_in_words(self.default)

    @property
    def _bounds(self) -> dict[str, float]:
        bounds = {name: getattr(self, name) for name in _COMPARE}
        return {name: bound for name, bound in bounds.items() if bound is not None}

    def read(self, raw: object) -> Any:
        """``raw``, as a YAML file or the command line gives it, as the type of this key.

        Raises:
            ConfigError: it is of another type. Choices and range are left to ``check``.
        """
        return coerce(self.name, raw, self.default)

    def current(self, raw: Any) -> Any:
        """Today's name of the choice ``raw``."""
        return self.old_choices.get(raw, raw) if isinstance(raw, str) else raw

    def check(self, value: Any) -> None:
        """Raise a ConfigError for a value that is not one of the choices, or is out of range."""
        if self.choices and value not in self.choices:
            raise ConfigError(f"{self.name} is {value!r}; choose {self.allowed}{self.note}")
        if not all(_COMPARE[name](value, bound) for name, bound in self._bounds.items()):
            raise ConfigError(f"{self.name} is {value}, but must be {self.allowed}")


def free(*keys: Key) -> tuple[Key, ...]:
    """A section of keys that decide no number of a training."""
    return tuple(replace(key, free=True) for key in keys)
