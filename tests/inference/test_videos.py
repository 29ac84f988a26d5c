"""What names of files, folders, globs and lists stand for."""

import numpy as np
import pytest

from timesformer.datasets.list_text import ListError
from timesformer.inference.videos import find_labelled, find_videos
from timesformer.video import VideoError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Files by name alone: nothing here looks into them."""
    for name in (
        "b/2.mp4",
        "b/10.AVI",
        "b/notes.txt",
        "a/x.webm",
        "frames/f_1.jpg",
        "empty/readme",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["b/2.mp4"], ["b/2.mp4"]),
        (["b"], ["b/2.mp4", "b/10.AVI"]),
        (["frames"], ["frames"]),
        (["b/*.*4", "b"], ["b/2.mp4", "b/10.AVI"]),
        (["*/x.webm", "b/2.mp4"], ["a/x.webm", "b/2.mp4"]),
        (["**/*.AVI"], ["b/10.AVI"]),
        (["[ab]"], ["a/x.webm", "b/2.mp4", "b/10.AVI"]),
        (["http://host/v.mp4", "s.tar::1.mp4"], ["http://host/v.mp4", "s.tar::1.mp4"]),
        (["b\\2.mp4"], ["b/2.mp4"]),
    ],
)
def test_names_stand_for_videos(tree, names, expected):
    assert find_videos(names) == expected


def test_a_folder_stands_for_the_frame_folders_below_it_too(tree):
    assert find_videos(["."]) == ["a/x.webm", "b/2.mp4", "b/10.AVI", "frames"]


def test_a_picture_beside_videos_is_no_frame(tree):
    """A cover, or contact sheets drawn into the folder."""
    (tree / "b/cover.jpg").touch()
    (tree / "cover.png").touch()
    assert find_videos(["b"]) == ["b/2.mp4", "b/10.AVI"]
    (tree / "one.mp4").touch()
    assert find_videos(["."]) == ["one.mp4", "a/x.webm", "b/2.mp4", "b/10.AVI", "frames"]


def test_images_that_a_glob_matches_beside_videos_are_named_and_left_out(tree, caplog):
    for name in ("cover.JPG", "s1.png", "s2.png", "s10.png"):
        (tree / "b" / name).touch()
    assert find_videos(["b/*.*4", "b/*[!t]"]) == ["b/2.mp4", "b/10.AVI"]
    assert caplog.messages == [
        "b/*[!t]: left out 4 image(s) (b/cover.JPG, b/s1.png, b/s2.png, ...); a folder of frames is "
        "one video: give b"
    ]


def test_an_image_is_no_video(tree):
    with pytest.raises(VideoError) as caught:
        find_videos(["frames/f_1.jpg", "b", "frames/*"])
    assert str(caught.value).splitlines() == [
        "frames/f_1.jpg: an image is not a video, but a folder of frames is one: give frames",
        "frames/*: matches only images (frames/f_1.jpg); a folder of frames is one video: give frames",
    ]


def test_names_of_nothing_are_told_together(tree):
    with pytest.raises(VideoError) as caught:
        find_videos(["none.mp4", "b", "*.mov", "empty"])
    first, second, third = str(caught.value).splitlines()
    assert first == "none.mp4: no such file or folder; check the path"
    assert second == "*.mov: no file matches; check the pattern"
    assert third.startswith("empty: a folder without videos (.avi, ")


def test_labels_are_those_of_a_list(tree):
    (tree / "b/mine.csv").write_text("2.mp4 7\n10.AVI 0 0.5 1.5\n")
    found = find_labelled("b/mine.csv")
    assert [found.name(i) for i in range(2)] == ["b/2.mp4", "b/10.AVI"]
    assert found.labels.tolist() == [7, 0]
    assert found.segment(1) == (0.5, 1.5)
    (tree / "b/classes.txt").write_text("no\nyes\n")
    with pytest.raises(ListError, match=r"mine\.csv:1: label 7 is outside 0 \.\. 1"):
        find_labelled("b/mine.csv")
    (tree / "b/mine.csv").write_text("2.mp4 1\n")
    assert find_labelled("b/mine.csv").class_names == ("no", "yes")


def test_a_list_means_its_videos_once_and_whole(tree):
    (tree / "b/mine.csv").write_text("2.mp4 7 0.5 1.5\n10.AVI 0\n2.mp4 3 4.0 5.0\n../frames 1\n")
    names = ["a", "b/mine.csv", "b/2.mp4"]
    assert find_videos(names, lists=True) == ["a/x.webm", "b/2.mp4", "b/10.AVI", "b/../frames"]
    assert find_videos(["b/mine.csv"]) == ["b/mine.csv"]
    (tree / "b/mine.csv").write_text("2.mp4 7\n3.mp4 0\n3.mp4 1\n4.mp4 1\n")
    expected = (
        r"(?s)no\.mp4: no such file.*mine\.csv: 2 video\(s\) of the list do not exist \(3\.mp4, 4"
    )
    with pytest.raises(VideoError, match=expected):
        find_videos(["no.mp4", "b/mine.csv"], lists=True)
    (tree / "b/mine.csv").write_text("2.mp4\n")
    with pytest.raises(ListError, match=r"mine\.csv:1"):
        find_videos(["b/mine.csv"], lists=True)
    with pytest.raises(VideoError, match="empty"):
        find_videos([""], lists=True)


def test_labels_are_the_folders_of_a_folder_of_classes(tree):
    (tree / "data").mkdir()
    for name in ("a", "b", "frames"):
        (tree / name).rename(tree / "data" / name)
    (tree / "data/frames").rename(tree / "frames")
    found = find_labelled("data")
    assert found.class_names == ("a", "b")
    assert found.labels.tolist() == [0, 1, 1]
    assert np.all(find_labelled("data/b").labels == -1)
    assert find_labelled("data/b").class_names == ()
