"""The index of a list: written whole, valid for unchanged files only, used by data sets."""

import logging
import os

import numpy as np
import pytest

from tests.conftest import numbered_frame, write_video
from timesformer import files
from timesformer.config import load_config
from timesformer.datasets import build_dataset, build_loader, scan_index
from timesformer.datasets.lists import ListError, PackedStrings, VideoList
from timesformer.datasets.scan_index import ScanRow


def row(path, file, *, problem="", **changes):
    size, mtime_ns = scan_index.file_state(str(file))
    values = ScanRow(
        path, 1, size, mtime_ns, 12, 0, 29.97, 0.4, 96, 64, "h264", problem, "", "ab", ""
    )
    return values._replace(detail="moov atom is gone" if problem else "", **changes)


@pytest.fixture
def broken_dir(tmp_path):
    """Six videos of 12 frames; 1 and 3 are text; the index of each list knows of 3 alone."""
    folder = tmp_path / "broken set"
    for i in range(6):
        write_video(folder / f"{i}.mp4", [numbered_frame(i)] * 12)
    for i in (1, 3):
        (folder / f"{i}.mp4").write_text("no video")
    for split in ("train", "val", "test"):
        (folder / f"{split}.csv").write_text("".join(f"{i}.mp4 {i % 3}\n" for i in range(6)))
        rows = [
            row("0.mp4", folder / "0.mp4"),
            row("3.mp4", folder / "3.mp4", problem="unreadable"),
        ]
        scan_index.write_index(folder / f"{split}.csv", rows)
    return folder


@pytest.fixture
def config(tiny_yaml, broken_dir):
    return load_config(tiny_yaml, ["DATA.PATH_TO_DATA_DIR", str(broken_dir)])


def videos_of(folder, *names):
    sources = [str(folder / name) for name in names]
    return VideoList(PackedStrings(sources), np.zeros(len(names), int), str(folder / "train.csv"))


def test_rows_come_back_as_they_were(tmp_path):
    file = tmp_path / 'odd, "name"\udcff.mp4'
    file.write_text("x")
    rows = [row("a.mp4", file, codec="NA"), row(f"sub/{file.name}", file, problem="truncated")]
    rows[1] = rows[1]._replace(size=2**40, content="00e1", picture="0" * 432)
    scan_index.write_index(tmp_path / "train.csv", rows)
    assert scan_index.read_index(tmp_path / "train.csv") == {each.path: each for each in rows}
    scan_index.write_index(tmp_path / "train.csv", rows[:1])
    assert list(scan_index.read_index(tmp_path / "train.csv")) == ["a.mp4"]
    scan_index.write_index(tmp_path / "train.csv", [])
    assert scan_index.read_index(tmp_path / "train.csv") == {}


def test_no_index_is_an_empty_one(tmp_path):
    assert scan_index.read_index(tmp_path / "train.csv") == {}
    assert scan_index.known_bad(videos_of(tmp_path, "a.mp4")) == {}


def test_a_failed_write_leaves_the_old_index(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_text("x")
    scan_index.write_index(tmp_path / "train.csv", [row("a.mp4", tmp_path / "a.mp4")])

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        scan_index.write_index(tmp_path / "train.csv", [])
    assert list(scan_index.read_index(tmp_path / "train.csv")) == ["a.mp4"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "train.csv.index.csv"]


@pytest.mark.parametrize("content", ["", "path,label\na.mp4,0\n", b"\x00\xff\x00"])
def test_a_foreign_file_is_named(tmp_path, content):
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "train.csv.index.csv").write_bytes(data)
    with pytest.raises(ListError, match=r"train\.csv\.index\.csv is not an index .*; delete it"):
        scan_index.read_index(tmp_path / "train.csv")


def test_a_key_is_the_same_from_everywhere(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    absolute = scan_index.row_key(str(tmp_path / "videos/a.mp4"), tmp_path / "data/train.csv")
    monkeypatch.chdir(tmp_path)
    assert absolute == scan_index.row_key("videos/a.mp4", "data/train.csv") == "../videos/a.mp4"


def test_known_bad_are_the_unreadable_videos_that_have_not_changed(broken_dir, monkeypatch):
    videos = videos_of(broken_dir, "0.mp4", "3.mp4", "5.mp4", "gone.mp4")
    bad = scan_index.known_bad(videos)
    assert list(bad) == [1]
    assert "3.mp4: unreadable: moov atom is gone (known from train.csv.index.csv)" in bad[1]
    monkeypatch.chdir(broken_dir)
    relative = VideoList(PackedStrings(["3.mp4"]), np.zeros(1, int), "train.csv")
    assert list(scan_index.known_bad(relative)) == [0]


@pytest.mark.parametrize("kind", ["truncated", "damaged", ""])
def test_what_has_frames_is_not_known_bad(broken_dir, kind):
    rows = [row("3.mp4", broken_dir / "3.mp4", problem=kind)]
    scan_index.write_index(broken_dir / "train.csv", rows)
    assert scan_index.known_bad(videos_of(broken_dir, "3.mp4")) == {}


def test_a_row_is_void_when_size_or_time_change(broken_dir):
    videos, path = videos_of(broken_dir, "3.mp4"), broken_dir / "3.mp4"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    os.utime(path, ns=(times[0], times[1] + 1))
    assert scan_index.known_bad(videos) == {}
    os.utime(path, ns=times)
    assert list(scan_index.known_bad(videos)) == [0]
    path.write_text("still no video")
    os.utime(path, ns=times)
    assert scan_index.known_bad(videos) == {}
    path.unlink()
    assert scan_index.known_bad(videos) == {}


def test_training_never_samples_a_known_bad_video(config, caplog):
    with caplog.at_level(logging.INFO):
        loader = build_loader(config, "train")
    assert "train: 1 of 6 videos are known to be unreadable and are never sampled" in caplog.text
    assert "check them again with: timesformer check" in caplog.text
    seen = set()
    for epoch in range(6):
        loader.batch_sampler.set_epoch(epoch)
        seen |= {i for batch in loader.batch_sampler for _, i in batch}
    assert seen == {0, 1, 2, 4, 5}
    replaced = {build_dataset(config, "train")[epoch, 1].index for epoch in range(12)}
    assert replaced <= {0, 2, 4, 5}


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_reports_a_known_bad_video_without_opening_it(config, split, caplog):
    with caplog.at_level(logging.INFO):
        loader = build_loader(config, split)
    assert f"{split}: 1 of 6 videos are known to be unreadable and are reported" in caplog.text
    read, opened = loader.dataset.read, []

    def count(path, *args, **kwargs):
        opened.append(os.path.basename(path))
        return read(path, *args, **kwargs)

    loader.dataset.read = count
    batches = list(loader)
    assert sorted(opened) == ["0.mp4", "1.mp4", "2.mp4", "4.mp4", "5.mp4"]
    assert sorted(i for batch in batches for i in batch.failed.tolist()) == [1, 3]
    assert any("known from" in text for batch in batches for text in batch.failures)


def test_without_known_bad_videos_the_clips_are_as_before(config, broken_dir):
    with_index = build_dataset(config, "val")[0, 2].clips
    (broken_dir / "val.csv.index.csv").unlink()
    assert (build_dataset(config, "val")[0, 2].clips == with_index).all()
