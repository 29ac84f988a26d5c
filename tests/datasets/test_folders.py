import pytest

from timesformer.datasets.folders import VideoFolder, frame_files, natural_key
from timesformer.video import VideoError


def test_numbers_in_names_count_as_numbers():
    names = ["f10", "f9b", "f9a", "a", "12", "f"]
    assert sorted(names, key=natural_key) == ["12", "a", "f", "f9a", "f9b", "f10"]


def test_a_folder_without_frames_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(VideoError, match="a folder without frames; extract them"):
        frame_files(tmp_path)


def test_videos_are_found_by_name_whatever_their_suffix(tmp_path):
    for name in ("run/a.mp4", "walk/a.AVI", "b.v1.webm", "frames/c.1/img_1.png", "x/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    videos = VideoFolder(tmp_path)
    found = {
        name: str(path.relative_to(tmp_path)) if path else None
        for name in ("a", "a.mp4", "walk/a.avi", "b.v1", "b.v1.mp4", "c.1", "other/a.AVI", "z")
        for path in [videos.find(name)]
    }
    assert found == {
        "a": "run/a.mp4", "a.mp4": "run/a.mp4", "walk/a.avi": "walk/a.AVI", "b.v1": "b.v1.webm",
        "b.v1.mp4": "b.v1.webm", "c.1": "frames/c.1", "other/a.AVI": "walk/a.AVI", "z": None,
    }  # fmt: skip
    assert videos.find("a", parents=("walk",)) == tmp_path / "walk/a.AVI"
    assert len(videos.paths) == 4
