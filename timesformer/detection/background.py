"""Which class is the one without an action: detections and annotations have no segments of it."""

from collections.abc import Sequence

from timesformer.datasets.films import BACKGROUND

NO_BACKGROUND = "none"  # no class is the background


def choose_background(labels: Sequence[str], wanted: str | None) -> str | None:
    """The label of the background, None if there is none.

    Args:
        labels: of all classes.
        wanted: None: the class that is called background, in capitals or not, as ``timesformer prepare``
            calls it; NO_BACKGROUND, unless a class is called so: none.
    """
    if wanted is None:
        return next((label for label in labels if label.lower() == BACKGROUND), None)
    return None if wanted == NO_BACKGROUND and wanted not in labels else wanted
