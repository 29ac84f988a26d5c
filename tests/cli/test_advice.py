"""Every advice in the texts of the product: the tool, the option, the key and its value exist.

The texts are all string constants of timesformer/ and tools/, docstrings too. An option must be one of
the tool that is named before it, or of a tool that prints the text.
"""

import argparse
import ast
import importlib.util
import re
from functools import cache

import pytest

from tests.conftest import ROOT
from timesformer.cli.arguments import Parser
from timesformer.config import ConfigError
from timesformer.config.ignored_keys import IGNORED
from timesformer.config.keys import KEYS, OLD_NAMES
from timesformer.io import terminal

FILES = [*sorted((ROOT / "timesformer").rglob("*.py")), *sorted((ROOT / "tools").glob("*.py"))]
TOOLS = [path.stem for path in sorted((ROOT / "tools").glob("*.py"))]
HOLE = "\0"  # where a text has a value

PRINTED_BY = {  # the tools that print the texts of a module, each of them; of others: some tool
    "timesformer/cli/predict_options.py": ("predict", "extract_features"),
    "timesformer/inference/predictor.py": ("predict", "extract_features"),
    "timesformer/checkpoint/model_spec.py": ("predict", "extract_features", "convert_checkpoint"),
    "timesformer/datasets/annotations.py": ("prepare_data",),
    "timesformer/datasets/annotation_formats.py": ("prepare_data",),
    "timesformer/datasets/annotation_tables.py": ("prepare_data",),
    "timesformer/datasets/list_advice.py": ("prepare_data",),
    "timesformer/datasets/splits.py": ("prepare_data",),
    "timesformer/datasets/checks": ("check_data",),
    "timesformer/engine/presets.py": ("finetune",),
    "timesformer/engine": ("run_net",),
    "timesformer/runtime/rendezvous.py": ("run_net",),
    "timesformer/checkpoint/convert.py": ("convert_checkpoint",),
    "timesformer/checkpoint/inspect.py": ("inspect_checkpoint",),
    "timesformer/video/shard_writer.py": ("make_shards",),
}
OF_OTHER_PROGRAMS = {"--porcelain", "--untracked-files", "--shm-size", "--option", "--an-option"}
OF_OTHER_PROGRAMS |= {"--an_option", "--help"}
OTHER_FILES = {"setup", "NAME"}  # words before .py that are no tools

_TOOL = re.compile(r"(tools/)?\b(\w+)\.py\b")
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


class _Built(BaseException):
    """Carries a parser out of the function that builds it."""


@cache
def parser_of(tool):
    """The parser of a tool as its main builds it; nothing is run."""
    path = ROOT / "tools" / f"{tool}.py"
    spec = importlib.util.spec_from_file_location(f"advice_{tool}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def built(self, *_):
        raise _Built(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parser, "parse_args", built)
        with pytest.raises(_Built) as found:
            module.main()
    return found.value.args[0]


@cache
def options_of(tool):
    """All spellings of the options of a tool and of its parts."""
    parsers = [parser_of(tool)]
    for action in parsers[0]._actions:
        if isinstance(action, argparse._SubParsersAction):
            parsers += action.choices.values()
    return {option for parser in parsers for option in parser._option_string_actions}


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
    """The tools that print the texts of a file."""
    if file.startswith("tools/"):
        return (file[6:-3],)
    found = [tools for place, tools in PRINTED_BY.items() if file.startswith(place)]
    return found[0] if found else TOOLS


def wrong_options(file, text):
    """Options of ``text`` that the tool before them, or the one that prints it, does not have."""
    tools = [(match.start(), match[2]) for match in _TOOL.finditer(text) if match[2] in TOOLS]
    for match in _OPTION.finditer(text):
        named = [tool for start, tool in tools if start < match.start()][-1:]
        printers = printers_of(file)
        without = [tool for tool in printers if match[0] not in options_of(tool)]
        if match[0] in OF_OTHER_PROGRAMS or any(match[0] in options_of(tool) for tool in named):
            continue
        if without and (printers is not TOOLS or len(without) == len(TOOLS)):
            yield f"{match[0]} is no option of {', '.join([*named, *without])}"


def wrong_tools(_, text):
    """Tools of ``text`` that do not exist."""
    for match in _TOOL.finditer(text):
        if match[1] and match[2] not in {*TOOLS, *OTHER_FILES}:
            yield f"{match[0]} does not exist"


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


@pytest.mark.parametrize("rule", [wrong_tools, wrong_options, wrong_keys])
def test_every_advice_is_accepted(rule):
    wrong = [
        f"{file}:{line}: {what}"
        for file, line, text in texts()
        for what in rule(file, text)
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


BAD = {
    "run tools/prepare_dta.py": wrong_tools,
    "run tools/check_data.py LIST --agin": wrong_options,
    "pass --no-such-option": wrong_options,
    "tools/inspect_checkpoint.py FILE --weights": wrong_options,
    "set TRAIN.BACH_SIZE": wrong_keys,
    "set TRAIN.BATCH_SIZE 0": wrong_keys,
    "set TEST.NUM_ENSEMBLE_VIEWS 1001": wrong_keys,
    "set TEST.PRECISION fp8": wrong_keys,
    "pass TRAIN.AUTO_RESUME maybe": wrong_keys,
    "SOLVER.MOMENTUM=1.5": wrong_keys,
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_advice_is_found(text):
    file = "tools/inspect_checkpoint.py"
    assert len(list(BAD[text](file, text))) == 1
    good = "tools/check_data.py LIST --again, TRAIN.BATCH_SIZE 8 or TEST.PRECISION is bf16"
    assert not [what for rule in set(BAD.values()) for what in rule(file, good)]
