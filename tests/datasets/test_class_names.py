import pytest

from timesformer.datasets.class_names import ClassNamesError, class_names, read_class_names


@pytest.mark.parametrize(
    ("dataset", "count"),
    [("kinetics400", 400), ("kinetics600", 600), ("ssv2", 174), ("ucf101", 101), ("hmdb51", 51),
     ("diving48", 48)],
)  # fmt: skip
def test_public_class_names_ship_with_the_package(dataset, count):
    names = class_names(dataset)
    assert len(set(names)) == count
    assert all(name == name.strip() for name in names)


def test_names_are_in_the_order_of_the_labels():
    names = class_names("kinetics400")
    assert (names[24], names[66]) == ("blowing glass", "climbing a rope")


def test_an_unknown_data_set_lists_the_known_ones():
    with pytest.raises(ClassNamesError, match=r"of 'kinetics700' ship .*; it has diving48, hmdb51"):
        class_names("kinetics700")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\n", "names no class; write a name a line"),
        ("a\n\nb\n", r"names\.txt:2: a blank line; the line number is the label"),
        ("a\nb\na\n", r"names\.txt:3: 'a' is on line 1 too"),
    ],
)
def test_names_that_cannot_be_used_are_named(tmp_path, text, message):
    (tmp_path / "names.txt").write_text(text)
    with pytest.raises(ClassNamesError, match=message):
        read_class_names(tmp_path / "names.txt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ClassNamesError, match=r"none\.txt cannot be read"):
        read_class_names(tmp_path / "none.txt")
