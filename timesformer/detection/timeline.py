"""Class probabilities over the time of one video: what detection is made of, and its file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from timesformer.detection.scales import ScaleScores
from timesformer.errors import InputError
from timesformer.files import write_atomically
from timesformer.io.npz import NPZ_ERRORS
from timesformer.io.terminal import printable
from timesformer.video.remarks import Remark


class TimelineError(InputError, ValueError):
    """A file that is not a timeline of scores."""


class Gap(NamedTuple):
    """Seconds of a video that cannot be seen."""

    start: float
    end: float
    reason: str


@dataclass(frozen=True)
class Timeline:
    """The scores of W windows of one video, in seconds from its first frame.

    A window in a gap has nan.
    """

    video: str
    windows: np.ndarray  # (W, 2) float64
    probabilities: np.ndarray  # (W, K) float32
    class_names: tuple[str, ...]
    duration: float
    gaps: tuple[Gap, ...] = ()
    decoded: int = 0  # frames
    remarks: tuple[Remark, ...] = ()  # what is unusual about the video
    scales: tuple[ScaleScores, ...] = ()  # of windows of several lengths, which are combined above

    def save(self, path: Path) -> None:
        """Write the arrays as ``starts``, ``ends``, ``probabilities``, ``class_names``.

        Those of each of several scales too, as ``starts_x2``, ``ends_x2``, ``probabilities_x2``.
        """
        of_scales: dict[str, Any] = {}
        for factor, windows, found in self.scales:
            of_scales[f"starts_x{factor:g}"] = windows[:, 0]
            of_scales[f"ends_x{factor:g}"] = windows[:, 1]
            of_scales[f"probabilities_x{factor:g}"] = found
        with write_atomically(path, "wb") as file:
            np.savez_compressed(
                file,
                starts=self.windows[:, 0],
                ends=self.windows[:, 1],
                probabilities=self.probabilities,
                class_names=np.array(self.class_names, dtype=np.str_),
                duration=self.duration,
                video=np.array(self.video.encode("utf-8", "replace").decode(), dtype=np.str_),
                **of_scales,
            )


def read_timeline(path: Path) -> Timeline:
    """The timeline that ``save`` has written, without its gaps, ``decoded``, remarks and scales.

    Raises:
        TimelineError: it is not one.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            windows = np.stack([found["starts"], found["ends"]], axis=1)
            names = tuple(str(name) for name in found["class_names"])
            return Timeline(
                str(found["video"]),
                windows,
                found["probabilities"],
                names,
                float(found["duration"]),
            )
    except (OSError, *NPZ_ERRORS) as error:
        raise TimelineError(
            f"{printable(path)} is not a file of scores ({error}); run timesformer detect again"
        ) from error


def find_gaps(
    seconds: np.ndarray, frame_seconds: float, errors: Sequence[str], promised: int
) -> tuple[Gap, ...]:
    """Parts of a damaged video in which no frame is shown.

    Args:
        seconds: (N,) times of the frames that could be decoded.
        frame_seconds: how long one is shown.
        errors: why packets could not be decoded; without any there are no gaps.
        promised: frames that there should be; those that lack at the end are a gap too.
    """
    if not errors:
        return ()
    ends = seconds + frame_seconds
    holes = np.flatnonzero(seconds[1:] - ends[:-1] > frame_seconds)
    gaps = [Gap(float(ends[i]), float(seconds[i + 1]), errors[0]) for i in holes]
    lost = (promised - len(seconds)) * frame_seconds - sum(gap.end - gap.start for gap in gaps)
    if lost > frame_seconds:
        gaps.append(Gap(float(ends[-1]), float(ends[-1] + lost), errors[-1]))
    return tuple(gaps)


def in_gaps(windows: np.ndarray, gaps: Sequence[Gap]) -> np.ndarray:
    """Whether more than a tenth of each window (W, 2) lies in a gap, (W,) bool."""
    lost = np.zeros(len(windows))
    for gap in gaps:
        inside = np.minimum(windows[:, 1], gap.end) - np.maximum(windows[:, 0], gap.start)
        lost += np.maximum(inside, 0)
    return np.asarray(lost > 0.1 * (windows[:, 1] - windows[:, 0]))
