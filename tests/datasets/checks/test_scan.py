"""Which videos are scanned, which come from the index, and what an interruption leaves."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.datasets.checks.fake_inspection import inspect
from timesformer.datasets.checks import scan as scan_module
from timesformer.datasets.checks.listing import read_listing
from timesformer.datasets.checks.scan import default_workers, scan
from timesformer.datasets.scan_index import read_index


def calls(folder):
    """The files that were inspected since the last question."""
    log = folder / "calls.log"
    names = sorted(log.read_text().split()) if log.exists() else []
    log.unlink(missing_ok=True)
    return names


def run(folder, *, lists=("train",), again=False, progress=lambda answers, total: answers):
    listings = [read_listing(folder / f"{x}.csv", prefix="", separator=" ") for x in lists]
    return scan(
        listings, workers=1, seconds=20, again=again, progress=progress, inspect=inspect
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.mp4").write_text(str(10 + i))
    (tmp_path / "3.mp4").write_text("unreadable")
    (tmp_path / "train.csv").write_text("".join(f"{i}.mp4 0\n" for i in range(4)) + "gone.mp4 0\n")
    (tmp_path / "val.csv").write_text("1.mp4 2\n")
    return tmp_path


def test_only_new_and_changed_files_are_scanned_again(folder):
    first = run(folder)
    assert (first.scanned, first.reused) == (4, 0)
    assert calls(folder) == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    second = run(folder)
    assert (second.scanned, second.reused, calls(folder)) == (0, 4, [])
    assert {video: row._replace(path="") for video, row in second.rows.items()} == first.rows
    path = folder / "1.mp4"
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert run(folder).scanned == 1
    assert calls(folder) == ["1.mp4"]
    times = (folder / "2.mp4").stat()
    (folder / "2.mp4").write_text("1234")
    os.utime(folder / "2.mp4", ns=(times.st_atime_ns, times.st_mtime_ns))
    (folder / "new.mp4").write_text("5")
    with (folder / "train.csv").open("a") as file:
        file.write("new.mp4 1\n")
    run(folder)
    assert calls(folder) == ["2.mp4", "new.mp4"]
    index = read_index(folder / "train.csv")
    assert {key: row.frames for key, row in index.items()} == {
        "0.mp4": 10, "1.mp4": 11, "2.mp4": 1234, "3.mp4": 0, "new.mp4": 5,
    }  # fmt: skip
    assert index["new.mp4"].label == 1


def test_again_scans_what_has_a_problem(folder):
    run(folder)
    calls(folder)
    assert run(folder, again=True).scanned == 1
    assert calls(folder) == ["3.mp4"]


def test_a_file_of_two_lists_is_scanned_once_and_stands_in_both_indices(folder):
    run(folder, lists=("train", "val"))
    assert calls(folder) == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert read_index(folder / "val.csv")["1.mp4"].label == 2
    assert run(folder, lists=("val",)).reused == 1


def test_an_interrupted_scan_keeps_what_it_has(folder):
    def stop(answers, total):
        assert total == 4
        for i, answer in enumerate(answers):
            if i == 2:
                raise KeyboardInterrupt
            yield answer

    with pytest.raises(KeyboardInterrupt):
        run(folder, progress=stop)
    assert sorted(read_index(folder / "train.csv")) == ["0.mp4", "1.mp4"]
    calls(folder)
    run(folder)
    assert calls(folder) == ["2.mp4", "3.mp4"]


def test_the_index_is_written_while_the_scan_runs(folder, monkeypatch):
    monkeypatch.setattr(scan_module, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(scan_module, "WRITING_SHARE", 1e9)
    sizes = []

    def look(answers, total):
        for answer in answers:
            sizes.append(len(read_index(folder / "train.csv")))
            yield answer

    run(folder, progress=look)
    assert sizes == [0, 1, 2, 3]


def test_a_crash_is_a_row(folder):
    (folder / "0.mp4").write_text("abort")
    run(folder)
    row = read_index(folder / "train.csv")["0.mp4"]
    assert (row.problem, row.detail) == ("crashed", "crashed the decoder (signal 6)")
    assert read_index(folder / "train.csv")["2.mp4"].frames == 12


def test_there_is_a_process_for_each_core():
    assert 1 <= default_workers() <= (os.cpu_count() or 1)


def test_scan_processes_start_without_torch():
    code = "import sys; import timesformer.datasets.checks.scan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
