"""Names and their prefixes."""

from timesformer.checkpoint.formats.weights import ends_with, rename, split


def test_a_prefix_is_what_stands_before_the_anchor():
    names = ["module.net.a.b", "module.net.c", "module.head.bias", "module.network.d"]
    inner, outer = split(dict.fromkeys(names, 0), "a.b")
    assert list(inner) == ["a.b", "c"]
    assert list(outer) == ["head.bias", "network.d"]


def test_a_prefix_of_some_names_stays_on_the_others():
    inner, outer = split(dict.fromkeys(["net.a.b", "head.bias"], 0), "a.b")
    assert (list(inner), list(outer)) == (["a.b"], ["head.bias"])
    assert split({"a.b": 0, "head.bias": 1}, "a.b") == ({"a.b": 0, "head.bias": 1}, {})


def test_an_anchor_is_a_whole_part_of_a_name():
    assert ends_with("x.a.b", "a.b")
    assert not ends_with("x.da.b", "a.b")


def test_rules_apply_in_order():
    assert rename({"a.1": 0}, ((r"a", "b"), (r"^b\.", "c."))) == {"c.1": 0}
