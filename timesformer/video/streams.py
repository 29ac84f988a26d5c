"""Which stream of a container is the video, and what to know before its frames are used."""

from typing import Any

import av
import numpy as np

from timesformer.video.remarks import DAMAGED, HDR, ROTATED, UNEVEN, Remark
from timesformer.video.timeline import StreamHeader, Timeline

WITHOUT_TIMES = ("avi",)  # containers (FFmpeg's names) that store no presentation times
_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics (ITU-T H.273)
_DEFAULT = int(av.stream.Disposition.default)
_PICTURE = int(av.stream.Disposition.attached_pic)


def choose_stream(container: "av.container.InputContainer") -> "av.VideoStream | None":
    """The video stream that every reader takes; None if there is none.

    A cover picture is not a video, unless there is nothing else. Of several streams the one that is
    flagged as default comes first, then the one with the most pixels, then the first.
    """

    def order(stream: "av.VideoStream") -> tuple[bool, bool, int]:
        flags = int(stream.disposition)
        context = stream.codec_context
        pixels = (context.width or 0) * (context.height or 0) if context is not None else 0
        return bool(flags & _PICTURE), not flags & _DEFAULT, -pixels

    return min(container.streams.video, key=order, default=None)


def read_header(container: "av.container.InputContainer", stream: "av.VideoStream") -> StreamHeader:
    """What the container says of ``stream``."""
    guessed = float(stream.guessed_rate or stream.average_rate or 0)
    return StreamHeader(
        frames=stream.frames or 0,
        duration=stream.duration or 0,
        fps=float(stream.average_rate or stream.guessed_rate or 0),
        nominal_fps=guessed,
        tick_seconds=float(stream.time_base or 0),
        has_times=container.format.name not in WITHOUT_TIMES,
    )


def display_matrix(frame: "av.VideoFrame") -> np.ndarray | None:
    """(2, 2) of -1, 0 and 1 that takes stored (x, y) to shown (x, y); None: as stored.

    Only quarter turns and mirrors are known; any other angle counts as stored.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    values = np.frombuffer(data, dtype=np.int32).reshape(3, 3)[:2, :2]
    matrix: np.ndarray = np.rint(values / 65536).astype(int).T  # FFmpeg multiplies rows
    is_turn = (
        np.array_equal(np.abs(matrix).sum(axis=0), [1, 1]) and abs(int(matrix[0] @ matrix[1])) == 0
    )
    if not is_turn or np.array_equal(matrix, np.eye(2)):
        return None
    return matrix


def turn(images: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Images (N, H, W, 3) as they are to be shown, by ``display_matrix``."""
    if matrix[0, 0] == 0:  # x comes from y
        images = images.transpose(0, 2, 1, 3)
        across, down = matrix[0, 1], matrix[1, 0]
    else:
        across, down = matrix[0, 0], matrix[1, 1]
    images = images[:, :: int(down), :: int(across)]
    return np.ascontiguousarray(images)


def describe_turn(matrix: np.ndarray) -> str:
    """``matrix`` in words: the angle by which a player turns the frame, clockwise, and mirroring."""
    is_mirrored = round(np.linalg.det(matrix)) < 0
    turned = matrix @ np.diag([-1, 1]) if is_mirrored else matrix
    angle = round(np.degrees(np.arctan2(turned[1, 0], turned[0, 0]))) % 360
    parts = [f"{angle} degrees clockwise"] * bool(angle) + ["mirrored"] * is_mirrored
    return " and ".join(parts) or "nothing"


def remarks(
    timeline: Timeline,
    *,
    transfer: int,
    matrix: np.ndarray | None,
    errors: int = 0,
    reason: str = "",
) -> tuple[Remark, ...]:
    """What to know about a video.

    Args:
        timeline: of its frames.
        transfer: its transfer characteristics, as FFmpeg counts them.
        matrix: of ``display_matrix``, where the frames were not turned by it.
        errors: packets that could not be decoded.
        reason: of the first of them.
    """
    found = []
    if not timeline.is_even:
        steps = np.diff(timeline.seconds)
        apart = f"frames are {steps.min():.3g} to {steps.max():.3g} s apart"
        found.append(Remark(UNEVEN, f"{apart}; clips cover seconds, not a number of frames"))
    if matrix is not None:
        how = f"a player turns it by {describe_turn(matrix)}"
        found.append(Remark(ROTATED, f"{how}; it is used as stored (DATA.APPLY_ROTATION False)"))
    if transfer in _HDR:
        found.append(Remark(HDR, f"{_HDR[transfer]}; brightness is used as stored, and looks pale"))
    if errors:
        found.append(Remark(DAMAGED, f"{errors} packets cannot be decoded, the first: {reason}"))
    return tuple(found)
