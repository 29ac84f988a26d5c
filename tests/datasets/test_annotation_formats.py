"""Foreign annotation formats, written as their authors publish them."""

import json
from math import isnan

import pytest

from timesformer.datasets.annotation_formats import ANNOTATION_FORMATS
from timesformer.datasets.annotations import Source, locate_clips
from timesformer.datasets.class_names import class_names
from timesformer.datasets.folders import VideoFolder
from timesformer.datasets.list_text import ListError

KINETICS = "label,youtube_id,time_start,time_end,split,is_cc\n"


@pytest.fixture
def root(tmp_path):
    """A function that makes (empty) videos; the folder of them."""
    folder = tmp_path / "videos"

    def make(*names):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        return VideoFolder(folder)

    make.folder = folder
    return make


@pytest.fixture
def files(tmp_path):
    """A function that writes files into an annotation folder."""

    def write(**texts):
        folder = tmp_path / "annotations"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / name.replace("__", ".")).write_text(text)
        return folder

    return write


def read(name, source):
    """(path below the videos, labels, split, start, end or None) of each located clip; the rest."""
    annotations = ANNOTATION_FORMATS[name](source)
    entries, missing = locate_clips(annotations.clips, source.videos)
    rows = [
        (entry.path.relative_to(source.videos.root).as_posix(), entry.labels, entry.split)
        + (() if isnan(entry.start) else (entry.start, entry.end))
        for entry in entries
    ]
    return rows, [clip.name for clip in missing], annotations.class_names


def test_kinetics_csv_finds_trimmed_clips_label_folders_and_whole_films(root, files):
    videos = root(
        "abseiling/0347ZoDXyP0_000095_000105.mp4",
        "air_drumming/-3B32lodo2M_000059_000069.mkv",
        "air_drumming/whole123456.webm",
    )
    folder = files(
        train__csv=KINETICS
        + "air drumming,-3B32lodo2M,59,69,train,0\nabseiling,0347ZoDXyP0,95,105,train,0\n"
        + "air drumming,whole123456,7,17,train,0\nabseiling,missing1234,1,11,train,0\n",
        validate__csv=KINETICS + "abseiling,0347ZoDXyP0,95,105,validate,0\n",
    )
    source = Source(videos, (folder / "train.csv", folder / "validate.csv"))
    rows, missing, names = read("kinetics", source)
    assert rows == [
        ("air_drumming/-3B32lodo2M_000059_000069.mkv", (1,), "train"),
        ("abseiling/0347ZoDXyP0_000095_000105.mp4", (0,), "train"),
        ("air_drumming/whole123456.webm", (1,), "train", 7, 17),
        ("abseiling/0347ZoDXyP0_000095_000105.mp4", (0,), "val"),
    ]
    assert missing == ["missing1234_000001_000011"]
    assert names == ("abseiling", "air drumming")
    known = source._replace(class_names=class_names("kinetics400"))
    assert read("kinetics", known)[0][0][1] == (class_names("kinetics400").index("air drumming"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "label,youtube_id\n",
            r"train\.csv has no column time_start, time_end, split; it has label",
        ),
        (KINETICS + "a,b,1,2,holdout,0\n", "split 'holdout' is not one of train, val"),
        (KINETICS + "a,b,1,2,train,0\n", r"none of the 1 annotated videos is in .*b_000001_000002"),
        ("", "is not a CSV file"),
    ],
)
def test_broken_kinetics_files_are_named(root, files, text, message):
    folder = files(train__csv=text)
    with pytest.raises(ListError, match=message):
        read("kinetics", Source(root("x.mp4"), (folder / "train.csv",)))


def test_a_label_outside_the_given_names_is_named(root, files):
    folder = files(train__csv=KINETICS + "flying,x,1,2,train,0\n")
    source = Source(root("x.mp4"), (folder / "train.csv",), class_names=("run", "sit"))
    with pytest.raises(ListError, match=r"'flying' is not one of the 2 classes \(run, sit"):
        read("kinetics", source)


def test_missing_annotations_are_named(root, tmp_path):
    videos = root("a.mp4")
    with pytest.raises(ListError, match=r"no\.csv does not exist; check --annotations"):
        read("kinetics", Source(videos, (tmp_path / "no.csv",)))
    for name in ("kinetics", "csv", "ucf101", "hmdb51", "ssv2"):
        with pytest.raises(ListError, match="this format needs --annotations F"):
            read(name, Source(videos))
    with pytest.raises(ListError, match="needs a list for each split: --train FILE"):
        read("mmaction2", Source(videos))


def test_mmaction_lists_are_of_videos_or_frames_with_one_or_several_labels(root, files):
    videos = root("train/a.mp4", "val/a.mp4", "train/b c.MP4", "some/frames_1/img_00001.jpg")
    folder = files(
        train__txt="a.mp4 0\nb c.MP4 1 4 6\nsome/frames_1 250 127\n",
        val__txt="a.mp4 2\ngone.mp4 1\n",
    )
    lists = {"train": folder / "train.txt", "val": folder / "val.txt"}
    rows, missing, _ = read("mmaction2", Source(videos, lists=lists))
    assert rows == [
        ("train/a.mp4", (0,), "train"),
        ("train/b c.MP4", (1, 4, 6), "train"),
        ("some/frames_1", (127,), "train"),
        ("val/a.mp4", (2,), "val"),
    ]
    assert missing == ["gone.mp4"]
    (folder / "val.txt").write_text("a.mp4 two\n")
    with pytest.raises(ListError, match=r"val\.txt:1: 'a\.mp4 two' is neither `video label` nor"):
        read("mmaction2", Source(videos, lists=lists))
    with pytest.raises(ListError, match=r"none\.txt does not exist"):
        read("mmaction2", Source(videos, lists={"train": folder / "none.txt"}))


def test_ucf101_splits_number_classes_from_one_and_test_lists_have_no_label(root, files):
    videos = root("Archery/v_Archery_g01_c01.avi", "v_Bowling_g02_c03.mp4")
    folder = files(
        classInd__txt="1 Bowling\n2 Archery\n",
        trainlist01__txt="Archery/v_Archery_g01_c01.avi 2\n",
        testlist01__txt="Bowling/v_Bowling_g02_c03.avi\n",
    )
    assert read("ucf101", Source(videos, (folder,)))[0] == [
        ("Archery/v_Archery_g01_c01.avi", (1,), "train"),
        ("v_Bowling_g02_c03.mp4", (0,), "test"),
    ]
    with pytest.raises(ListError, match=r"trainlist03\.txt does not exist"):
        read("ucf101", Source(videos, (folder,), fold=3))
    files(testlist01__txt="Flying/v.avi\n")
    with pytest.raises(ListError, match=r"testlist01\.txt:1: 'Flying' is not one of the 2"):
        read("ucf101", Source(videos, (folder,)))
    files(classInd__txt="1 Bowling\n3 Archery\n")
    with pytest.raises(ListError, match=r"classInd\.txt:2: '3 Archery' is not `number Class`"):
        read("ucf101", Source(videos, (folder,)))


def test_hmdb51_splits_leave_out_what_is_marked_zero(root, files):
    videos = root("wave/a[1].avi", "brush_hair/a[1].avi", "wave/b.avi", "wave/c.avi")
    folder = files(
        wave_test_split1__txt="a[1].avi 1 \nb.avi 2 \nc.avi 0 \n",
        brush_hair_test_split1__txt="a[1].avi 2\n",
        brush_hair_test_split2__txt="broken",
    )
    rows, _, names = read("hmdb51", Source(videos, (folder,)))
    assert rows == [
        ("brush_hair/a[1].avi", (0,), "test"),
        ("wave/a[1].avi", (1,), "train"),
        ("wave/b.avi", (1,), "test"),
    ]
    assert names == ("brush_hair", "wave")
    with pytest.raises(ListError, match=r"split2\.txt:1: 'broken' is not `name.avi` and 0, 1 or 2"):
        read("hmdb51", Source(videos, (folder,), fold=2))
    with pytest.raises(ListError, match=r"has no file <class>_test_split3\.txt"):
        read("hmdb51", Source(videos, (folder,), fold=3))


def test_ssv2_json_calls_videos_by_their_id(root, files):
    videos = root("1.webm", "2/000001.jpg")
    labels = {"Pushing something": "0", "Pulling something": "1"}
    folder = files()
    for part, content in (
        ("labels", labels),
        ("train", [{"id": "2", "template": "Pulling [something]"}]),
        ("validation", [{"id": "1", "template": "Pushing [something]"}]),
    ):
        (folder / f"something-something-v2-{part}.json").write_text(json.dumps(content))
    rows, _, names = read("ssv2", Source(videos, (folder,)))
    assert rows == [("2", (1,), "train"), ("1.webm", (0,), "val")]
    assert names == ("Pushing something", "Pulling something")
    (folder / "something-something-v2-train.json").write_text('[{"id": "2", "template": "Eating"}]')
    with pytest.raises(
        ListError, match="train.json, video 2: template 'Eating' is not in the labels"
    ):
        read("ssv2", Source(videos, (folder,)))
    (folder / "something-something-v2-train.json").write_text("[")
    with pytest.raises(ListError, match=r"train\.json is not valid JSON"):
        read("ssv2", Source(videos, (folder,)))


def test_class_folders_may_lie_in_folders_of_splits(root):
    videos = root("walk/b.mp4", "run/a.mp4", "run/deep/frames/img_1.png")
    assert read("folders", Source(videos)) == (
        [("run/a.mp4", (0,), ""), ("run/deep/frames", (0,), ""), ("walk/b.mp4", (1,), "")],
        [],
        ("run", "walk"),
    )


def test_folders_of_splits_keep_their_splits(root):
    videos = root("train/run/a.mp4", "train/sit/a.mp4", "validation/run/a.mp4")
    assert read("folders", Source(videos))[0] == [
        ("train/run/a.mp4", (0,), "train"),
        ("train/sit/a.mp4", (1,), "train"),
        ("validation/run/a.mp4", (0,), "val"),
    ]


def test_a_folder_without_class_folders_is_named(root):
    with pytest.raises(ListError, match="has no class folders with videos; make a folder for each"):
        read("folders", Source(root("a.mp4", "b.mp4")))


def test_csv_files_have_a_path_and_a_label_column(root, files):
    videos = root("a/c1/img_1.jpg", "x.mp4", "y.mp4")
    folder = files(
        k400__csv="dir,frames,k400_index,w,h\na/c1,3,24,380,254\n",
        names__csv="split,file,label\nval,x.mp4,sit\ntrain,y.mp4,run\n",
        wrong__csv="url,label\nx,1\n",
    )
    rows, _, names = read("csv", Source(videos, (folder / "k400.csv",)))
    assert rows == [("a/c1", (24,), "")]
    assert names[24] == "blowing glass"
    rows, _, names = read("csv", Source(videos, (folder / "names.csv",)))
    assert (rows, names) == (
        [("x.mp4", (1,), "val"), ("y.mp4", (0,), "train")],
        ("run", "sit"),
    )
    with pytest.raises(
        ListError, match="no column path or dir or file or video; it has url, label"
    ):
        read("csv", Source(videos, (folder / "wrong.csv",)))


def test_the_shared_frame_folders_are_read(shared):
    folder = shared / "k400_frames"
    rows, missing, _ = read("csv", Source(VideoFolder(folder), (folder / "rawframes_list.csv",)))
    assert (len(rows), missing) == (30, [])
    assert {labels for _, labels, _ in rows} == {(24,), (66,)}
