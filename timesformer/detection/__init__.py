"""Which action, and when: class probabilities over the time of a long video.

timeline = Detector(predictor).run("film.mp4")
"""

from typing import TYPE_CHECKING

from timesformer.lazy import lazy_names

if TYPE_CHECKING:
    from timesformer.detection.detector import Detector
    from timesformer.detection.timeline import Timeline

__all__ = ["Detector", "Timeline"]
__getattr__ = lazy_names(__name__, {"Detector": "detector", "Timeline": "timeline"})
