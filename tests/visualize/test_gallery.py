from tests.visualize.made_report import made_comparison, made_report
from timesformer.visualize import gallery
from timesformer.visualize.gallery import fit_frames, shown_videos


def item(path, start=None, end=None):
    return {"path": path, "start": start, "end": end}


REPORT = {
    "confused_pairs": [{"example": "a.mp4"}, {"example": None}],
    "gallery": {"confident_errors": [item("a.mp4", 1.0, 2.5), item("b.mp4")], "mislabelled": []},
}


def test_shown_videos_are_those_of_pairs_and_galleries_with_their_seconds():
    assert shown_videos(REPORT) == {"a.mp4": (1.0, 2.5), "b.mp4": None}


def test_the_videos_of_a_comparison_are_those_of_its_flips():
    comparison = made_comparison(num_runs=2)
    flips = comparison["flips"][0]
    paths = {each["path"] for side in ("only_a", "only_b") for each in flips[side]}
    assert set(shown_videos(comparison)) == paths


def test_every_video_loses_frames_until_all_fit(monkeypatch):
    frames = {"a.mp4": [b"12345"] * 4, "b.mp4": [b"1234567890"] * 4, "other.mp4": [bytes(99)]}
    assert fit_frames(REPORT, frames).per_video == 4
    monkeypatch.setattr(gallery, "MOST_FRAME_BYTES", 40)  # a.mp4 is shown twice: 20 bytes a frame
    shown = fit_frames(REPORT, frames)
    assert shown == ({"a.mp4": [b"12345"] * 2, "b.mp4": [b"1234567890"] * 2}, 0, 2)
    monkeypatch.setattr(gallery, "MOST_FRAME_BYTES", 19)
    assert fit_frames(REPORT, frames) == ({}, 2, 0)


def test_videos_without_frames_are_missing():
    assert fit_frames(REPORT, {"a.mp4": [], "b.mp4": [b"1"]}) == ({"b.mp4": [b"1"]}, 1, 1)
    assert fit_frames(REPORT, {}) == ({}, 2, 0)


def test_the_parts_may_be_absent():
    assert shown_videos(made_report(confused_pairs=[], gallery={})) == {}


def test_a_comparison_of_many_pairs_shows_fewer_videos_of_each():
    assert gallery.most_flips(made_comparison(num_runs=2)) == 80
    many = made_comparison(8, 2000, num_runs=4)
    assert gallery.most_flips(many) == 13
    assert len(shown_videos(many)) <= 12 * 13
    assert gallery.most_flips({"flips": [{}] * 99}) == 4
