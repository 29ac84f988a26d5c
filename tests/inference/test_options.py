"""Options are parsed before anything heavy is imported."""

import argparse
import subprocess
import sys

from timesformer.inference import options


def test_parsing_imports_neither_torch_nor_a_decoder():
    code = (
        "import sys, argparse; from timesformer.inference import options; "
        "options.add_model_options(argparse.ArgumentParser()); "
        "assert not {'torch', 'av', 'cv2', 'tqdm'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_overrides_may_be_repeated():
    parser = argparse.ArgumentParser()
    options.add_model_options(parser)
    words = ["--weights", "w", "--set", "A", "1", "--set", "B", "2"]
    assert parser.parse_args(words).set == [["A", "1"], ["B", "2"]]


def test_progress_gives_every_item_and_shows_a_bar_on_a_terminal(capsys, monkeypatch):
    assert list(options.with_progress(iter("abc"), total=3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(options.with_progress(iter("abc"), total=3)) == ["a", "b", "c"]
    shown = capsys.readouterr().err
    assert "0/3" in shown
    assert "video/s" in shown
