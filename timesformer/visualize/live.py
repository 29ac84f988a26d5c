"""The page of a stream that is being watched; its script gets what it shows from the server."""

from timesformer.visualize.detection_page import COLOURS
from timesformer.visualize.page import render_page
from timesformer.visualize.timeline_figure import MOST_CLASSES

MOST_LIKELY = 5  # classes with a bar


def render_live(title: str, *, num_classes: int, pictures: bool) -> str:
    """The page.

    Args:
        title: name of what is watched; empty: not yet known.
        num_classes: of the model; 0: not yet known.
        pictures: whether there is a place for the picture.
    """
    return render_page(
        "live.html",
        title=f"Live: {title}" if title else "Live",
        pictures=pictures,
        colours=COLOURS,
        num_lanes=min(num_classes or MOST_CLASSES, MOST_CLASSES),
        num_bars=min(num_classes or MOST_LIKELY, MOST_LIKELY),
    )
