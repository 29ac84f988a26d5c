"""Every advice in the texts of the product: the command, the option, the key and its value exist.

The texts are all string constants of timesformer/, docstrings too. An option must be one of the command
that is named before it, or of a command that prints the text.
"""

import ast
import re
from functools import cache

import pytest

from tests.conftest import ROOT
from timesformer.cli.app import PANEL_OF, Lazy
from timesformer.config import ConfigError
from timesformer.config.ignored_keys import IGNORED
from timesformer.config.keys import KEYS, OLD_NAMES
from timesformer.io import terminal

COMMANDS = tuple(PANEL_OF)
FILES = sorted((ROOT / "timesformer").rglob("*.py"))
HOLE = "\0"  # where a text has a value

PRINTED_BY = {  # the commands that print the texts of a module, each of them; of others: any
    "timesformer/cli/model.py": ("predict", "features"),
    "timesformer/inference/predictor.py": ("predict", "features"),
    "timesformer/checkpoint/model_spec.py": ("predict", "features", "convert"),
    "timesformer/datasets/annotations.py": ("prepare",),
    "timesformer/datasets/annotation_formats.py": ("prepare",),
    "timesformer/datasets/annotation_tables.py": ("prepare",),
    "timesformer/datasets/list_advice.py": ("prepare",),
    "timesformer/datasets/splits.py": ("prepare",),
    "timesformer/datasets/checks": ("check",),
    "timesformer/engine/presets.py": ("finetune",),
    "timesformer/engine/shootout": ("shootout",),
    "timesformer/engine": ("train",),
    "timesformer/runtime/rendezvous.py": ("train",),
    "timesformer/checkpoint/convert.py": ("convert",),
    "timesformer/checkpoint/inspect.py": ("inspect",),
    "timesformer/video/shard_writer.py": ("shards",),
}
OF_OTHER_PROGRAMS = {
    "--porcelain",
    "--untracked-files",
    "--shm-size",
    "--version",
    "--nproc-per-node",
    "--dump",
    "--option",
    "--an-option",
}
OF_OTHER_PROGRAMS |= {"--an_option", "--help"}

_COMMAND = re.compile(r"(?<![\w./-])timesformer ([a-z][a-z-]*)")
_SCRIPT = re.compile(r"\btools/\w+\.py\b")
_OPTION = re.compile(rf"(?<![\w-])--[a-z][\w-]*\b(?![-{HOLE}])")
_KEY = re.compile(
    r"(?<![\w.-])([A-Z][A-Z0-9_]{3,}(?:\.[A-Z][A-Z0-9_]*)+)(?![\w.]*\w)"
    r"(?:[ =](True|False|true|false|none|''|-?\d[\w.]*|[a-z]\w*))?"
)
_PROSE = re.compile(  # words after a key that are no value of it
    "a|above|and|as|at|before|below|but|by|clips|deletes|do|does|for|from|gives|ha[sd]|have|holds|if|in"
    "|is|must|names|needs|of|on|or|says|shows|starts|steps|than|that|the|to|until|was|which|will|with"
    "|without|writes"
)


@cache
def options_of(name):
    """All spellings of the options of a command and of its parts."""
    made = Lazy()[name]
    parts = made.commands.values() if hasattr(made, "commands") else [made]
    return {
        option
        for part in parts
        for param in part.params
        for option in (*param.opts, *param.secondary_opts)
    }


@cache
def texts():
    """(file, line, text) of every string constant; an f-string is one, with holes."""
    return [found for path in FILES for found in texts_of(path)]


def texts_of(path):
    """``texts`` of one file."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    joined = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in node.values}
    name = path.relative_to(ROOT).as_posix()
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            held = (getattr(part, "value", "") for part in node.values)
            yield name, node.lineno, "".join(t if isinstance(t, str) else HOLE for t in held)
        elif isinstance(getattr(node, "value", None), str) and id(node) not in parts:
            yield name, node.lineno, node.value


def printers_of(file):
    """The commands that print the texts of a file."""
    name = file.removeprefix("timesformer/cli/").removesuffix(".py").replace("_", "-")
    if name in PANEL_OF:
        return (name,)
    found = [names for place, names in PRINTED_BY.items() if file.startswith(place)]
    return found[0] if found else COMMANDS


def wrong_options(file, text):
    """Options of ``text`` that the command before them, or the one that prints it, does not have."""
    commands = [(m.start(), m[1]) for m in _COMMAND.finditer(text) if m[1] in PANEL_OF]
    for match in _OPTION.finditer(text):
        named = [name for start, name in commands if start < match.start()][-1:]
        printers = printers_of(file)
        without = [name for name in printers if match[0] not in options_of(name)]
        if match[0] in OF_OTHER_PROGRAMS or any(match[0] in options_of(name) for name in named):
            continue
        if without and (printers is not COMMANDS or len(without) == len(COMMANDS)):
            yield f"{match[0]} is not an option of {', '.join([*named, *without])}"


def wrong_commands(_, text):
    """Commands of ``text`` that do not exist, and scripts, which a wheel does not have."""
    yield from (f"{m[0]} does not exist" for m in _COMMAND.finditer(text) if m[1] not in PANEL_OF)
    yield from (f"{m[0]} is only in a clone; name the command" for m in _SCRIPT.finditer(text))


def wrong_keys(file, text):
    """Keys of ``text`` that a configuration does not have, and values that it refuses."""
    if file == "timesformer/config/ignored_keys.py":
        return
    sections = {key.partition(".")[0] for key in KEYS}
    for key, value in _KEY.findall(text):
        if key.partition(".")[0] not in sections or key in IGNORED:
            continue
        if key in OLD_NAMES and file.startswith("timesformer/config/keys_"):
            continue
        if key not in KEYS:
            if not any(name.startswith(f"{key}.") for name in KEYS):
                yield f"{key} is no key"
        elif value and not _PROSE.fullmatch(value):
            yield from wrong_value(KEYS[key], value)


def wrong_value(key, value):
    """Why a configuration refuses ``value``, by the row of this key alone."""
    try:
        key.check(key.read(value))
    except ConfigError as error:
        yield str(error)


@pytest.fixture(autouse=True)
def _as_before():
    yield
    terminal.set_verbosity(0)


@pytest.mark.parametrize("rule", [wrong_commands, wrong_options, wrong_keys])
def test_every_advice_is_accepted(rule):
    wrong = [
        f"{file}:{line}: {what}"
        for file, line, text in texts()
        for what in rule(file, text)
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


BAD = {
    "run timesformer prepar": wrong_commands,
    "run tools/prepare_data.py": wrong_commands,
    "run timesformer check LIST --agin": wrong_options,
    "pass --no-such-option": wrong_options,
    "timesformer inspect FILE --weights": wrong_options,
    "set TRAIN.BACH_SIZE": wrong_keys,
    "set TRAIN.BATCH_SIZE 0": wrong_keys,
    "set TEST.NUM_ENSEMBLE_VIEWS 100001": wrong_keys,
    "set TEST.PRECISION fp8": wrong_keys,
    "pass TRAIN.AUTO_RESUME maybe": wrong_keys,
    "SOLVER.MOMENTUM=1.5": wrong_keys,
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_advice_is_found(text):
    file = "timesformer/cli/inspect.py"
    assert len(list(BAD[text](file, text))) == 1
    good = "timesformer check LIST --again, TRAIN.BATCH_SIZE 8 or TEST.PRECISION is bf16"
    assert not [what for rule in set(BAD.values()) for what in rule(file, good)]
