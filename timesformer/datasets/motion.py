"""Motion data set: handwritten digits that glide over textures; the class is the direction.

Every class is another one played backwards, so only the order of the frames tells them
apart.  Each scene is written twice, forwards and exactly reversed: a model that is blind
to frame order answers the same for both and is right on at most one of the two, provided
that it samples frames that lie symmetrically in the video (frame i with frame N - 1 - i).
"""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from tqdm import tqdm

from timesformer.errors import InputError
from timesformer.files import write_atomically
from timesformer.io.terminal import hides_bars
from timesformer.runtime.processes import process_pool
from timesformer.video.encode import write_h264

CLASSES = ("right", "left", "down", "up")  # 2k and 2k + 1 are each other's reversal
SPLITS = ("train", "val", "test")
FORMAT = 1  # raise it when the same arguments give other videos than before
COMPLETE = "motion.json"  # written last: its presence says that the set is whole

DIGIT_SIDE = (0.42, 0.54)  # side of a digit, as a fraction of the frame
BLANK_MARGIN = 0.1  # of a digit's side, may leave the frame: scans have empty borders
END_ZONE = 0.12  # a path starts and ends within this distance of its outermost positions
INK_BRIGHTNESS = (215.0, 255.0)
TEXTURE_BRIGHTNESS = (30.0, 100.0)
TEXTURE_OCTAVES = (2, 4, 8, 16)  # cells a side
TEXTURE_LUMA, TEXTURE_CHROMA = 12.0, 7.0  # grey levels of one octave, standard deviation

FRAME_RATE = 30
# Key frames of constant quantiser: prediction between frames would betray the order of
# encoding, and a reversed video would not decode to exactly the reversed frames.
ENCODER = {"g": "1", "qp": "28", "preset": "veryfast", "tune": "fastdecode", "threads": "1"}

Frames = NDArray[np.uint8]  # RGB
Image = NDArray[np.float32]


class Recipe(NamedTuple):
    """The arguments that decide the content of a set; counts are videos per split."""

    train: int
    val: int
    test: int
    size: int
    num_frames: int
    seed: int


class Scene(NamedTuple):
    """What a video and its reversal show; all but ``axis`` is drawn independently of the class."""

    background: Image  # (S, S, 3)
    digit: Image  # (8, 8) in [0, 1]
    colour: Image  # (3,)
    side: float  # of the digit, pixels
    path: tuple[float, float]  # first and last centre along the axis of motion, pixels
    lane: float  # centre across the axis of motion, pixels
    axis: int  # 0 moves along x, 1 along y


class Pair(NamedTuple):
    """The two videos of one scene: number ``index`` of a split, forwards and reversed."""

    root: Path
    recipe: Recipe
    split: int
    index: int  # type: ignore[assignment]  # hides tuple.index

    @property
    def labels(self) -> tuple[int, int]:
        """Classes take turns, so counts that are multiples of four are balanced."""
        forward = 2 * (self.index % (len(CLASSES) // 2))
        return forward, forward + 1

    @property
    def paths(self) -> tuple[str, str]:
        """Files, relative to the root."""
        folder = SPLITS[self.split]
        return f"{folder}/{2 * self.index:05d}.mp4", f"{folder}/{2 * self.index + 1:05d}.mp4"


def make_dataset(root: Path, recipe: Recipe, *, num_workers: int) -> bool:
    """Write all videos, then the lists; False if the same set is complete already.

    An interrupted run leaves no lists behind and is repeated from the start.

    Raises:
        InputError: the folder holds another set.
    """
    facts = json.dumps({"format": FORMAT, **recipe._asdict()})
    if (root / COMPLETE).exists():
        found = (root / COMPLETE).read_text().strip()
        if found != facts:
            remedy = "choose another folder or delete this one"
            raise InputError(f"{root} holds the set {found}, not {facts}; {remedy}")
        return False
    pairs = []
    for split, name in enumerate(SPLITS):
        (root / name).mkdir(parents=True, exist_ok=True)
        pairs += [Pair(root, recipe, split, i) for i in range(getattr(recipe, name) // 2)]
    with process_pool(num_workers) as pool:
        scenes = pool.map(write_pair, pairs, chunksize=8)
        list(tqdm(scenes, total=len(pairs), unit="scene", disable=hides_bars()))
    write_lists(root, pairs)
    write_text(root / COMPLETE, [facts])
    return True


def write_pair(pair: Pair) -> None:
    """Encode the scene of a pair and its time-reversal."""
    recipe, (forward, _) = pair.recipe, pair.labels
    rng = np.random.default_rng([recipe.seed, pair.split, pair.index])
    digits = split_digits(pair.split)
    scene = draw_scene(rng, size=recipe.size, axis=forward // 2, digits=digits)
    frames = render(scene, np.linspace(0, 1, recipe.num_frames))
    for path, content in zip(pair.paths, (frames, frames[::-1]), strict=True):
        write_video(pair.root / path, content)


def draw_scene(rng: np.random.Generator, *, size: int, axis: int, digits: Image) -> Scene:
    """A random scene; mirrored, it would have been exactly as likely."""
    side = size * rng.uniform(*DIGIT_SIDE)
    near = side * (0.5 - BLANK_MARGIN)
    far = size - near
    return Scene(
        background=texture(rng, size),
        digit=digits[rng.integers(len(digits))],
        colour=rng.uniform(*INK_BRIGHTNESS, size=3).astype(np.float32),
        side=side,
        path=(near + size * rng.uniform(0, END_ZONE), far - size * rng.uniform(0, END_ZONE)),
        lane=rng.uniform(near, far),
        axis=axis,
    )


def texture(rng: np.random.Generator, size: int) -> Image:
    """Coloured noise of several scales, (S, S, 3)."""
    image = np.empty((size, size, 3), np.float32)
    image[:] = rng.uniform(*TEXTURE_BRIGHTNESS, size=3)
    for cells in TEXTURE_OCTAVES:
        luma = rng.normal(0, TEXTURE_LUMA, size=(cells, cells, 1))
        chroma = rng.normal(0, TEXTURE_CHROMA, size=(cells, cells, 3))
        noise = (luma + chroma).astype(np.float32)
        image += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return image


@cache
def split_digits(split: int) -> Image:
    """The scikit-learn scans that one split shows and no other does, (N, 8, 8) in [0, 1]."""
    scans: Image = (load_digits().images / 16).astype(np.float32)
    return scans[split :: len(SPLITS)]


def render(scene: Scene, times: NDArray[np.float64]) -> Frames:
    """Frames of a scene at ``times`` in [0, 1], (T, S, S, 3)."""
    start, end = scene.path
    return np.stack([moved(scene, start + (end - start) * time) for time in times])


def moved(scene: Scene, centre: float) -> Frames:
    """The frame of a scene whose digit is at ``centre`` along the axis of motion, (S, S, 3)."""
    x, y = (centre, scene.lane) if scene.axis == 0 else (scene.lane, centre)
    return picture(scene, x=x, y=y)


def picture(scene: Scene, *, x: float, y: float) -> Frames:
    """The frame of a scene whose digit is centred on (x, y), (S, S, 3)."""
    size = len(scene.background)
    ink = place(scene.digit, size=size, side=scene.side, x=x, y=y)[..., None]
    return quantised(scene.background * (1 - ink) + scene.colour * ink)


def quantised(image: Image) -> Frames:
    """An image as bytes."""
    return image.clip(0, 255).astype(np.uint8)


def place(digit: Image, *, size: int, side: float, x: float, y: float) -> Image:
    """A digit smoothly enlarged to ``side`` pixels and centred on (x, y), (S, S) in [0, 1]."""
    scale = side / len(digit)
    corner = -scale * (len(digit) - 1) / 2 - 0.5  # pixel centres have whole coordinates
    matrix = np.array([[scale, 0, x + corner], [0, scale, y + corner]])
    ink = cv2.warpAffine(digit, matrix, (size, size), flags=cv2.INTER_CUBIC)
    clipped: Image = ink.clip(0, 1)
    return clipped


def write_video(path: Path, frames: Iterable[Frames]) -> None:
    """Encode frames, (N, S, S, 3), as H.264."""
    pictures = (
        av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24") for frame in frames
    )
    write_h264(path, pictures, options=ENCODER, rate=FRAME_RATE)


def write_lists(root: Path, pairs: Sequence[Pair]) -> None:
    """One csv per split, and the class names."""
    for split, name in enumerate(SPLITS):
        chosen = [pair for pair in pairs if pair.split == split]
        rows = [row for pair in chosen for row in zip(pair.paths, pair.labels, strict=True)]
        write_text(root / f"{name}.csv", [f"{path} {label}" for path, label in rows])
    write_text(root / "classes.txt", CLASSES)


def write_text(path: Path, lines: Sequence[str]) -> None:
    """Write a whole file or none."""
    with write_atomically(path) as file:
        file.write("".join(f"{line}\n" for line in lines))
