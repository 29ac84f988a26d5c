"""Command lines as people write them."""

import subprocess
import sys
from typing import Annotated

import pytest
import typer

from timesformer.cli import words as words_of_a_line
from timesformer.cli.app import command, group
from timesformer.cli.ending import status_of
from timesformer.cli.options import WEIGHTS, Cfg, Keys, Processes
from timesformer.config.keys import KEYS, OLD_NAMES
from timesformer.io import terminal

found = {}


@pytest.fixture(autouse=True)
def _as_before():
    found.clear()
    terminal.set_verbosity(0)
    yield
    terminal.set_verbosity(0)


@command()
def train(
    cfg: Cfg,
    keys: Keys,
    methods: Annotated[list[str], typer.Option(default_factory=list)],
    num_shards: Annotated[int | None, typer.Option("--num_shards")] = None,
    workers: Processes = None,
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
):
    found.update(locals())


@command()
def predict(
    videos: Annotated[list[str], typer.Argument()],
    weights: Annotated[str, typer.Option(*WEIGHTS)],
    keys: Keys,
):
    found.update(locals())


def call(made, *words):
    def parse_and_run():
        with made.make_context("t.py", list(words)) as context:
            return made.invoke(context)

    return status_of(parse_and_run, "t.py")


EXPECTED = {  # words -> config keys and values
    "--cfg F NUM_GPUS 0 SOLVER.MAX_EPOCH 3": "NUM_GPUS 0 SOLVER.MAX_EPOCH 3",
    "--cfg F NUM_GPUS=0 SOLVER.MAX_EPOCH=3": "NUM_GPUS 0 SOLVER.MAX_EPOCH 3",
    "NUM_GPUS 0 --cfg F SOLVER.MAX_EPOCH=3": "NUM_GPUS 0 SOLVER.MAX_EPOCH 3",
    "--cfg=F --set NUM_GPUS 0 --set SOLVER.MAX_EPOCH=3": "NUM_GPUS 0 SOLVER.MAX_EPOCH 3",
    "--cfg F --set=NUM_GPUS=0": "NUM_GPUS 0",
    "--cfg F DATA.X [1,2] DATA.Y a=b": "DATA.X [1,2] DATA.Y a=b",
    "--cfg F DATA.Y=a=b=c": "DATA.Y a=b=c",
    "--cfg F SOLVER.BASE_LR -1 DATA.X -y": "SOLVER.BASE_LR -1 DATA.X -y",
    "--cfg F solver.max_epoch 3": "solver.max_epoch 3",  # load_config says what was meant
    "--cfg F --methods a b NUM_GPUS 0": "NUM_GPUS 0",
    "--methods a b --cfg F OUTPUT_DIR=": "OUTPUT_DIR ",
}


@pytest.mark.parametrize("words", EXPECTED)
def test_keys_and_values_stand_anywhere(words):
    for more in ([], ["--dry-run"]):
        assert call(train, *words.split(), *more) == 0
        assert (found["cfg"], found["dry_run"]) == ("F", bool(more))
        assert " ".join(found["keys"]) == EXPECTED[words]
        assert found["methods"] in ([], ["a", "b"])


def test_every_key_is_known_by_its_looks():
    """Its names are not imported there, where help would wait for them."""
    for key in [*KEYS, *OLD_NAMES]:
        assert words_of_a_line._looks_like_key(key), key


def test_files_are_not_keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "A.MP4").touch()
    words = "A.MP4 b.mp4 DATA.SAMPLING_RATE=4 --from w c.mp4 DATA.NUM_FRAMES 8 -1.mp4 -- -v.mp4"
    assert call(predict, *words.split()) == 0
    assert found["videos"] == ["A.MP4", "b.mp4", "c.mp4", "-1.mp4", "-v.mp4"]
    assert found["keys"] == ["DATA.SAMPLING_RATE", "4", "DATA.NUM_FRAMES", "8"]
    assert found["weights"] == "w"


WRONG = {
    "--cfg F SOLVER.MAX_EPOCH": "'SOLVER.MAX_EPOCH' has no value; write SOLVER.MAX_EPOCH VALUE or",
    "--cfg F SOLVER.MAX_EPOCH --dry-run": "'SOLVER.MAX_EPOCH' has no value",
    "--cfg F --set": "'--set' has no value",
    "--cfg --dry-run": "option --cfg has no value",
    "--cfg F --dry-run=yes": "option --dry-run takes no value",
    "--cfg F --dryrun": "there is no option --dryrun; did you mean --dry-run?",
    "--cgf F": "there is no option --cgf; did you mean --cfg?",
    "--cfg F -x": "there is no option -x",
    "NUM_GPUS 0": "Missing option '--cfg'",
    "--cfg F --jobs x": "'--workers' / '--jobs' / '--num-workers': ",
    "--cfg F -q -v": "-v and -q exclude each other",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_not_understood_is_named(words, capsys):
    assert call(train, *words.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("t.py: error: ")
    assert WRONG[words] in error
    assert error.endswith("(see t.py --help)\n")


def test_an_option_may_be_shortened_if_no_other_begins_so(capsys):
    assert call(train, "--cfg", "F", "--d") == 0
    assert found["dry_run"]
    assert call(train, "--cfg", "F", "--w", "3") == 0
    assert found["workers"] == 3
    assert call(train, "--cfg", "F", "--num", "3") == 2
    assert "--num may be --num_shards or --num-workers; write the whole option" in (
        capsys.readouterr().err
    )


def test_underscores_and_hyphens_are_the_same():
    for words in (["--num-shards", "3"], ["--num_shards", "3"], ["--num-shards=3"]):
        assert call(train, "--cfg", "F", *words) == 0
        assert found["num_shards"] == 3
    assert call(train, "--cfg", "F", "--dry_run") == 0
    assert found["dry_run"]


@pytest.mark.parametrize(("option", "level"), [("-v", 1), ("-q", -1), ("--quiet", -1), (None, 0)])
def test_verbosity_is_that_of_this_call(option, level):
    assert call(train, "--cfg", "F", *([option] if option else [])) == 0
    assert terminal.verbosity() == level


@pytest.mark.parametrize("words", ["-v data", "data -v", "-v data NUM_GPUS 0"])
def test_verbosity_stands_before_a_part_of_a_command_or_behind_it(words):
    @command(text="Data.")
    def data(keys: Keys):
        found.update(locals())

    assert call(group("Measure.", data=data), *words.split()) == 0
    assert "keys" in found
    assert terminal.verbosity() == 1


@pytest.mark.parametrize(("option", "shown"), [("-v", "fact\n"), ("", ""), ("-q", "")])
def test_verbose_shows_the_log_of_a_command_on_the_error_stream(option, shown):
    code = (
        "import logging; from timesformer.cli.app import command\n"
        "@command(text='t')\n"
        "def main(): logging.info('fact'); logging.warning('caf\\x1b[2J\\udce9')\n"
        f"with main.make_context('t', {option.split()}) as context: main.invoke(context)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == f"{shown}caf\\x1b[2J\\udce9\n"
