"""Files in the layout of ActivityNet, and what is refused; `tests/detection` has more of it."""

import json

import pytest

from timesformer.datasets.activitynet import AnnotationsError, labelled_part, read_database


def test_films_are_given_as_they_are(tmp_path):
    films = {"a": {"subset": "x", "annotations": [3]}, "b": {}}
    (tmp_path / "t.json").write_text("\ufeff" + json.dumps({"database": films}))
    assert read_database(tmp_path / "t.json") == films


@pytest.mark.parametrize("entry", [3, {}, {"label": "x", "segment": [1, "2"]}, {"segment": [1, 2]}])
def test_an_annotation_has_a_label_and_two_numbers(tmp_path, entry):
    path = tmp_path / "t.json"
    assert labelled_part(path, "a", {"label": "x", "segment": [1, 2.5]}) == ("x", 1.0, 2.5)
    with pytest.raises(
        AnnotationsError, match=r"t.json: a has the annotation .*, which is not {.seg"
    ):
        labelled_part(path, "a", entry)
