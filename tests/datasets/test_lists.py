import json
import os

import numpy as np
import pytest

from timesformer.datasets.lists import ListError, PackedStrings, read_kinetics
from timesformer.datasets.ssv2 import read_ssv2


@pytest.fixture
def read(tmp_path):
    def read(text, *, prefix="", separator=" ", num_classes=5, encoding="utf-8"):
        (tmp_path / "train.csv").write_bytes(text.encode(encoding))
        return read_kinetics(
            tmp_path, "train", prefix=prefix, separator=separator, num_classes=num_classes
        )

    return read


def pairs(videos):
    return list(zip(map(str, videos.sources), videos.labels.tolist(), strict=True))


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", ", "  ", " \t"])
def test_blank_tab_and_comma_separate(read, separator):
    videos = read(f"/a/b.mp4{separator}3\n/a/my clip, 2.mp4{separator}0")
    assert pairs(videos) == [("/a/b.mp4", 3), ("/a/my clip, 2.mp4", 0)]


def test_comments_blank_lines_and_trailing_blanks_are_harmless(read):
    text = "\ufeff# a comment\n\n/a.mp4 1  \r\n   \n/b.mp4\t2\r\n\n#/c.mp4 3\n"
    assert pairs(read(text)) == [("/a.mp4", 1), ("/b.mp4", 2)]


def test_quoted_paths_lose_their_quotes(read):
    assert pairs(read('"/a, b.mp4",1')) == [("/a, b.mp4", 1)]


def test_another_separator_is_taken_literally(read):
    assert pairs(read("/a b.mp4::2", separator="::")) == [("/a b.mp4", 2)]


def test_paths_are_found_under_the_prefix_here_or_beside_the_list(read, tmp_path, monkeypatch):
    for name in ("beside.mp4", "here/local.mp4", "prefix/below.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path / "here")
    assert pairs(read("local.mp4 0"))[0][0] == "local.mp4"
    assert pairs(read("beside.mp4 0"))[0][0] == str(tmp_path / "beside.mp4")
    prefix = str(tmp_path / "prefix")
    assert pairs(read("below.mp4 0", prefix=prefix))[0][0] == f"{prefix}/below.mp4"
    assert pairs(read("/absolute.mp4 0", prefix=prefix))[0][0] == "/absolute.mp4"
    assert pairs(read("prefix\\below.mp4 0"))[0][0] == f"{prefix}/below.mp4"


def test_missing_videos_are_found(read, tmp_path):
    (tmp_path / "there.mp4").touch()
    videos = read("there.mp4 0\ngone.mp4 1")
    assert videos.missing() == ["gone.mp4"]


@pytest.mark.parametrize("line", ["/a.mp4", "/a.mp4 one", "path,label", "3", "/a.mp4 1.5", ", 3"])
def test_a_malformed_line_is_named_with_file_and_number(read, line):
    with pytest.raises(ListError, match=r"train\.csv:3: .*is not `path label`"):
        read(f"/ok.mp4 1\n\n{line}\n")


@pytest.mark.parametrize("label", [5, -1, 400])
def test_a_label_outside_the_classes_is_named(read, label):
    match = rf"train\.csv:2: label {label} is outside 0 \.\. 4; set MODEL.NUM_CLASSES"
    with pytest.raises(ListError, match=match):
        read(f"/ok.mp4 1\n/a.mp4 {label}\n")


def test_missing_and_empty_lists_are_named(read, tmp_path):
    with pytest.raises(ListError, match=r"train\.csv names no video"):
        read("# nothing\n\n")
    with pytest.raises(ListError, match=r"list .*val\.csv does not exist.*PATH_TO_DATA_DIR"):
        read_kinetics(tmp_path, "val", prefix="", separator=" ", num_classes=5)


def test_a_list_that_is_a_folder_is_named(tmp_path):
    (tmp_path / "val.csv").mkdir()
    with pytest.raises(ListError, match="does not exist"):
        read_kinetics(tmp_path, "val", prefix="", separator=" ", num_classes=5)


def test_packed_strings_are_a_sequence():
    texts = ["", "a", "blå bär", "日本\udce9", "x" * 1000]
    packed = PackedStrings(texts)
    assert list(packed) == texts
    assert packed[-1] == texts[-1]
    assert len(PackedStrings([])) == 0
    with pytest.raises(IndexError):
        packed[5]


def test_a_million_paths_are_two_arrays():
    packed = PackedStrings([f"videos/{i:07d}.mp4" for i in range(1_000_000)])
    assert packed[123_456] == "videos/0123456.mp4"
    owned = [value for value in vars(packed).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in owned) < 30e6
    assert len(vars(packed)) == len(owned) == 2


@pytest.fixture
def ssv2(tmp_path):
    labels = {"Pushing something": "0", "Pulling something": "1"}
    (tmp_path / "something-something-v2-labels.json").write_text(json.dumps(labels))
    videos = [
        {"id": "7", "template": "Pushing [something]"},
        {"id": "8", "template": "Pulling [something]"},
        {"id": "9", "template": "Pulling [something]"},
    ]
    for part in ("train", "validation"):
        (tmp_path / f"something-something-v2-{part}.json").write_text(json.dumps(videos))
    lines = ["original_vido_id video_id frame_id path labels"]
    lines += [f'{v} 0 {i} {v}/{v}_{i:06d}.jpg ""' for v in (8, 7) for i in (1, 2, 3)]
    for split in ("train", "val"):
        (tmp_path / f"{split}.csv").write_text("\n".join(lines))
    return tmp_path


def read_it(folder, split="train", num_classes=174):
    return read_ssv2(folder, split, prefix="/f", separator=" ", num_classes=num_classes)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_ssv2_joins_annotations_and_frames(ssv2, split):
    videos = read_it(ssv2, split)
    assert videos.labels.tolist() == [0, 1]
    assert videos.files(0) == [f"/f/7/7_{i:06d}.jpg" for i in (1, 2, 3)]
    assert videos.name(1) == "/f/8"


def test_ssv2_frames_cost_a_system_call_a_folder(ssv2, monkeypatch):
    for video in (7, 8):
        (ssv2 / str(video)).mkdir()
        for i in (1, 2):  # frame 3 is missing
            (ssv2 / f"{video}/{video}_{i:06d}.jpg").touch()
    asked, listed = [], []
    exists, listdir = os.path.exists, os.listdir
    monkeypatch.setattr(os.path, "exists", lambda path: asked.append(path) or exists(path))
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or listdir(path))
    monkeypatch.chdir(ssv2)
    videos = read_ssv2(ssv2, "train", prefix="", separator=" ", num_classes=174)
    assert videos.files(0) == [f"7/7_{i:06d}.jpg" for i in (1, 2, 3)]
    assert {path for path in asked if path.endswith("jpg")} == {
        *(f"{v}/{v}_000003.jpg" for v in (7, 8)),
        *(str(ssv2 / f"{v}/{v}_000003.jpg") for v in (7, 8)),
    }
    assert len(listed) == 4  # each folder, here and beside the list


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train.csv", "a.mp4 3\n", r"begins with 'a\.mp4 3', .*set TRAIN.DATASET.*kinetics"),
        ("train.csv", "original_vido_id x\n7 0 1 p\n", r"train\.csv:2: .* has 4 columns, not 5"),
        ("train.csv", "original_vido_id x\n", "no video id in common"),
        ("something-something-v2-train.json", "[{]", "not valid JSON"),
        (
            "something-something-v2-train.json",
            '[{"id": "7", "template": "Eating"}]',
            "template 'Eating' is not in the labels",
        ),
    ],
)
def test_broken_ssv2_lists_are_named(ssv2, name, text, message):
    (ssv2 / name).write_text(text)
    with pytest.raises(ListError, match=message):
        read_it(ssv2)


def test_missing_ssv2_files_and_wrong_labels_are_named(ssv2):
    with pytest.raises(ListError, match=r"validation\.json, video|label 1 is outside 0 \.\. 0"):
        read_it(ssv2, num_classes=1)
    (ssv2 / "something-something-v2-labels.json").unlink()
    with pytest.raises(ListError, match=r"labels\.json does not exist; SSv2 needs it"):
        read_it(ssv2)


def test_a_list_in_utf_16_is_named(read):
    with pytest.raises(ListError, match="is UTF-16, as PowerShell's > writes; save it as UTF-8"):
        read("/a.mp4 1", encoding="utf-16")


def test_ssv2_entries_without_a_template_and_labels_that_are_no_object_are_named(ssv2):
    (ssv2 / "something-something-v2-train.json").write_text('[{"id": 7}]')
    with pytest.raises(ListError, match="entry 0 is .* must have id and template"):
        read_it(ssv2)
    (ssv2 / "something-something-v2-labels.json").write_text("[1]")
    with pytest.raises(ListError, match="must be a JSON object"):
        read_it(ssv2)


def test_ssv2_ids_may_be_numbers_and_videos_without_frames_are_counted(ssv2, caplog):
    videos = [{"id": i, "template": "Pushing [x]"} for i in (7, 8, 9)]
    (ssv2 / "something-something-v2-train.json").write_text(json.dumps(videos))
    labels = ssv2 / "something-something-v2-labels.json"
    labels.write_text('{"Pushing x": "0"}')
    assert len(read_it(ssv2).sources) == 2
    assert "1 annotated videos have no frames" in caplog.text


def segments(videos):
    return [videos.segment(i) for i in range(len(videos.sources))]


def test_a_part_of_a_file_has_start_and_end_columns(read):
    videos = read("/a b.mp4 3 10 20.5\n/c.avi,0,0,7\n/d.mp4 1\n")
    assert pairs(videos) == [("/a b.mp4", 3), ("/c.avi", 0), ("/d.mp4", 1)]
    assert segments(videos) == [(10, 20.5), (0, 7), None]
    assert read("/a.mp4 1").segments is None
    videos = read("/a.mp4::3::1::2\n/b::4", separator="::")
    assert pairs(videos) == [("/a.mp4", 3), ("/b", 4)]
    assert segments(videos) == [(1, 2), None]


def test_numbers_in_a_path_are_no_times_unless_they_are_decimal(read):
    videos = read("/clip 3 10 2\n/clip 3 10.0 20.0")
    assert pairs(videos) == [("/clip 3 10", 2), ("/clip", 3)]
    assert segments(videos) == [None, (10, 20)]


def test_a_part_that_ends_before_it_starts_is_named(read):
    with pytest.raises(
        ListError, match=r"train\.csv:1: the part from 7 to 7 seconds holds nothing"
    ):
        read("/a.mp4 1 7 7")


def test_several_labels_become_multi_hot(read, tmp_path):
    (tmp_path / "val.csv").write_text("/a.mp4 3;1\n/b.mp4 4\n/c.mp4 0;2 1 2\n")
    videos = read_kinetics(
        tmp_path, "val", prefix="", separator=" ", num_classes=5, multi_label=True
    )
    assert videos.labels.dtype == np.float32
    assert videos.labels.tolist() == [[0, 1, 0, 1, 0], [0, 0, 0, 0, 1], [1, 0, 1, 0, 0]]
    assert [videos.label_text(i) for i in range(3)] == ["1;3", "4", "0;2"]
    assert segments(videos) == [None, None, (1, 2)]
    assert read("/a.mp4 3").label_text(0) == "3"
    with pytest.raises(ListError, match=r"train\.csv:1: /a.mp4 has 2 labels; set DATA.MULTI_LABEL"):
        read("/a.mp4 3;1")
    with pytest.raises(ListError, match=r"label 5 is outside 0 \.\. 4"):
        read("/a.mp4 3;5")


def test_a_folder_is_a_video_of_its_frames_in_natural_order(read, tmp_path):
    (tmp_path / "clip").mkdir()
    for name in ("img_10.jpg", "img_9.JPG", "img_1.jpg", "flow_x_1.jpg", "notes.txt"):
        (tmp_path / "clip" / name).touch()
    videos = read("clip 2")
    names = [file.rpartition("/")[2] for file in videos.files(0)]
    assert names == ["img_1.jpg", "img_9.JPG", "img_10.jpg"]
    assert videos.name(0) == str(tmp_path / "clip")
    assert videos.missing() == []


def test_class_names_travel_with_the_list(read, tmp_path):
    assert read("/a.mp4 1").class_names == ()
    (tmp_path / "classes.txt").write_text("run\nwalk\nsit\n")
    assert read("/a.mp4 1", num_classes=3).class_names == ("run", "walk", "sit")
    with pytest.raises(
        ListError, match=r"classes\.txt names 3 classes, but MODEL.NUM_CLASSES is 5"
    ):
        read("/a.mp4 1")
    (tmp_path / "classes.txt").write_text("run\n\nsit\n")
    with pytest.raises(ListError, match=r"classes\.txt:2: a blank line"):
        read("/a.mp4 1", num_classes=3)


def test_ssv2_names_its_classes_and_has_one_label_a_video(ssv2):
    assert read_it(ssv2, num_classes=2).class_names == ("Pushing something", "Pulling something")
    assert read_it(ssv2).class_names == ()
    with pytest.raises(ListError, match="an SSv2 video has one label"):
        read_ssv2(ssv2, "train", prefix="", separator=" ", num_classes=2, multi_label=True)
