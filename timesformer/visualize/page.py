"""HTML pages that need no other file, light or dark as the reader's screen, and on a phone.

A page is a template of ``templates/`` that extends ``base.html``, which has the style of all pages and
a small script: tables are sorted, lists are filtered. Without a script everything can be read too.
"""

import base64
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from timesformer.io.terminal import printable


def _number(value: float | None, digits: int = 1) -> str:
    """``78.4``; a dash for nothing."""
    return "–" if value is None else f"{value:,.{digits}f}".replace("-", "−")


def _signed(value: float | None, digits: int = 1) -> str:
    """``+1.2`` or ``−1.2``; a dash for nothing."""
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def _interval(ends: Sequence[float] | None, digits: int = 1) -> str:
    """``77.8 to 79.0``; empty for nothing."""
    return " to ".join(_number(end, digits) for end in ends or ())


def _many(count: int, noun: str) -> str:
    """``1 video``, ``1,200 videos``, ``3 classes``."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count:,} {noun if count == 1 else plural}"


def _visible(value: object) -> object:
    """Texts of files and people without what would steer the browser, as the direction of writing."""
    return value if not isinstance(value, str) or isinstance(value, Markup) else printable(value)


def _base64(data: bytes) -> Markup:
    return Markup(base64.b64encode(data).decode("ascii"))


_TEMPLATES = Environment(
    loader=PackageLoader("timesformer.visualize"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_visible,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "number": _number,
    "signed": _signed,
    "interval": _interval,
    "many": _many,
    "count": lambda value: f"{value:,}",
    "base64": _base64,
}


def render_page(template: str, **values: object) -> str:
    """The HTML of ``template`` with ``values``, escaped; control characters are shown."""
    return _TEMPLATES.get_template(template).render(values)
