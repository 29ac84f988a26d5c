"""Copies by bytes and by what is seen; different recordings are none."""

import itertools

import av
import numpy as np
import pytest

from timesformer.datasets.checks.duplicates import same_bytes, same_look
from timesformer.datasets.checks.inspection import inspect_video
from timesformer.datasets.scan_index import ScanRow

STILL = ("askanything__yoga.mp4", "intel_asl__thanks.mkv", "c3d__v_BaseballPitch_g01_c01.avi")


def as_row(path):
    return ScanRow(
        path=str(path), label=0, size=1, mtime_ns=0, **inspect_video(str(path))._asdict()
    )


def of_picture(cells, *, content="", seconds=2.0):
    picture = np.tile(np.asarray(cells, np.uint8).reshape(1, 72), (3, 1)).tobytes().hex()
    return ScanRow("", 0, 1, 0, 60, 60, 30.0, seconds, 64, 64, "h264", "", "", content, picture)


def test_bytes_are_compared_by_their_hash_and_the_first_is_the_original():
    rows = {name: of_picture(range(72), content=c) for name, c in zip("abcd", "xyxx", strict=True)}
    assert same_bytes(rows) == {"c": "a", "d": "a"}
    assert (
        same_bytes({"a": rows["a"]._replace(content=""), "b": rows["b"]._replace(content="")}) == {}
    )


def test_the_look_ignores_brightness_and_contrast_but_not_one_changed_cell():
    rng = np.random.default_rng(0)
    cells = rng.integers(60, 160, 72)
    moved = cells.copy()
    moved[30] += 60
    rows = {
        "a": of_picture(cells, content="1"),
        "brighter": of_picture(cells + 20, content="2"),
        "flatter": of_picture(110 + (cells - 110) * 0.8, content="3"),
        "moved": of_picture(moved, content="4"),
        "longer": of_picture(cells, content="5", seconds=4.0),
        "same bytes": of_picture(cells, content="1"),
    }
    assert same_look(rows) == {"brighter": "a", "flatter": "a"}


def test_uniform_pictures_and_missing_ones_say_nothing():
    flat = {name: of_picture(np.full(72, 7), content=name) for name in "ab"}
    assert same_look(flat) == {}
    assert same_look({k: row._replace(picture="") for k, row in flat.items()}) == {}


def reencode(source, target, *, codec, scale, options):
    with av.open(str(source), metadata_errors="replace") as read, av.open(str(target), "w") as out:
        stream = None
        for frame in read.decode(video=0):
            if stream is None:
                stream = out.add_stream(codec, rate=read.streams.video[0].average_rate)
                stream.width = int(frame.width * scale) // 2 * 2
                stream.height = int(frame.height * scale) // 2 * 2
                stream.pix_fmt, stream.options = "yuv420p", options
            image = frame.to_ndarray(width=stream.width, height=stream.height, format="rgb24")
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    return target


@pytest.mark.parametrize("name", STILL)
def test_reencoded_real_videos_look_the_same(shared, tmp_path, name):
    source = shared / "videos" / name
    small = reencode(source, tmp_path / "small.mp4", codec="libx264", scale=0.5,
                     options={"crf": "33", "preset": "ultrafast"})  # fmt: skip
    rough = reencode(source, tmp_path / "rough.avi", codec="mpeg4", scale=0.8,
                     options={"b": "250k"})  # fmt: skip
    rows = {str(path): as_row(path) for path in (source, small, rough)}
    assert same_look(rows) == {str(small): str(source), str(rough): str(source)}


def test_recordings_of_one_person_before_one_wall_are_different(shared):
    files = sorted((shared / "videos").glob("intel_asl__*.mkv"))
    assert len(files) == 20
    assert same_look({str(path): as_row(path) for path in files}) == {}


def test_copies_are_found_among_many():
    rng = np.random.default_rng(1)
    rows = {f"{i}": of_picture(rng.integers(0, 250, 72), content=str(i)) for i in range(30)}
    copies = {f"copy {i}": rows[str(i)]._replace(content=f"c{i}") for i in range(0, 30, 3)}
    everything = dict(itertools.chain(rows.items(), copies.items()))
    assert same_look(everything) == {f"copy {i}": f"{i}" for i in range(0, 30, 3)}
