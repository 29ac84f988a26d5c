"""HTML pages that need no script and no other file, light or dark as the reader's screen, and on a phone.

A page is a template of ``templates/`` that extends ``base.html``, which has the style of all pages.
"""

from jinja2 import Environment, PackageLoader, StrictUndefined

_TEMPLATES = Environment(
    loader=PackageLoader("timesformer.visualize"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_page(template: str, **values: object) -> str:
    """The HTML of ``template`` with ``values``, which are escaped.

    File names that are not UTF-8 have question marks in place of their other bytes.
    """
    text = _TEMPLATES.get_template(template).render(values)
    return text.encode("utf-8", "replace").decode("utf-8")
