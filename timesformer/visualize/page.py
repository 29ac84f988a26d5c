"""HTML pages that need no other file, light or dark as the reader's screen, and on a phone.

A page is a template of ``templates/`` that extends ``base.html``, which has the style of all pages and
a small script: tables are sorted, lists are filtered. Without a script everything can be read too.
"""

import base64
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined


def _number(value: float | None, digits: int = 1) -> str:
    """``78.4``; a dash for nothing."""
    return "–" if value is None else f"{value:,.{digits}f}"


def _signed(value: float | None, digits: int = 1) -> str:
    """``+1.2`` or ``−1.2``; a dash for nothing."""
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def _interval(ends: Sequence[float] | None, digits: int = 1) -> str:
    """``77.8 to 79.0``; empty for nothing."""
    return " to ".join(_number(end, digits).replace("-", "−") for end in ends or ())


def _jpeg(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


_TEMPLATES = Environment(
    loader=PackageLoader("timesformer.visualize"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "number": _number,
    "signed": _signed,
    "interval": _interval,
    "count": lambda value: f"{value:,}",
    "jpeg": _jpeg,
}


def render_page(template: str, **values: object) -> str:
    """The HTML of ``template`` with ``values``, which are escaped.

    File names that are not UTF-8 have question marks in place of their other bytes.
    """
    text = _TEMPLATES.get_template(template).render(values)
    return text.encode("utf-8", "replace").decode("utf-8")
