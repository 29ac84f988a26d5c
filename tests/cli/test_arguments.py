"""Command lines as people write them, and the advices that tools print."""

import subprocess
import sys

import pytest

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.io import terminal


@pytest.fixture(autouse=True)
def _as_before():
    yield
    terminal.set_verbosity(0)


def run_net():
    parser = Parser(prog="run_net.py", keys=True)
    parser.add_argument("--cfg", required=True)
    parser.add_argument("--num_shards", type=int)
    parser.add_argument(*SPELLINGS["workers"], type=int)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--methods", nargs="+", choices=["a", "b"])
    return parser


def predict():
    parser = Parser(prog="predict.py", keys=True)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--weights", "--from", required=True)
    return parser


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
        found = run_net().parse_args([*words.split(), *more])
        assert (found.cfg, found.dry_run) == ("F", bool(more))
        assert " ".join(found.opts) == EXPECTED[words]
        assert found.methods in (None, ["a", "b"])


def test_files_are_no_keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "A.MP4").touch()
    words = "A.MP4 b.mp4 DATA.SAMPLING_RATE=4 --from w c.mp4 DATA.NUM_FRAMES 8 -1.mp4 -- -v.mp4"
    found = predict().parse_args(words.split())
    assert found.videos == ["A.MP4", "b.mp4", "c.mp4", "-1.mp4", "-v.mp4"]
    assert found.opts == ["DATA.SAMPLING_RATE", "4", "DATA.NUM_FRAMES", "8"]
    assert found.weights == "w"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--cfg F SOLVER.MAX_EPOCH",
            "'SOLVER.MAX_EPOCH' has no value; write SOLVER.MAX_EPOCH VALUE or",
        ),
        ("--cfg F SOLVER.MAX_EPOCH --dry-run", "'SOLVER.MAX_EPOCH' has no value"),
        ("--cfg F --dryrun", "unrecognized arguments: --dryrun; did you mean --dry-run?"),
        ("--cgf F", "unrecognized arguments: --cgf; did you mean --cfg?"),
        ("--cfg F --d", None),
        ("NUM_GPUS 0", "the following arguments are required: --cfg"),
        ("--cfg F --jobs x", "argument --workers: invalid int value: 'x'"),
        ("--cfg F -q -v", "not allowed with argument -q"),
    ],
)
def test_what_is_not_understood_is_named(words, message, capsys):
    if message is None:
        assert run_net().parse_args(words.split()).dry_run
        return
    with pytest.raises(SystemExit) as ended:
        run_net().parse_args(words.split())
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("run_net.py: error: ")
    assert message in said


def test_underscores_and_hyphens_are_the_same():
    for word in ("--num-shards", "--num_shards"):
        assert run_net().parse_args(["--cfg", "F", word, "3"]).num_shards == 3
        assert run_net().parse_args(["--cfg", "F", f"{word}=3"]).num_shards == 3
    assert run_net().parse_args(["--cfg", "F", "--dry_run"]).dry_run


@pytest.mark.parametrize(("option", "level"), [("-v", 1), ("-q", -1), ("--quiet", -1), (None, 0)])
def test_verbosity_is_of_this_call(option, level):
    terminal.set_verbosity(1)
    run_net().parse_args(["--cfg", "F", *([option] if option else [])])
    assert terminal.verbosity() == level


@pytest.mark.parametrize("words", ["-v data", "data -v", "-v data NUM_GPUS 0"])
def test_verbosity_stands_before_a_part_of_a_tool_or_behind_it(words):
    top = Parser(prog="benchmark.py")
    top.add_subparsers(dest="what").add_parser("data", keys=True)
    assert top.parse_args(words.split()).what == "data"
    assert terminal.verbosity() == 1


@pytest.mark.parametrize(("option", "shown"), [("-v", "fact\n"), ("", ""), ("-q", "")])
def test_verbose_shows_the_log_of_a_tool_on_the_error_stream(option, shown):
    code = (
        "import logging; from timesformer.cli.arguments import Parser\n"
        f"Parser().parse_args({option.split()})\n"
        "logging.info('fact'); logging.warning('caf\\x1b[2J\\udce9')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == f"{shown}caf\\x1b[2J\\udce9\n"
