"""Options are parsed before anything heavy is imported."""

import subprocess
import sys

import pytest

from timesformer.cli import predict_options
from timesformer.cli.arguments import Parser


def test_parsing_imports_neither_torch_nor_a_decoder():
    code = (
        "import sys; from timesformer.cli.arguments import Parser; "
        "from timesformer.inference import options; options.add_model_options(Parser(keys=True)); "
        "assert not {'torch', 'av', 'cv2', 'tqdm'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_overrides_may_be_repeated():
    parser = Parser(keys=True)
    predict_options.add_model_options(parser)
    words = ["--weights", "w", "--set", "A", "1", "B.C=2", "--set", "B=2"]
    assert parser.parse_args(words).opts == ["A", "1", "B.C", "2", "B", "2"]


def test_progress_gives_every_item_and_shows_a_bar_on_a_terminal(capsys, monkeypatch):
    assert list(predict_options.with_progress(iter("abc"), total=3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(predict_options.with_progress(iter("abc"), total=3)) == ["a", "b", "c"]
    shown = capsys.readouterr().err
    assert "0/3" in shown
    assert "video/s" in shown


@pytest.mark.parametrize(("level", "shown"), [(-1, ["out"]), (0, ["out", "note: a"])])
def test_quiet_hides_bars_and_notes_but_no_result(capsys, monkeypatch, level, shown):
    monkeypatch.setenv("TIMESFORMER_VERBOSITY", str(level))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(predict_options.with_progress(iter("abc"), total=3)) == ["a", "b", "c"]
    assert ("0/3" in capsys.readouterr().err) == (level == 0)
    predict_options.show("out")
    predict_options.remark("note: a")
    printed = capsys.readouterr()
    assert [*printed.out.splitlines(), *printed.err.splitlines()] == shown
    predict_options.tell("cannot be read")
    assert capsys.readouterr().err == "cannot be read\n"
