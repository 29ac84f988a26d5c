"""Pages escape what they are given, and need no other file."""

import re

import pytest
from jinja2 import UndefinedError

from timesformer.visualize.page import render_page


def test_the_base_page_is_for_light_and_dark_screens_and_for_phones():
    text = render_page("base.html", title="<b>&\udcff")
    assert text.count("&lt;b&gt;&amp;?") == 2
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text
    assert not re.search(r"https?://|<script [^>]*src|<link|@import|url\(", text)


def test_a_value_that_is_forgotten_is_an_error():
    with pytest.raises(UndefinedError, match="'title' is undefined"):
        render_page("base.html")
