"""Lines beside a progress bar."""

import sys

import pytest

from timesformer.cli import model


def test_progress_gives_every_item_and_shows_a_bar_on_a_terminal(capsys, monkeypatch):
    assert list(model.with_progress(iter("abc"), total=3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(model.with_progress(iter("abc"), total=3)) == ["a", "b", "c"]
    shown = capsys.readouterr().err
    assert "0/3" in shown
    assert "video/s" in shown


@pytest.mark.parametrize(("level", "shown"), [(-1, ["out"]), (0, ["out", "note: a"])])
def test_quiet_hides_bars_and_notes_but_no_result(capsys, monkeypatch, level, shown):
    monkeypatch.setenv("TIMESFORMER_VERBOSITY", str(level))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(model.with_progress(iter("abc"), total=3)) == ["a", "b", "c"]
    assert ("0/3" in capsys.readouterr().err) == (level == 0)
    model.show("out")
    model.remark("note: a")
    printed = capsys.readouterr()
    assert [*printed.out.splitlines(), *printed.err.splitlines()] == shown
    model.tell("cannot be read")
    assert capsys.readouterr().err == "cannot be read\n"
