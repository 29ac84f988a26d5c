"""Files that are no lists: what the error says they seem to be, and the command that it gives works."""

import re
import shlex

import pytest

from timesformer.cli.app import run
from timesformer.datasets.checks.listing import read_listing
from timesformer.datasets.list_text import guess_encoding
from timesformer.datasets.lists import ListError, read_kinetics

CHINESE = "视频/跑步.mp4"
ROWS = [("a b.mp4", 0), ("sub/c.mp4", 1), (CHINESE, 1)]
KINETICS = "label,youtube_id,time_start,time_end,split\n"
CASES = {  # name -> train.csv as text, its encoding, MODEL.NUM_CLASSES, message, rows that come out
    "gbk": (f"{CHINESE} 0\na b.mp4 1\n", "gbk", 2, r"is not UTF-8, .*seems to be gbk",
            [(CHINESE, 0), ("a b.mp4", 1)]),
    "latin-1": ("sub/é.mp4 0\na b.mp4 1\n", "latin-1", 2, r"is not UTF-8, .*seems to be cp1252",
                [("sub/é.mp4", 0), ("a b.mp4", 1)]),
    "utf-16": ("a b.mp4 1\nsub/c.mp4 0\n", "utf-16", 2, "is UTF-16, as PowerShell's > writes",
               [("a b.mp4", 1), ("sub/c.mp4", 0)]),
    "utf-16 without a mark": ("a b.mp4 1\nsub/c.mp4 0\n", "utf-16-be", 2, "is UTF-16",
                              [("a b.mp4", 1), ("sub/c.mp4", 0)]),
    "header": ("path,label\na b.mp4,1\nsub/c.mp4,0\n", "utf-8", 2, "seems to be a header",
               [("a b.mp4", 1), ("sub/c.mp4", 0)]),
    "header of pandas with its index": (
        ",Video_Path,class_id\n0,a b.mp4,1\n1,sub/c.mp4,0\n", "utf-8", 2, "seems to be a header",
        [("a b.mp4", 1), ("sub/c.mp4", 0)]),
    "header with semicolons": ("file;label\na b.mp4;1\n", "utf-8", 2, "seems to be a header",
                               [("a b.mp4", 1)]),
    "kinetics": (KINETICS + "run,c,1,2,train\nabseiling,a b,0,1.5,train\n", "utf-8", 2,
                 "seems to be an original Kinetics CSV", [("sub/c.mp4", 1), ("a b.mp4", 0)]),
    "names": ("a b.mp4 sit down\nsub/c.mp4 run\n", "utf-8", 2, "label seems to be a name",
              [("a b.mp4", 1), ("sub/c.mp4", 0)]),
    "names in csv": ('"a b.mp4",sit\nsub/c.mp4,run\n', "utf-8", 2, "label seems to be a name",
                     [("a b.mp4", 1), ("sub/c.mp4", 0)]),
    "labels from 1": ("a b.mp4 1\nsub/c.mp4 2\n", "utf-8", 2,
                      r"label 2 is outside 0 \.\. 1; .*labels seem to count from 1",
                      [("a b.mp4", 0), ("sub/c.mp4", 1)]),
}  # fmt: skip


@pytest.fixture
def tool():
    def run_command(command):
        words = shlex.split(command)
        assert words[:2] == ["timesformer", "prepare"]
        return run(words[1:])

    return run_command


@pytest.fixture
def folder(tmp_path):
    for name in ("a b.mp4", "sub/c.mp4", "sub/é.mp4", CHINESE):
        (tmp_path / "my data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my data" / name).touch()
    return tmp_path / "my data"


def read(folder, split, num_classes):
    return read_kinetics(folder, split, prefix="", separator=" ", num_classes=num_classes)


def pairs(videos, folder):
    labels = videos.labels.tolist()
    return [(videos.name(i).removeprefix(f"{folder}/"), label) for i, label in enumerate(labels)]


@pytest.mark.parametrize("name", CASES)
def test_what_a_file_seems_to_be_is_said_and_the_command_converts_it(folder, tool, name, capsys):
    text, encoding, num_classes, message, rows = CASES[name]
    (folder / "train.csv").write_bytes(text.encode(encoding))
    with pytest.raises(ListError, match=message) as error:
        read(folder, "train", num_classes)
    command = re.search(r"timesformer prepare .*", str(error.value))[0]
    assert tool(command) == 0, capsys.readouterr().err
    out = folder.with_name("my data-lists")
    assert pairs(read(out, "train", num_classes), folder) == rows


@pytest.mark.parametrize("name", ["header", "names", "labels from 1", "kinetics"])
def test_lists_of_one_data_set_are_converted_together(folder, tool, name):
    text, _, num_classes, _, rows = CASES[name]
    (folder / "train.csv").write_text(text)
    (folder / "val.csv").write_text(text.replace(",train", ",val"))
    (folder / "test.csv").write_text("\n")  # of no kind: not part of the command
    with pytest.raises(ListError) as error:
        read(folder, "val", num_classes)
    command = re.search(r"timesformer prepare .*", str(error.value))[0]
    assert "test.csv" not in command
    assert tool(command) == 0
    out = folder.with_name("my data-lists")
    assert [pairs(read(out, s, num_classes), folder) for s in ("train", "val")] == [rows] * 2


def test_a_name_of_other_bytes_that_exists_is_a_row(folder):
    (folder / "caf\udce9.mp4").touch()
    (folder / "train.csv").write_bytes(b"caf\xe9.mp4 1\n")
    assert read(folder, "train", 2).name(0).endswith("caf\udce9.mp4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip;where\na b.mp4 1\n", r"seems to be a header, and lists have none; delete it$"),
        ("original_vido_id video_id\n", r"an SSv2 frame list; set TRAIN.DATASET and TEST.DATASET"),
        ("PK\x03\x04...", "is an Excel workbook or a zip file; save it as CSV, UTF-8"),
        ("x\x1b[31m.mp4 one\n" * 2, r"'x\\x1b\[31m\.mp4 one' is not `path label`"),
        ("y" * 10**6, r"'y{120}\.\.\.' is not `path label`"),
    ],
)
def test_other_files_are_named_too(folder, text, message):
    (folder / "train.csv").write_text(text)
    with pytest.raises(ListError, match=message):
        read(folder, "train", 2)


def test_check_data_says_it_too(folder):
    (folder / "train.csv").write_text("path,label\na b.mp4,1\n")
    listing = read_listing(folder / "train.csv", prefix="", separator=" ")
    assert len(listing.entries) == 1
    assert "seems to be a header" in listing.problems[0].detail
    (folder / "train.csv").write_bytes(f"a b.mp4 1\n{CHINESE} 1\n".encode("gbk"))
    listing = read_listing(folder / "train.csv", prefix="", separator=" ")
    assert "the file seems to be gbk" in listing.problems[0].detail


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("视频 跑步", "gbk"),
        ("élève café", "cp1252"),
        ("видео бег", "cp1251"),
        ("ビデオ", "shift_jis"),
    ],
)
def test_encodings_are_guessed(text, encoding):
    assert guess_encoding(text.encode(encoding)) == encoding
