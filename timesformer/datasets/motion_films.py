"""Long films of the motion classes: actions of varying length, with background between them.

A film is a sequence of shots, and a shot is one texture: background, an action, background. So every
cut between two shots lies within background, and the texture does not tell where an action starts.

An action is one glide of a digit in one direction at the speed of the clips. It holds a clip from edge
to edge, and continues before and after it by random amounts, at most until the digit's centre is at the
border of the frame. So every window of one clip's length within an action shows a glide at that speed.
(A digit that wraps around would not do: half of a pass and half of the next, in this order, show the
digit first near the end of its path and then near the beginning, as clips of the opposite class do.)

Background is, in turns drawn at random, one colour, a texture, a digit that stands still, or a digit
that jumps from place to place.
"""

import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from timesformer.datasets.motion import (
    CLASSES,
    FRAME_RATE,
    Frames,
    Recipe,
    Scene,
    draw_scene,
    moved,
    picture,
    quantised,
    split_digits,
    write_video,
)
from timesformer.errors import InputError
from timesformer.files import write_atomically
from timesformer.io.json_text import json_text
from timesformer.io.terminal import hides_bars
from timesformer.runtime.processes import process_pool

FOLDER = "untrimmed"
ANNOTATIONS = "untrimmed.json"  # written last: its presence says that the films are whole
FORMAT = 1  # raise it when the same arguments give other films than before
SUBSETS = ("validation", "training")  # films take turns; each has the digits of its split of clips
SPLIT_OF = {"training": 0, "validation": 1}  # the index in motion.SPLITS
STREAM = 3  # of random numbers; 0, 1 and 2 are those of the clips

PIECE = (0.5, 1.5)  # clips: the length of one piece of background
STAY = (3, 6)  # frames that a jumping digit stays at one place
LONGEST_SHOT = 7  # clips: no shot is longer


class FilmRecipe(NamedTuple):
    """The arguments that decide the content of the films; ``clips`` are those of the data set."""

    clips: Recipe
    num_films: int
    seconds: float  # of each film

    @property
    def num_frames(self) -> int:
        """Frames of one film."""
        return round(self.seconds * FRAME_RATE)

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the content, for the file of annotations."""
        clips = self.clips
        content = {"size": clips.size, "num_frames": clips.num_frames, "seed": clips.seed}
        return {"format": FORMAT, "films": self.num_films, "seconds": self.seconds, **content}


class Action(NamedTuple):
    """A glide of class ``label``, in frames [``first``, ``end``) of the film."""

    label: int
    first: int
    end: int


class Piece(NamedTuple):
    """Successive frames of a film: an action of class ``label``, or background where it is None."""

    frames: Frames  # (N, S, S, 3)
    label: int | None = None


def make_films(root: Path, recipe: FilmRecipe, *, num_workers: int) -> bool:
    """Write all films, then their annotations; False if the same films are complete already.

    An interrupted run leaves no annotations behind and is repeated from the start.

    Raises:
        InputError: the folder holds other films. Also that of ``check_length``.
    """
    check_length(recipe)
    path = root / ANNOTATIONS
    if path.exists():
        found = _facts(path)
        if found != recipe.facts:
            raise InputError(
                f"{path} is of the films {json.dumps(found)}, not {json.dumps(recipe.facts)}; choose "
                f"another folder, or delete this file and {root / FOLDER}"
            )
        return False
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    with process_pool(num_workers) as pool:
        films = pool.map(partial(write_film, root, recipe), range(recipe.num_films))
        bar = partial(tqdm, total=recipe.num_films, unit="film", disable=hides_bars())
        actions = list(bar(films))
    with write_atomically(path) as file:
        file.write(f"{json_text(annotations(recipe, actions))}\n")
    return True


def check_length(recipe: FilmRecipe) -> None:
    """Raise an InputError if a film cannot hold a shot."""
    shortest = LONGEST_SHOT * recipe.clips.num_frames / FRAME_RATE
    if not shortest <= recipe.seconds < math.inf:
        raise InputError(
            f"--film-seconds {recipe.seconds:g} cannot be: an action of clips of "
            f"{recipe.clips.num_frames} frames and its background take up to {shortest:g} seconds; "
            "give that or more"
        )


def film_name(index: int) -> str:
    """The name of a film in the annotations; its file is FOLDER/<name>.mp4."""
    return f"film_{index:04d}"


def subset_of(index: int) -> str:
    """The subset of film ``index``, which does not depend on how many there are."""
    return SUBSETS[index % len(SUBSETS)]


def annotations(recipe: FilmRecipe, films: list[tuple[Action, ...]]) -> dict[str, Any]:
    """The actions of all films in the layout of ActivityNet; times are seconds."""
    root = {"nodeName": "Root", "nodeId": 0, "parentName": None, "parentId": None}
    nodes = [
        {"nodeName": name, "nodeId": node, "parentName": "Root", "parentId": 0}
        for node, name in enumerate(CLASSES, start=1)
    ]
    database = {
        film_name(index): {
            "subset": subset_of(index),
            "duration": recipe.num_frames / FRAME_RATE,
            "annotations": [
                {
                    "label": CLASSES[action.label],
                    "segment": [action.first / FRAME_RATE, action.end / FRAME_RATE],
                }
                for action in actions
            ],
        }
        for index, actions in enumerate(films)
    }
    return {
        "version": "films of the motion data set",
        "recipe": recipe.facts,
        "taxonomy": [root, *nodes],
        "database": database,
    }


def write_film(root: Path, recipe: FilmRecipe, index: int) -> tuple[Action, ...]:
    """Encode film ``index``; returns its actions."""
    actions = []

    def frames() -> Iterator[Frames]:
        length = 0
        for piece in draw_film(recipe, index):
            end = length + len(piece.frames)
            if piece.label is not None:
                actions.append(Action(piece.label, length, end))
            length = end
            yield from piece.frames

    write_video(root / FOLDER / f"{film_name(index)}.mp4", frames())
    return tuple(actions)


def draw_film(recipe: FilmRecipe, index: int) -> Iterator[Piece]:
    """Film ``index`` piece by piece: shots as long as they fit, then background."""
    rng = np.random.default_rng([recipe.clips.seed, STREAM, index])
    studio = Studio(rng, recipe.clips, split_digits(SPLIT_OF[subset_of(index)]))
    rest = recipe.num_frames
    for label in studio.labels():
        shot = studio.shot(label)
        length = sum(len(piece.frames) for piece in shot)
        if length > rest:
            break
        yield from shot
        rest -= length
    if rest:
        yield studio.background(studio.scene(axis=0), rest)


class Studio:
    """Draws what a film shows, in an order that the random numbers decide."""

    def __init__(self, rng: np.random.Generator, recipe: Recipe, digits: np.ndarray) -> None:
        self._rng = rng
        self._recipe = recipe
        self._digits = digits
        self._kinds = (self._blank, self._texture, self._still, self._jumping)

    def labels(self) -> Iterator[int]:
        """Classes without end; each comes once in every four."""
        while True:
            yield from self._rng.permutation(len(CLASSES)).tolist()

    def scene(self, *, axis: int) -> Scene:
        """A scene as those of the clips."""
        return draw_scene(self._rng, size=self._recipe.size, axis=axis, digits=self._digits)

    def shot(self, label: int) -> tuple[Piece, Piece, Piece]:
        """Background, an action of class ``label``, and background, of one texture."""
        scene = self.scene(axis=label // 2)
        before, after = (self._short_background(scene) for _ in range(2))
        action = Piece(self._glide(scene, backwards=label % 2 == 1), label)
        return before, action, after

    def background(self, scene: Scene, length: int) -> Piece:
        """``length`` frames without an action, of the texture of ``scene``."""
        other = self.scene(axis=0)._replace(background=scene.background)
        kind = self._kinds[self._rng.integers(len(self._kinds))]
        return Piece(kind(other, length))

    def _short_background(self, scene: Scene) -> Piece:
        shortest, longest = (round(each * self._recipe.num_frames) for each in PIECE)
        return self.background(scene, int(self._rng.integers(shortest, longest + 1)))

    def _glide(self, scene: Scene, *, backwards: bool) -> Frames:
        """The digit in motion, with up to as many more frames as its centre is within the frame."""
        start, end = scene.path
        step = (end - start) / (self._recipe.num_frames - 1)
        room = (start / step, (self._recipe.size - end) / step)  # frames before and after the clip
        before, after = (int(self._rng.integers(int(frames) + 1)) for frames in room)
        places = start + step * np.arange(-before, self._recipe.num_frames + after)
        frames = np.stack([moved(scene, place) for place in places])
        return frames[::-1] if backwards else frames

    def _blank(self, scene: Scene, length: int) -> Frames:
        colour = self._rng.integers(256, size=3, dtype=np.uint8)
        return np.broadcast_to(colour, (length, *scene.background.shape))

    def _texture(self, scene: Scene, length: int) -> Frames:
        return np.broadcast_to(quantised(scene.background), (length, *scene.background.shape))

    def _still(self, scene: Scene, length: int) -> Frames:
        return np.broadcast_to(self._anywhere(scene), (length, *scene.background.shape))

    def _jumping(self, scene: Scene, length: int) -> Frames:
        frames = np.empty((length, *scene.background.shape), np.uint8)
        first = 0
        while first < length:
            stay = int(self._rng.integers(STAY[0], STAY[1] + 1))
            frames[first : first + stay] = self._anywhere(scene)
            first += stay
        return frames

    def _anywhere(self, scene: Scene) -> Frames:
        """The digit somewhere within the frame."""
        x, y = self._rng.uniform(scene.side / 2, self._recipe.size - scene.side / 2, size=2)
        return picture(scene, x=x, y=y)


def _facts(path: Path) -> Any:
    """What decided the content of the films that are there."""
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("recipe")
    except (ValueError, AttributeError):
        return None
