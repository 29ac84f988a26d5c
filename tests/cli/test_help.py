"""Help is answered before anything slow is imported, and says what a person needs first."""

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from timesformer import __main__, __version__
from timesformer.cli import main
from timesformer.cli.app import PANEL_OF, Lazy, run
from timesformer.cli.ending import UsageError
from timesformer.config.shipped import recipe_names

TOOLS = sorted((ROOT / "tools").glob("*.py"))
SLOW = {
    "torch",
    "numpy",
    "av",
    "cv2",
    "yaml",
    "pandas",
    "tqdm",
    "multiprocessing",
    "timesformer.config",
}


def python(*words, cwd=None):
    words = [sys.executable, *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, env=env)


@pytest.mark.parametrize("command", ["", "train", "benchmark data", "make-motion-dataset"])
def test_help_imports_nothing_slow(command):
    code = (
        f"import sys; from timesformer.cli.app import run\n"
        f"assert run([*{command.split()}, '--help']) == 0\n"
        f"sys.exit(', '.join({SLOW} & set(sys.modules)) or 0)"
    )
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: timesformer {command}".rstrip() in done.stdout


def test_a_command_is_imported_when_it_is_asked_for():
    code = (
        "import sys; from timesformer.cli.app import run; run(['plot', '--help'])\n"
        "print(sorted(name for name in sys.modules if name.startswith('timesformer.cli.')))"
    )
    loaded = python("-c", code).stdout.splitlines()[-1]
    assert "timesformer.cli.plot" in loaded
    assert "timesformer.cli.train" not in loaded


def parts(name):
    """The words of a command, and of its parts."""
    made = Lazy()[name]
    return [f"{name} {part}" for part in made.commands] if hasattr(made, "commands") else [name]


def refuses(made, option, value):
    """Whether the option itself is wrong: given ones are read before missing ones are noticed."""
    try:
        made.make_context("t", [option, value])
    except UsageError as error:
        return error.format_message().startswith(f"Invalid value for '{option}'")
    return False


@pytest.mark.parametrize("name", [each for name in PANEL_OF for each in parts(name)])
def test_a_number_has_bounds(name):
    """Those of NUM_SHARDS and SHARD_ID are the rows of these keys; labels may count from anywhere."""
    command, _, part = name.partition(" ")
    made = Lazy()[command].commands[part] if part else Lazy()[command]
    options = {each.opts[0] for each in made.params if each.opts[0].startswith("--")}
    if name in ("train", "test"):
        options -= {"--num_shards", "--shard_id"}
    for option in options - {"--first-label"}:
        assert refuses(made, option, "x") <= refuses(made, option, "-7"), option


@pytest.mark.parametrize("name", [each for name in PANEL_OF for each in parts(name)])
def test_every_help_has_an_example_that_parses_and_the_exit_status(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    assert run([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert "Exit status: 0 success; " in text
    assert f"$ timesformer {name}" in text


@pytest.mark.parametrize("words", [["train"], ["benchmark"], ["benchmark", "data"]])
def test_a_flag_is_shown_without_a_type(words, capsys):
    assert run([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert "--help" in text
    assert "bool" not in text.lower()


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_every_tool_is_a_command_under_its_own_name(tool, tmp_path):
    done = python(tool, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: {tool.name} [OPTIONS]" in done.stdout
    name = re.search(r'run_tool\("(.*)"\)', tool.read_text())[1]
    assert name in PANEL_OF
    assert len(tool.read_text().splitlines()) <= 7


def test_the_module_is_the_command(tmp_path):
    assert python("-m", "timesformer", "--version").stdout == f"timesformer {__version__}\n"
    assert __main__.main is main


@pytest.mark.parametrize("words", [[], ["-v"]])
def test_without_a_command_they_are_listed(words, capsys):
    assert run(words) == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in PANEL_OF)


def test_the_list_of_commands_is_quick():
    """0.14 s of a processor; with rich, 0.25."""
    code = (
        "import sys; from timesformer.cli.app import run; run([]); sys.exit('rich' in sys.modules)"
    )
    assert python("-c", code).returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?\n(see timesformer --help)"),
        (["benchmark", "dta"], "Did you mean 'data'?"),
        (["--versoin"], "No such option: --versoin"),
        (
            ["train", "--cgf"],
            "timesformer train: error: there is no option --cgf; did you mean --cfg",
        ),
    ],
)
def test_what_was_meant_is_said(words, message, capsys):
    assert run(words) == 2
    assert message in capsys.readouterr().err


def test_a_recipe_that_is_not_there_is_named_with_the_closest(capsys):
    assert run(["train", "--cfg", "motion/divst_6x6"]) == 2
    error = capsys.readouterr().err
    assert (
        "config file motion/divst_6x6 does not exist, and no recipe has this name; did you" in error
    )
    assert "mean Motion/divST_6x6_32" in error
    assert run(["train", "--cfg", "x"]) == 2
    assert all(name in capsys.readouterr().err for name in recipe_names()[:1])
