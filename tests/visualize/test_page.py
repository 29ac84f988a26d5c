"""Pages escape what they are given, and need no other file."""

import re

import pytest
from jinja2 import UndefinedError

from timesformer.visualize.page import render_page

OTHER_FILES = re.compile(  # what a page may not refer to; url(#...) is a part of the page itself
    r"https?://|<script [^>]*src|<link (?!rel=.icon. href=.data:,.>)|@import|url\((?!#)"
)


def test_the_base_page_is_for_light_and_dark_screens_and_for_phones():
    text = render_page("base.html", title="<b>&\udcff")
    assert text.count(r"&lt;b&gt;&amp;\udcff") == 2
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text
    assert not OTHER_FILES.search(text)


def test_a_value_that_is_forgotten_is_an_error():
    with pytest.raises(UndefinedError, match="'title' is undefined"):
        render_page("base.html")
