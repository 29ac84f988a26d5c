"""Which action, and when: class probabilities over the time of a long video.

timeline = Detector(predictor).run("film.mp4")
for event in Watcher(predictor, "rtsp://camera/1"): ...
"""

from typing import TYPE_CHECKING

from timesformer.lazy import lazy_names

if TYPE_CHECKING:
    from timesformer.detection.detector import Detector
    from timesformer.detection.online.watcher import Watcher
    from timesformer.detection.timeline import Timeline

__all__ = ["Detector", "Timeline", "Watcher"]
__getattr__ = lazy_names(
    __name__, {"Detector": "detector", "Timeline": "timeline", "Watcher": "online.watcher"}
)
