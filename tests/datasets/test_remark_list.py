"""Unusual videos: one line a kind and split, and a list of all of them."""

import csv

from tests.conftest import numbered_frame, write_video
from timesformer.config import load_config
from timesformer.datasets import build_loader
from timesformer.datasets.remark_list import Remarks
from timesformer.video.remarks import Remark


def test_short_videos_of_a_split_are_one_line_and_a_list(tiny_yaml, tmp_path, caplog):
    for name, count in (("a", 20), ("short", 5), ("tiny", 1)):
        write_video(tmp_path / f"{name}.avi", [numbered_frame(i) for i in range(count)],
                    options={"bf": "0"})  # fmt: skip
    names = ("a", "short", "tiny")
    (tmp_path / "test.csv").write_text("".join(f"{name}.avi 0\n" for name in names))
    cfg = load_config(
        tiny_yaml, ["DATA_LOADER.NUM_WORKERS", "2", "DATA.PATH_TO_DATA_DIR", str(tmp_path)]
    )
    folder = tmp_path / "out"
    subject = build_loader(cfg, "test", folder=folder)
    for _ in range(2):
        batches = list(subject)
        assert sorted(i for batch in batches for i in batch.indices.tolist()) == [0, 1, 2]
    kind = next(iter(subject.remarks.found))[0]
    assert kind.startswith("shorter than a clip of ")
    assert caplog.messages.count(
        f"2 of 3 test videos are {kind}; the list: {folder / 'remarks-test.csv'}"
    ) == 1  # fmt: skip
    assert len(caplog.messages) == 1
    with open(folder / "remarks-test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    frames = {row["video"]: row["detail"].split(";")[0] for row in rows}
    assert frames == {
        str(tmp_path / "short.avi"): "5 of 16 frames",
        str(tmp_path / "tiny.avi"): "1 of 16 frames",
    }


def test_without_a_folder_the_first_are_named_and_escaped(caplog):
    remarks = Remarks("test", 9)
    remarks.add([Remark("truncated", "half of it", f"{i}\x1b.mp4") for i in range(5)] * 2)
    remarks.add([Remark("HDR", "PQ", "1.mp4")])
    remarks.log()
    remarks.log()
    assert caplog.messages == [
        r"5 of 9 test videos are truncated; 0\x1b.mp4: half of it; 1\x1b.mp4: half of it; "
        r"2\x1b.mp4: half of it; ...",
        "1 of 9 test videos are HDR; 1.mp4: PQ",
    ]


def test_videos_of_no_split_are_videos(caplog):
    remarks = Remarks("", 9)
    remarks.add([Remark("HDR", "PQ", "1.mp4")])
    remarks.log()
    assert caplog.messages == ["1 of 9 videos are HDR; 1.mp4: PQ"]
