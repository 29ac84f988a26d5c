"""A data folder that cannot be written: the index and the reports lie elsewhere, and are found there."""

import errno
import math
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd  # before the privileges are dropped
import pytest

from tests.conftest import numbered_frame, write_video
from timesformer import files
from timesformer.cli.app import run
from timesformer.cli.check import LONGEST, time_limit
from timesformer.config import load_config
from timesformer.datasets import build_dataset, scan_index
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.datasets.scan_index import ScanRow
from timesformer.files import WriteError


@pytest.fixture
def data():
    """A list of one video and one text, in a folder whose parents anybody may pass."""
    folder = Path(tempfile.mkdtemp(prefix="read only "))
    folder.chmod(0o755)
    write_video(folder / "data/0.mp4", [numbered_frame(i) for i in range(12)])
    write_video(folder / "data/2.mp4", [numbered_frame(i + 20) for i in range(12)])
    (folder / "data/1.mp4").write_text("no video")
    for split in ("train", "val", "test"):
        (folder / f"data/{split}.csv").write_text("0.mp4 0\n1.mp4 1\n2.mp4 2\n")
    yield folder / "data"
    shutil.rmtree(folder)


def bad_row(path):
    size, mtime_ns = scan_index.file_state(str(path))
    values = ScanRow(*(kind() for kind in ScanRow.__annotations__.values()))
    return values._replace(path=path.name, size=size, mtime_ns=mtime_ns, problem="unreadable")


def videos_of(folder):
    sources = PackedStrings([str(folder / f"{i}.mp4") for i in range(3)])
    return VideoList(sources, np.zeros(3, int), str(folder / "train.csv"))


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_an_index_is_kept_elsewhere_when_permission_is_denied(data, caplog):
    out = data.parent / "out"
    out.mkdir()
    out.chmod(0o777)
    data.chmod(0o555)
    row, before = bad_row(data / "1.mp4"), os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(
            WriteError, match=r"train\.csv\.index\.csv cannot be written: Permission"
        ):
            scan_index.write_index(data / "train.csv", [row])
        for _ in range(2):
            path = scan_index.write_index(data / "train.csv", [row], out)
    finally:
        os.seteuid(before)
        data.chmod(0o755)
    assert path.parent == out
    assert len(pd.read_csv(path)) == 1
    assert caplog.text.count(f"cannot be written; the index is kept in {path}") == 1
    assert scan_index.read_index(data / "train.csv") == {}
    assert scan_index.read_index(data / "train.csv", [out]) == {"1.mp4": row}
    found = scan_index.known_bad(videos_of(data), [out])
    assert list(found) == [1]
    assert f"known from {path.name}" in found[1]
    said = scan_index.describe_known_bad(videos_of(data), found, split="train", places=[out])
    assert str(path) in said


def test_of_two_indices_the_newer_one_counts(data, tmp_path):
    row = bad_row(data / "1.mp4")
    beside = scan_index.write_index(data / "train.csv", [row._replace(problem="")])
    other = scan_index.index_path(data / "train.csv", tmp_path)
    shutil.copy(beside, other)
    scan_index.write_index(data / "train.csv", [row])
    for newest, bad in ((beside, [1]), (other, [])):
        os.utime(newest, (2**31, 2**31))
        os.utime(other if newest == beside else beside, (2**30, 2**30))
        assert list(scan_index.known_bad(videos_of(data), [tmp_path])) == bad
        problem = scan_index.read_index(data / "train.csv", [tmp_path])["1.mp4"].problem
        assert bool(problem) == bool(bad)


@pytest.fixture
def read_only(data, monkeypatch):
    """``data`` as if it lay on a read-only file system."""
    open_file, access, mkdir = open, os.access, Path.mkdir

    def refuse(path):
        if Path(path).is_relative_to(data):
            raise OSError(errno.EROFS, "Read-only file system", str(path))

    def opened(path, mode="r", **options):
        if "w" in mode:
            refuse(path)
        return open_file(path, mode, **options)

    def made(path, *mode, **options):
        if not path.exists():
            refuse(path)
        mkdir(path, *mode, **options)

    monkeypatch.setattr(files, "open", opened, raising=False)
    monkeypatch.setattr(Path, "mkdir", made)
    monkeypatch.setattr(
        os, "access", lambda path, mode: not Path(path).is_relative_to(data) and access(path, mode)
    )
    return data


def test_check_data_and_a_run_work_on_a_read_only_folder(
    read_only, tmp_path, tiny_yaml, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    cfg = tmp_path / "mine.yaml"
    cfg.write_text(f"_BASE_: {tiny_yaml}\nOUTPUT_DIR: {tmp_path}/out\n")
    before = sorted(read_only.iterdir())
    command = [
        str(read_only),
        "--cfg",
        str(cfg),
        "--workers",
        "1",
        "--strips",
        "0",
        "--num-classes",
        "3",
    ]
    for known in ("3 scanned, 0 known from the index", "0 scanned, 3 known from the index"):
        assert run(command, name="check") == 0
        assert known in capsys.readouterr().out
    assert (tmp_path / "out/check/report.csv").exists()
    overrides = ["DATA.PATH_TO_DATA_DIR", str(read_only)]
    dataset = build_dataset(load_config(str(cfg), overrides), "train")
    assert list(dataset.known_bad) == [1]
    assert run([str(read_only), "--workers", "1"], name="check") == 2
    assert "pass another --out DIR: " in capsys.readouterr().err
    assert run([*command, "--out", str(tmp_path / "mine")], name="check") == 0
    assert len(list((tmp_path / "mine").glob("*.index.csv"))) == 3
    assert sorted(read_only.iterdir()) == before


@pytest.mark.parametrize("value", ["9" * 30, "-" + "9" * 30, "1.5", "", "x", "inf"])
def test_a_damaged_index_is_scanned_again_and_named_once(data, value, caplog):
    scan_index._say_once.cache_clear()
    path = scan_index.write_index(data / "train.csv", [bad_row(data / "1.mp4")])
    head, row = path.read_text().splitlines()
    cells = row.split(",")
    cells[ScanRow._fields.index("size")] = value
    path.write_text(f"{head}\n{','.join(cells)}\n")
    assert scan_index.read_index(data / "train.csv") == {}
    assert scan_index.known_bad(videos_of(data)) == {}
    assert caplog.text.count("train.csv.index.csv is damaged") == 1


@pytest.mark.parametrize(("given", "seconds"), [(math.inf, LONGEST), (1e300, LONGEST), (7, 7)])
def test_a_time_limit_without_end_is_the_longest_that_the_system_waits_for(given, seconds):
    assert time_limit(given) == seconds
    assert time_limit(given) * 1000 < 2**31  # milliseconds of poll(2)
