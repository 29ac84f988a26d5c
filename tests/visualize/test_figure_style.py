import re
from xml.etree import ElementTree

import pytest

from timesformer.visualize.figure_style import (
    ACCENT,
    COLOURS,
    INK,
    new_axes,
    note,
    plain,
    png_bytes,
    svg_text,
)
from timesformer.visualize.page import render_page


def figure():
    made, axes = new_axes()
    axes.plot([0, 1, 2], [3, 1, 2], "o-", color=ACCENT)
    note(axes, "a <b> & c", (1, 1), color=INK)
    axes.set(xlabel="x", ylabel="y")
    return made


def test_an_svg_takes_its_colours_and_its_font_from_the_page():
    text = svg_text(figure(), "a")
    root = ElementTree.fromstring(text)
    assert root.attrib == {"viewBox": "0 0 360 244.8"}
    assert set(re.findall(r"#[0-9a-f]{6}", text)) == set()
    assert "var(--accent)" in text
    assert "font-family" not in text
    assert "a <b> & c" in [element.text for element in root.iter("text")]


def test_an_svg_of_a_page_has_no_identifiers_that_another_one_has_too():
    one, other = svg_text(figure(), "a"), svg_text(figure(), "b")
    assert not set(re.findall(r' id="([^"]*)"', one)) & set(re.findall(r' id="([^"]*)"', other))
    assert not re.search("http|<metadata|<style|xlink|DOCTYPE", one)


def test_the_same_figure_is_the_same_bytes():
    assert svg_text(figure(), "a") == svg_text(figure(), "a")
    assert png_bytes(figure()) == png_bytes(figure())
    assert b"Software" not in png_bytes(figure())


def test_the_colours_are_those_of_the_page_and_differ_on_a_dark_one():
    page = render_page("base.html", title="t")
    light, dark = page.split("prefers-color-scheme: dark", 1)
    for name, colour in COLOURS.items():
        assert f"--{name}: {colour}" in light
        assert re.search(rf"--{name}: #", dark.split("}")[0])
        assert f"--{name}: {colour}" not in dark


@pytest.mark.parametrize("name", ["$\\foo$", "a$b", "跳高", "a\u202eb", "x" * 99])
def test_a_name_is_drawn_as_it_is(name, recwarn):
    made, axes = new_axes()
    axes.set_yticks([0], [plain(name)])
    shown = plain(name).replace(r"\$", "$")
    assert shown in [
        element.text for element in ElementTree.fromstring(svg_text(made, "a")).iter("text")
    ]
    png_bytes(made)
    assert not recwarn.list
    assert len(shown) <= 40
