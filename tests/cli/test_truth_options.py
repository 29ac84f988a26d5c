"""Names of classes come from --classes, else from what is known of the scores."""

import pytest

from timesformer.cli.truth_options import TruthOptions
from timesformer.errors import InputError


def test_names_of_classes(tmp_path):
    (tmp_path / "l.csv").write_text("/v/a.mp4 1 2.0 4.0\n")
    (tmp_path / "names.txt").write_text("run\njump\n")
    options = TruthOptions(tmp_path / "l.csv")
    assert options.read(("walk", "swim")).videos["a"].segments[0].label == "swim"
    named = TruthOptions(tmp_path / "l.csv", classes=str(tmp_path / "names.txt"))
    assert named.read(("walk", "swim")).videos["a"].segments[0].label == "jump"
    with pytest.raises(InputError):
        TruthOptions(tmp_path / "l.csv", subset="validation", classes=named.classes).read()
