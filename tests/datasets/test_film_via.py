"""Temporal segments as the VGG Image Annotator 3 saves and exports them."""

import json

import pytest

from timesformer.datasets.annotations import Source
from timesformer.datasets.film_via import read_via
from timesformer.datasets.list_text import ListError

ACTION = {
    "aname": "action", "anchor_id": "FILE1_Z2_XY0", "type": 4, "options": {"1": "run", "2": "dive"}
}  # fmt: skip
NOTE = {"aname": "note", "anchor_id": "FILE1_Z2_XY0", "type": 1, "options": {}}
BOX = {"aname": "box", "anchor_id": "FILE1_Z1_XY1", "type": 1, "options": {}}


def project(*metadata, **attributes):
    return {
        "project": {"pid": "1"},
        "attribute": attributes or {"1": ACTION, "3": BOX},
        "file": {
            "1": {"fid": "1", "fname": "a.mp4", "type": 4, "loc": 1, "src": ""},
            "2": {"fid": "2", "fname": "http://host/films/b.mp4", "type": 4, "loc": 2, "src": ""},
        },
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": [2]}},
        "metadata": {
            f"{vid}_x{i}": {"vid": vid, "flg": 0, "z": z, "xy": xy, "av": av}
            for i, (vid, z, xy, av) in enumerate(metadata)
        },
    }


def csv_export(found):
    """As VIA writes it."""
    lines = [
        "# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
        "# Notes:",
        f"# ATTRIBUTE = {json.dumps(found['attribute'])}",
        "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata",
    ]
    for name, each in found["metadata"].items():
        fid = str(found["view"][each["vid"]]["fid_list"][0])
        cells = ([found["file"][fid]["fname"]], each["z"], each["xy"], each["av"])
        files, z, xy, av = ('"' + json.dumps(cell).replace('"', '""') + '"' for cell in cells)
        lines.append(f'"{name}",{files},0,{z},{xy},{av}')
    return "\n".join(lines) + "\n"


ENTRIES = (
    ("1", [1.5, 2.25], [], {"1": "1"}),
    ("2", [0, 4], [], {"1": "2"}),
    ("1", [3], [2, 10, 10, 5, 5], {"3": "x"}),  # a box in one frame
    ("1", [], [], {}),
)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_both_forms_hold_the_same_segments(tmp_path, form):
    found = project(*ENTRIES)
    path = tmp_path / "via"
    path.write_text(json.dumps(found) if form == "json" else csv_export(found))
    films, names = read_via(Source(None, lists={"train": path}))
    assert [(film.name, film.split, film.segments) for film in films] == [
        ("a.mp4", "train", (("run", 1.5, 2.25),)),
        ("b.mp4", "train", (("dive", 0.0, 4.0),)),
    ]
    assert names == ("dive", "run")


def test_text_and_check_boxes_are_classes_too(tmp_path):
    several = {**ACTION, "type": 2}
    found = project(("1", [1, 2], [], {"1": "1,2", "2": "free text"}), **{"1": several, "2": NOTE})
    path = tmp_path / "via.json"
    path.write_text(json.dumps(found))
    films, _ = read_via(Source(None, (path,), label="action"))
    assert [segment.label for segment in films[0].segments] == ["run", "dive"]
    films, _ = read_via(Source(None, (path,), label="note"))
    assert [segment.label for segment in films[0].segments] == ["free text"]


@pytest.mark.parametrize(
    ("content", "label", "message"),
    [
        (
            project(**{"1": ACTION, "2": NOTE}),
            "",
            "is the class is not clear; it has: action, note; n",
        ),
        (project(), "x", "called x is not clear; it has: action; name one with --label"),
        (project(**{"3": BOX}), "", "it has: none; name one"),
        (project(("1", [1, 2], [], {})), "", "entry 1_x0: the segment has no action; choose one"),
        (project(("1", [2, 1], [], {"1": "1"})), "", "entry 1_x0: run from 2 to 1 is not a part"),
        ({"a.jpg1": {"regions": []}}, "", "is not a project or a CSV export of VIA 3 for video"),
        ("filename,region_count\na.jpg,1\n", "", "no line `# ATTRIBUTE = ...`; export it again"),
        ("# ATTRIBUTE = {", "", "is not a project or a CSV export .*export it again"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, content, label, message):
    path = tmp_path / "via"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ListError, match=message):
        read_via(Source(None, (path,), label=label))
