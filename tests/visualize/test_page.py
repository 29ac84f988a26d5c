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


def luminance(colour):
    """Relative, of 0 .. 1 RGB, as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_is_asked_for_on_every_ground(scheme):
    style = render_page("base.html", title="t")
    part = style.split(":root {")[1 if scheme == "light" else 2].split("}")[0]
    colours = {
        name: [int(value[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        for name, value in re.findall(r"--(\w+): #(\w{6})", part)
    }
    for text in ("ink", "soft", "accent"):
        for ground in ("paper", "wash"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    share = 0.95 * float(re.search(r"accent\) calc\(var\(--s\) \* (\.\d+)%", style)[1])
    pairs = zip(colours["accent"], colours["wash"], strict=True)
    darkest = [share * a + (1 - share) * w for a, w in pairs]  # a cell of the confusion matrix
    assert contrast(colours["ink"], darkest) >= 4.5
