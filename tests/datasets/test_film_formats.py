"""Annotations of films, written as their authors publish them."""

import json

import pytest

from timesformer.datasets.annotations import Source
from timesformer.datasets.film_formats import FILM_FORMATS
from timesformer.datasets.list_text import ListError

EPIC = "narration_id,video_id,start_timestamp,stop_timestamp,verb,verb_class,noun,noun_class\n"


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def read(form, *paths, **known):
    """{name: (split, [(label, start, end)])}, and the names of the classes."""
    found = FILM_FORMATS[form](Source(None, tuple(paths), **known))
    return {film.name: (film.split, [*map(tuple, film.segments)]) for film in found.films}, (
        found.class_names
    )


def database(**films):
    return {"version": "1.3", "taxonomy": [], "database": films}


def entry(subset, *annotations, **more):
    listed = [{"label": label, "segment": [start, end]} for label, start, end in annotations]
    return {"subset": subset, "annotations": listed, **more}


def test_activitynet_has_films_by_id_with_subset_and_segments(write):
    path = write("a.json", database(
        x=entry("training", ("Run", 1, 2.5), ("Dive", 4, 5), duration=9.5, url="u"),
        y=entry("validation"),
        z=entry("testing", duration=4),
    ))  # fmt: skip
    films, names = read("activitynet", path)
    assert films == {"x": ("train", [("Run", 1.0, 2.5), ("Dive", 4.0, 5.0)]), "y": ("val", [])}
    assert names == ("Dive", "Run")
    found = FILM_FORMATS["activitynet"](Source(None, (path,), class_names=("Run", "Dive"))).films
    assert found[0].seconds == 9.5


def test_a_converted_thumos14_is_read_with_its_subsets(write):
    path = write("t.json", database(a=entry("Validation", ("Run", 1, 2)), b=entry("Test")))
    films, _ = read("activitynet", path, subsets={"Validation": "train", "Test": "val"})
    assert {name: split for name, (split, _) in films.items()} == {"a": "train", "b": "val"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "no entry .database.; annotations are"),
        (database(v=3), "v has no list of annotations"),
        (database(v=entry("dev")), "a.json: v: subset 'dev' is not one of train, val, test"),
        (database(v={"annotations": []}), "a.json: v: subset '' is not one of"),
        (
            database(v=entry("training", ("a", 2, 1))),
            "v: a from 2.0 to 1.0 is not a part of a film",
        ),
        (database(v=entry("training", ("", 1, 2))), "v has the annotation .* is not {.segment.:"),
    ],
)
def test_wrong_activitynet_files_are_named(write, content, message):
    with pytest.raises(ListError, match=message):
        read("activitynet", write("a.json", content))


def test_thumos14_has_a_file_a_class_and_subset(write):
    write("t/BaseballPitch_val.txt", "video_validation_0000266  72.8 76.4\n")
    write("t/CliffDiving_val.txt", "video_validation_0000266  1 2\n")
    write("t/CliffDiving_test.txt", "video_test_0000004 0.5 1.5\n")
    path = write("t/Ambiguous_val.txt", "video_validation_0000266  30 40\n")
    films, names = read("thumos14", path.parent)
    assert films == {
        "video_test_0000004": ("test", [("CliffDiving", 0.5, 1.5)]),
        "video_validation_0000266": (
            "train", [("BaseballPitch", 72.8, 76.4), ("CliffDiving", 1.0, 2.0)]
        ),
    }  # fmt: skip
    assert names == ("BaseballPitch", "CliffDiving")
    found = FILM_FORMATS["thumos14"](Source(None, (path.parent,))).films
    assert [film.ignored for film in found] == [(), (("Ambiguous", 30.0, 40.0),)]


def test_wrong_thumos14_files_are_named(write):
    path = write("t/Run_val.txt", "video 1\n")
    with pytest.raises(ListError, match=r"Run_val.txt:1: 'video 1' is not `name start end`"):
        read("thumos14", path.parent)
    path.write_text("video 3 1\n")
    with pytest.raises(ListError, match=r"Run_val.txt:1: Run from 3 to 1 is not a part of a film"):
        read("thumos14", path.parent)
    path.rename(path.with_name("other.txt"))
    with pytest.raises(ListError, match="has no file <class>_val.txt or <class>_test.txt"):
        read("thumos14", path.parent)
    with pytest.raises(ListError, match="needs --annotations FOLDER"):
        read("thumos14")


def test_epic_takes_the_verb_or_the_noun(write):
    train = write("train.csv", EPIC + "n1,P01_01,00:00:01.5,00:01:02.25,turn-on,1,tap,3\n"
                                      "n2,P01_01,00:00:03,00:00:04,switch-on,1,light,0\n"
                                      "n3,P01_01,00:00:05,00:00:06,turn-on,1,tap,3\n")  # fmt: skip
    val = write("val.csv", EPIC + "n4,P02_01,01:00:00,01:00:09,take,0,cup,1\n")
    lists = {"train": train, "val": val}
    films, names = read("epic", lists=lists)
    assert films == {
        "P01_01": ("train", [("turn-on", 1.5, 62.25), ("turn-on", 3, 4), ("turn-on", 5, 6)]),
        "P02_01": ("val", [("take", 3600, 3609)]),
    }
    assert names == ("take", "turn-on")
    films, names = read("epic", lists=lists, label="noun")
    assert names == ("light", "cup", "noun 2", "tap")
    assert [label for label, _, _ in films["P01_01"][1]] == ["tap", "light", "tap"]
    write("EPIC_100_verb_classes.csv", "id,key,instances\n0,take,[]\n1,turn-on,[]\n2,wash,[]\n")
    assert read("epic", lists=lists)[1] == ("take", "turn-on", "wash")


def test_epic_style_without_numbers_has_names_in_sorted_order(write):
    path = write("a.csv", "video_id,start_timestamp,stop_timestamp,verb\nv,1.5,2,run\nv,3,4,dive\n")
    films, names = read("epic", path)
    assert films == {"v": ("", [("run", 1.5, 2.0), ("dive", 3.0, 4.0)])}
    assert names == ("dive", "run")


@pytest.mark.parametrize(
    ("row", "known", "message"),
    [
        ("n,v,x,00:00:02,run,0,n,0", {}, "a.csv, row 1: run from x to 2.0 is not a part of a film"),
        ("n,v,1:2:3:4,9,run,0,n,0", {}, "run from 1:2:3:4 to 9.0 is not"),
        ("n,v,1,2,run,x,n,0", {}, "a.csv, row 1: class 'x' is not a whole number"),
        ("n,v,1,2,run,1,n,0", {"class_names": ("a",)}, "class 1 has no name: --classes names 1"),
        ("n,v,1,2,run,1,n,0", {"label": "adverb"}, "a.csv has no column adverb; it has"),
    ],
)
def test_wrong_epic_rows_are_named(write, row, known, message):
    with pytest.raises(ListError, match=message):
        read("epic", write("a.csv", EPIC + row + "\n"), **known)


@pytest.mark.parametrize("form", ["activitynet", "epic", "via"])
def test_a_format_says_which_files_it_lacks(form, tmp_path):
    with pytest.raises(ListError, match="needs .*--annotations FILE"):
        read(form)
    with pytest.raises(
        ListError, match=r"none(: no such file| does not exist; check --annotations)"
    ):
        read(form, tmp_path / "none")
