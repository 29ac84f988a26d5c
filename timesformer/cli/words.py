"""The words of a command line, brought into the order that Click reads.

    timesformer COMMAND --option VALUE KEY VALUE KEY=VALUE --set KEY VALUE --option

A configuration key and its value may stand before, between and after options, as two words or as
one, and a value may begin with a dash. ``--an_option`` is ``--an-option``; an option may be shortened
as long as no other begins so; an option of several values is given once.
"""

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

SET = "--set"
# A configuration key: a section and a name, or a name without a section.
_KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+|NUM_GPUS|NUM_SHARDS|SHARD_ID|RNG_SEED|OUTPUT_DIR"
                  r"|LOG_PERIOD|LOG_MODEL_INFO|GLOBAL_BATCH_SIZE|DIST_BACKEND")  # fmt: skip
_NUMBER = re.compile(r"-\.?\d.*")


def arrange(
    words: Sequence[str],
    options: Mapping[str, Any],
    num_arguments: int | None,
    *,
    fail: Callable[[str], NoReturn],
) -> list[str]:
    """Options first, configuration keys and values as those of ``--set``, the others behind ``--``.

    Args:
        words: of the command line, without the command.
        options: Click's option of every spelling; ``is_flag`` and ``multiple`` are read.
        num_arguments: how many words may be neither option nor key; None: any number. Words beyond
            them are taken for keys, so that a misspelt key is reported as one.
        fail: gets the message for an unknown option, and for an option or a key without a value.
    """
    return _Arranger(words, options, num_arguments, fail).arranged()


class _Arranger:
    def __init__(
        self,
        words: Sequence[str],
        options: Mapping[str, Any],
        num_arguments: int | None,
        fail: Callable[[str], NoReturn],
    ) -> None:
        self._left = list(reversed(words))
        self._options = options
        self._has_keys = SET in options
        self._num_arguments = num_arguments
        self._fail = fail
        self._first: list[str] = []  # options, keys, and their values
        self._others: list[str] = []

    def arranged(self) -> list[str]:
        while self._left:
            self._take(self._left.pop())
        return [*self._first, "--", *self._others]

    def _take(self, word: str) -> None:
        name, equals, value = word.partition("=")
        if word == "--":
            self._others += reversed(self._left)
            self._left.clear()
        elif self._has_keys and name == SET:
            self._left += [value] if equals else []
            self._take_key(self._left.pop() if self._left else SET)
        elif word.startswith("-") and word != "-" and not _NUMBER.fullmatch(word):
            self._take_option(self._known(name), [value] if equals else [])
        elif self._has_keys and self._is_key(word):
            self._take_key(word)
        else:
            self._others.append(word)

    def _take_option(self, name: str, values: list[str]) -> None:
        option = self._options[name]
        if option.is_flag and not values:
            self._first.append(name)
            return
        while self._left and (option.multiple or not values) and self._may_follow(option):
            values.append(self._left.pop())
        if option.is_flag or not values:
            self._fail(f"option {name} takes no value" if values else f"option {name} has no value")
        self._first += [word for value in values for word in (name, value)]

    def _may_follow(self, option: Any) -> bool:
        word = self._left[-1]
        if word == "--" or self._is_option(word):
            return False
        ends = word.startswith("--") or (self._has_keys and _looks_like_key(word))
        return not (option.multiple and ends)

    def _take_key(self, word: str) -> None:
        key, equals, value = word.partition("=")
        if not equals:
            if not self._left or self._is_option(self._left[-1]):
                self._fail(f"'{key}' has no value; write {key} VALUE or {key}=VALUE")
            value = self._left.pop()
        self._first += [SET, key, SET, value]

    def _is_key(self, word: str) -> bool:
        most = self._num_arguments
        return _looks_like_key(word) or (most is not None and len(self._others) >= most)

    def _is_option(self, word: str) -> bool:
        return word.partition("=")[0] in self._options

    def _known(self, name: str) -> str:
        """The spelling of an option that Click knows."""
        for spelling in (name, name.replace("_", "-"), f"--{name[2:].replace('-', '_')}"):
            if spelling in self._options:
                return spelling
        begun = [each for each in self._options if name.startswith("--") and each.startswith(name)]
        if len({self._options[each].name for each in begun}) > 1:
            self._fail(f"{name} may be {' or '.join(begun)}; write the whole option")
        if begun:
            return begun[0]
        known = [each for each in self._options if each.startswith("--")]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = "".join(f"; did you mean {each}?" for each in close)
        return self._fail(f"there is no option {name}{hint}")


def _looks_like_key(word: str) -> bool:
    return bool(_KEY.fullmatch(word.partition("=")[0])) and not os.path.exists(word)
