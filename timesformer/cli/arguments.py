"""The command lines of all tools: one spelling for one thing, and config keys anywhere.

    tool.py --option VALUE KEY VALUE KEY=VALUE --set KEY VALUE --option

A key and its value may stand before, between and after options, as two words or one; a value may begin
with a dash. ``--an_option`` is ``--an-option``. An unknown option names the one that was meant.
"""

import argparse
import difflib
import logging
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from timesformer.io.terminal import log_to_stderr, set_verbosity, verbosity

# A config key wherever other words may stand: a section and a name, or a name of no section.
_KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+|NUM_GPUS|NUM_SHARDS|SHARD_ID|RNG_SEED|OUTPUT_DIR"
                  r"|LOG_PERIOD|LOG_MODEL_INFO|GLOBAL_BATCH_SIZE|DIST_BACKEND")  # fmt: skip
_NUMBER = re.compile(r"-\.?\d.*")
SPELLINGS = {  # of options that several tools have; the first is the one that is shown
    "weights": ("--weights", "--checkpoint", "--from"),
    "workers": ("--workers", "--jobs", "--num-workers"),
    "gpus": ("--gpus", "--num-gpus"),
    "out": ("--out", "--output-dir"),
}


class Parser(argparse.ArgumentParser):
    """argparse, and with ``keys`` config keys and values, flat, as ``opts`` of the result."""

    def __init__(self, *arguments: Any, keys: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.keys = keys
        loud = self.add_mutually_exclusive_group()
        either = {"action": "store_const", "dest": "verbosity", "default": argparse.SUPPRESS}
        loud.add_argument("-v", "--verbose", const=1, help="say everything", **either)
        loud.add_argument("-q", "--quiet", const=-1, help="warnings and results only", **either)
        if keys:
            usage = "config key and value, anywhere: KEY VALUE, KEY=VALUE or --set KEY VALUE"
            self.add_argument("--set", nargs=2, metavar=("KEY", "VALUE"), help=usage)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse, after the words of config keys are taken out."""
        words = self._spelled(sys.argv[1:] if args is None else args)
        pairs: list[str] = []
        if not self._has_parts():
            words, pairs = self._split(words)
        found, rest = super().parse_known_args(words, namespace)
        if self.keys:
            found.opts = pairs
            del found.set
        set_verbosity(getattr(found, "verbosity", 0))
        log_to_stderr(logging.INFO if verbosity() > 0 else logging.WARNING)
        return found, rest

    def error(self, message: str) -> NoReturn:
        """End with status 2; an option is called by its first name, and the help is named."""
        message = re.sub(r"(--[\w-]+)(/--[\w-]+)+", r"\1", message)
        self.exit(2, f"{self.prog}: error: {message}\n(see {self.prog} --help)\n")

    def _has_parts(self) -> bool:
        return any(isinstance(a, argparse._SubParsersAction) for a in self._actions)

    def _spelled(self, words: Iterable[str]) -> list[str]:
        """``words`` with the spelling of options that the parser knows."""
        return [self._known_spelling(word) for word in words]

    def _known_spelling(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if not name.startswith("--") or name in self._option_string_actions:
            return word
        for other in (name.replace("_", "-"), name.replace("-", "_").replace("__", "--", 1)):
            if other in self._option_string_actions:
                return other + equals + value
        return word

    def _split(self, words: list[str]) -> tuple[list[str], list[str]]:
        """Words for argparse, positional ones first, and the flat config keys and values."""
        options: list[str] = []
        others: list[str] = []
        pairs: list[str] = []
        left = list(reversed(words))
        while left:
            word = left.pop()
            if word == "--":
                return [*options, "--", *others, *reversed(left)], pairs
            if self.keys and (word == "--set" or word.startswith("--set=")):
                left += [word[6:]] if word != "--set" else []
                pairs += self._pair(left.pop() if left else "--set", left)
            elif action := self._option(word):
                options.append(word)
                options += [] if "=" in word else self._values(action, left)
            elif self.keys and self._is_key(word, others):
                pairs += self._pair(word, left)
            else:
                others.append(word)
        if any(word.startswith("-") for word in others):
            return [*options, "--", *others], pairs
        return [*others, *options], pairs

    def _option(self, word: str) -> "argparse.Action | None":
        """The action of an option; ends with an error if there is no such option."""
        name = word.partition("=")[0]
        if not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word):
            return None
        known = self._option_string_actions
        if name in known:
            return known[name]
        begun = [option for option in known if name.startswith("--") and option.startswith(name)]
        if len({known[option] for option in begun}) == 1:
            return known[begun[0]]
        if begun:
            self.error(f"{name} may be {' or '.join(begun)}; write it whole")
        return self._refuse(word, [option for option in known if option.startswith("--")])

    def _refuse(self, word: str, options: list[str]) -> NoReturn:
        close = difflib.get_close_matches(word.partition("=")[0], options, n=1, cutoff=0.5)
        self.error(
            f"unrecognized arguments: {word}" + "".join(f"; did you mean {c}?" for c in close)
        )

    def _values(self, action: argparse.Action, left: list[str]) -> list[str]:
        """The words that belong to an option, taken off ``left``."""
        taken: list[str] = []
        several = action.nargs in ("+", "*", "?")
        at_most = 1 if action.nargs in (None, "?") else len(left)
        most = action.nargs if isinstance(action.nargs, int) else at_most
        while left and len(taken) < most:
            word = left[-1]
            if word == "--" or word.partition("=")[0] in self._option_string_actions:
                break
            if several and ((self.keys and self._looks_like_key(word)) or word.startswith("--")):
                break
            taken.append(left.pop())
        return taken

    def _is_key(self, word: str, others: Sequence[object]) -> bool:
        """Whether a word that is no option begins a config key and its value."""
        most = self._num_positionals()
        return self._looks_like_key(word) or (most is not None and len(others) >= most)

    def _looks_like_key(self, word: str) -> bool:
        return bool(_KEY.fullmatch(word.partition("=")[0])) and not os.path.exists(word)

    def _num_positionals(self) -> int | None:
        """How many words are not options; None: any number."""
        positional = [action for action in self._actions if not action.option_strings]
        if any(action.nargs not in (None, "?") for action in positional):
            return None
        return len(positional)

    def _pair(self, word: str, left: list[str]) -> list[str]:
        key, equals, value = word.partition("=")
        if equals:
            return [key, value]
        if not left or left[-1].partition("=")[0] in self._option_string_actions:
            self.error(f"'{key}' has no value; write {key} VALUE or {key}=VALUE")
        return [key, left.pop()]
