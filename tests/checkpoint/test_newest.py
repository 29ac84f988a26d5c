"""Which checkpoint has seen more, of files and folders."""

import os

from timesformer.checkpoint.newest import in_order, is_in_epoch, progress


def test_names_decide_then_times(tmp_path):
    names = [
        "checkpoint_epoch_00001_batch_000009.dcp",
        "checkpoint_epoch_00001.pyth",
        "checkpoint_epoch_00001.dcp.old",
        "checkpoint_epoch_00001.dcp",
        "checkpoint_epoch_00002_batch_000002.pyth",
    ]
    for i, name in enumerate(names):
        path = tmp_path / name
        path.mkdir() if "dcp" in name else path.touch()
        content = path / "plain.pyth" if path.is_dir() else path
        content.touch()
        os.utime(content, (i, i))
    for name in ("checkpoint_epoch_00009.dcp.tmp", "checkpoint_epoch_00009.pyth.tmp", "earlier-1"):
        (tmp_path / name).mkdir()
    assert [path.name for path in in_order(tmp_path)] == names
    assert [is_in_epoch(path) for path in in_order(tmp_path)] == [True, False, False, False, True]
    assert progress(tmp_path / names[-1]) == (2, 2)
    assert in_order(tmp_path / "nowhere") == []
